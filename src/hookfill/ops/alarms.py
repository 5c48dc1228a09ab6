"""Alarms: where something needs a person. An account has one of a kind and subject in force at a time, until it is over."""

from collections.abc import Collection
from uuid import UUID

import asyncpg

from hookfill.kernel.ids import new_id
from hookfill.ops.queue import SQL


async def raise_alarm(connection: asyncpg.Connection, account_id: UUID, kind: str, subject: str, text: str) -> bool:
    """Put an alarm in force; False when it is already."""
    return await connection.fetchval(SQL.raise_alarm.sql, account_id, new_id(), kind, subject, text) is not None


async def clear_alarms(connection: asyncpg.Connection, account_id: UUID, kind: str, still: Collection[str]) -> list[str]:
    """End an account's alarms of a kind but those about the subjects ``still``; returns the subjects of those that ended."""
    rows = await connection.fetch(SQL.clear_alarms.sql, account_id, kind, list(still))
    return [row["subject"] for row in rows]


async def clear_elsewhere(connection: asyncpg.Connection, kind: str, account_ids: Collection[UUID]) -> None:
    """End the alarms of a kind of all accounts but these; as the installation."""
    await connection.execute(SQL.clear_elsewhere.sql, kind, list(account_ids))


async def alarm_subjects(connection: asyncpg.Connection, account_id: UUID, kind: str) -> set[str]:
    """What an account's alarms of a kind that are in force are about."""
    return {row["subject"] for row in await connection.fetch(SQL.alarm_subjects.sql, account_id, kind)}


async def list_alarms(
    connection: asyncpg.Connection, account_ids: Collection[UUID], *, in_force: bool | None, limit: int, offset: int
) -> list[asyncpg.Record]:
    """Some accounts' alarms, newest first; ``in_force``: only those that are, or only those that are over."""
    rows: list[asyncpg.Record] = await connection.fetch(SQL.list_alarms.sql, list(account_ids), in_force, limit, offset)
    return rows
