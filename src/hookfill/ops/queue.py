"""What waits, and whether anybody works."""

from dataclasses import dataclass

import asyncpg

from hookfill.postgres.sql import load

SQL = load(__package__)


@dataclass(frozen=True, slots=True)
class Queue:
    """Signals that wait for their decision; ``oldest_seconds`` is None when there are none."""

    pending: int
    oldest_seconds: float | None


async def worker_listens(connection: asyncpg.Connection) -> bool:
    """Whether a worker process, wherever it runs, is connected to this database."""
    return bool(await connection.fetchval(SQL.worker_listens.sql))


async def queue(connection: asyncpg.Connection) -> Queue:
    """The pending signals of all accounts."""
    row = await connection.fetchrow(SQL.queue.sql)
    oldest = row["oldest_seconds"]
    return Queue(row["pending"], None if oldest is None else round(float(oldest), 3))


async def alarms_in_force(connection: asyncpg.Connection) -> int:
    """How many alarms of all accounts wait for a person; nothing of what they are about."""
    count: int = await connection.fetchval(SQL.alarms_in_force.sql)
    return count
