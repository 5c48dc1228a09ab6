"""Real candles, made into larger bars: the same as pandas makes of the same files in its own way."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pandas as pd
import pytest

from hookfill.market.aggregate import UTC_DAYS, DayRule
from hookfill.market.reading import Question
from support.bars import all_bars, bar, put
from support.shared_data import shared_file

NEW_YORK = ZoneInfo("America/New_York")
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
HOW = {"Open": "first", "High": "max", "Low": "min", "Close": "last", "Volume": "sum"}


def load(name: str, column: int, zone: str, form: str | None = None) -> pd.DataFrame:
    """The file as it is: prices as exact decimals, times in their zone."""
    text = pd.read_csv(shared_file("candles", name), dtype=str)
    index = pd.DatetimeIndex(pd.to_datetime(text.iloc[:, column], format=form)).tz_localize(zone)
    values = {name: [Decimal(value) for value in text[name]] for name in ("Open", "High", "Low", "Close")}
    return pd.DataFrame({**values, "Volume": [int(value) for value in text["Volume"]]}, index=index).sort_index()


async def store(connection: asyncpg.Connection, symbol: str, timeframe: str, frame: pd.DataFrame) -> None:
    rows = [(at.to_pydatetime(), *values) for at, *values in frame[list(HOW)].itertuples()]
    await put(connection, symbol, timeframe, rows)


def made_by_pandas(frame: pd.DataFrame, opens_at: Callable[[pd.Timestamp], datetime]) -> list[dict[str, Any]]:
    """Bars by when each of the frame's bars says that its larger one opens."""
    grouped = frame.groupby([opens_at(at).astimezone(UTC) for at in frame.index]).agg(HOW)
    return [bar(at.to_pydatetime(), *values[:4], int(values[4])) for at, *values in grouped.itertuples()]


async def both_ways(
    connection: asyncpg.Connection, symbol: str, timeframe: str, rule: DayRule | None = None
) -> list[dict[str, Any]]:
    """All bars, which are the same whether read from the first on or from the last back."""
    forwards = await all_bars(connection, Question(symbol, timeframe, LONG_AGO, limit=97, rule=rule))
    assert forwards == await all_bars(connection, Question(symbol, timeframe, limit=53, rule=rule))
    return forwards


def utc_floor(rule: str) -> Callable[[pd.Timestamp], datetime]:
    return lambda at: at.tz_convert(UTC).floor(rule).to_pydatetime()


@pytest.fixture
async def euro(connection: asyncpg.Connection) -> pd.DataFrame:
    frame = load("EURUSD_H1_2017-2018.csv", 0, "UTC")
    await store(connection, "EURUSD", "H1", frame)
    return frame


async def test_every_hour_comes_back_as_it_is(connection: asyncpg.Connection, euro: pd.DataFrame) -> None:
    assert await both_ways(connection, "EURUSD", "H1") == made_by_pandas(euro, utc_floor("h"))


@pytest.mark.parametrize(("timeframe", "rule"), [("H4", "4h"), ("D1", "D")])
async def test_a_currency_on_utc_bounds(connection: asyncpg.Connection, euro: pd.DataFrame, timeframe: str, rule: str) -> None:
    resampled = euro.resample(rule).agg(HOW).dropna()
    expected = [bar(at.to_pydatetime(), *values[:4], int(values[4])) for at, *values in resampled.itertuples()]
    assert await both_ways(connection, "EURUSD", timeframe, UTC_DAYS) == expected


@pytest.mark.parametrize("timeframe", ["H4", "D1", "W1", "MN1"])
async def test_a_currency_by_the_brokers_day(connection: asyncpg.Connection, euro: pd.DataFrame, timeframe: str) -> None:
    """The day from 17:00 in New York is the next date's: seven hours later there, the wall clock shows the date."""

    def opens_at(at: pd.Timestamp) -> datetime:
        shown = at.tz_convert(NEW_YORK).tz_localize(None) + pd.Timedelta(hours=7)
        match timeframe:
            case "H4":
                shown = shown.floor("4h")
            case "D1":
                shown = shown.floor("D")
            case "W1":
                shown = shown.to_period("W").start_time
            case _:
                shown = shown.to_period("M").start_time
        return (shown - pd.Timedelta(hours=7)).tz_localize(NEW_YORK).to_pydatetime()

    found = await both_ways(connection, "EURUSD", timeframe)
    assert found == made_by_pandas(euro, opens_at)
    assert len(found) > {"H4": 1_000, "D1": 200, "W1": 40, "MN1": 10}[timeframe]


@pytest.mark.parametrize(("timeframe", "minutes"), [("M5", 5), ("M15", 15), ("M30", 30), ("H1", 60), ("H4", 240), ("D1", 390)])
async def test_a_share_by_its_sessions(connection: asyncpg.Connection, timeframe: str, minutes: int) -> None:
    frame = load("SP500_M1_2019-11.csv", 0, "America/New_York", "%m/%d/%Y %H:%M")
    await store(connection, "SP500", "M1", frame)
    frame = frame.between_time("9:30", "15:59")  # the file has a bar for the closing price, which opens when the session is over

    def opens_at(at: pd.Timestamp) -> datetime:
        opening = at.normalize() + pd.Timedelta(hours=9, minutes=30)
        return (opening + (at - opening) // pd.Timedelta(minutes=minutes) * pd.Timedelta(minutes=minutes)).to_pydatetime()

    found = await both_ways(connection, "SP500", timeframe)
    assert found == made_by_pandas(frame, opens_at)
    assert len(found) == 4 * -(-390 // minutes)


@pytest.mark.parametrize(("timeframe", "period", "since"), [("W1", "W", "2007-12-31"), ("MN1", "M", "2008-01-01")])
async def test_weeks_and_months_of_a_share_are_made_of_days(
    connection: asyncpg.Connection, timeframe: str, period: str, since: str
) -> None:
    """Each opens with its first session, whichever day that is."""
    frame = load("SPY_D1_2008-2018.csv", 0, "UTC").loc[since:]
    await store(connection, "SPY", "D1", frame)
    first: dict[Any, date] = {}
    for at in frame.index:
        first.setdefault(at.tz_localize(None).to_period(period), at.date())

    def opens_at(at: pd.Timestamp) -> datetime:
        return datetime.combine(first[at.tz_localize(None).to_period(period)], time(9, 30), NEW_YORK)

    found = await both_ways(connection, "SPY", timeframe)
    assert found == made_by_pandas(frame, opens_at)
    assert len(found) >= 120
