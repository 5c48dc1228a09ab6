"""Reads exits back, those that are due and those that were taken, as their owner sees them."""

from typing import Any
from uuid import UUID

import asyncpg

from hookfill.desk.flight import OPEN
from hookfill.postgres.sql import load

SQL = load(__package__, "exit_signals.sql")
STATES = {"due": sorted(OPEN), "taken": ["filled"], "all": None}
"""What may be asked for, and the states of the exit's order that it means; None: whatever became of it."""


async def list_exit_signals(
    connection: asyncpg.Connection,
    user_id: UUID,
    *,
    state: str = "all",
    symbol: str | None = None,
    account_id: UUID | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """A user's exits, newest first by the moment as of which they were made; ``state`` is one of ``STATES``.

    Each has ``id`` (of the order that leaves), ``account_id, strategy_id, strategy_name, signal_id`` (None: a rule of the position
    asked for it), ``position_id, position_status, symbol, side, exit_reason, status`` (of the order), ``quantity,
    filled_quantity, level`` (of the stop or target that was hit), ``entry_price, exit_price, realized_pnl`` (gross of commission),
    ``commission, reason, opened_at, as_of, filled_at, created_at``. Amounts are Decimal in the account's currency, times UTC.
    """
    rows = await connection.fetch(SQL.exit_signals.sql, STATES[state], symbol, limit, offset, user_id, account_id)
    return [_exit(dict(row)) for row in rows]


def _exit(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row.pop("order_id"),
        "level": row.pop("stop_price"),
        "exit_price": row.pop("average_fill_price"),
        **row,
    }
