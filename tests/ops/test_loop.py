"""The generic loop: finds work, does it account by account, survives failures and a database that goes away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog

from hookfill.ops.loop import Loop
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.database import value, wait_until_async

ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)
CHANNEL = "test_loop"
NEVER = 3600.0
LISTENS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hookfill loop' AND query LIKE 'LISTEN%'"


class Work:
    """Counts down how many portions each account has."""

    def __init__(self, **portions: int) -> None:
        self.left = {UUID(int=int(name.removeprefix("n"))): count for name, count in portions.items()}
        self.done: list[UUID] = []
        self.found = 0
        self.at_once = self.most_at_once = 0
        self.trouble: Callable[[UUID], Exception | None] = lambda _: None

    async def find(self, connection: asyncpg.Connection) -> set[UUID]:
        await connection.execute("SELECT 1")
        self.found += 1
        return {account_id for account_id, left in self.left.items() if left}

    async def work(self, connection: asyncpg.Connection, account_id: UUID) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            async with connection.transaction():
                await connection.execute("SELECT 1")
                error = self.trouble(account_id)
                if error is not None:
                    raise error
        finally:
            self.at_once -= 1
        if not self.left[account_id]:
            return False
        self.left[account_id] -= 1
        self.done.append(account_id)
        return True


def make(pool: asyncpg.Pool, database: Database, work: Work, **options: Any) -> Loop:
    return Loop("test", pool, partial(connect, database, name="loop"), CHANNEL, work.find, work.work, **options)


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(loop.run())
    try:
        yield task
    finally:
        loop.stop()
        await asyncio.wait_for(task, 30)


async def test_all_work_is_done(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=3, n2=1, n3=2)
    assert await make(pool, database, work, concurrency=2).work_off() == 6
    assert sorted(work.done) == [ONE, ONE, ONE, TWO, THREE, THREE]
    assert work.most_at_once <= 2
    assert await make(pool, database, work).work_off() == 0


async def test_one_account_that_fails_keeps_no_other_from_going_on(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=2, n2=2)
    work.trouble = lambda account_id: ZeroDivisionError("a fault") if account_id == ONE else None
    with structlog.testing.capture_logs() as logs:
        assert await make(pool, database, work).work_off() == 2
    assert work.done == [TWO, TWO]
    assert {(log["event"], log["account_id"], log["error"]) for log in logs} == {
        ("account_failed", str(ONE), "ZeroDivisionError: a fault")
    }


async def test_a_database_that_is_away_ends_the_round_and_not_the_loop(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=1, n2=1)
    troubles: list[Exception] = [ConnectionResetError("gone"), asyncpg.PostgresSyntaxError("wrong")]
    work.trouble = lambda _: troubles.pop(0) if troubles else None
    with pytest.raises(ConnectionResetError):
        await make(pool, database, work).work_off()
    work.left = {ONE: 1, TWO: 1}
    troubles.append(ConnectionResetError("gone again"))
    with structlog.testing.capture_logs() as logs:
        async with running(make(pool, database, work, poll_seconds=0.01)):
            await wait_until_async(lambda: not any(work.left.values()), "the work is done all the same")
    assert "waits_for_database" in [log["event"] for log in logs]


async def test_work_that_can_not_be_looked_for_is_told_and_tried_again(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=1)
    failures = [asyncpg.UndefinedTableError("no such table")]

    async def find(connection: asyncpg.Connection) -> set[UUID]:
        if failures:
            raise failures.pop()
        return await work.find(connection)

    loop = Loop("test", pool, partial(connect, database, name="loop"), CHANNEL, find, work.work, poll_seconds=0.01)
    with structlog.testing.capture_logs() as logs:
        async with running(loop):
            await wait_until_async(lambda: work.done, "the work is found")
    assert "work_not_found" in [log["event"] for log in logs]


async def test_a_notification_wakes_it(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=0)
    async with running(make(pool, database, work, poll_seconds=NEVER)):
        await wait_until_async(lambda: value(database.url, LISTENS), "it listens")
        work.left[ONE] = 1
        await pool.execute(f"NOTIFY {CHANNEL}")
        await wait_until_async(lambda: work.done, "it was woken")


async def test_waking_it_in_the_middle_of_a_round_is_not_lost(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=1)
    loop = make(pool, database, work, poll_seconds=NEVER)
    find = work.find

    async def find_and_wake(connection: asyncpg.Connection) -> set[UUID]:
        found = await find(connection)
        if not found and work.done == [ONE]:
            work.left[ONE] = 1  # comes just after it was looked for
            loop.wake()
        return found

    loop._find = find_and_wake
    async with running(loop):
        await wait_until_async(lambda: len(work.done) == 2, "it looks again")


async def test_a_listener_that_dies_is_replaced_and_the_poll_finds_work_meanwhile(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=0)
    async with running(make(pool, database, work, poll_seconds=0.05)):
        for _ in range(2):
            await wait_until_async(lambda: value(database.url, LISTENS), "it listens")
            await pool.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hookfill loop'")
            work.left[ONE] += 1
            await wait_until_async(lambda: not work.left[ONE], "the poll finds it")
        await wait_until_async(lambda: value(database.url, LISTENS), "it listens again")


async def test_stopping_ends_it_after_the_work_in_hand(pool: asyncpg.Pool, database: Database) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended: list[UUID] = []

    async def find(connection: asyncpg.Connection) -> set[UUID]:
        return {ONE, TWO}

    async def work(connection: asyncpg.Connection, account_id: UUID) -> bool:
        begun.set()
        await go_on.wait()
        ended.append(account_id)
        return True

    loop = Loop("test", pool, never_connects, CHANNEL, find, work, poll_seconds=NEVER)
    task = asyncio.create_task(loop.run())
    await begun.wait()
    loop.stop()
    go_on.set()
    await asyncio.wait_for(task, 30)
    assert len(ended) == 1


async def never_connects() -> asyncpg.Connection:
    raise ConnectionRefusedError("nobody is there")


async def test_several_channels_each_do_their_own(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=0)
    heard: list[str] = []
    channels = {"loop_a": lambda: heard.append("a"), "loop_b": lambda: heard.append("b")}
    loop = Loop("test", pool, partial(connect, database, name="loop"), channels, work.find, work.work, poll_seconds=NEVER)
    async with running(loop):
        listens = LISTENS.replace("LISTEN%", '%"loop_b"%')
        await wait_until_async(lambda: value(database.url, listens), "it listens to both")
        await pool.execute("NOTIFY loop_b")
        await pool.execute("NOTIFY loop_a")
        await wait_until_async(lambda: heard == ["b", "a"], "both were heard")


async def test_the_poll_and_a_failure_make_it_look_at_everything(pool: asyncpg.Pool, database: Database) -> None:
    work = Work(n1=1)
    looks: list[str] = []
    loop = make(pool, database, work, look_at_all=lambda: looks.append("all"))
    assert await loop.work_off() == 1
    assert looks == []
    work.left[ONE] = 1
    work.trouble = lambda _: ZeroDivisionError("a fault")
    assert await loop.work_off() == 0
    assert looks == ["all"]
    work.trouble = lambda _: ConnectionResetError("gone")
    with pytest.raises(ConnectionResetError):
        await loop.work_off()
    assert looks == ["all", "all"]
    work.trouble = lambda _: None
    async with running(make(pool, database, work, poll_seconds=0.01, look_at_all=lambda: looks.append("poll"))):
        await wait_until_async(lambda: "poll" in looks, "the poll looks at everything")
