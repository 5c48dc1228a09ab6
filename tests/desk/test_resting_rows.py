"""Entries that rest, in the database: what is stored, what finds them again, and statements that stay cheap."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.desk.resting_store import SQL
from hookfill.ops.ledger import check_ledger
from hookfill.postgres.model import Database
from support.desk import at, bar, flat, only
from support.plans import assert_little_is_read, connected, fill

D = Decimal
LIMIT = "buy EURUSD 1 limit=1.07 sl=1.06"
HALT = """INSERT INTO halts (account_id, halt_id, scope, symbol, reduce_only, reason, lifted_at)
          SELECT account_id, gen_random_uuid(), '{}', {}, true, 'x', {} FROM orders"""


async def found(desk, minute: float) -> list[UUID]:
    """The accounts that have work by their resting orders at a moment."""
    return [row["account_id"] for row in await desk.rows(SQL.accounts_with_resting.sql, at(minute))]


async def order_of(desk) -> asyncpg.Record:
    return only(await desk.rows("SELECT * FROM orders WHERE terms IS NOT NULL"))


async def holds(desk) -> None:
    async with desk.pool.acquire() as connection:
        assert [(one.name, one.findings) for one in await check_ledger(connection) if not one.holds] == []


async def test_what_is_stored_is_read_back_and_folded_on(desk) -> None:
    await desk.candles(flat(-1, "1.08"))
    await desk.alerts((LIMIT + " tp=1.1", 0))
    assert await desk.work() == 1
    row = await order_of(desk)
    assert (row["status"], row["limit_price"], row["stop_price"], row["seen_until"]) == ("working", D("1.07"), None, at(0))
    levels = {"multiplier": "100000", "estimate": "1.07", "stop": "1.06", "target": "1.1", "exits": {}}
    assert row["terms"] == levels | {"extended_hours": False}
    assert await desk.rows("SELECT resting FROM accounts WHERE resting = 1")
    await holds(desk)
    # Prices that do not reach it are accounted for, once.
    await desk.candles(flat(1, "1.075"))
    assert await desk.work() == 1
    assert (await order_of(desk))["seen_until"] == at(2)
    assert await desk.work() == 0
    await desk.candles(bar(2, "1.075 1.075 1.065 1.07"))
    await desk.work()
    row = await order_of(desk)
    assert (row["status"], row["filled_quantity"], row["average_fill_price"]) == ("filled", D(1), D("1.07"))
    assert not await desk.rows("SELECT FROM accounts WHERE resting <> 0")
    position = only(await desk.rows("SELECT * FROM positions"))
    assert (position["stop_price"], position["target_price"], position["position_id"]) == (D("1.06"), D("1.1"), row["position_id"])
    signal = only(await desk.rows("SELECT * FROM signals"))
    assert (signal["status"], signal["fill_price"], signal["broker_order_id"]) == ("executed", D("1.07"), str(row["order_id"]))
    await holds(desk)


async def test_a_partial_fill_is_kept_and_the_rest_goes_on(desk) -> None:
    await desk.rows(
        "UPDATE accounts SET costs = $1 WHERE account_id = $2", {"volume_cap_pct": "10", "slippage_bps": "0"}, desk.account_id
    )
    await desk.candles(flat(-1, "1.08"))
    signals = await desk.alerts(("buy EURUSD 1 limit=1.07", 0))
    await desk.work()
    for minute, volume in ((1, 3), (2, 4)):
        one = bar(minute, "1.07 1.07 1.06 1.065")
        await desk.candles(type(one)(*(getattr(one, name) for name in one.__slots__[:-1]), volume))
        await desk.work()
        await holds(desk)
    row = await order_of(desk)
    assert (row["status"], row["filled_quantity"], row["average_fill_price"]) == ("partially_filled", D("0.7"), D("1.07"))
    assert await desk.verdicts(signals) == [("approved", None)]
    # Closing the position cancels the rest; what had filled makes it an executed signal.
    await desk.alerts(("close EURUSD", 4))
    await desk.work()
    row = await order_of(desk)
    assert (row["status"], row["reason"]) == ("cancelled", "order_cancelled")
    assert row["error_message"].startswith("0.7 of 1 filled.")
    assert await desk.verdicts(signals) == [("executed", None)]
    assert only(await desk.rows("SELECT status FROM positions"))["status"] == "closed"
    await holds(desk)


async def test_it_is_found_by_price_time_halt_and_wish_and_by_nothing_else(desk) -> None:
    await desk.candles(flat(-1, "1.08"))
    await desk.alerts((LIMIT, 0))
    await desk.work()
    assert await found(desk, 5) == []
    over = (at(0).replace(hour=22) + timedelta(seconds=60) - at(0)).total_seconds() / 60
    assert await found(desk, over - 0.01) == []
    assert await found(desk, over) == [desk.account_id]
    await desk.candles(flat(3, "1.08"))
    assert await found(desk, 4) == [desk.account_id]
    assert await found(desk, -1) == []
    await desk.work()
    changes = [
        ("UPDATE orders SET cancel_requested_at = now()", "UPDATE orders SET cancel_requested_at = NULL"),
        ("UPDATE strategies SET is_enabled = false", "UPDATE strategies SET is_enabled = true"),
        (HALT.format("account", "NULL", "NULL"), "DELETE FROM halts"),
        (HALT.format("symbol", "'EURUSD'", "NULL"), "DELETE FROM halts"),
    ]
    for change, back in changes:
        assert await found(desk, 4) == []
        await desk.rows(change)
        assert await found(desk, 4) == [desk.account_id], change
        await desk.rows(back)
    await desk.rows(HALT.format("symbol", "'GBPUSD'", "NULL"))
    await desk.rows(HALT.format("account", "NULL", "now()"))
    assert await found(desk, 4) == []


@pytest.mark.parametrize("change", ["UPDATE strategies SET is_enabled = false", "DELETE FROM strategies WHERE strategy_id = $1"])
async def test_a_strategy_that_is_switched_off_or_gone_leaves_nothing_resting(desk, change: str) -> None:
    await desk.candles(flat(-1, "1.08"))
    await desk.alerts((LIMIT, 0))
    await desk.work()
    await desk.rows(change, *([desk.strategy_id] if "$1" in change else []))
    assert await desk.work() == 1
    row = await order_of(desk)
    assert (row["status"], row["filled_quantity"]) == ("cancelled", D(0))
    assert row["reason"] in ("strategy_disabled", "strategy_missing")
    assert await desk.work() == 0


async def test_an_account_with_nothing_that_rests_is_not_asked(desk, watched) -> None:
    await desk.candles(flat(-1, "1.08"))
    await desk.alerts(("buy EURUSD 1", 0))
    watched()
    await desk.decide(desk.account_id, 10)
    assert SQL.resting_orders.sql not in watched()
    await desk.alerts((LIMIT + " id=1", 1))
    await desk.decide(desk.account_id, 10)
    await desk.alerts(("close GBPUSD", 2))
    watched()
    await desk.decide(desk.account_id, 10)
    statements = watched()
    assert SQL.resting_orders.sql not in statements, "the second alert was refused: nothing rests"


async def test_the_same_cause_never_makes_two(desk) -> None:
    await desk.candles(flat(-1, "1.08"))
    await desk.alerts((LIMIT, 0))
    await desk.work()
    await desk.rows("UPDATE signals SET status = 'pending', resolved_at = NULL")
    await desk.rows("UPDATE orders SET status = 'cancelled'")
    with pytest.raises(asyncpg.UniqueViolationError):
        await desk.decide(desk.account_id, 10)


BUSY = UUID(int=1)
FILL = [
    """INSERT INTO quotes (symbol, price, quoted_at, source)
       SELECT 'SYM' || s, 1, '2026-03-16T09:20Z', 'candle' FROM generate_series(0, 999) AS s""",
    """INSERT INTO market_data_candles (symbol, timeframe, timestamp, open, high, low, close, volume)
       SELECT 'SYM' || s, 'M1', '2026-03-02T12:00Z'::timestamptz + n * interval '1 min', 1, 1, 1, 1, 7
       FROM generate_series(0, 2) AS s, generate_series(1, 20000) AS n""",
    """INSERT INTO strategies (account_id, strategy_id, name, engine)
       SELECT pg_temp.own(n), pg_temp.own(n), 'x', 'direct' FROM generate_series(0, 9) AS n""",
    # 30,000 orders of ten accounts: twenty rest, half of them in symbols with a newer price.
    """INSERT INTO orders (account_id, order_id, client_order_id, strategy_id, symbol, side, order_type, purpose, quantity,
                           limit_price, status, as_of, seen_until, terms)
       SELECT pg_temp.own(n % 10), pg_temp.own(n), n, pg_temp.own(n % 10), 'SYM' || n % 1000, 'buy', 'limit', 'entry', 1, 1,
              CASE WHEN n <= 20 THEN 'working' ELSE 'filled' END, '2026-03-02T12:00Z',
              CASE WHEN n <= 10 THEN '2026-03-16T09:19Z'::timestamptz ELSE '2026-03-16T09:20Z' END, '{}'
       FROM generate_series(1, 30000) AS n""",
    """INSERT INTO fills (account_id, fill_id, order_id, position_id, symbol, side, quantity, price, multiplier, commission,
                          realized_pnl, price_source, filled_at)
       SELECT account_id, order_id, order_id, order_id, symbol, 'buy', 1, 1, 1, 0, 0, 'x', as_of FROM orders""",
]


@pytest.fixture(scope="module")
def crowded(module_database: Database) -> Database:
    return fill(module_database, FILL)


@pytest.fixture
async def reader(crowded: Database) -> AsyncIterator[asyncpg.Connection]:
    async with connected(crowded) as connection:
        yield connection


PLANS = [
    ("accounts_with_resting", (at(30_000),), 10, 2_500),  # each that rests looks for its quote and its strategy; few halts
    ("resting_orders", (BUSY,), 2, 60),
    ("volumes_of", (["SYM0", "SYM2", "NONE"], ["M1"] * 3), 2, 10),
]


@pytest.mark.parametrize(("name", "arguments", "returned", "most"), PLANS)
async def test_a_statement_looks_at_little(
    reader: asyncpg.Connection, name: str, arguments: tuple[Any, ...], returned: int, most: int
) -> None:
    await assert_little_is_read(reader, getattr(SQL, name).sql, arguments, returned=returned, most=most)
