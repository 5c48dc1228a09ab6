"""The database goes silent, is cut off, or cut off after a commit was sent: everything is acknowledged in time and stored once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

import asyncpg
import pytest

from hookfill.inbox.model import Delivery, Receipt
from hookfill.inbox.spool import Spool, SpoolFull
from hookfill.inbox.writer import ANSWER_SECONDS, Writer
from hookfill.postgres.model import Database, ServerInfo
from hookfill.postgres.pool import connect
from support.database import wait_until_async
from support.proxy import Proxy

Make = Callable[..., Delivery]
BOUND_SECONDS = 3.0
"""TradingView gives up after three seconds."""


@pytest.fixture
async def proxy(postgres: ServerInfo, database: Database) -> AsyncIterator[Proxy]:
    """Made after the database and so gone before it: one can't be dropped while a connection to it is half open."""
    async with Proxy(postgres) as proxy:
        yield proxy


@pytest.fixture
async def far_writer(proxy: Proxy, database: Database, spool: Spool) -> AsyncIterator[Writer]:
    """A writer that reaches PostgreSQL through the proxy only, warmed up: its lanes are connected, its statement is prepared."""
    far = proxy.database(database.connect_arguments["database"])
    writer = Writer(partial(connect, far, name="inbox", timeout_seconds=1.0), spool, lanes=1)
    writer.start()
    yield writer
    proxy.restore()
    await writer.stop()


async def submit_in_time(writer: Writer, *deliveries: Delivery) -> list[Receipt]:
    """Submit at the same time; every receipt must be there within the bound."""
    started = time.monotonic()
    receipts = await asyncio.gather(*(writer.submit(delivery) for delivery in deliveries))
    assert time.monotonic() - started < BOUND_SECONDS
    return receipts


