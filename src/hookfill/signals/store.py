"""Reads signals back, as their owner sees them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.inbox.body import body_value
from hookfill.postgres.sql import load

SQL = load(__package__)


async def list_signals(
    connection: asyncpg.Connection, user_id: UUID, *, status: str | None = None, limit: int = 50, offset: int = 0
) -> list[dict[str, Any]]:
    """A user's signals, newest first; ``status`` picks one state of the signal's lifecycle.

    Each has ``id, account_id, strategy_id, strategy_name, message_id, symbol, action, status, reason, error_message, fill_price
    (Decimal), broker_order_id, raw_payload, created_at, resolved_at`` (UTC). ``raw_payload`` is the message's body: the JSON value
    that it holds, else its text.
    """
    rows = await connection.fetch(SQL.list_signals.sql, status, limit, offset, user_id)
    return [_signal(row) for row in rows]


async def get_signal(connection: asyncpg.Connection, user_id: UUID, signal_id: UUID) -> dict[str, Any] | None:
    """One of a user's signals as ``list_signals`` shows it; None when there is none of that id among the user's own."""
    row = await connection.fetchrow(SQL.get_signal.sql, user_id, signal_id)
    return None if row is None else _signal(row)


async def oldest_pending_seconds(connection: asyncpg.Connection) -> float | None:
    """How long the oldest signal, of whatever user, has been waiting for a decision; None when none waits."""
    age: float | None = await connection.fetchval(SQL.oldest_pending_seconds.sql)
    return None if age is None else max(round(age, 3), 0.0)


async def count_outcomes(
    connection: asyncpg.Connection, account_id: UUID, signal_ids: Sequence[UUID]
) -> list[tuple[str, str | None, int]]:
    """What became of these signals of one account: status, reason (None if there is none) and how many."""
    rows = await connection.fetch(SQL.count_outcomes.sql, account_id, signal_ids)
    return [(row["status"], row["reason"], row["signals"]) for row in rows]


def _signal(row: Mapping[str, Any]) -> dict[str, Any]:
    body = row["body"]
    return {
        "id": row["signal_id"],
        "account_id": row["account_id"],
        "strategy_id": row["strategy_id"],
        "strategy_name": row["strategy_name"],
        "message_id": row["message_id"],
        "symbol": row["symbol"],
        "action": row["action"],
        "status": row["status"],
        "reason": row["reason"],
        "error_message": row["error_message"],
        "fill_price": row["fill_price"],
        "broker_order_id": row["broker_order_id"],
        "raw_payload": None if body is None else body_value(body),
        "created_at": row["created_at"],
        "resolved_at": row["resolved_at"],
    }
