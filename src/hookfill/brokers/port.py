"""What a broker can be asked for, whichever it is; one conformance suite holds all of them to it.

The rule behind it: the same ``client_order_id`` is the same order, however often it is submitted. What an answer that never came
meant is found out by looking, so every way in which a call can fail says whether something may have been done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from hookfill.kernel.errors import HookfillError
from hookfill.kernel.money import ZERO

_NEVER = datetime.min.replace(tzinfo=UTC)


class Standing(StrEnum):
    """How an order stands; all but the first are ends."""

    WORKING = "working"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    FILLED = "filled"


_RANK = {standing: rank for rank, standing in enumerate(Standing)}


@dataclass(frozen=True, slots=True)
class Ask:
    """An order to be made.

    Attributes:
        client_order_id: ours, the same for good; at most 48 characters.
        symbol: as the broker calls it.
        side: ``buy`` or ``sell``.
        quantity: shares, coins, contracts or lots, positive.
        order_type: ``market``, ``limit`` or ``stop``.
        price: the limit, or the level of the stop; None at the market.
        time_in_force: ``day`` or ``gtc``.
        stop_loss, take_profit: what the broker itself shall guard the position with, where it can.
    """

    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    order_type: str = "market"
    price: Decimal | None = None
    time_in_force: str = "day"
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order as the broker last told of it.

    Attributes:
        filled: how much in all, not negative.
        price: volume-weighted over all of it; None while nothing is filled.
        at: when it last changed (UTC); None if the broker did not say.
        text: the broker's own words, if it ended unfilled.
        legs: the orders that guard what it opened, where the broker keeps such.
    """

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: str
    standing: Standing
    quantity: Decimal
    filled: Decimal = ZERO
    price: Decimal | None = None
    at: datetime | None = None
    text: str | None = None
    order_type: str = "market"
    legs: "tuple[OrderState, ...]" = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come of it."""
        return self.standing is not Standing.WORKING


def merge(one: OrderState, other: OrderState) -> OrderState:
    """What two tidings of one order make together, whichever came first and however often.

    What is filled only grows and an end is final, so the larger of each is the newer; a filled order was never cancelled.
    """
    front = max(one, other, key=lambda state: (state.filled, state.at or _NEVER, _RANK[state.standing], len(state.legs)))
    standing = max(one.standing, other.standing, key=_RANK.__getitem__)
    legs = max(one.legs, other.legs, key=len)
    return replace(front, standing=standing, text=front.text or one.text or other.text, legs=legs)


@dataclass(frozen=True, slots=True)
class Holding:
    """A position at the broker, all strategies together.

    Attributes:
        quantity: negative is short.
        available: how much of it no open order holds, not negative.
        unrealized: in account currency; None if the broker did not say.
        average_price, price: what was paid on average, and what it costs now; None if the broker did not say.
    """

    symbol: str
    quantity: Decimal
    available: Decimal
    unrealized: Decimal | None = None
    average_price: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Funds:
    """What an account is worth.

    Attributes:
        blocked: why it may not trade, in words; None when it may.
    """

    equity: Decimal
    currency: str
    blocked: str | None = None


class Unknown(HookfillError):
    """The broker did not say what came of it: it may have been done. Look before anything else."""


class NotNow(HookfillError):
    """The broker did not do it and may do it later; ``after_seconds`` is when, if it said so."""

    def __init__(self, text: str, after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.after_seconds = after_seconds


class Refused(HookfillError):
    """The broker did not do it and will not; the text holds its words."""


class KnownAlready(HookfillError):
    """The broker has an order of this ``client_order_id``: look it up."""


class Broker(Protocol):
    """One account at a broker."""

    async def submit(self, ask: Ask) -> OrderState:
        """Make an order.

        Raises:
            Unknown, NotNow, Refused, KnownAlready: as they say.
        """
        ...

    async def look(self, client_order_id: str) -> OrderState | None:
        """The order of this id; None when the broker has none now (one that was just sent may still appear).

        Raises:
            Unknown, NotNow: it can't be told now.
        """
        ...

    async def cancel(self, broker_order_id: str) -> None:
        """Ask to end an order; whether it ended is seen by looking. One that is over stays as it is.

        Raises:
            Unknown, NotNow: as they say.
        """
        ...

    async def positions(self) -> Sequence[Holding]:
        """All positions, those of other programs and people included.

        Raises:
            Unknown, NotNow: it can't be told now.
        """
        ...

    async def funds(self) -> Funds:
        """What the account is worth.

        Raises:
            Unknown, NotNow, Refused: it can't be told, now or at all.
        """
        ...
