"""Heartbeats of workers: what health shows, alarms of loops that keep failing, and telling of alarms."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.kernel.ids import NIL, new_id
from hookfill.ops import heart as hearts
from hookfill.ops.alarms import raise_alarm
from hookfill.ops.heart import SQL, Heart, workers_now
from hookfill.ops.loop import Loop
from hookfill.ops.notify import NotNotified
from hookfill.ops.pulse import Pulse
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect, open_pool
from support.database import wait_until_async


class Receiver:
    """Stands in for a notifier."""

    longest_seconds = 1.0

    def __init__(self, refusals: int = 0) -> None:
        self.told: list[dict[str, Any]] = []
        self.refusals = refusals

    async def send(self, told: dict[str, Any]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise NotNotified("it answered 503")
        self.told.append(told)


def failing(name: str, times: int) -> Pulse:
    pulse = Pulse(name)
    for _ in range(times):
        pulse.failed(ValueError("password=hunter2 postgres://me:hunter2@host/db"))
    return pulse


async def states(pool: asyncpg.Pool) -> dict[str, tuple[str, int, int]]:
    async with pool.acquire() as connection:
        return {one.name: (one.state, one.instances, one.consecutive_failures) for one in await workers_now(connection)}


async def alarms(pool: asyncpg.Pool) -> list[tuple[UUID, str, str]]:
    rows = await pool.fetch("SELECT account_id, kind, subject FROM alarms WHERE cleared_at IS NULL ORDER BY subject")
    return [tuple(row) for row in rows]


async def test_each_process_tells_how_its_loops_fare(pool: asyncpg.Pool) -> None:
    well = Pulse("desk")
    well.succeeded()
    well.counters["executed"] = 3
    await Heart(pool, [well, failing("journal", 1)]).beat()
    await Heart(pool, [failing("desk", 2)]).beat()
    assert await states(pool) == {"desk": ("ok", 2, 2), "journal": ("ok", 1, 1)}
    async with pool.acquire() as connection:
        assert [tuple(row) for row in await connection.fetch(SQL.counters.sql)] == [("desk", "executed", 3)]


async def test_three_failures_in_a_row_are_an_alarm_until_a_round_succeeds(pool: asyncpg.Pool) -> None:
    pulse = failing("desk", 2)
    heart = Heart(pool, [pulse])
    await heart.beat()
    assert await alarms(pool) == []
    pulse.failed(ValueError("again"))
    await heart.beat()
    await heart.beat()
    assert await alarms(pool) == [(NIL, "worker_failing", "desk")]
    assert (await states(pool))["desk"][0] == "failing"
    pulse.succeeded()
    await heart.beat()
    assert await alarms(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM alarms") == 1


async def test_another_process_that_fares_well_ends_nobodys_alarm(pool: asyncpg.Pool) -> None:
    await Heart(pool, [failing("desk", 3)]).beat()
    well = Pulse("desk")
    well.succeeded()
    await Heart(pool, [well]).beat()
    assert await alarms(pool) == [(NIL, "worker_failing", "desk")]


async def test_an_errors_secrets_are_not_stored(pool: asyncpg.Pool) -> None:
    await Heart(pool, [failing("desk", 3)]).beat()
    texts = await pool.fetch("SELECT error AS text FROM workers UNION ALL SELECT text FROM alarms")
    assert len(texts) == 2
    assert not [row for row in texts if "me:hunter2" in row["text"]]


async def test_a_process_that_is_gone_is_silent_and_one_that_ended_is_not_missed(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart, has_told = Heart(pool, [Pulse("desk"), Pulse("journal")]), asyncio.Event()
    beat = heart.beat

    async def beat_and_tell() -> None:
        await beat()
        has_told.set()

    monkeypatch.setattr(heart, "beat", beat_and_tell)
    task = asyncio.create_task(heart.run())
    await asyncio.wait_for(has_told.wait(), 30)
    await pool.execute("UPDATE workers SET heartbeat_at = heartbeat_at - interval '31 seconds' WHERE name = 'desk'")
    assert {name: one[0] for name, one in (await states(pool)).items()} == {"desk": "silent", "journal": "ok"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await states(pool) == {}


async def test_what_was_killed_long_ago_is_forgotten(pool: asyncpg.Pool) -> None:
    await Heart(pool, [Pulse("old")]).beat()
    await pool.execute("UPDATE workers SET heartbeat_at = heartbeat_at - interval '2 hours'")
    await Heart(pool, [Pulse("new")]).beat()
    assert list(await states(pool)) == ["new"]


async def test_an_alarm_is_told_once(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await raise_alarm(connection, new_id(), "agent_offline", "x", "The agent is silent.")
    receiver = Receiver()
    for _ in range(3):
        await Heart(pool, [failing("desk", 3)], receiver).beat()  # type: ignore[arg-type] - a double
    assert [(one["kind"], one["subject"]) for one in receiver.told] == [("agent_offline", "x"), ("worker_failing", "desk")]
    assert set(receiver.told[0]) == {"event", "kind", "subject", "text", "raised_at"}


async def test_an_alarm_that_could_not_be_told_is_told_later(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await raise_alarm(connection, NIL, "x", "y", "text")
    receiver = Receiver(refusals=1)
    heart = Heart(pool, [Pulse("desk")], receiver)  # type: ignore[arg-type] - a double
    await heart.beat()
    assert receiver.told == []
    await heart.beat()
    assert receiver.told == []  # not before its time
    await pool.execute("UPDATE alarms SET notify_after = clock_timestamp()")
    await heart.beat()
    assert len(receiver.told) == 1


async def test_a_slow_receiver_does_not_make_this_process_seem_silent(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two notes in the table there is less time than after which a process counts as gone, however many alarms wait."""
    now = [1000.0]
    monkeypatch.setattr(hearts, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Slow(Receiver):
        longest_seconds = 17.5

        async def send(self, told: dict[str, Any]) -> None:
            now[0] += 4.0
            await super().send(told)

    async with pool.acquire() as connection:
        for number in range(7):
            await raise_alarm(connection, new_id(), "market_feed", str(number), "No price.")
    receiver = Slow()
    heart = Heart(pool, [Pulse("desk")], receiver)  # type: ignore[arg-type] - a double
    for _ in range(7):
        before = now[0]
        await heart.beat()
        assert now[0] - before + hearts.BEAT_SECONDS < hearts.ALIVE_SECONDS
    assert sorted(one["subject"] for one in receiver.told) == list("0123456")


async def test_without_the_database_a_failing_loop_is_told_of_directly_and_once(database: Database) -> None:
    pool = await open_pool(database, name="test", max_size=1)
    await pool.close()
    receiver = Receiver(refusals=1)
    heart = Heart(pool, [failing("desk", 3), Pulse("journal")], receiver)  # type: ignore[arg-type] - a double
    for _ in range(3):
        await heart.beat()
    assert [one["subject"] for one in receiver.told] == ["desk"]


async def test_a_loop_whose_work_fails_is_seen_to_fail_and_to_recover(pool: asyncpg.Pool, database: Database) -> None:
    trouble: list[Exception] = [ValueError("a defect")]

    async def find(_: asyncpg.Connection) -> set[UUID]:
        return {UUID(int=1)}

    async def work(_: asyncpg.Connection, __: UUID) -> bool:
        if trouble:
            raise trouble[0]
        return False

    loop = Loop("test", pool, partial(connect, database, name="loop"), "test_heart", find, work, poll_seconds=0.01)
    running = asyncio.create_task(loop.run())
    try:
        await wait_until_async(lambda: loop.pulse.is_failing, "three rounds failed")
        await Heart(pool, [loop.pulse]).beat()
        assert await alarms(pool) == [(NIL, "worker_failing", "test")]
        assert "ValueError: a defect" in (loop.pulse.error or "")
        trouble.clear()
        await wait_until_async(lambda: loop.pulse.failures == 0, "a round succeeded")
    finally:
        loop.stop()
        await asyncio.wait_for(running, 30)
    assert loop.pulse.succeeded_at is not None


async def test_a_defect_of_the_heartbeat_itself_does_not_end_it(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hearts, "raise_alarm", broken)
    await Heart(pool, [failing("desk", 3)]).beat()
    assert (await states(pool))["desk"][0] == "failing"
