"""Every statement of inbox/queries.sql, run by PostgreSQL."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from hookfill.inbox import store
from hookfill.inbox.model import Delivery, NewSignal, Receipt
from hookfill.kernel.ids import new_id

Make = Callable[..., Delivery]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def signal_id(delivery: Delivery) -> UUID:
    assert delivery.signal is not None
    return delivery.signal.signal_id


async def states(connection: asyncpg.Connection, *deliveries: Delivery) -> list[str]:
    """The stored states, in the order given."""
    found = dict(await connection.fetch("SELECT message_id, state FROM messages"))
    return [found[delivery.message_id] for delivery in deliveries]


async def signals(connection: asyncpg.Connection) -> list[UUID]:
    return [row[0] for row in await connection.fetch("SELECT signal_id FROM signals ORDER BY signal_id")]


async def test_a_delivery_is_stored_in_every_column(connection: asyncpg.Connection, make: Make) -> None:
    experiment = new_id()
    signal = NewSignal(new_id(), experiment, "A", 50)
    delivery = make(
        b"key", 1, signal=False, body=b"\x00\xff raw", headers='{"user-agent":"x"}', content_type="text/plain", source="import",
        reason="json_invalid", error="why", state="malformed",
    )  # fmt: skip
    delivery.signal = signal
    assert await store.flush(connection, [delivery]) == [Receipt(fresh=True, signal_id=signal.signal_id)]
    message = dict(await connection.fetchrow("SELECT * FROM messages"))
    stored_at = message.pop("stored_at")
    assert stored_at > datetime.now(UTC) - timedelta(minutes=1)
    expected = {
        "account_id": delivery.account_id, "message_id": delivery.message_id, "door": "tradingview",
        "strategy_id": delivery.strategy_id, "source": "import", "content_type": "text/plain", "headers": {"user-agent": "x"},
        "body": b"\x00\xff raw", "received_at": delivery.received_at, "as_of": delivery.as_of, "state": "malformed",
        "reason": "json_invalid", "error": "why",
    }  # fmt: skip
    assert {name: message[name] for name in expected} == expected
    row = dict(await connection.fetchrow("SELECT * FROM signals"))
    expected = {
        "account_id": delivery.account_id, "signal_id": signal.signal_id, "message_id": delivery.message_id,
        "strategy_id": delivery.strategy_id, "door": "tradingview", "source": "import", "symbol": None, "action": None,
        "alert": None, "status": "pending", "reason": None, "error_message": None, "resolved_at": None,
        "as_of": delivery.as_of, "created_at": delivery.received_at, "attempts": 0, "experiment_id": experiment, "variant": "A",
        "split_percentage": 50,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    gate = dict(await connection.fetchrow("SELECT * FROM gate"))
    assert gate == {
        "account_id": delivery.account_id, "key": b"key", "seen_us": delivery.seen_us, "message_id": delivery.message_id,
        "signal_id": signal.signal_id,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds_later", "is_fresh"), [(0, False), (-5, False), (59.9, False), (60, False), (60.000001, True), (3600, True)]
)
async def test_the_window_of_a_key(connection: asyncpg.Connection, make: Make, seconds_later: float, *, is_fresh: bool) -> None:
    first, second = make(b"key"), make(b"key", seconds_later)
    await store.flush(connection, [first])
    (receipt,) = await store.flush(connection, [second])
    assert receipt == Receipt(is_fresh, signal_id(second if is_fresh else first))
    assert await states(connection, first, second) == ["processed", "processed" if is_fresh else "duplicate"]
    assert await signals(connection) == sorted([signal_id(first), *([signal_id(second)] if is_fresh else [])])


async def test_repeats_inside_one_batch_get_the_first_ones_signal(connection: asyncpg.Connection, make: Make) -> None:
    batch = [make(b"a"), make(b"b"), make(b"a", 1), make(None), make(b"a", 2), make(None)]
    receipts = await store.flush(connection, batch)
    first, other = signal_id(batch[0]), signal_id(batch[1])
    assert receipts == [
        Receipt(True, first),
        Receipt(True, other),
        Receipt(False, first),
        Receipt(True, signal_id(batch[3])),
        Receipt(False, first),
        Receipt(True, signal_id(batch[5])),
    ]
    assert await states(connection, *batch) == ["processed", "processed", "duplicate", "processed", "duplicate", "processed"]


async def test_a_duplicate_does_not_prolong_the_window(connection: asyncpg.Connection, make: Make) -> None:
    freshness = [(await store.flush(connection, [make(b"key", at)]))[0].fresh for at in (0, 40, 80)]
    assert freshness == [True, False, True]


async def test_the_same_key_of_another_account_is_another(connection: asyncpg.Connection, make: Make) -> None:
    batch = [make(b"key"), make(b"key", account_id=new_id())]
    assert [receipt.fresh for receipt in await store.flush(connection, batch)] == [True, True]


async def test_flushing_a_batch_again_changes_nothing_and_answers_the_same(connection: asyncpg.Connection, make: Make) -> None:
    batch = [make(b"a"), make(b"a", 1), make(None), make(b"b", signal=False)]
    receipts = await store.flush(connection, batch)
    tables = ("messages", "signals", "gate")
    before = [await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
    assert await store.flush(connection, batch) == receipts
    # Also where the first time went through in part: alone, or after a later genuine repeat.
    await store.flush(connection, batch[:1])
    assert [await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == before
    await store.flush(connection, [make(b"a", 100)])
    await store.flush(connection, batch)
    assert await connection.fetchval("SELECT count(*) FROM signals") == 3


async def test_two_batches_with_the_same_keys_in_opposite_order_do_not_lock_each_other_out(
    database_pair: tuple[asyncpg.Connection, asyncpg.Connection], make: Make
) -> None:
    one, two = database_pair
    keys = [bytes([number]) for number in range(200)]
    for round_ in range(5):
        forward = [make(key, round_ * 100) for key in keys]
        backward = [make(key, round_ * 100) for key in reversed(keys)]
        receipts = await asyncio.gather(store.flush(one, forward), store.flush(two, backward))
        fresh = sum(receipt.fresh for receipt in (*receipts[0], *receipts[1]))
        assert fresh == len(keys)
        by_key = {delivery.gate_key: receipt.signal_id for delivery, receipt in zip(forward, receipts[0], strict=True)}
        assert by_key == {delivery.gate_key: receipt.signal_id for delivery, receipt in zip(backward, receipts[1], strict=True)}


async def test_a_decoy_is_a_commit_that_leaves_no_row(connection: asyncpg.Connection, make: Make) -> None:
    before = await connection.fetchval("SELECT pg_current_wal_flush_lsn()")
    await store.commit_decoy(connection, [make(b"key"), make(None)])
    written = await connection.fetchval("SELECT pg_current_wal_flush_lsn() - $1::pg_lsn", before)
    assert written > 400  # a commit record was flushed, not only a snapshot read
    for table in ("messages", "signals", "gate"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_the_desk_is_woken_on_its_channel(connection: asyncpg.Connection, pool: asyncpg.Pool) -> None:
    heard = asyncio.Event()
    await connection.add_listener("hookfill_signals", lambda *_: heard.set())
    async with pool.acquire() as other:
        await store.wake_desk(other)
    async with asyncio.timeout(10):
        await heard.wait()


async def test_workers_are_woken_on_their_channels(connection: asyncpg.Connection, pool: asyncpg.Pool) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    for channel in (store.DESK_CHANNEL, store.JOURNAL_CHANNEL):
        await connection.add_listener(channel, lambda *notice: heard.put_nowait(notice[2]))
    async with pool.acquire() as other:
        await store.wake(other, {store.JOURNAL_CHANNEL, store.DESK_CHANNEL})
    async with asyncio.timeout(10):
        assert {await heard.get(), await heard.get()} == {"hookfill_signals", "hookfill_journal"}


async def test_simulated_time_never_runs_back(connection: asyncpg.Connection) -> None:
    for now in (NOON, NOON + timedelta(hours=1), NOON):
        await store.advance_simulated_clock(connection, now)
    assert await connection.fetchval("SELECT now_at FROM simulated_clock") == NOON + timedelta(hours=1)


async def test_messages_are_listed_newest_first_and_counted_by_state(connection: asyncpg.Connection, make: Make) -> None:
    batch = [make(None, number, state="malformed" if number % 2 else "processed", signal=False) for number in range(6)]
    batch.append(replace(make(None), account_id=new_id()))
    await store.flush(connection, batch)
    account_id = batch[0].account_id
    listed = await store.list_messages(connection, account_id, state=None, limit=3, offset=1)
    assert [row["message_id"] for row in listed] == [batch[place].message_id for place in (4, 3, 2)]
    listed = await store.list_messages(connection, account_id, state="malformed", limit=10)
    assert [row["message_id"] for row in listed] == [batch[place].message_id for place in (5, 3, 1)]
    assert await store.count_messages(connection, account_id) == {"malformed": 3, "processed": 3}
