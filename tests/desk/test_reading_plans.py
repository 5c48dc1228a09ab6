"""Reading stays cheap however much is stored: the statements use their indexes and look at little more than they return."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from hookfill.desk.story import SQL as STORY
from hookfill.orders.store import SQL as ORDERS
from hookfill.positions.store import SQL as POSITIONS
from hookfill.signals.store import SQL as SIGNALS
from support.house import House, at
from support.plans import look, vacuum

COPIES = 4_000
PAGE = 50
TABLES = {
    "messages": ("message_id",),
    "signals": ("signal_id", "message_id"),
    "decisions": ("signal_id",),
    "positions": ("position_id",),
    "orders": ("order_id", "client_order_id", "signal_id", "position_id"),
    "fills": ("fill_id", "order_id", "position_id"),
}


@pytest.fixture
async def crowded(house: House) -> AsyncIterator[tuple[House, asyncpg.Connection]]:
    """One real trade and its duplicate, each row of it thousands of times."""
    strategy = await house.new_strategy()
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, "buy EURUSD 0.1 tp=1.09")
    await house.alert(strategy, "buy EURUSD 0.1 tp=1.09", 0.1)
    await house.decide()
    await house.bar(1, "1.0800 1.0905 1.0795 1.0900")
    await house.decide()
    async with house.pool.acquire() as connection:
        for table, keys in TABLES.items():
            fresh = ", ".join(f"'{key}', uuidv7(), 'n', n" for key in keys)
            await connection.execute(
                f"INSERT INTO {table} SELECT copy.* FROM {table} AS one, generate_series(1, {COPIES}) AS n, "
                f"jsonb_populate_record(one, jsonb_build_object({fresh})) AS copy"
            )
        await vacuum(connection)
        yield house, connection


Crowded = tuple[House, asyncpg.Connection]


async def test_a_page_of_signals(crowded: Crowded) -> None:
    house, connection = crowded
    for offset in (0, 2 * PAGE):
        for indexes, rows in await look(connection, TABLES, SIGNALS.list_signals.sql, None, PAGE, offset, house.owner):
            assert {"signals_pkey", "messages_pkey"} <= indexes
            assert rows <= 2 * PAGE + offset


async def test_one_signal(crowded: Crowded) -> None:
    house, connection = crowded
    [first, *_] = await house.signal_ids()
    for indexes, rows in await look(connection, TABLES, SIGNALS.get_signal.sql, house.owner, first):
        assert {"signals_pkey", "messages_pkey"} <= indexes
        assert rows <= 2
    for indexes, _ in await look(connection, TABLES, SIGNALS.oldest_pending_seconds.sql):
        assert indexes == {"signals_pending"}


async def test_a_page_of_orders(crowded: Crowded) -> None:
    house, connection = crowded
    for indexes, rows in await look(connection, TABLES, ORDERS.list_orders.sql, None, PAGE, 0, house.owner):
        assert "orders_pkey" in indexes
        assert rows <= PAGE
    page = await connection.fetch(ORDERS.list_orders.sql, None, PAGE, 0, house.owner)
    order_ids = [row["order_id"] for row in page]
    for indexes, rows in await look(connection, TABLES, ORDERS.fills_of_orders.sql, [house.account_id], order_ids):
        assert "fills_by_order" in indexes
        assert rows <= PAGE
    for indexes, rows in await look(
        connection, TABLES, ORDERS.orders_of_signal.sql, house.owner, page[0]["signal_id"], None, PAGE, 0
    ):
        assert "orders_by_signal" in indexes
        assert rows <= 1


async def test_a_page_of_positions(crowded: Crowded) -> None:
    house, connection = crowded
    for indexes, rows in await look(
        connection, TABLES, POSITIONS.list_positions.sql, ["open", "closing", "closed"], PAGE, 0, house.owner
    ):
        assert {"positions_pkey", "orders_by_position"} <= indexes
        assert rows <= 3 * PAGE


async def test_a_story(crowded: Crowded) -> None:
    house, connection = crowded
    signal = await connection.fetchrow("SELECT * FROM signals ORDER BY signal_id LIMIT 1")
    order = await connection.fetchrow("SELECT * FROM orders WHERE signal_id = $1", signal["signal_id"])
    for indexes, rows in await look(connection, TABLES, STORY.story_signal.sql, house.owner, signal["signal_id"]):
        assert {"signals_pkey", "decisions_pkey"} <= indexes
        assert rows == 2
    for indexes, rows in await look(connection, TABLES, STORY.story_message.sql, house.owner, signal["message_id"]):
        assert "messages_pkey" in indexes
        assert rows == 1
    for indexes, rows in await look(connection, TABLES, STORY.positions_named.sql, house.account_id, [order["position_id"]]):
        assert "positions_pkey" in indexes
        assert rows == 1
    asked = (house.account_id, [order["position_id"]], signal["signal_id"], at(0), order["created_at"])
    for indexes, rows in await look(connection, TABLES, STORY.later_exits.sql, *asked):
        assert "orders_by_position" in indexes
        assert rows <= 2


async def test_counting_repeats(crowded: Crowded) -> None:
    """Only repeats are in the index: fresh messages pay nothing for it."""
    house, connection = crowded
    signal = await connection.fetchrow("SELECT * FROM signals ORDER BY signal_id LIMIT 1")
    other = await connection.fetchval("SELECT signal_id FROM signals ORDER BY signal_id DESC LIMIT 1")
    move = "UPDATE messages SET signal_id = $1 WHERE state = 'duplicate' AND message_id > $2"
    await connection.execute(move, other, signal["signal_id"])
    await vacuum(connection, "messages")
    for indexes, rows in await look(connection, TABLES, STORY.duplicates_of.sql, house.account_id, signal["signal_id"]):
        assert indexes == {"messages_duplicates"}
        assert rows <= 2
