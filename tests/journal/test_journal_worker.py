"""The journal's worker: woken by what comes in, killed at any moment, and not held up by what can't be folded."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from hookfill.journal import store, worker
from hookfill.journal.fold import merge
from hookfill.journal.worker import MAX_ATTEMPTS, find, journal_loop, work
from hookfill.ops.queue import Queue, backlog
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.database import query, value, wait_for_value, wait_until, wait_until_async
from support.journal import body_of, entry, folded, move, outcomes, put, stored_trades, work_all
from support.server import OWNER_TOKEN, Server

ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
POISON = "POISON"


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding any event of one trade fails, by a fault of ours."""

    def fail(trade: Any, event: Any) -> Any:
        if event.trade_id == POISON:
            raise ZeroDivisionError("a fault of ours \x00 \ud800")
        return merge(trade, event)

    monkeypatch.setattr(store, "merge", fail)


@pytest.mark.usefixtures("poisoned")
async def test_what_can_not_be_folded_is_set_aside_after_three_attempts_and_others_go_on(connection: asyncpg.Connection) -> None:
    good = [move(f"T{n}", n) for n in range(6)]
    ids = await put(connection, ACCOUNT, *good[:3], move(POISON), *good[3:], entry(POISON))
    assert await work(connection, ACCOUNT)
    states = [state for state, _ in await outcomes(connection, ids)]
    assert states == ["processed"] * 3 + ["received"] + ["processed"] * 3 + ["received"]
    assert await stored_trades(connection, ACCOUNT) == folded(map(body_of, good))
    attempts = await connection.fetch("SELECT read_attempts FROM messages WHERE state = 'received'")
    # The batch's failure is nobody's; each message alone failed once in the batch's place and once as one that failed before.
    assert {row["read_attempts"] for row in attempts} == {2}
    later = await put(connection, ACCOUNT, move("T9"))
    assert await work(connection, ACCOUNT)
    assert await outcomes(connection, [ids[3], ids[7], *later]) == [("malformed", "journal_failed")] * 2 + [("processed", None)]
    row = await connection.fetchrow("SELECT error, read_attempts, body FROM messages WHERE message_id = $1", ids[3])
    assert row["read_attempts"] == MAX_ATTEMPTS
    assert "Traceback" in row["error"]
    assert row["error"].endswith("ZeroDivisionError: a fault of ours \\x00 \\ud800\n")
    assert row["body"] == body_of(move(POISON))
    assert await work(connection, ACCOUNT), "packs the day for statistics"
    assert not await work(connection, ACCOUNT)
    assert await find(connection) == set()


@pytest.mark.usefixtures("poisoned")
async def test_a_failure_leaves_nothing_of_its_message(connection: asyncpg.Connection) -> None:
    batch = {"event_type": "MFE_UPDATE_BATCH", "timestamp": 1763103300000, "signals": [{"trade_id": "T1"}, {"trade_id": POISON}]}
    await put(connection, ACCOUNT, batch)
    for _ in range(3):
        await work(connection, ACCOUNT)
    assert await connection.fetchval("SELECT count(*) FROM automated_signals") == 0
    assert await stored_trades(connection, ACCOUNT) == {}


