"""Times in candle files: day or month first, zones, hours that exist twice, and the timeframe that follows from the distances."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hookfill.market.candle_csv import BadRow, CandleFile, Options, UnreadableCandles
from hookfill.market.csv_spacing import spacing
from hookfill.market.csv_times import UnknownZone, read_zone
from hookfill.market.model import Candle
from hookfill.market.timeframes import TIMEFRAMES

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TOLD = Options(NOW, "EURUSD", "M1")
NAMED = Options(NOW, named_symbol="EURUSD")
OHLC = "time,open,high,low,close\n"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(text: str, options: Options = TOLD) -> tuple[CandleFile, list[Candle], list[BadRow]]:
    file = CandleFile(text.splitlines(keepends=True), options)
    items = list(file)
    return file, [item for item in items if isinstance(item, Candle)], [item for item in items if isinstance(item, BadRow)]


def moments(rows: list[str], zone: str, **options: object) -> list[str]:
    told = replace(TOLD, zone=read_zone(zone), **options)  # type: ignore[arg-type]  # any of its fields
    _, bars, bad = read(OHLC + "".join(f"{row}\n" for row in rows), told)
    assert not bad, bad
    return [f"{bar.opened_at:%Y-%m-%d %H:%M}" for bar in bars]


@pytest.mark.parametrize(
    ("dates", "wanted"),
    [
        (["13/4/2025", "1/5/2025"], ["2025-04-13", "2025-05-01"]),
        (["4/13/2025", "5/1/2025"], ["2025-04-13", "2025-05-01"]),
        (["11/5/2025", "11/6/2025"], ["2025-11-05", "2025-11-06"]),  # neighbouring days, and not months apart
        (["5/11/2025", "6/11/2025"], ["2025-11-05", "2025-11-06"]),
        (["05-11-2025", "06-11-2025"], ["2025-11-05", "2025-11-06"]),
        (["3/3/2025"], ["2025-03-03"]),
        (["0/0/2025", "31/31/2025", "13/4/2025"], ["2025-04-13"]),
    ],
)
def test_day_and_month_are_told_apart(dates: list[str], wanted: list[str]) -> None:
    _, bars, _ = read(OHLC + "".join(f"{date} 9:30,1,1,1,1\n" for date in dates))
    assert [f"{bar.opened_at:%Y-%m-%d}" for bar in bars] == wanted


@pytest.mark.parametrize("dates", [["3/4/2025"], ["13/4/2025", "4/13/2025"]])
def test_day_or_month_is_asked_for(dates: list[str]) -> None:
    with pytest.raises(UnreadableCandles, match="--day-first or --month-first"):
        read(OHLC + "".join(f"{date},1,1,1,1\n" for date in dates))


NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("zone", "rows", "wanted"),
    [
        ("Europe/Athens", ["2025-01-02 02:00", "2025-07-02 03:00"], ["2025-01-02 00:00", "2025-07-02 00:00"]),
        ("+02:00", ["2025-01-02 02:00", "2025-07-02 02:00"], ["2025-01-02 00:00", "2025-07-02 00:00"]),
        ("-5", ["2025-01-02 02:00"], ["2025-01-02 07:00"]),
        ("UTC+3", ["2025-01-02 03:00"], ["2025-01-02 00:00"]),
        # The USA change their clocks on 9 March and 2 November, Europe on 30 March and 26 October.
        ("new-york-close", ["2025-03-07 23:00", "2025-03-10 00:00"], ["2025-03-07 21:00", "2025-03-09 21:00"]),
        ("New-York-Close", ["2025-10-27 00:00", "2025-11-03 00:00"], ["2025-10-26 21:00", "2025-11-02 22:00"]),
        ("Europe/Athens", ["2025-10-27 00:00", "2025-11-03 00:00"], ["2025-10-26 22:00", "2025-11-02 22:00"]),
    ],
)
def test_zones(zone: str, rows: list[str], wanted: list[str]) -> None:
    assert moments([f"{row},1,1,1,1" for row in rows], zone) == wanted


@pytest.mark.parametrize("name", ["Nowhere", "", "+16:00", "+02:99", "../etc/passwd", "x" * 500, "\0"])
def test_what_is_no_zone_says_so(name: str) -> None:
    with pytest.raises(UnknownZone, match="Unknown time zone"):
        read_zone(name)


def test_an_hour_that_exists_twice_is_two_hours() -> None:
    rows = ["2025-11-02 00:00,1,1,1,1", "2025-11-02 01:00,2,2,2,2", "2025-11-02 01:00,3,3,3,3", "2025-11-02 02:00,4,4,4,4"]
    wanted = ["2025-11-02 04:00", "2025-11-02 05:00", "2025-11-02 06:00", "2025-11-02 07:00"]
    assert moments(rows, NEW_YORK) == wanted
    before = "2025-10-30 00:00,1,1,1,1"
    assert moments([*reversed(rows), before], NEW_YORK) == [*reversed(wanted), "2025-10-30 04:00"]


def test_minutes_of_an_hour_that_exists_twice_go_on() -> None:
    minutes = [f"2025-11-02 01:{minute:02},1,1,1,{1}" for minute in range(60)]
    found = moments([*minutes, *minutes], NEW_YORK)
    start = at("2025-11-02 05:00")
    assert found == [f"{start + timedelta(minutes=minute):%Y-%m-%d %H:%M}" for minute in range(120)]


def test_a_row_that_is_there_twice_is_no_second_hour() -> None:
    rows = ["2025-11-02 01:00,2,2,2,2", "2025-11-02 01:00,2,2,2,2", "2025-11-02 02:00,4,4,4,4"]
    assert moments(rows, NEW_YORK) == ["2025-11-02 05:00", "2025-11-02 05:00", "2025-11-02 07:00"]


def test_each_symbols_hours_are_counted_apart() -> None:
    rows = "".join(
        f"{symbol},2025-11-02 01:00,{price},{price},{price},{price}\n" for symbol, price in (("A", 1), ("B", 2), ("A", 3))
    )
    told = Options(NOW, timeframe="H1", zone=read_zone(NEW_YORK))
    _, bars, _ = read(f"symbol,{OHLC}{rows}", told)
    assert [bar.opened_at.hour for bar in bars] == [5, 5, 6]


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("order", ["oldest first", "newest first", "mixed"])
def test_the_timeframe_follows_from_the_bars_distances(timeframe: str, order: str) -> None:
    opens = [
        at("2020-01-01") + timedelta(seconds=TIMEFRAMES[timeframe] * number)
        if timeframe != "MN1"
        else at(f"2020-{number + 1:02}-01")
        for number in range(12)
    ]
    opens = {"oldest first": opens, "newest first": opens[::-1], "mixed": opens[::2] + opens[1::2]}[order]
    file, bars, bad = read(OHLC + "".join(f"{opened.isoformat()},1,1,1,1\n" for opened in opens), NAMED)
    assert not bad
    assert (file.timeframe, file.timeframe_is_found) == (timeframe, True)
    assert {bar.timeframe for bar in bars} == {timeframe}
    assert [bar.opened_at for bar in bars] == opens


def every(hours: float, number: int, start: str = "2025-01-06") -> list[datetime]:
    return [at(start) + timedelta(hours=hours * each) for each in range(number)]


@pytest.mark.parametrize(
    ("opens", "timeframe", "says"),
    [
        ([day for day in every(24, 30) if day.weekday() < 5], "D1", ""),
        ([hour + timedelta(hours=9.5) for day in every(24, 5) for hour in (day, day + timedelta(hours=4))], "H4", ""),
        ([*every(1, 100), at("2025-01-06 00:30")], "H1", ""),
        ([day + timedelta(days=number % 9 == 0) for number, day in enumerate(every(168, 30))], "W1", ""),
        (every(1, 3), None, "too few bars"),
        ([at("2025-01-06")] * 50, None, "too few bars"),
        (every(2, 20), None, "7,200 seconds apart"),
        (every(1, 20) + every(0.25, 20, "2025-02-01"), None, "unevenly"),
        ([at("2025-01-06") + timedelta(minutes=number**2) for number in range(30)], None, "unevenly"),
    ],
)
def test_uneven_bars(opens: list[datetime], timeframe: str | None, says: str) -> None:
    found, why_not = spacing([opens])
    assert found == timeframe
    assert says in why_not


def test_a_name_that_contradicts_the_bars_is_asked_about_and_what_was_told_counts() -> None:
    text = OHLC + "".join(f"2025-01-06 0{hour}:00,1,1,1,1\n" for hour in range(9))
    with pytest.raises(UnreadableCandles, match=r"name says M1, but its bars are H1: tell with --timeframe"):
        read(text, replace(NAMED, named_timeframe="M1"))
    assert read(text, replace(NAMED, named_timeframe="H1"))[0].timeframe == "H1"
    assert read(text, TOLD)[0].timeframe == "M1"
    with pytest.raises(UnreadableCandles, match=r"too few bars.*--timeframe"):
        read(f"{OHLC}2025-01-06,1,1,1,1\n", NAMED)
