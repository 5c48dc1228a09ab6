"""What health and metrics ask the database, in a few statements on one connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from hookfill.ops.heart import SQL, Fares, workers_now
from hookfill.ops.queue import Queue, alarms_in_force, backlog, queue


@dataclass(frozen=True, slots=True)
class FeedAge:
    """Where prices come from.

    Attributes:
        symbols: how many symbols' newest price is from there.
        newest_at: the moment of the newest one, UTC; simulated where time is.
        heard_seconds: how long ago one last came in.
    """

    source: str
    symbols: int
    newest_at: datetime
    heard_seconds: float


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the installation is, as its database knows.

    Attributes:
        signals: what waits for a decision; messages: telemetry and exports that wait to be read.
        candle_seconds: how long ago a candle was last stored; None: never.
        counters: what workers have done, by worker and name.
    """

    signals: Queue
    messages: Queue
    alarms: int
    workers: tuple[Fares, ...]
    feeds: tuple[FeedAge, ...]
    candle_seconds: float | None
    counters: Mapping[tuple[str, str], int]

    @property
    def has_trouble_at_work(self) -> bool:
        """Whether a kind of worker keeps failing or is not heard of any more."""
        return any(worker.state != "ok" for worker in self.workers)


async def look(connection: asyncpg.Connection) -> Vitals:
    """Ask for all of it."""
    candle = await connection.fetchrow(SQL.newest_candle.sql)
    return Vitals(
        signals=await queue(connection),
        messages=await backlog(connection),
        alarms=await alarms_in_force(connection),
        workers=tuple(await workers_now(connection)),
        feeds=tuple(_feed(row) for row in await connection.fetch(SQL.feeds.sql)),
        candle_seconds=None if candle is None else _age(candle["heard_seconds"]),
        counters={(row["name"], row["key"]): row["total"] for row in await connection.fetch(SQL.counters.sql)},
    )


def _feed(row: Mapping[str, Any]) -> FeedAge:
    return FeedAge(row["source"], row["symbols"], row["newest_at"], _age(row["heard_seconds"]))


def _age(seconds: float) -> float:
    return round(max(seconds, 0.0), 3)
