"""The heartbeat: every few seconds it tells the database how the loops of this process fare.

It raises an alarm about a loop that keeps failing, and tells of alarms. It has a task and a connection of its own: no alert ever
waits for it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson
import structlog

from hookfill.kernel.clock import utc_now
from hookfill.kernel.ids import NIL, new_id
from hookfill.ops.alarms import clear_alarms, raise_alarm
from hookfill.ops.notify import Notifier, NotNotified
from hookfill.ops.pulse import FAILING, Pulse
from hookfill.postgres.pool import DATABASE_ERRORS
from hookfill.postgres.sql import load

SQL = load(__package__, "heart.sql")
BEAT_SECONDS = 5.0
ALIVE_SECONDS = 30.0
"""A process that has not been heard of for so long is gone, or hangs."""
TELLING_SECONDS = ALIVE_SECONDS - 2 * BEAT_SECONDS
"""For telling of alarms within one beat: a slow receiver must not hold the heart up until it counts as gone."""
FORGOTTEN_SECONDS = 3_600.0
WORKER_FAILING = "worker_failing"
"""The kind of alarm that a failing loop raises, under the nil account: the installation's own."""
ACQUIRE_SECONDS = 2.0
MOST_ALARMS = 20
MOST_TRIES = 8
"""How often telling of one alarm is tried, each time after twice as long."""
_LOG = structlog.get_logger("hookfill.heart")


class Heart:
    """The heartbeat of one process."""

    def __init__(self, pool: asyncpg.Pool, pulses: Sequence[Pulse], notifier: Notifier | None = None) -> None:
        """Beat for these loops through ``pool``; tell of alarms through ``notifier``, if there is one."""
        self._pool = pool
        self._pulses = pulses
        self._notifier = notifier
        self._instance = new_id()
        self._told_directly: set[str] = set()

    async def run(self) -> None:
        """Beat until cancelled; then take this process off the list."""
        try:
            while True:
                await self.beat()
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            await self._leave()

    async def beat(self) -> None:
        """Tell once. A database that is away is no reason to stop: then a failing loop is told of directly."""
        try:
            async with asyncio.timeout(ALIVE_SECONDS), self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                await self._note(connection)
                if self._notifier is not None:
                    await tell_alarms(connection, self._notifier)
        except DATABASE_ERRORS as error:
            _LOG.warning("heartbeat_not_stored", error=f"{type(error).__name__}: {error}")
            await self._tell_directly()
        except Exception:
            _LOG.exception("heartbeat_failed")
        else:
            self._told_directly.clear()

    async def _note(self, connection: asyncpg.Connection) -> None:
        pulses = self._pulses
        await connection.execute(
            SQL.beat.sql,
            self._instance,
            [pulse.name for pulse in pulses],
            [pulse.succeeded_at for pulse in pulses],
            [pulse.failures for pulse in pulses],
            [pulse.failed_at for pulse in pulses],
            [pulse.error for pulse in pulses],
            [orjson.dumps(dict(pulse.counters)).decode() for pulse in pulses],
        )
        await connection.execute(SQL.forget_gone.sql, FORGOTTEN_SECONDS)
        failing = await connection.fetch(SQL.failing.sql, FAILING, ALIVE_SECONDS)
        for row in failing:
            await raise_alarm(connection, NIL, WORKER_FAILING, row["name"], _words(row["name"], row["failures"], row["error"]))
        await clear_alarms(connection, NIL, WORKER_FAILING, [row["name"] for row in failing])

    async def _tell_directly(self) -> None:
        """Without the database there is no alarm to tell of later: tell now, once until it is back."""
        for pulse in self._pulses:
            if self._notifier is None or not pulse.is_failing or pulse.name in self._told_directly:
                continue
            told = {"kind": WORKER_FAILING, "subject": pulse.name, "text": _words(pulse.name, pulse.failures, pulse.error)}
            try:
                await self._notifier.send({"event": "alarm", **told, "raised_at": utc_now()})
                self._told_directly.add(pulse.name)
            except NotNotified as error:
                _LOG.error("alarm_not_told", kind=WORKER_FAILING, subject=pulse.name, error=str(error))

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS), self._pool.acquire() as connection:
                await connection.execute(SQL.leave.sql, self._instance)
        except DATABASE_ERRORS as error:
            _LOG.warning("heartbeat_not_ended", error=f"{type(error).__name__}: {error}")


def _words(name: str, failures: int, error: str | None) -> str:
    return f"The worker {name} has failed {failures} times in a row ({error}): see the server's log."


async def tell_alarms(connection: asyncpg.Connection, notifier: Notifier) -> int:
    """Tell of alarms that nobody was told of yet; returns of how many. One that can't be told is tried again, each time later.

    Those for which there is no time any more are the next beat's.
    """
    told, started = 0, time.monotonic()
    for row in await connection.fetch(SQL.untold_alarms.sql, MOST_TRIES, MOST_ALARMS):
        if told and seconds_since(started) + notifier.longest_seconds > TELLING_SECONDS:
            break
        wait = BEAT_SECONDS * 2.0 ** row["notify_tries"] + notifier.longest_seconds
        if await connection.fetchval(SQL.claim_alarm.sql, wait, row["account_id"], row["alarm_id"], row["notify_tries"]) is None:
            continue
        try:
            await notifier.send({"event": "alarm", **{name: row[name] for name in ("kind", "subject", "text", "raised_at")}})
        except NotNotified as error:
            _LOG.error("alarm_not_told", kind=row["kind"], error=str(error))
            return told  # the others would wait as long for the same receiver
        await connection.execute(SQL.told_alarm.sql, row["account_id"], row["alarm_id"])
        told += 1
    return told


@dataclass(frozen=True, slots=True)
class Fares:
    """How one kind of loop fares, over all processes.

    Attributes:
        state: ``ok``; ``failing`` (three rounds in a row or more); ``silent``: no process that runs it has been heard of lately.
        last_success_at: of the instance that is worst off, UTC.
    """

    name: str
    state: str
    instances: int
    last_success_at: datetime | None
    consecutive_failures: int
    heard_seconds: float


async def workers_now(connection: asyncpg.Connection) -> list[Fares]:
    """Every kind of loop that has been heard of within the hour."""
    return [_fares(row) for row in await connection.fetch(SQL.workers_now.sql, ALIVE_SECONDS)]


def _fares(row: Mapping[str, Any]) -> Fares:
    state = "failing" if row["failures"] >= FAILING else "ok"
    return Fares(
        name=row["name"],
        state=state if row["instances"] else "silent",
        instances=row["instances"],
        last_success_at=row["succeeded_at"],
        consecutive_failures=row["failures"],
        heard_seconds=round(max(row["heard_seconds"], 0.0), 3),
    )


def seconds_since(started: float) -> float:
    """How long ago a moment of the monotonic clock was."""
    return round(time.monotonic() - started, 3)
