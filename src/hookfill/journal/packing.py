"""Keeps days packed for statistics: a fold marks those whose trades it changes, the worker packs them when nothing else waits."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from uuid import UUID

import asyncpg

from hookfill.journal.model import TradeState
from hookfill.journal.records import LAYOUT, brief_state, pack
from hookfill.postgres.sql import load as load_sql

SQL = load_sql(__package__, "statistics.sql")
DAYS_AT_ONCE = 50


async def mark_days(connection: asyncpg.Connection, account_id: UUID, days: Iterable[date]) -> None:
    """Say that trades of these days have changed; to be called in the transaction that changes them."""
    await connection.execute(SQL.mark_days.sql, account_id, list(days))


async def accounts_to_pack(connection: asyncpg.Connection) -> set[UUID]:
    """Accounts with days that have changed since they were packed."""
    return {row["account_id"] for row in await connection.fetch(SQL.accounts_with_dirty_days.sql)}


async def pack_days(connection: asyncpg.Connection, account_id: UUID, most: int = DAYS_AT_ONCE) -> bool:
    """Pack some days whose trades have changed; False: there are none. ``connection`` is in a transaction."""
    days = [row["day"] for row in await connection.fetch(SQL.dirty_days.sql, account_id, most)]
    if not days:
        return False
    members: dict[date, list[TradeState]] = defaultdict(list)
    for row in await connection.fetch(SQL.trades_of_days.sql, account_id, days):
        members[row["signal_date"]].append(brief_state(row))
    await connection.executemany(SQL.keep_day.sql, [(account_id, day, LAYOUT, *pack(members[day])) for day in days])
    return True
