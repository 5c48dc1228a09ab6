"""An entry's fill opens a position with the exits that its strategy asks for, or adds to the one that is open (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.exits.model import ExitRules
from hookfill.exits.rules import initial_levels, rules_to_json
from hookfill.exits.timing import timed
from hookfill.market.model import Instrument
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill, open_position
from hookfill.positions.model import Position


@dataclass(frozen=True, slots=True)
class Opening:
    """What an entry asks for, whenever and in how many parts it fills.

    Attributes:
        position_id: of the position that it opens where there is none.
        instrument: with a multiplier that gives amounts in the account's currency.
        rules: the strategy's exits.
        stop, target: the alert's own levels; they win over the rules.
        terms: of an option what its price is made of.
    """

    position_id: UUID
    strategy_id: UUID
    symbol: str
    instrument: Instrument
    side: Side
    rules: ExitRules
    stop: Decimal | None = None
    target: Decimal | None = None
    terms: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """One fill of an entry: its size, price and commission, when it counts as having happened, and the market's price then."""

    quantity: Decimal
    price: Decimal
    fee: Decimal
    at: datetime
    mark: Decimal
    marked_at: datetime


def enter(position: Position | None, asked: Opening, filled: Filled, *, is_new_entry: bool = True) -> Position:
    """The position after a fill of an entry.

    A position keeps the multiplier of its first fill, and with it the rate of exchange at which it was opened. An alert's own
    levels take the place of the position's once, with the first fill: what has moved the stop since then keeps it.

    Args:
        position: the strategy's open one in the symbol, on the entry's side; None: there is none.
        is_new_entry: False for a further fill of an entry that is counted already.
    """
    if position is None:
        return _open(asked, filled)
    grown, _ = apply_fill(position, asked.side, filled.quantity, filled.price, filled.fee, at=filled.at, is_new_entry=is_new_entry)
    if not is_new_entry:
        return grown
    return replace(
        grown,
        stop_price=asked.stop if asked.stop is not None else grown.stop_price,
        target_price=asked.target if asked.target is not None else grown.target_price,
    )


def _open(asked: Opening, filled: Filled) -> Position:
    levels = initial_levels(
        asked.side, filled.price, asked.instrument, asked.rules, alert_stop=asked.stop, alert_target=asked.target
    )
    opened = open_position(
        position_id=asked.position_id,
        strategy_id=asked.strategy_id,
        symbol=asked.symbol,
        side=asked.side,
        quantity=filled.quantity,
        price=filled.price,
        multiplier=asked.instrument.multiplier,
        commission=filled.fee,
        at=filled.at,
    )
    contract = asked.instrument.option
    if contract is not None:
        opened = replace(opened, underlying=contract.underlying, terms=asked.terms)
    guarded = replace(
        opened,
        stop_price=levels.stop,
        target_price=levels.target,
        initial_risk=levels.initial_risk,
        exits=rules_to_json(asked.rules),
        targets=levels.targets,
        # At the market, not at what the entry paid: else an exit a moment later would be dealt at the worsened price.
        mark=filled.mark,
        marked_at=filled.marked_at,
    )
    return timed(guarded, asked.rules, asked.instrument)