async def stored(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
    rows = await connection.fetch("SELECT message_id, state FROM messages ORDER BY stored_at, message_id")
    return [tuple(row) for row in rows]


async def back_to_normal(writer: Writer, spool: Spool) -> None:
    await wait_until_async(lambda: not writer.is_spooling, "the spool is emptied")
    assert spool.is_empty()


@pytest.mark.parametrize("trouble", ["black_hole", "refuse"])
async def test_away_means_spooled_and_written_on_once_in_order_when_it_is_back(
    proxy: Proxy, far_writer: Writer, spool: Spool, connection: asyncpg.Connection, make: Make, trouble: str
) -> None:
    deliveries = [make(bytes([number])) for number in range(6)]
    assert [r.spooled for r in await submit_in_time(far_writer, deliveries[0])] == [False]
    getattr(proxy, trouble)()
    receipts = await submit_in_time(far_writer, *deliveries[1:3])
    receipts += await submit_in_time(far_writer, deliveries[3], make(bytes([3]), 1))  # a resend meanwhile
    assert [receipt.spooled for receipt in receipts] == [True] * 4
    assert far_writer.is_spooling
    started = time.monotonic()
    await far_writer.submit(deliveries[4])  # while spooling nobody waits for the database
    assert time.monotonic() - started < ANSWER_SECONDS
    assert len(await stored(connection)) == 1
    proxy.restore()
    await back_to_normal(far_writer, spool)
    assert [r.spooled for r in await submit_in_time(far_writer, deliveries[5])] == [False]
    found = await stored(connection)
    assert [row for row in found if row[1] == "processed"] == [(delivery.message_id, "processed") for delivery in deliveries]
    assert len(found) == 7
    assert await connection.fetchval("SELECT count(*) FROM signals") == 6


async def test_a_cut_after_the_commit_was_sent_stores_once(
    proxy: Proxy, far_writer: Writer, spool: Spool, connection: asyncpg.Connection, make: Make
) -> None:
    await submit_in_time(far_writer, make(b"warm", signal=False))  # of which nobody is told, over another connection
    first = make(b"key")
    proxy.swallow_next_answer()
    (receipt,) = await submit_in_time(far_writer, first)
    assert proxy.swallowed.is_set()
    assert receipt == Receipt(fresh=True, signal_id=first.signal.signal_id, spooled=True)
    await back_to_normal(far_writer, spool)
    assert await stored(connection) == [((await stored(connection))[0][0], "processed"), (first.message_id, "processed")]
    (repeat,) = await submit_in_time(far_writer, make(b"key", 1))
    assert repeat == Receipt(fresh=False, signal_id=first.signal.signal_id)
    assert await connection.fetchval("SELECT count(*) FROM signals") == 1


async def test_a_connection_that_died_while_nothing_was_sent_is_replaced_without_the_spool(
    proxy: Proxy, far_writer: Writer, make: Make
) -> None:
    first = make(b"key")
    await submit_in_time(far_writer, first)
    lane = far_writer._lanes[0]
    proxy.cut()
    await wait_until_async(lambda: lane._connection is None or lane._connection.is_closed(), "the cut was noticed")
    assert await submit_in_time(far_writer, make(b"key", 1)) == [Receipt(fresh=False, signal_id=first.signal.signal_id)]
    assert not far_writer.is_spooling


async def test_neither_database_nor_spool_means_refused_in_time(
    proxy: Proxy, far_writer: Writer, spool: Spool, connection: asyncpg.Connection, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = make(b"kept")
    await submit_in_time(far_writer, kept)
    monkeypatch.setattr(spool, "_max_bytes", 1)
    proxy.black_hole()
    started = time.monotonic()
    results = await asyncio.gather(*(far_writer.submit(make(None)) for _ in range(5)), return_exceptions=True)
    assert time.monotonic() - started < BOUND_SECONDS
    assert [type(result) for result in results] == [SpoolFull] * 5
    monkeypatch.undo()
    proxy.restore()
    await back_to_normal(far_writer, spool)
    assert [r.spooled for r in await submit_in_time(far_writer, make(None))] == [False]


async def test_what_a_killed_server_left_in_its_spool_is_written_on_at_the_next_start(
    database: Database, spool: Spool, connection: asyncpg.Connection, make: Make
) -> None:
    left = [make(b"one"), make(b"one", 1), make(b"two")]
    spool.write(left[:2])
    spool.write(left[2:])
    writer = Writer(partial(connect, database, name="inbox"), spool)
    assert writer.is_spooling
    writer.start()
    after = make(b"three", 2)
    await writer.submit(after)
    await back_to_normal(writer, spool)
    await writer.stop()
    states = dict(await connection.fetch("SELECT message_id, state FROM messages"))
    assert [states[delivery.message_id] for delivery in (*left, after)] == ["processed", "duplicate", "processed", "processed"]


async def test_a_poisoned_delivery_in_the_spool_does_not_hold_up_the_others(
    database: Database, spool: Spool, connection: asyncpg.Connection, make: Make
) -> None:
    spool.write([make(None), make(None, error="a\x00b"), make(None)])
    spool.write([make(None)])
    writer = Writer(partial(connect, database, name="inbox"), spool)
    writer.start()
    await back_to_normal(writer, spool)
    await writer.stop()
    states = sorted(row["state"] for row in await connection.fetch("SELECT state FROM messages"))
    assert states == ["malformed", "processed", "processed", "processed"]


async def test_stopping_while_the_database_is_silent_answers_and_leaves_the_rest_to_the_spool(
    proxy: Proxy, far_writer: Writer, spool: Spool, make: Make
) -> None:
    await submit_in_time(far_writer, make(None))
    proxy.black_hole()
    waiting = [far_writer.submit(make(None)) for _ in range(20)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await far_writer.stop()
    assert all(task.result().spooled for task in waiting)
    assert sum(len(batch) for _, batch in spool.batches()) == 20


@pytest.mark.parametrize(
    "error", [asyncpg.InternalClientError("confused"), asyncpg.InterfaceError("closed"), ConnectionResetError(), TimeoutError()]
)
async def test_whatever_a_dying_database_raises_is_no_reason_to_refuse_a_message(
    database: Database, spool: Spool, connection: asyncpg.Connection, make: Make, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    connects = 0

    async def connect_badly_at_first() -> asyncpg.Connection:
        nonlocal connects
        connects += 1
        if connects < 5:
            raise error
        return await connect(database, name="inbox")

    writer = Writer(connect_badly_at_first, spool)
    writer.start()
    delivery = make(b"key")
    (receipt,) = await submit_in_time(writer, delivery)
    assert receipt.spooled
    await back_to_normal(writer, spool)
    assert await stored(connection) == [(delivery.message_id, "processed")]
    await submit_in_time(writer, make(b"key", 1))
    await wait_until_async(lambda: not writer._stored.is_set(), "the waker lives")
    assert not any(task.done() for task in writer._tasks)
    await writer.stop()
