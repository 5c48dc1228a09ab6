"""Writes what one account's fold returned: two or three statements, whatever the number of signals."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any

import asyncpg

from hookfill.accounts.trading import equity_minute
from hookfill.desk.abroad import apply_moves
from hookfill.desk.experiments import keep_shadow
from hookfill.desk.gather import SQL
from hookfill.desk.model import Outcome, Verdict
from hookfill.desk.price import alert_prices
from hookfill.desk.resting_store import apply_resting
from hookfill.desk.rows import Order
from hookfill.kernel.money import ZERO
from hookfill.market.store import keep_account_prices
from hookfill.positions.model import MARKS
from hookfill.postgres.sql import load
from hookfill.signals.codec import alert_to_json
from hookfill.signals.model import Alert

MARKING = load(__package__, "marks.sql")
_OF_ORDERS = [field.name for field in fields(Order) if field.name != "fills"]


async def apply(connection: asyncpg.Connection, outcome: Outcome) -> None:
    """Write an outcome inside the transaction that holds the account's lock.

    Raises:
        asyncpg.UniqueViolationError: an order of the same cause is there already; nothing may be committed.
    """
    account = outcome.account
    await _save_positions(connection, outcome)  # before the orders' readers could see an order without its position
    fills = [fill for order in outcome.orders for fill in order.fills]
    fills += [fill for end in outcome.moves.ends for fill in end.fills]
    fills += [fill for rested in outcome.rested for fill in rested.fills]
    await connection.execute(
        SQL.apply_outcome.sql,
        [_verdict_row(verdict) for verdict in outcome.verdicts],
        account.account_id,
        [_order_row(order) for order in outcome.orders],
        fills,
        outcome.halts,
        _point_at(outcome),
        outcome.equity,
        account.balance,
        account.cash,
        account.starting_cash,
        account.day,
        account.day_start_balance,
        account.day_realized,
        account.timeline_at,
    )
    if outcome.rested:
        await apply_resting(connection, account.account_id, outcome)
    if outcome.moves:
        await apply_moves(connection, account.account_id, outcome.moves)
    await keep_shadow(connection, account.account_id, outcome.shadow)
    if prices := alert_prices(outcome):
        await keep_account_prices(connection, account.account_id, prices)


async def _save_positions(connection: asyncpg.Connection, outcome: Outcome) -> None:
    """Those that prices have only marked, which are most, by a statement that writes no more than that."""
    marked = [position for position in outcome.positions if position.position_id in outcome.only_marked]
    traded = [position for position in outcome.positions if position.position_id not in outcome.only_marked]
    if traded:
        await connection.execute(SQL.save_positions.sql, outcome.account.account_id, traded)
    if marked:
        rows = [_row(position, ("position_id", *MARKS)) for position in marked]
        await connection.execute(MARKING.mark_positions.sql, rows, outcome.account.account_id)


def _point_at(outcome: Outcome) -> datetime | None:
    """The minute whose point of the equity curve this moves; None when nothing moved it."""
    at = outcome.account.timeline_at
    return equity_minute(at) if outcome.positions and at is not None else None


def _row(item: object, names: Iterable[str]) -> dict[str, Any]:
    """What a statement takes, by its columns' names."""
    return {name: getattr(item, name) for name in names}


def _verdict_row(verdict: Verdict) -> dict[str, Any]:
    asked = verdict.asked
    return {
        "signal_id": verdict.signal_id,
        "status": verdict.status,
        "reason": verdict.reason,
        "error_message": verdict.error_message,
        "fill_price": verdict.fill_price,
        "order_id": verdict.order_id,
        "attempts": verdict.attempts,
        "symbol": asked.symbol,
        "action": asked.action,
        "alert": alert_to_json(asked) if isinstance(asked, Alert) else None,
        "engine": verdict.engine,
        "trace": verdict.trace,
    }


def _order_row(order: Order) -> dict[str, Any]:
    row = _row(order, _OF_ORDERS)
    filled = sum((fill.quantity for fill in order.fills), ZERO)
    row["filled_quantity"] = filled
    if filled:
        row["average_fill_price"] = sum((fill.quantity * fill.price for fill in order.fills), ZERO) / filled
    return row
