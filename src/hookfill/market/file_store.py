"""What files of candles need of the store, besides `store_candles`: comparing without storing, and reading a whole series."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from hookfill.kernel.times import EARLIEST, LATEST
from hookfill.market.model import Candle
from hookfill.market.store import Stored
from hookfill.market.timeframes import TIMEFRAMES, bar_close
from hookfill.postgres.sql import load

SQL = load(__package__, "files.sql")
ROWS_PER_FETCH = 5_000


@dataclass(frozen=True, slots=True)
class Series:
    """Bars to be read: of one symbol and timeframe, from ``since`` on and before ``before`` (UTC, by the bars' opens)."""

    symbol: str
    timeframe: str
    since: datetime = EARLIEST
    before: datetime = LATEST


async def compare_candles(connection: asyncpg.Connection, candles: Sequence[Candle]) -> Stored:
    """What `store_candles` would answer for a batch; nothing is stored, and bars of earlier batches are not known."""
    row = await connection.fetchrow(
        SQL.compare_candles.sql,
        [candle.symbol for candle in candles],
        [candle.timeframe for candle in candles],
        [candle.opened_at for candle in candles],
        [candle.open for candle in candles],
        [candle.high for candle in candles],
        [candle.low for candle in candles],
        [candle.close for candle in candles],
        [candle.volume for candle in candles],
    )
    return Stored(row["added"], row["conflicting"])


async def read_series(connection: asyncpg.Connection, series: Series) -> AsyncIterator[list[Candle]]:
    """The stored bars of a series, oldest first, a batch at a time; all are of one moment, whatever is stored meanwhile.

    Prices come with the digits with which they were stored.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        cursor = await connection.cursor(SQL.stored_candles.sql, series.symbol, series.timeframe, series.since, series.before)
        while rows := await cursor.fetch(ROWS_PER_FETCH):
            yield [Candle(series.symbol, series.timeframe, row[0], bar_close(series.timeframe, row[0]), *row[1:]) for row in rows]


async def timeframes_of(connection: asyncpg.Connection, symbol: str) -> list[str]:
    """The timeframes in which a symbol has any bars."""
    return await connection.fetchval(SQL.stored_timeframes.sql, list(TIMEFRAMES), symbol) or []
