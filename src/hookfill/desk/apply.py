"""Writes what one account's fold returned: two or three statements, whatever the number of signals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from hookfill.accounts.trading import equity_minute
from hookfill.desk.abroad import apply_moves
from hookfill.desk.experiments import keep_shadow
from hookfill.desk.gather import SQL
from hookfill.desk.model import Outcome
from hookfill.desk.price import alert_prices
from hookfill.desk.resting_store import apply_resting
from hookfill.kernel.money import ZERO, plain
from hookfill.market.store import keep_account_prices
from hookfill.positions.model import MARKS, Position, Target
from hookfill.postgres.sql import load
from hookfill.signals.codec import alert_to_json
from hookfill.signals.model import Alert

MARKING = load(__package__, "marks.sql")


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
        *_verdict_columns(outcome),
        account.account_id,
        *_explanation_columns(outcome),
        *_order_columns(outcome),
        *_columns(
            fills,
            "fill_id order_id position_id symbol side quantity price multiplier commission realized_pnl bar_low bar_high "
            "price_source filled_at adjustment",
        ),
        *_columns(outcome.halts, "halt_id strategy_id reason at"),
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
        await connection.execute(SQL.save_positions.sql, outcome.account.account_id, *_position_columns(traded))
    if marked:
        columns = _columns(marked, f"position_id {' '.join(MARKS)}")
        await connection.execute(MARKING.mark_positions.sql, *columns, outcome.account.account_id)


def _point_at(outcome: Outcome) -> datetime | None:
    """The minute whose point of the equity curve this moves; None when nothing moved it."""
    at = outcome.account.timeline_at
    return equity_minute(at) if outcome.positions and at is not None else None


def _columns(items: Sequence[Any], names: str) -> list[list[Any]]:
    """One array per attribute, in the order of the statement's parameters."""
    return [[getattr(item, name) for item in items] for name in names.split()]


def _verdict_columns(outcome: Outcome) -> list[list[Any]]:
    asked = [verdict.asked for verdict in outcome.verdicts]
    return [
        *_columns(outcome.verdicts, "signal_id status reason error_message fill_price order_id attempts"),
        [ask.symbol for ask in asked],
        [ask.action for ask in asked],
        [orjson.dumps(alert_to_json(ask)).decode() if isinstance(ask, Alert) else None for ask in asked],
    ]


def _explanation_columns(outcome: Outcome) -> list[list[Any]]:
    engines = [verdict.engine for verdict in outcome.verdicts]
    return [engines, [orjson.dumps(dict(verdict.trace)).decode() for verdict in outcome.verdicts]]


def _order_columns(outcome: Outcome) -> list[list[Any]]:
    orders = outcome.orders
    filled = [sum((fill.quantity for fill in order.fills), ZERO) for order in orders]
    spent = [sum((fill.quantity * fill.price for fill in order.fills), ZERO) for order in orders]
    return [
        *_columns(
            orders,
            "order_id client_order_id signal_id position_id strategy_id symbol side order_type purpose exit_reason quantity "
            "stop_price limit_price status broker_order_id",
        ),
        filled,
        [total / quantity if quantity else None for total, quantity in zip(spent, filled, strict=True)],
        [order.as_of for order in orders],
    ]


def _position_columns(held: Sequence[Position]) -> list[list[Any]]:
    columns = _columns(
        held,
        "position_id strategy_id symbol status quantity average_price cost multiplier entries realized_pnl commission mark "
        "marked_at marked_until stop_price target_price initial_risk best_price trailing_stop at_break_even",
    )
    columns.append([orjson.dumps(dict(position.exits)).decode() for position in held])
    columns += _columns(held, "opened_at closed_at exit_reason underlying")
    columns.append([None if position.terms is None else orjson.dumps(dict(position.terms)).decode() for position in held])
    columns.append([orjson.dumps([_target(target) for target in position.targets]).decode() for position in held])
    return columns + _columns(held, "leave_at leave_for due_at")


def _target(target: Target) -> dict[str, object]:
    return {"number": target.number, "price": plain(target.price), "percent": plain(target.percent), "of": plain(target.of)}
