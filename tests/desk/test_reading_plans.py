"""Reading stays cheap however much is stored: the statements use their indexes and look at little more than they return."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from hookfill.desk.story import SQL as STORY
from hookfill.orders.store import SQL as ORDERS
from hookfill.positions.store import SQL as POSITIONS
from hookfill.postgres.model import Database
from hookfill.signals.store import SQL as SIGNALS
from support.database import query
from support.house import House, at

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
        await connection.execute(f"VACUUM ANALYZE {', '.join(TABLES)}, accounts, strategies")
        yield house, connection


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def explain(connection: asyncpg.Connection, statement: str, *arguments: object) -> tuple[set[str], float]:
    """The indexes that a statement uses, and how many rows it looks at in the tables that grow."""
    found = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
    plan = found if isinstance(found, list) else json.loads(found)
    indexes: set[str] = set()
    rows = 0.0
    for node in nodes(plan[0]["Plan"]):
        if node.get("Relation Name") in TABLES:
            assert node["Node Type"] != "Seq Scan", node
            rows += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        if "Index Name" in node:
            indexes.add(node["Index Name"])
    return indexes, rows


Crowded = tuple[House, asyncpg.Connection]


async def test_a_page_of_signals(crowded: Crowded) -> None:
    house, connection = crowded
    for offset in (0, 2 * PAGE):
        indexes, rows = await explain(connection, SIGNALS.list_signals.sql, None, PAGE, offset, house.owner)
        assert {"signals_pkey", "messages_pkey"} <= indexes
        assert rows <= 2 * PAGE + offset


async def test_one_signal(crowded: Crowded) -> None:
    house, connection = crowded
    [first, *_] = await house.signal_ids()
    indexes, rows = await explain(connection, SIGNALS.get_signal.sql, house.owner, first)
    assert {"signals_pkey", "messages_pkey"} <= indexes
    assert rows <= 2
    indexes, _ = await explain(connection, SIGNALS.oldest_pending_seconds.sql)
    assert indexes == {"signals_pending"}


async def test_a_page_of_orders(crowded: Crowded) -> None:
    house, connection = crowded
    indexes, rows = await explain(connection, ORDERS.list_orders.sql, None, PAGE, 0, house.owner)
    assert "orders_pkey" in indexes
    assert rows <= PAGE
    page = await connection.fetch(ORDERS.list_orders.sql, None, PAGE, 0, house.owner)
    order_ids = [row["order_id"] for row in page]
    indexes, rows = await explain(connection, ORDERS.fills_of_orders.sql, [house.account_id], order_ids)
    assert "fills_by_order" in indexes
    assert rows <= PAGE
    indexes, rows = await explain(connection, ORDERS.orders_of_signal.sql, house.owner, page[0]["signal_id"], None, PAGE, 0)
    assert "orders_by_signal" in indexes
    assert rows <= 1


async def test_a_page_of_positions(crowded: Crowded) -> None:
    house, connection = crowded
    indexes, rows = await explain(connection, POSITIONS.list_positions.sql, ["open", "closing", "closed"], PAGE, 0, house.owner)
    assert {"positions_pkey", "orders_by_position"} <= indexes
    assert rows <= 3 * PAGE


async def test_a_story(crowded: Crowded) -> None:
    house, connection = crowded
    signal = await connection.fetchrow("SELECT * FROM signals ORDER BY signal_id LIMIT 1")
    order = await connection.fetchrow("SELECT * FROM orders WHERE signal_id = $1", signal["signal_id"])
    indexes, rows = await explain(connection, STORY.story_signal.sql, house.owner, signal["signal_id"])
    assert {"signals_pkey", "decisions_pkey"} <= indexes
    assert rows == 2
    indexes, rows = await explain(connection, STORY.story_message.sql, house.owner, signal["message_id"])
    assert "messages_pkey" in indexes
    assert rows == 1
    indexes, rows = await explain(connection, STORY.positions_named.sql, house.account_id, [order["position_id"]])
    assert "positions_pkey" in indexes
    assert rows == 1
    asked = (house.account_id, [order["position_id"]], signal["signal_id"], at(0), order["created_at"])
    indexes, rows = await explain(connection, STORY.later_exits.sql, *asked)
    assert "orders_by_position" in indexes
    assert rows <= 2


INDEXES = [
    (SIGNALS.list_signals, {"signals_pkey", "messages_pkey"}),
    (SIGNALS.get_signal, {"signals_pkey", "messages_pkey"}),
    (ORDERS.list_orders, {"orders_pkey"}),
    (ORDERS.orders_of_signal, {"orders_by_signal"}),
    (ORDERS.fills_of_orders, {"fills_by_order"}),
    (POSITIONS.list_positions, {"positions_pkey", "orders_by_position"}),
    (STORY.story_signal, {"signals_pkey", "decisions_pkey"}),
    (STORY.story_message, {"messages_pkey"}),
    (STORY.duplicates_of, {"messages_duplicates"}),
    (STORY.positions_named, {"positions_pkey"}),
    (STORY.later_exits, {"orders_by_position"}),
]


async def test_plans_for_parameters_of_any_value(crowded: Crowded, database: Database) -> None:
    """PostgreSQL may settle on one plan for all values once a statement has been run a few times."""
    for statement, indexes in INDEXES:
        [[plan]] = query(database.url, f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement.sql}")
        found = list(nodes(plan[0]["Plan"]))
        assert indexes <= {node.get("Index Name") for node in found}, statement.sql
        assert not [node for node in found if node["Node Type"] == "Seq Scan" and node["Relation Name"] in TABLES], statement.sql


async def test_counting_repeats(crowded: Crowded) -> None:
    """Only repeats are in the index: fresh messages pay nothing for it."""
    house, connection = crowded
    signal = await connection.fetchrow("SELECT * FROM signals ORDER BY signal_id LIMIT 1")
    other = await connection.fetchval("SELECT signal_id FROM signals ORDER BY signal_id DESC LIMIT 1")
    move = "UPDATE messages SET signal_id = $1 WHERE state = 'duplicate' AND message_id > $2"
    await connection.execute(move, other, signal["signal_id"])
    await connection.execute("VACUUM ANALYZE messages")
    indexes, rows = await explain(connection, STORY.duplicates_of.sql, house.account_id, signal["signal_id"])
    assert indexes == {"messages_duplicates"}
    assert rows <= 2
