"""Takes stock of the stored series of bars, a bounded number of them at a time."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from hookfill.kernel.times import EARLIEST, LATEST
from hookfill.market.coverage import Break, Gap, Stretch, describe
from hookfill.market.instruments import instrument_for
from hookfill.market.reading import NO_CURSOR, SQL, InvalidCursor
from hookfill.market.timeframes import TIMEFRAMES, bar_seconds

MOST_BARS = 250_000
"""Bars that one page looks at, at most: some tenths of a second."""
MOST_BREAKS = 2_000
"""Pauses that one page looks at, at most."""
MOST_SERIES = 200
"""Series that one page tells of, or passes over, at most."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = timedelta(microseconds=1)
_PLACE = re.compile(r"([A-Z]{1,2}[0-9]{1,2})\.(\d{15,16})?\.(.{1,32})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next page begins: within a series at the bar that opened at ``at``, or behind the series (None)."""

    symbol: str
    timeframe: str
    at: datetime | None

    def __str__(self) -> str:
        """Its text, which ``parse`` reads."""
        text = f"{self.timeframe}.{'' if self.at is None else (self.at - _EPOCH) // _MOMENT}.{self.symbol}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read a place.

        Raises:
            InvalidCursor: it is none.
        """
        try:
            plain = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except ValueError:  # not of the alphabet, not of a possible length, or not UTF-8
            raise InvalidCursor(NO_CURSOR) from None
        match = _PLACE.fullmatch(plain)
        at = None if match is None or match[2] is None else _EPOCH + timedelta(microseconds=int(match[2]))
        if match is None or match[1] not in TIMEFRAMES or not match[3].isprintable() or not EARLIEST <= (at or EARLIEST) < LATEST:
            raise InvalidCursor(NO_CURSOR)
        return cls(match[3], match[1], at)


@dataclass(frozen=True, slots=True)
class Stock:
    """What a page tells of one series: how many bars, where they are without a gap, and where some are missing."""

    symbol: str
    timeframe: str
    bars: int
    stretches: list[Stretch]
    gaps: list[Gap]


async def take_stock(
    connection: asyncpg.Connection, symbol: str | None, timeframe: str | None, place: Place | None
) -> tuple[list[Stock], Place | None]:
    """One page of the stored series in order of symbol and timeframe, and where the next page begins (None: nowhere).

    Args:
        symbol, timeframe: only this one's; None: every one's.
        place: where to begin; None: at the beginning.
    """
    told: list[Stock] = []
    bars_left, breaks_left = MOST_BARS, MOST_BREAKS
    at = place
    for _ in range(MOST_SERIES):
        if at is None or at.at is None:
            at = await _next(connection, symbol, timeframe, at)
            if at is None:
                return told, None
        if timeframe in (None, at.timeframe):
            stock, used, at = await _take(connection, at, bars_left, breaks_left)
            told += [stock] if stock.stretches or stock.gaps else []
            bars_left, breaks_left = bars_left - stock.bars, breaks_left - used
            if at.at is not None or bars_left < 2 or breaks_left < 2:
                return told, at
        else:
            at = Place(at.symbol, at.timeframe, None)
    return told, at


async def _next(connection: asyncpg.Connection, symbol: str | None, timeframe: str | None, after: Place | None) -> Place | None:
    """The beginning of the next series that is asked for; with both named there is one at most, which needs no search."""
    if symbol is not None and timeframe is not None:
        return Place(symbol, timeframe, EARLIEST) if after is None else None
    behind = (symbol or "", "") if after is None else (after.symbol, after.timeframe)
    row = await connection.fetchrow(SQL.next_series.sql, *behind)
    if row is None or symbol not in (None, row["symbol"]):
        return None
    return Place(row["symbol"], row["timeframe"], EARLIEST)


async def _take(connection: asyncpg.Connection, at: Place, most_bars: int, most_breaks: int) -> tuple[Stock, int, Place]:
    """A series from a bar on, as far as the bounds let it: what there is, how many pauses were looked at, where to go on."""
    step = timedelta(seconds=bar_seconds(at.timeframe))
    rows = await connection.fetch(SQL.breaks.sql, at.symbol, at.timeframe, at.at, step, most_bars, most_breaks)
    breaks = [Break(row["opened_at"], row["previous_at"], row["number"]) for row in rows]
    is_continued = at.at != EARLIEST
    stretches, gaps = describe(instrument_for(at.symbol), at.timeframe, breaks, is_continued=is_continued)
    stock = Stock(at.symbol, at.timeframe, sum(stretch.bars for stretch in stretches), stretches, gaps)
    is_cut = bool(rows) and (not rows[-1]["is_last"] or rows[-1]["number"] == most_bars)
    return stock, len(rows), Place(at.symbol, at.timeframe, breaks[-1].opened_at if is_cut else None)
