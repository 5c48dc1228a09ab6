"""What an account holds that prices can change: open positions, entries that rest, and the same of its shadow book."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.brokers.paper.rest import RestingOrder
from hookfill.desk.contracts import priced_by
from hookfill.desk.experiments import NOTHING, open_shadow
from hookfill.desk.resting_store import resting_orders
from hookfill.desk.trial import Shadow
from hookfill.market.model import Quote
from hookfill.positions.model import Position, Target
from hookfill.postgres.sql import load
from hookfill.signals.model import Signal

SQL = load(__package__)


@dataclass(frozen=True, slots=True)
class Held:
    """What prices can change: the account's open positions and entries that rest, and those of its shadow book."""

    positions: tuple[Position, ...]
    resting: tuple[RestingOrder, ...]
    shadow: Shadow

    @property
    def all_positions(self) -> list[Position]:
        """The shadow's, too."""
        return [*self.positions, *chain.from_iterable(self.shadow.positions.values())]

    @property
    def all_resting(self) -> list[RestingOrder]:
        """The shadow's, too."""
        return [*self.resting, *chain.from_iterable(self.shadow.orders.values())]

    @property
    def symbols(self) -> set[str]:
        """What they are in."""
        return {position.symbol for position in self.all_positions} | {order.symbol for order in self.all_resting}


async def read_held(connection: asyncpg.Connection, account_row: Mapping[str, Any]) -> Held:
    """What a locked account holds."""
    account_id: UUID = account_row["account_id"]
    positions = await _positions(connection, account_id)
    resting = await resting_orders(connection, account_row)
    return Held(positions, resting, await open_shadow(connection, account_id) if account_row["has_shadow"] else NOTHING)


async def _positions(connection: asyncpg.Connection, account_id: UUID) -> tuple[Position, ...]:
    rows = await connection.fetch(SQL.open_positions.sql, account_id)
    return tuple(position_from(row) for row in rows)


def position_from(row: Mapping[str, Any]) -> Position:
    """A position from its row."""
    values = dict(row)
    values.pop("account_id")
    values.pop("updated_at")
    targets = [Target(one["number"], *(Decimal(one[name]) for name in ("price", "percent", "of"))) for one in values.pop("targets")]
    return Position(targets=tuple(targets), **values)


def spans(
    signals: Sequence[Signal],
    held: Held,
    rates: Iterable[str],
    quotes: Mapping[str, Quote],
    horizon: datetime,
) -> dict[str, datetime]:
    """From when on bars matter, per symbol.

    Since a position was last marked, an order that rests was last looked at, or a signal that is older than its quote, or than the
    rates that convert its amounts.
    """
    sinces: dict[str, datetime] = {}

    def widen(symbol: str, since: datetime) -> None:
        sinces[symbol] = min(sinces.get(symbol, since), since)

    for position in held.all_positions:
        quote = quotes.get(position.priced_by)
        if quote is not None and min(quote.at, horizon) > position.marked_until:
            widen(position.priced_by, position.marked_until)
    for order in held.all_resting:
        quote = quotes.get(order.symbol)
        if quote is not None and min(quote.at, horizon) > order.seen_until:
            widen(order.symbol, order.seen_until)
    for signal in signals:
        for symbol in (priced_by(signal.alert.symbol), *rates):
            quote = quotes.get(symbol)
            if quote is not None and quote.at > signal.as_of:
                widen(symbol, signal.as_of)
    return sinces
