"""Trading accounts as their owners handle them: money put in and taken out, the equity curve, names and limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.postgres.sql import load

SQL = load(__package__, "trading.sql")


def equity_minute(at: datetime) -> datetime:
    """The minute of the equity curve to which a moment belongs: its beginning."""
    return at.replace(second=0, microsecond=0)


async def record_equity(
    connection: asyncpg.Connection, account_id: UUID, at: datetime, equity: Decimal, balance: Decimal, cash: Decimal
) -> None:
    """Put a point on an account's equity curve: one a minute, the last one that was told stands.

    Args:
        connection: in the transaction that changed the account, so that the curve shows what was committed.
        account_id: whose; the caller holds its lock.
        at: the moment as of which these are the figures (UTC).
        equity: cash and what the open positions are worth at their marks, in the account's currency, as are the others.
        balance: starting cash and everything realised.
        cash: what is left after paying for positions at full notional.
    """
    await connection.execute(SQL.record_equity.sql, account_id, equity_minute(at), equity, balance, cash)


async def equity_points(
    connection: asyncpg.Connection, account_id: UUID, *, since: datetime | None, until: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """The newest points of an account's equity curve within a span (both ends included, UTC), oldest first."""
    rows = await connection.fetch(SQL.equity_points.sql, account_id, since, until, limit)
    return [dict(row) for row in reversed(rows)]


async def lock_own_account(connection: asyncpg.Connection, account_id: UUID) -> Mapping[str, Any] | None:
    """The account's row under its lock, which the transaction keeps; None when it is not there for whoever asks."""
    row: Mapping[str, Any] | None = await connection.fetchrow(SQL.lock_own_account.sql, account_id)
    return row


@dataclass(frozen=True, slots=True)
class Movement:
    """Money put in or taken out; ``is_repeat`` says that it was stored before and nothing was changed now.

    ``cash`` and ``balance`` are the account's after it; of a repeat, as they are now.
    """

    movement_id: UUID
    kind: str
    amount: Decimal
    note: str | None
    created_at: datetime
    cash: Decimal
    balance: Decimal
    is_repeat: bool = False
