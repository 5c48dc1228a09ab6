"""Many batches at once, imports side by side, in any order, woken by NOTIFY; and what a database held before Hookfill."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap, default_account
from hookfill.exports import store
from hookfill.exports.envelope import ALL_SIGNALS
from hookfill.exports.worker import LONGEST_TRACE, exports_loop, find, work
from hookfill.postgres.migrate import migrate
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.database import value, wait_until_async
from support.exports import TRIANGLE, all_row, batch, confirmed_row, deliver, ms

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
TOLD = "to_jsonb(confirmed_signals_ledger) - 'created_at' - 'updated_at'"
"""A row of the ledger but for when it was written."""


@pytest.fixture
async def account_id(connection: asyncpg.Connection) -> UUID:
    return await default_account(connection, await bootstrap(connection, "token"))


async def ledger(connection: asyncpg.Connection) -> list[dict[str, Any]]:
    return [row[0] for row in await connection.fetch(f"SELECT {TOLD} FROM confirmed_signals_ledger ORDER BY trade_id")]


async def test_a_great_export_goes_in_by_portions(connection: asyncpg.Connection, account_id: UUID) -> None:
    rows = [confirmed_row(trade_id=f"t{place:05}", entry=place) for place in range(4_500)]
    bodies = [batch(rows[at : at + 15], number=at // 15, total=len(rows)) for at in range(0, len(rows), 15)]
    random.Random(1).shuffle(bodies)
    await deliver(connection, account_id, bodies, at=START)
    portions = 0
    while any([await work(connection, one) for one in await find(connection)]):
        portions += 1
    assert portions > 2
    found = await ledger(connection)
    assert [(row["trade_id"], row["entry"]) for row in found] == [(row["trade_id"], row["entry"]) for row in rows]
    inserted = "SELECT sum((import_result->>'inserted')::int) FROM indicator_export_batches"
    assert await connection.fetchval(inserted) == len(rows)
    assert not await connection.fetchval("SELECT count(*) FROM indicator_export_batches WHERE imported_at IS NULL")
    version = await connection.fetchval("SELECT version FROM export_ledgers")
    assert 0 < version <= portions


async def some_batches(connection: asyncpg.Connection, account_id: UUID) -> list[asyncpg.Record]:
    """Batches that contradict each other, some received at the same moment."""
    chance = random.Random(7)
    names = ("entry", "stop", "be_mfe", "no_be_mfe", "age")
    for number in range(12):
        rows = [
            confirmed_row(
                trade_id=chance.choice("abc"),
                **{name: chance.choice((None, 0, chance.randrange(100))) for name in names},
                mae=chance.choice((None, 0, -1, 5)),
                session=chance.choice((None, "ASIA", "LONDON")),
            )
            for _ in range(chance.randrange(6))
        ]
        ids = await deliver(connection, account_id, [batch(rows, number=number)], at=START + timedelta(seconds=number // 3))
        await store.open_batches(connection, account_id, ids)
    batch_ids = await connection.fetch("SELECT batch_id FROM indicator_export_batches ORDER BY batch_id")
    found = [await store.find_batch(connection, row["batch_id"]) for row in batch_ids]
    return [one for one in found if one is not None]


async def test_the_order_of_imports_makes_no_difference(connection: asyncpg.Connection, account_id: UUID) -> None:
    batches = await some_batches(connection, account_id)
    while any([await work(connection, one) for one in await find(connection)]):
        pass
    expected = await ledger(connection)
    assert len(expected) == 3
    assert any(row["sources"] for row in expected)
    for seed in range(5):
        await connection.execute("DELETE FROM confirmed_signals_ledger")
        for one in random.Random(seed).choices(batches, k=10) + random.Random(seed).sample(batches, k=len(batches)):
            before = await ledger(connection)
            told = await store.import_one(connection, one, dry_run=True)
            assert await ledger(connection) == before
            assert await store.import_one(connection, one, dry_run=False) == told
        assert await ledger(connection) == expected


async def test_imports_side_by_side_lose_nothing(connection: asyncpg.Connection, pool: asyncpg.Pool, account_id: UUID) -> None:
    batches = await some_batches(connection, account_id)

    async def import_it(one: asyncpg.Record) -> None:
        async with pool.acquire() as own:
            await store.import_one(own, one, dry_run=False)

    async def work_once() -> None:
        async with pool.acquire() as own:
            await work(own, account_id)

    await asyncio.gather(*(import_it(one) for one in batches), *(work_once() for _ in range(4)))
    found = await ledger(connection)
    await connection.execute("DELETE FROM confirmed_signals_ledger")
    for one in batches:
        await store.import_one(connection, one, dry_run=False)
    assert found == await ledger(connection)


async def test_two_openings_of_a_message_make_one_batch(
    connection: asyncpg.Connection, pool: asyncpg.Pool, account_id: UUID
) -> None:
    message_ids = await deliver(connection, account_id, [batch([confirmed_row()], number=number) for number in range(20)])

    async def open_one(message_id: UUID) -> dict[UUID, int]:
        async with pool.acquire() as own:
            return await store.open_batches(own, account_id, [message_id])

    async def work_once() -> dict[UUID, int]:
        async with pool.acquire() as own:
            await work(own, account_id)
        return {}

    opened = await asyncio.gather(*(open_one(one) for one in message_ids * 2), *(work_once() for _ in range(3)))
    stored = {row[0]: row[1] for row in await connection.fetch("SELECT message_id, batch_id FROM indicator_export_batches")}
    assert set(stored) == set(message_ids)
    for found in opened:
        assert found.items() <= stored.items()
    assert all(opened[: 2 * len(message_ids)])


async def test_another_portion_waits_for_the_ledgers(connection: asyncpg.Connection, pool: asyncpg.Pool, account_id: UUID) -> None:
    await deliver(connection, account_id, [batch([confirmed_row()])])
    await connection.execute("INSERT INTO export_ledgers (account_id) VALUES ($1)", account_id)
    async with pool.acquire() as own, own.transaction():
        assert await store.lock_ledgers(own, account_id, wait=True)
        assert not await work(connection, account_id)
    assert await work(connection, account_id)


async def test_what_is_the_databases_fault_is_not_counted(
    connection: asyncpg.Connection, account_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    [message_id] = await deliver(connection, account_id, [batch([confirmed_row()])])
    await store.open_batches(connection, account_id, [message_id])

    def away(text: str | None) -> list[Any]:
        raise asyncpg.DeadlockDetectedError("not ours")

    monkeypatch.setattr(store, "signals_of", away)
    with pytest.raises(asyncpg.DeadlockDetectedError):
        await work(connection, account_id)
    assert await connection.fetchval("SELECT import_attempts FROM indicator_export_batches") == 0


async def test_what_cant_be_stored_of_an_error_is_written_out(
    connection: asyncpg.Connection, account_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    [message_id] = await deliver(connection, account_id, [batch([confirmed_row()])])
    await store.open_batches(connection, account_id, [message_id])

    def failing(text: str | None) -> list[Any]:
        raise ValueError("c" * 10_000 + "a\x00b\ud800")

    monkeypatch.setattr(store, "signals_of", failing)
    assert await work(connection, account_id)
    error = await connection.fetchval("SELECT import_error FROM indicator_export_batches")
    assert error.rstrip().endswith("ca\\x00b\\ud800")
    assert len(error) == LONGEST_TRACE


async def test_opening_a_batch_wakes_the_worker(
    connection: asyncpg.Connection, pool: asyncpg.Pool, database: Database, account_id: UUID
) -> None:
    loop = exports_loop(pool, partial(connect, database, name="exports wake"), poll_seconds=3600)
    running = asyncio.create_task(loop.run())
    try:
        listens = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hookfill exports wake' AND query LIKE 'LISTEN%'"
        await wait_until_async(lambda: value(database.url, listens), "the loop listens")
        [message_id] = await deliver(connection, account_id, [batch([all_row()], event_type=ALL_SIGNALS)])
        await store.open_batches(connection, account_id, [message_id])
        await wait_until_async(lambda: value(database.url, "SELECT count(*) FROM all_signals_ledger"), "the batch is imported")
    finally:
        loop.stop()
        await asyncio.wait_for(running, 30)


OLD = """
CREATE TABLE indicator_export_batches (
    id SERIAL PRIMARY KEY, event_type TEXT, batch_number INTEGER, batch_size INTEGER, total_signals INTEGER, payload_json JSONB,
    payload_sha256 TEXT, is_valid BOOLEAN, validation_error TEXT, UNIQUE (event_type, payload_sha256)
);
INSERT INTO indicator_export_batches (event_type, payload_sha256) VALUES ('INDICATOR_EXPORT_V2', 'x'), ('ALL_SIGNALS_EXPORT', 'y');
CREATE TABLE confirmed_signals_ledger (trade_id TEXT PRIMARY KEY);
"""


async def test_tables_from_before_stay_under_another_name(unmigrated_database: Database) -> None:
    connection = await connect(unmigrated_database, name="test")
    try:
        await connection.execute(OLD)
        await migrate(unmigrated_database)
        rows = await connection.fetch("SELECT id, payload_sha256 FROM indicator_export_batches_before_hookfill ORDER BY id")
        assert [tuple(row) for row in rows] == [(1, "x"), (2, "y")]
        assert await connection.fetchval("SELECT count(*) FROM confirmed_signals_ledger_before_hookfill") == 0
        account_id = await default_account(connection, await bootstrap(connection, "token"))
        await deliver(connection, account_id, [batch([confirmed_row(triangle_time=ms(TRIANGLE))])])
        while await work(connection, account_id):
            pass
        assert await connection.fetchval("SELECT count(*) FROM confirmed_signals_ledger") == 1
    finally:
        await connection.close()
