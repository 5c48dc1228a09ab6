"""Reads and writes the entries that rest at one account on paper, under its lock."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hookfill.brokers.paper.rest import LIMIT, STOP, RestingOrder, Terms
from hookfill.desk.model import Outcome
from hookfill.desk.rows import Rested
from hookfill.kernel.lifecycle import ORDER, SIGNAL
from hookfill.kernel.money import ZERO, plain
from hookfill.kernel.reasons import Reason, explain
from hookfill.market.model import Quote
from hookfill.market.timeframes import TIMEFRAMES
from hookfill.orders.model import Side
from hookfill.postgres.sql import load

SQL = load(__package__, "resting.sql")
_SIGNAL_ENDS = {"filled": "executed", "cancelled": "failed", "expired": "expired"}
"""What becomes of a signal whose order ends so, with nothing filled but in the first case."""
_TIMEFRAMES = {seconds: name for name, seconds in TIMEFRAMES.items()}


async def resting_orders(connection: asyncpg.Connection, account_row: Mapping[str, Any]) -> tuple[RestingOrder, ...]:
    """What rests at an account, whose row says whether there is anything."""
    if not account_row["resting"]:
        return ()
    return tuple(_order(row) for row in await connection.fetch(SQL.resting_orders.sql, account_row["account_id"]))


async def with_volumes(connection: asyncpg.Connection, quotes: Mapping[str, Quote]) -> dict[str, Quote]:
    """Prices with the volume of the bars that they come from, for an account whose fills are bounded by it."""
    known = [(symbol, _TIMEFRAMES[quote.bar_seconds]) for symbol, quote in quotes.items() if quote.bar_seconds in _TIMEFRAMES]
    rows = await connection.fetch(SQL.volumes_of.sql, [symbol for symbol, _ in known], [timeframe for _, timeframe in known])
    return {**quotes, **{row["symbol"]: replace(quotes[row["symbol"]], volume=row["volume"]) for row in rows}}


async def apply_resting(connection: asyncpg.Connection, account_id: UUID, outcome: Outcome) -> None:
    """Write what changed of the entries that rest, in the transaction that holds the account's lock; their fills are written apart.

    Raises:
        asyncpg.UniqueViolationError: an order of the same cause is there already; nothing may be committed.
    """
    rested = outcome.rested
    orders = [one.order for one in rested]
    await connection.execute(
        SQL.apply_resting.sql,
        [order.order_id for order in orders],
        [one.is_new for one in rested],
        [order.client_order_id for order in orders],
        [order.signal_id for order in orders],
        [order.position_id for order in orders],
        [order.strategy_id for order in orders],
        [order.symbol for order in orders],
        [order.side.value for order in orders],
        [order.order_type for order in orders],
        [order.quantity for order in orders],
        [order.level if order.order_type == LIMIT else None for order in orders],
        [order.level if order.order_type == STOP else None for order in orders],
        [order.status for order in orders],
        [order.filled for order in orders],
        [order.average_price for order in orders],
        [order.time_in_force for order in orders],
        [order.expires_at for order in orders],
        [order.seen_until for order in orders],
        [orjson.dumps(_terms_to_json(order.terms)).decode() for order in orders],
        [order.as_of for order in orders],
        [None if one.reason is None else one.reason.value for one in rested],
        [_text(one) for one in rested],
        [_signal_status(one.order) for one in rested],
        account_id,
        outcome.resting,
    )


def _order(row: Mapping[str, Any]) -> RestingOrder:
    names = ("order_id", "client_order_id", "signal_id", "position_id", "strategy_id", "symbol", "order_type", "quantity")
    times = ("time_in_force", "as_of", "seen_until", "expires_at", "status", "spent", "fills")
    return RestingOrder(
        **{name: row[name] for name in (*names, *times)},
        side=Side(row["side"]),
        level=row["limit_price"] if row["order_type"] == LIMIT else row["stop_price"],
        terms=_terms_from(row["terms"]),
        filled=row["filled_quantity"],
        unwanted=_unwanted(row),
    )


def _unwanted(row: Mapping[str, Any]) -> Reason | None:
    if row["is_cancelled"]:
        return Reason.ORDER_CANCELLED
    if row["is_enabled"] is None:
        return Reason.STRATEGY_MISSING
    return None if row["is_enabled"] else Reason.STRATEGY_DISABLED


def _terms_to_json(terms: Terms) -> dict[str, object]:
    return {
        "multiplier": plain(terms.multiplier),
        "estimate": plain(terms.estimate),
        "stop": None if terms.stop is None else plain(terms.stop),
        "target": None if terms.target is None else plain(terms.target),
        "exits": dict(terms.exits),
        "extended_hours": terms.extended_hours,
    }


def _terms_from(stored: Mapping[str, Any]) -> Terms:
    levels = {name: None if stored[name] is None else Decimal(stored[name]) for name in ("stop", "target")}
    extended_hours = bool(stored.get("extended_hours"))  # older orders do not tell
    return Terms(
        Decimal(stored["multiplier"]), Decimal(stored["estimate"]), **levels, exits=stored["exits"], extended_hours=extended_hours
    )


def _text(one: Rested) -> str | None:
    """Why an order ended, and what of it had filled by then."""
    if one.reason is None:
        return None
    order, text = one.order, explain(one.reason, one.text or "")
    return text if order.filled == ZERO else f"{plain(order.filled)} of {plain(order.quantity)} filled. {text}"


def _signal_status(order: RestingOrder) -> str | None:
    """The end of the order's signal; None while the order may still fill."""
    if not ORDER.is_terminal(order.status):
        return None
    return SIGNAL.move("approved", "executed" if order.filled > ZERO else _SIGNAL_ENDS[order.status])
