"""Every message knows the signal that it became or repeats."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import asyncpg
import pytest

from hookfill.inbox import store
from hookfill.inbox.model import Delivery
from hookfill.postgres.model import Database
from support.database import wait_for_value

Deliver = Callable[..., Delivery]


async def stored(connection: asyncpg.Connection) -> dict[UUID, tuple[str, UUID | None]]:
    rows = await connection.fetch("SELECT message_id, state, signal_id FROM messages")
    return {row["message_id"]: (row["state"], row["signal_id"]) for row in rows}


def signal_of(delivery: Delivery) -> UUID:
    assert delivery.signal is not None
    return delivery.signal.signal_id


async def test_a_repeat_is_linked_to_the_signal_it_repeats(connection: asyncpg.Connection, make: Deliver) -> None:
    first, in_batch, later = make(b"key"), make(b"key", 1), make(b"key", 60)
    receipts = await store.flush(connection, [first, in_batch])
    receipts += await store.flush(connection, [later])
    assert [(receipt.fresh, receipt.signal_id) for receipt in receipts] == [
        (True, signal_of(first)),
        (False, signal_of(first)),
        (False, signal_of(first)),
    ]
    assert await stored(connection) == {
        first.message_id: ("processed", signal_of(first)),
        in_batch.message_id: ("duplicate", signal_of(first)),
        later.message_id: ("duplicate", signal_of(first)),
    }


async def test_past_the_window_a_repeat_is_its_own_signal_and_repeats_count_for_it(
    connection: asyncpg.Connection, make: Deliver
) -> None:
    first, second, repeat = make(b"key"), make(b"key", 60.001), make(b"key", 61)
    for delivery in (first, second, repeat):
        await store.flush(connection, [delivery])
    links = await stored(connection)
    assert links[second.message_id] == ("processed", signal_of(second))
    assert links[repeat.message_id] == ("duplicate", signal_of(second))


async def test_repeats_do_not_move_the_window(connection: asyncpg.Connection, make: Deliver) -> None:
    deliveries = [make(b"key", seconds) for seconds in (0, 40, 80)]
    receipts = [(await store.flush(connection, [delivery]))[0].fresh for delivery in deliveries]
    assert receipts == [True, False, True]


async def test_writing_a_batch_again_changes_nothing(connection: asyncpg.Connection, make: Deliver) -> None:
    batch = [make(b"one"), make(b"one", 1), make(None), make(b"two", signal=False, state="malformed")]
    first = await store.flush(connection, batch)
    before = await stored(connection)
    assert await store.flush(connection, batch) == first
    assert await stored(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM signals") == 2


async def test_what_is_new_is_stored_without_looking_and_can_not_be_stored_twice(
    connection: asyncpg.Connection, make: Deliver
) -> None:
    delivery = make(b"one")
    assert (await store.flush(connection, [delivery], are_new=True))[0].fresh
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.flush(connection, [delivery], are_new=True)
    assert (await store.flush(connection, [delivery]))[0].fresh
    assert await connection.fetchval("SELECT count(*) FROM messages") == 1


async def test_two_writers_that_meet_link_to_the_one_that_was_first(
    database: Database, database_pair: tuple[asyncpg.Connection, asyncpg.Connection], make: Deliver
) -> None:
    one, two = database_pair
    ahead, behind = make(b"key"), make(b"key", 1)
    async with one.transaction():
        await store.flush(one, [ahead])
        # Not visible to the other yet: it waits for the key, and must still learn whose it is.
        blocked = asyncio.create_task(store.flush(two, [behind]))
        await asyncio.to_thread(wait_for_value, database.url, True, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
    receipt = (await blocked)[0]
    assert (receipt.fresh, receipt.signal_id) == (False, signal_of(ahead))
    assert (await stored(one))[behind.message_id] == ("duplicate", signal_of(ahead))