async def test_a_database_in_trouble_is_nobodys_fault(connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    [message_id] = await put(connection, ACCOUNT, move())

    async def fail(*_: object, **__: object) -> bool:
        raise asyncpg.DeadlockDetectedError("two waited for each other")

    with monkeypatch.context() as patch:
        patch.setattr(worker, "fold_waiting", fail)
        with pytest.raises(asyncpg.DeadlockDetectedError):
            await work(connection, ACCOUNT)
    assert await connection.fetchval("SELECT read_attempts FROM messages") == 0
    await work(connection, ACCOUNT)
    assert await outcomes(connection, [message_id]) == [("processed", None)]


async def test_the_backlog_counts_what_waits(connection: asyncpg.Connection) -> None:
    assert await backlog(connection) == Queue(0, None)
    await put(connection, ACCOUNT, move(), b"not read yet")
    found = await backlog(connection)
    assert found.pending == 2
    assert found.oldest_seconds is not None


async def test_a_notification_wakes_the_loop(pool: asyncpg.Pool, database: Database) -> None:
    loop = journal_loop(pool, partial(connect, database, name="journal wake"), poll_seconds=3600)
    running = asyncio.create_task(loop.run())
    try:
        listens = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hookfill journal wake' AND query LIKE 'LISTEN%'"
        await wait_until_async(lambda: value(database.url, listens), "the loop listens")
        async with pool.acquire() as connection:
            await put(connection, ACCOUNT, entry())
            await put(connection, OTHER, entry())
            await connection.execute("NOTIFY hookfill_journal")
        await wait_until_async(lambda: value(database.url, "SELECT count(*) FROM trade_states") == 2, "both are folded")
    finally:
        loop.stop()
        await asyncio.wait_for(running, 30)


_FOLDER = """
import asyncio, sys
from uuid import UUID
from hookfill.journal.worker import work
from hookfill.postgres.database import external
from hookfill.postgres.pool import connect

async def main():
    connection = await connect(external(sys.argv[1]), name="folder")
    print("ready", flush=True)
    while await work(connection, UUID(int=1)):
        print("batch", flush=True)

asyncio.run(main())
"""


def fold_and_be_killed(url: str, batches: int) -> bool:
    """Let another process fold, and kill it while it writes a later batch; False: it was done before that."""
    process = subprocess.Popen([sys.executable, "-c", _FOLDER, url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(1 + batches):
        process.stdout.readline()
    writes = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hookfill folder' AND backend_xid IS NOT NULL"
    wait_until(lambda: process.poll() is not None or value(url, writes), "a batch is under way")
    was_alive = process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()
    gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hookfill folder'"
    wait_until(lambda: not value(url, gone), "its connection is gone")
    return was_alive


def test_killed_in_the_middle_of_batches_nothing_is_lost_or_counted_twice(database: Database) -> None:
    told = [move(f"T{n % 150}", n / 10, n % 37 / 7) for n in range(3000)] + [entry(f"T{n}", -1) for n in range(150)]

    async def on_database(work: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
        connection = await connect(database, name="test")
        try:
            return await work(connection)
        finally:
            await connection.close()

    asyncio.run(on_database(lambda connection: put(connection, ACCOUNT, *told)))
    kills = [fold_and_be_killed(database.url, attempt % 2) for attempt in range(5)]
    assert sum(kills) >= 3
    assert value(database.url, "SELECT count(*) FROM messages WHERE state = 'received'") > 0
    asyncio.run(on_database(lambda connection: work_all(connection, ACCOUNT)))
    assert value(database.url, "SELECT count(*) FROM automated_signals") == len(told)
    trades = asyncio.run(on_database(lambda connection: stored_trades(connection, ACCOUNT)))
    assert trades == folded(map(body_of, told))
    assert query(database.url, "SELECT state, count(*) FROM messages GROUP BY 1") == [("processed", len(told))]


def test_a_server_folds_what_its_door_takes_and_goes_on_after_a_kill(database: Database, tmp_path: Path) -> None:
    said = {"schema_version": "1.0.0", **entry("20260302_100000000_BULLISH")}
    with Server(tmp_path, database_url=database.url) as server:
        answer = httpx.post(f"{server.url}/api/automated-signals/webhook", json=said)
        assert answer.json()["success"] is True
        wait_for_value(database.url, "ACTIVE", "SELECT coalesce(max(status), '') FROM trade_states")
        server.kill()
    # While no worker lives, messages wait; the next server reads them.
    with Server(tmp_path, database_url=database.url, role="api") as server:
        later = {**said, "event_type": "EXIT_STOP_LOSS", "exit_price": 20475, "event_timestamp": "2026-03-02T16:00:00Z"}
        httpx.post(f"{server.url}/api/automated-signals/webhook", json=later)
        assert value(database.url, "SELECT count(*) FROM messages WHERE state = 'received'") == 1
        health = httpx.get(f"{server.url}/health").json()
        assert health["oldest_unread_seconds"] is not None
    with Server(tmp_path, database_url=database.url) as server:
        wait_for_value(database.url, "COMPLETED", "SELECT max(status) FROM trade_states")
        wait_until(
            lambda: httpx.get(f"{server.url}/health").json()["oldest_unread_seconds"] is None, "health knows of nothing that waits"
        )
        alarms = httpx.get(f"{server.url}/api/v1/alarms", headers={"Authorization": f"Bearer {OWNER_TOKEN}"})
        assert json.loads(alarms.text) == []
    assert query(database.url, "SELECT count(*), count(DISTINCT event_key) FROM automated_signals") == [(2, 2)]
