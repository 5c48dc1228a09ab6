"""Reads orders and their fills back, as their owner sees them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.kernel.errors import HookfillError
from hookfill.kernel.lifecycle import ORDER
from hookfill.postgres.sql import load

SQL = load(__package__)

_ORDER = (
    "account_id",
    "strategy_id",
    "strategy_name",
    "signal_id",
    "position_id",
    "client_order_id",
    "symbol",
    "side",
    "order_type",
    "purpose",
    "exit_reason",
    "quantity",
    "limit_price",
    "stop_price",
    "time_in_force",
    "expires_at",
    "cancel_requested_at",
    "status",
    "filled_quantity",
    "average_fill_price",
    "reason",
    "as_of",
    "created_at",
)
_FILL = (
    "quantity",
    "price",
    "commission",
    "realized_pnl",
    "price_source",
    "bar_low",
    "bar_high",
    "filled_at",
    "created_at",
)


async def list_orders(
    connection: asyncpg.Connection,
    user_id: UUID,
    *,
    signal_id: UUID | None = None,
    status: str | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """A user's orders with their fills, newest first (by ``as_of``, the moment as of which they were made).

    Args:
        connection: any connection of ours.
        user_id: whose orders.
        signal_id: only those that this signal led to; exits that a rule made belong to no signal.
        status: only those in one state of the order's lifecycle.
        limit: how many at most.
        offset: how many of the newest to leave out.

    Each has ``id, account_id, strategy_id, strategy_name, signal_id, position_id, client_order_id, symbol, side, order_type,
    purpose, exit_reason, quantity, limit_price, stop_price, time_in_force, expires_at, cancel_requested_at, status,
    filled_quantity, average_fill_price, reason, as_of, created_at, fills``; each fill ``id, quantity, price, commission,
    realized_pnl, price_source, bar_low, bar_high, filled_at, created_at``. Amounts are Decimal in the account's currency. Times are
    UTC: ``filled_at`` as of which it filled, ``created_at`` by the wall clock.
    """
    if signal_id is None:
        rows = await connection.fetch(SQL.list_orders.sql, status, limit, offset, user_id)
    else:
        rows = await connection.fetch(SQL.orders_of_signal.sql, user_id, signal_id, status, limit, offset)
    return await with_fills(connection, rows)


class NotCancellable(HookfillError):
    """An order can't be cancelled; the text says why."""


async def cancel_order(connection: asyncpg.Connection, user_id: UUID, order_id: UUID) -> dict[str, Any] | None:
    """Ask to cancel a user's order that rests on paper, or that is at Alpaca; on paper nothing of it fills from now on.

    Asking again changes nothing. Run it in a transaction: the account's lock is held until its end, so that no fill comes between.

    Returns:
        The order as ``list_orders`` has it; None when the user has no such order.

    Raises:
        NotCancellable: it has ended, or it is at MetaTrader.
    """
    account = await connection.fetchrow(SQL.lock_account_of_order.sql, user_id, order_id)
    if account is None:
        return None
    asked = await connection.fetchrow(SQL.request_cancel.sql, account["account_id"], order_id)
    (order,) = await with_fills(connection, await connection.fetch(SQL.one_order.sql, user_id, order_id))
    if asked is None and ORDER.is_terminal(order["status"]):
        raise NotCancellable(f"The order is {order['status']}: there is nothing left of it to cancel.")
    if asked is None:
        raise NotCancellable(f"The order is {order['status']} at MetaTrader: cancel it there, or flatten what it makes.")
    return order


async def with_fills(connection: asyncpg.Connection, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Order rows (all columns of ``orders`` and ``strategy_name``) as ``list_orders`` shows them."""
    fills: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    if rows:
        accounts = list({row["account_id"] for row in rows})
        found = await connection.fetch(SQL.fills_of_orders.sql, accounts, [row["order_id"] for row in rows])
        for fill in found:
            fills[fill["order_id"]].append({"id": fill["fill_id"], **{name: fill[name] for name in _FILL}})
    return [{"id": row["order_id"], **{name: row[name] for name in _ORDER}, "fills": fills[row["order_id"]]} for row in rows]
