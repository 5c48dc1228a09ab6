"""Candles and quotes on PostgreSQL: what is new, what differs, what many senders at once do to each other."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from hookfill.market.store import Stored, store_candles
from support.desk import at, bar, flat

LATE = at(100_000)


async def rows(connection: asyncpg.Connection) -> list[tuple]:
    found = await connection.fetch(
        "SELECT symbol, timeframe, timestamp, open, high, low, close, volume FROM market_data_candles ORDER BY 1, 2, 3"
    )
    return [tuple(row) for row in found]


async def quote(connection: asyncpg.Connection, symbol: str = "EURUSD") -> tuple:
    found = await connection.fetchrow(
        "SELECT price, quoted_at, bar_seconds, bar_low, bar_high, source FROM quotes WHERE symbol = $1", symbol
    )
    return tuple(found)


async def test_new_known_and_conflicting_bars_are_told_apart(connection) -> None:
    first, second, third = flat(0, "1.1"), flat(1, "1.2"), flat(2, "1.3")
    assert await store_candles(connection, [first, second], LATE) == Stored(2, 0)
    assert await store_candles(connection, [first, second], LATE) == Stored(0, 0)
    assert await store_candles(connection, [second, third], LATE) == Stored(1, 0)
    assert await store_candles(connection, [replace(first, close=Decimal("1.05"), low=Decimal("1.05")), third], LATE) == Stored(
        0, 1
    )
    assert await store_candles(connection, [replace(first, volume=None)], LATE) == Stored(0, 1)
    assert await store_candles(connection, [replace(first, close=Decimal("1.1000"))], LATE) == Stored(0, 0)
    assert [row[6] for row in await rows(connection)] == [Decimal("1.1"), Decimal("1.2"), Decimal("1.3")]
    assert await store_candles(connection, [replace(first, timeframe="M5"), replace(first, symbol="GBPUSD")], LATE) == Stored(2, 0)


async def test_a_bar_twice_in_one_batch_is_one(connection) -> None:
    one = flat(0, "1.1")
    assert await store_candles(connection, [one, one, one], LATE) == Stored(1, 0)
    other = flat(1, "1.2")
    stored = await store_candles(connection, [other, replace(other, volume=9)], LATE)
    assert stored == Stored(1, 1)


async def test_batches_in_one_transaction_do_not_count_each_others_bars(connection) -> None:
    """An importer may store many batches and commit once."""
    first = flat(0, "1.1")
    await store_candles(connection, [first], LATE)
    async with connection.transaction():
        assert await store_candles(connection, [replace(first, volume=9)], LATE) == Stored(0, 1)
        assert await store_candles(connection, [first], LATE) == Stored(0, 0)
        assert await store_candles(connection, [flat(1, "1.1")], LATE) == Stored(1, 0)


async def test_all_or_nothing(connection) -> None:
    await store_candles(connection, [flat(0, "1.1")], LATE)
    bad = replace(flat(2, "1.1"), close=Decimal(10) ** 15)
    with pytest.raises(asyncpg.PostgresError):
        await store_candles(connection, [flat(1, "1.2"), bad], LATE)
    assert len(await rows(connection)) == 1
    assert (await quote(connection))[0] == Decimal("1.1")
    assert await store_candles(connection, [flat(1, "1.2")], LATE) == Stored(1, 0)


async def test_the_newest_price_wins_whatever_the_order(connection) -> None:
    await store_candles(connection, [bar(5, "1.1 1.3 1.0 1.2"), flat(3, "1.15"), flat(4, "7", symbol="GBPUSD")], LATE)
    assert await quote(connection) == (Decimal("1.2"), at(6), 60, Decimal("1.0"), Decimal("1.3"), "candle")
    await store_candles(connection, [flat(4, "1.4"), flat(9, "8", symbol="GBPUSD")], LATE)
    assert await quote(connection) == (Decimal("1.2"), at(6), 60, Decimal("1.0"), Decimal("1.3"), "candle")
    assert (await quote(connection, "GBPUSD"))[:2] == (Decimal(8), at(10))
    await store_candles(connection, [flat(5, "1.9")], LATE)  # the same time again: the first stays
    assert (await quote(connection))[0] == Decimal("1.2")
    await store_candles(connection, [flat(6, "1.3", timeframe="M5")], LATE)
    assert (await quote(connection))[1:3] == (at(11), 300)


async def test_a_forming_bar_is_a_price_as_of_when_it_became_known(connection) -> None:
    await store_candles(connection, [flat(0, "1.1")], at(0, seconds=20))
    assert (await quote(connection))[:3] == (Decimal("1.1"), at(0, seconds=20), 60)
    await store_candles(connection, [flat(0, "1.2")], at(0, seconds=40))
    assert (await quote(connection))[:2] == (Decimal("1.2"), at(0, seconds=40))
    await store_candles(connection, [flat(0, "1.3")], at(5))
    assert (await quote(connection))[:2] == (Decimal("1.3"), at(1))


async def test_of_bars_that_are_equally_new_the_shortest_makes_the_quote(connection) -> None:
    """How long a price stays fresh is measured in its bars: a day's forming bar must not keep a minute's price for days."""
    minute, hour, day = flat(59, "1.1"), bar(0, "1.1 1.5 1.0 1.1", timeframe="H1"), bar(-720, "1.1 1.9 0.9 1.1", timeframe="D1")
    await store_candles(connection, [day, hour, minute], LATE)
    assert (await quote(connection))[2] == 86_400  # long closed: the day's close is the newest
    forming = [replace(one, symbol="GBPUSD") for one in (day, hour, minute)]
    await store_candles(connection, forming, at(59.5))
    assert (await quote(connection, "GBPUSD"))[1:5] == (at(59.5), 60, Decimal("1.1"), Decimal("1.1"))
    closing = [replace(one, symbol="AUDUSD") for one in (hour, minute)]
    await store_candles(connection, closing, at(60))
    assert (await quote(connection, "AUDUSD"))[1:3] == (at(60), 60)


async def test_overlapping_batches_at_once_neither_wait_in_a_circle_nor_double(pool) -> None:
    bars = [flat(minute, "1.1", symbol=symbol) for minute in range(300) for symbol in ("EURUSD", "GBPUSD", "AUDUSD")]

    async def send(number: int) -> Stored:
        part = bars[number * 90 : number * 90 + 450]
        async with pool.acquire() as connection:
            return await store_candles(connection, part if number % 2 else part[::-1], LATE)

    stored = await asyncio.wait_for(
        asyncio.gather(*(send(number) for number in range(6)), *(send(number) for number in range(6))), 60
    )
    assert sum(one.added for one in stored) == 900
    assert sum(one.conflicting for one in stored) == 0
    async with pool.acquire() as connection:
        assert len(await rows(connection)) == 900
        assert (await quote(connection, "AUDUSD"))[1] == at(300)


async def test_storing_tells_the_workers(connection, database) -> None:
    from hookfill.postgres.pool import connect

    heard = asyncio.Event()
    listener = await connect(database, name="listener")
    try:
        await listener.add_listener("hookfill_prices", lambda *_: heard.set())
        await store_candles(connection, [flat(0, "1.1")], LATE)
        await asyncio.wait_for(heard.wait(), 30)
    finally:
        await listener.close()


async def test_values_come_back_exactly(connection) -> None:
    odd = bar(0, "0.0000000001 999999999999999 0.0000000001 123456.0123456789")
    await store_candles(
        connection,
        [replace(odd, volume=2**63 - 1), replace(odd, opened_at=odd.opened_at + timedelta(minutes=1), volume=None)],
        LATE,
    )
    first, second = await rows(connection)
    assert first[2:] == (at(0), odd.open, odd.high, odd.low, odd.close, 2**63 - 1)
    assert second[-1] is None
