"""What waits, and whether anybody works."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from hookfill.postgres.sql import load

SQL = load(__package__)


@dataclass(frozen=True, slots=True)
class Queue:
    """Signals that wait for their decision, or messages that wait to be read; ``oldest_seconds`` is None when there are none."""

    pending: int
    oldest_seconds: float | None


async def worker_listens(connection: asyncpg.Connection) -> bool:
    """Whether a worker process, wherever it runs, is connected to this database."""
    return bool(await connection.fetchval(SQL.worker_listens.sql))


async def queue(connection: asyncpg.Connection) -> Queue:
    """The pending signals of all accounts."""
    return _queue(await connection.fetchrow(SQL.queue.sql))


async def backlog(connection: asyncpg.Connection) -> Queue:
    """The telemetry and exports of all accounts that are stored and not read yet."""
    return _queue(await connection.fetchrow(SQL.backlog.sql))


def _queue(row: Mapping[str, Any]) -> Queue:
    oldest = row["oldest_seconds"]
    return Queue(row["pending"], None if oldest is None else round(float(oldest), 3))


async def alarms_in_force(connection: asyncpg.Connection) -> int:
    """How many alarms of all accounts wait for a person; nothing of what they are about."""
    count: int = await connection.fetchval(SQL.alarms_in_force.sql)
    return count
