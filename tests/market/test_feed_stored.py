"""What a feed stores and the desk reads: option chains, quotes and bars, against the real PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from hookfill.market.feeds.port import ChainBounds
from hookfill.market.feeds.stored import (
    MOST_CHAIN_AGE,
    StoredFeed,
    keep_chain,
    newest_bars,
    newest_prices,
    option_chain_of,
    option_quotes_of,
)
from hookfill.market.model import Candle
from hookfill.market.option_chain import OptionChain, OptionQuote
from hookfill.market.option_prices import Greeks
from hookfill.market.option_symbols import contract_from
from hookfill.market.store import store_candles
from hookfill.market.timeframes import bar_close
from hookfill.postgres.tenancy import as_user
from support.house import House
from support.plans import explain, vacuum

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
SYMBOLS = ("SPY260320C00500000", "SPY260320C00505000", "SPY260320P00495500", "SPY260417C00500000")
GREEKS = Greeks(3.2, 0.5, 0.02, -0.12, 0.31, 0.05)


def told(symbol: str, bid: str = "3.1", ask: str = "3.3", at: datetime = NOW, **more: object) -> OptionQuote:
    return OptionQuote(contract_from(symbol), Decimal(bid), Decimal(ask), at, "alpaca", **more)  # type: ignore[arg-type]


def chain(quotes: Sequence[OptionQuote] = (), at: datetime = NOW, source: str = "alpaca", underlying: str = "SPY") -> OptionChain:
    return OptionChain(underlying, at, source, Decimal("500.15"), tuple(quotes or (told(symbol) for symbol in SYMBOLS)))


async def test_a_chain_comes_back_as_it_was_told(connection: asyncpg.Connection) -> None:
    full = told(SYMBOLS[0], volatility=0.21, greeks=GREEKS, open_interest=1_200, volume=250)
    assert await keep_chain(connection, chain([full, told(SYMBOLS[2])], source="alpaca_indicative"))
    found = await option_chain_of(connection, "SPY", NOW + timedelta(seconds=5))
    assert found == chain([full, told(SYMBOLS[2])], source="alpaca_indicative")


@pytest.mark.parametrize(("age", "is_there"), [(0, True), (149, True), (150, False), (-1, False), (86_400, False)])
async def test_a_chain_is_there_while_it_is_young(connection: asyncpg.Connection, age: int, is_there: bool) -> None:
    await keep_chain(connection, chain())
    at = NOW + timedelta(seconds=age)
    assert (await option_chain_of(connection, "SPY", at) is not None) is is_there
    assert bool(await option_quotes_of(connection, [contract_from(SYMBOLS[0])], at)) is is_there
    assert await option_chain_of(connection, "SPY", at, timedelta(0)) is None
    assert await option_chain_of(connection, "QQQ", at) is None


async def test_the_order_is_that_of_a_chain_and_bounds_hold(connection: asyncpg.Connection) -> None:
    await keep_chain(connection, chain([told(symbol) for symbol in reversed(SYMBOLS)]))
    found = await option_chain_of(connection, "SPY", NOW)
    assert found is not None
    assert [one.contract.symbol for one in found.quotes] == list(SYMBOLS)
    narrow = ChainBounds(date(2026, 3, 20), date(2026, 3, 20), Decimal(496), Decimal(505))
    found = await option_chain_of(connection, "SPY", NOW, bounds=narrow)
    assert found is not None
    assert [one.contract.symbol for one in found.quotes] == list(SYMBOLS[:2])


async def test_a_newer_chain_takes_the_place_and_an_older_one_changes_nothing(connection: asyncpg.Connection) -> None:
    await keep_chain(connection, chain())
    later = NOW + timedelta(minutes=1)
    newer = chain([told(SYMBOLS[1], "4", "4.2", later), told(SYMBOLS[3])], later)
    assert await keep_chain(connection, newer)
    assert await option_chain_of(connection, "SPY", later) == newer
    assert not await keep_chain(connection, chain())
    assert not await keep_chain(connection, newer)
    assert await option_chain_of(connection, "SPY", later) == newer


async def test_chains_of_others_stay(connection: asyncpg.Connection) -> None:
    other = chain([told("QQQ260320C00400000")], underlying="QQQ")
    await keep_chain(connection, other)
    await keep_chain(connection, chain())
    assert await option_chain_of(connection, "QQQ", NOW) == other


async def test_open_interest_stays_until_it_is_told_anew(connection: asyncpg.Connection) -> None:
    for minute, interest, expected in ((0, 100, 100), (1, None, 100), (2, 120, 120), (3, 120, 120), (4, None, 120)):
        at = NOW + timedelta(minutes=minute)
        await keep_chain(connection, chain([told(SYMBOLS[0], open_interest=interest)], at))
        found = await option_chain_of(connection, "SPY", at)
        assert found is not None
        assert found.quotes[0].open_interest == expected


async def test_what_did_not_change_is_not_written_again(connection: asyncpg.Connection) -> None:
    versions = "SELECT array_agg(xmin::text ORDER BY symbol) FROM option_quotes"
    await keep_chain(connection, chain([replace(told(symbol), greeks=GREEKS) for symbol in SYMBOLS]))
    before = await connection.fetchval(versions)
    moved = [replace(told(symbol), greeks=GREEKS) for symbol in SYMBOLS[1:]]
    await keep_chain(connection, chain([told(SYMBOLS[0], "9", "9.5"), *moved], NOW + timedelta(minutes=1)))
    after = await connection.fetchval(versions)
    assert before[1:] == after[1:]
    assert before[0] != after[0]


async def test_single_contracts(connection: asyncpg.Connection) -> None:
    await keep_chain(connection, chain())
    wanted = [contract_from(symbol) for symbol in (*SYMBOLS[:2], "SPY260320C00999000", "QQQ260320C00400000")]
    assert await option_quotes_of(connection, wanted, NOW) == {symbol: told(symbol) for symbol in SYMBOLS[:2]}
    assert await option_quotes_of(connection, [], NOW) == {}


async def test_a_chain_is_read_by_its_keys_however_many_there_are(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """INSERT INTO option_quotes (underlying, symbol, expiration, strike, bid, ask, quoted_at, source)
        SELECT 'U' || n % 200, 'U' || n, '2026-03-20', 1, 1, 1, now(), 'alpaca' FROM generate_series(1, 20000) AS n"""
    )
    await vacuum(connection, "option_quotes")
    for plan in await explain(connection, "SELECT * FROM option_quotes WHERE underlying = $1", "U7"):
        assert "option_quotes_pkey" in plan.indexes, plan


async def test_everybody_reads_and_nobody_writes(house: House) -> None:
    async with house.pool.acquire() as connection:
        await keep_chain(connection, chain())
        other = await house.new_user()
        async with as_user(connection, other):
            assert await option_chain_of(connection, "SPY", NOW) is not None
        for statement in ("DELETE FROM option_chains", "DELETE FROM option_quotes", "UPDATE option_quotes SET bid = 0"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with as_user(connection, other):
                    await connection.execute(statement)


def candle(minute: int, symbol: str = "SPY", timeframe: str = "M1", close: int = 500) -> Candle:
    opened_at = NOW + timedelta(minutes=minute)
    price = Decimal(close)
    return Candle(symbol, timeframe, opened_at, bar_close(timeframe, opened_at), price, price + 1, price - 1, price, 7)


class TestStoredFeed:
    """The port's stored side."""

    async def test_what_was_pushed_comes_back(self, pool: asyncpg.Pool) -> None:
        feed = StoredFeed(pool)
        bars = [candle(0), candle(1), candle(2), candle(0, "QQQ"), candle(0, "SPY", "M5")]
        async with pool.acquire() as connection:
            await store_candles(connection, bars, NOW + timedelta(hours=1))
            await keep_chain(connection, replace(chain(), at=datetime.now(UTC)))
        told_bars = await feed.bars(["QQQ", "SPY", "IWM"], "M1", NOW, NOW + timedelta(minutes=2))
        assert told_bars.candles == (bars[3], bars[0], bars[1])
        assert (told_bars.source, told_bars.unknown) == ("stored", frozenset())
        quotes = await feed.quotes(["SPY", "IWM"])
        assert {symbol: one.price for symbol, one in quotes.quotes.items()} == {"SPY": 500}
        assert quotes.quotes["SPY"].at == bars[4].closes_at
        found = await feed.option_chain("SPY", Decimal(1), ChainBounds(lowest_strike=Decimal(505)))
        assert found is not None
        assert [one.contract.strike for one in found.quotes] == [505]
        assert await feed.option_chain("SPY", Decimal(1), ChainBounds(lowest_strike=Decimal(900))) is None
        assert await feed.option_chain("QQQ", Decimal(1)) is None
        assert await feed.open_interest("SPY") == {}
        assert feed.covers("EURUSD")

    async def test_bars_that_are_forming_are_not_told(self, pool: asyncpg.Pool) -> None:
        opened_at = datetime.now(UTC).replace(second=0, microsecond=0)
        async with pool.acquire() as connection:
            forming = replace(candle(0), opened_at=opened_at, closes_at=opened_at + timedelta(days=1), timeframe="D1")
            await store_candles(connection, [forming], opened_at)
        assert (await StoredFeed(pool).bars(["SPY"], "D1", opened_at, opened_at + timedelta(days=1))).candles == ()


async def test_the_newest_bar_of_each_series(connection: asyncpg.Connection) -> None:
    await store_candles(connection, [candle(0), candle(3), candle(0, "SPY", "M5")], NOW + timedelta(hours=1))
    asked = [("SPY", "M1"), ("SPY", "M5"), ("QQQ", "M1")]
    assert await newest_bars(connection, asked, NOW + timedelta(hours=1)) == {
        ("SPY", "M1"): NOW + timedelta(minutes=3),
        ("SPY", "M5"): NOW,
    }
    assert await newest_bars(connection, asked[:1], NOW + timedelta(minutes=3)) == {("SPY", "M1"): NOW}
    assert timedelta(minutes=2) < MOST_CHAIN_AGE
    assert (await newest_prices(connection, ["SPY", "QQQ"])).keys() == {"SPY"}
