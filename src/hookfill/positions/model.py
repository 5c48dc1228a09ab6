"""A position as a frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Target:
    """A partial target that is not taken yet: where the price reaches it, ``percent`` ÷ ``of`` of what is held is left.

    Attributes:
        number: its place among the strategy's partial targets, from 1.
        price: where it is taken.
        percent: its share of the whole position, in percent.
        of: what of the whole position is left before it, in percent: 100 for the first. Where both are the same, it takes the rest.
    """

    number: int
    price: Decimal
    percent: Decimal
    of: Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """One strategy's position in one symbol.

    Attributes:
        quantity: signed; negative is short, 0 when closed.
        average_price: of what is still open (10 places); ``cost`` is the exact Σ quantity·price behind it, positive on either side.
        multiplier: units per contract or lot.
        entries: how many entry orders built it (pyramiding).
        realized_pnl: gross of ``commission``, both in account currency, over the position's life.
        mark: the last price, true at ``marked_at``.
        marked_until: prices up to this moment have been accounted for.
        stop_price, target_price: exits in force; None if there is none.
        initial_risk: price distance from the first entry to its first stop (one R); None without a stop.
        best_price: the most favourable price seen since the entry (highest for long, lowest for short).
        trailing_stop: the trailing stop's level once armed.
        exits: the strategy's exit rules when the position was opened, JSON-ready; see ``exits.model``.
        targets: the partial targets that are not taken yet, nearest first.
        underlying: of an option the symbol whose price decides its own; None for all else.
        terms: of an option what its price is made of, JSON-ready; see ``desk.options``.
        leave_at: the moment from which on its time is up, ``leave_for`` which rule says so; None: no rule does.
        due_at: when something happens to it even if no price comes: ``leave_at``, or an option's end; None: never, or it was
            looked at already.
    """

    position_id: UUID
    strategy_id: UUID
    symbol: str
    quantity: Decimal
    average_price: Decimal
    cost: Decimal
    multiplier: Decimal
    entries: int
    opened_at: datetime
    mark: Decimal
    marked_at: datetime
    marked_until: datetime
    best_price: Decimal
    realized_pnl: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    initial_risk: Decimal | None = None
    trailing_stop: Decimal | None = None
    at_break_even: bool = False
    status: str = "open"
    closed_at: datetime | None = None
    exit_reason: str | None = None
    exits: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    underlying: str | None = None
    terms: Mapping[str, Any] | None = None
    leave_at: datetime | None = None
    leave_for: str | None = None
    due_at: datetime | None = None

    @property
    def priced_by(self) -> str:
        """The symbol whose prices mark it: its own, or its underlying's."""
        return self.symbol if self.underlying is None else self.underlying

    @property
    def side(self) -> int:
        """1 long, -1 short, 0 flat."""
        return (self.quantity > 0) - (self.quantity < 0)


MARKS = ("mark", "marked_at", "marked_until", "best_price", "stop_price", "trailing_stop", "at_break_even")
"""What prices alone change of a position."""
