"""Candle files in the dialects that platforms write: what is read, what is refused, and with which words."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.market.candle_csv import BadRow, Options, UnreadableCandles, guess_from_name, read_candle_csv
from hookfill.market.model import Candle

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
M1 = Options(NOW, "EURUSD", "M1")


def read(text: str, options: Options = M1) -> list[Candle | BadRow]:
    return list(read_candle_csv(text.splitlines(keepends=True), options))


def only(text: str, options: Options = M1) -> Candle:
    (found,) = read(text, options)
    assert isinstance(found, Candle), found
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (",Open,High,Low,Close,Volume", "2026-03-04 09:30:00,1.1,1.3,1.0,1.2,7"),
        ("Date,Open,Close,High,Low,Volume", "3/4/2026 9:30,1.1,1.2,1.3,1.0,7"),
        ("Date,Open,High,Low,Close,Adj Close,Volume", "2026-03-04T09:30Z,1.1,1.3,1.0,1.2,9.9,7"),
        (
            "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
            "2026.03.04\t09:30:00\t1.1\t1.3\t1.0\t1.2\t5\t7\t3",
        ),
        ("time;open;high;low;close;volume", "1772616600;1.1;1.3;1.0;1.2;7"),
        ("time,open,high,low,close,Volume,Volume MA", "1772616600000,1.1,1.3,1.0,1.2,7,3.5"),
        ("unix,date,symbol,open,high,low,close,Volume", "1772616600,2026-03-04 09:30:00,EURUSD,1.1,1.3,1.0,1.2,7"),
        ("symbol,timeframe,timestamp,open,high,low,close,volume", "EURUSD,1m,2026-03-04T09:30:00Z,1.1,1.3,1.0,1.2,7"),
        ("Gmt time,Open,High,Low,Close,Volume", "04.03.2026 09:30:00.000,1.1,1.3,1.0,1.2,7"),
        ("DateTime,O,H,L,C,V", '"2026-03-04 10:30+01:00","1.1","1.3","1.0","1.2","7"'),
    ],
)
def test_dialects_give_the_same_bar(header: str, row: str) -> None:
    bar = only(f"{header}\n{row}\n", replace(M1, day_first=False))
    prices = [Decimal(text) for text in ("1.1", "1.3", "1.0", "1.2")]
    assert (bar.symbol, bar.timeframe, bar.opened_at) == ("EURUSD", "M1", at("2026-03-04 09:30"))
    assert [bar.open, bar.high, bar.low, bar.close, bar.volume] == [*prices, 7]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-02-03", "2026-02-03 00:00"),
        ("2026-02-03 9:05", "2026-02-03 09:05"),
        ("2026-02-03T09:05:06.5", "2026-02-03 09:05"),
        ("2026/02/03 09:05", "2026-02-03 09:05"),
        ("2026.2.3 9:05", "2026-02-03 09:05"),
        ("02/03/2026 09:05", "2026-02-03 09:05"),
        ("2026-02-03 09:05-0500", "2026-02-03 14:05"),
    ],
)
def test_times(text: str, wanted: str) -> None:
    assert only(f"time,open,high,low,close\n{text},1,1,1,1\n", replace(M1, day_first=False)).opened_at == at(wanted)


def test_the_day_may_come_first() -> None:
    text = "time,open,high,low,close\n2/3/2026 9:05,1,1,1,1\n"
    assert only(text, Options(NOW, "EURUSD", "M1", day_first=False)).opened_at == at("2026-02-03 09:05")
    assert only(text, Options(NOW, "EURUSD", "M1", day_first=True)).opened_at == at("2026-03-02 09:05")


def test_times_without_a_zone_are_in_the_zone_that_was_given() -> None:
    new_york = Options(NOW, "SPY", "M1", zone=ZoneInfo("America/New_York"))
    rows = "time,open,high,low,close\n2026-01-05 09:30,1,1,1,1\n2025-07-01 09:30,1,1,1,1\n2025-07-01 09:30Z,1,1,1,1\n"
    assert [bar.opened_at for bar in read(rows, new_york) if isinstance(bar, Candle)] == [
        at("2026-01-05 14:30"),
        at("2025-07-01 13:30"),
        at("2025-07-01 09:30"),
    ]


def test_a_time_that_the_clocks_skip_is_reported() -> None:
    new_york = Options(NOW, "SPY", "M1", zone=ZoneInfo("America/New_York"))
    (bad,) = read("time,open,high,low,close\n2025-03-09 02:30,1,1,1,1\n", new_york)
    assert isinstance(bad, BadRow)
    assert "does not exist" in bad.reason


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2026-02-03,1,1,1", "4 columns"),
        ("yesterday,1,1,1,1", "no time that can be read"),
        ("2026-02-03 25:00,1,1,1,1", "no time that can be read"),
        ("2026-02-03 noon,1,1,1,1", "no time that can be read"),
        ("13/32/2026 1:00,1,1,1,1", "no time that can be read"),
        (",1,1,1,1", "no time that can be read"),
        ("2026-02-03,2,1,1,1", "open must lie between low and high"),
        ("2026-02-03,1,1,2,1", "high must not be below low"),
        ("2026-02-03,NaN,1,1,1", "no value"),
        ("2026-02-03,1,1,0,1", "A price must be greater than zero"),
        ("2026-02-03,,1,1,1", "no value"),
        ("2026-02-03,Infinity,1,1,1", "must be finite"),
        ("2026-03-04 12:02,1,1,1,1", "The bar lies more than one bar in the future"),
        ("1960-01-01,1,1,1,1", "outside 1990 to 2100"),
    ],
)
def test_a_row_that_is_no_bar_is_reported_with_its_line_and_the_others_go_on(row: str, says: str) -> None:
    good = "2026-02-02,1,1,1,1"
    before, bad, after = read(f"time,open,high,low,close\n{good}\n{row}\n{good}\n")
    assert isinstance(before, Candle)
    assert isinstance(after, Candle)
    assert isinstance(bad, BadRow)
    assert bad.line == 3
    assert says in bad.reason


def test_empty_lines_are_passed_over_and_lines_are_counted_through_quotes() -> None:
    rows = read('time,open,high,low,close,note\n\n2026-02-02,1,1,1,1,"two\nlines"\n , , , , ,\n2026-02-03,x,1,1,1,\n')
    assert [type(row) for row in rows] == [Candle, BadRow]
    assert isinstance(rows[1], BadRow)
    assert rows[1].line == 6


def test_fractional_volumes_of_coins_are_cut_to_whole_ones() -> None:
    rows = "time,open,high,low,close,volume\n2026-02-02,1,1,1,1,12.9\n2026-02-03,1,1,1,1,1e3\n2026-02-04,1,1,1,1,\n"
    assert [bar.volume for bar in read(rows) if isinstance(bar, Candle)] == [12, 1000, None]
    (bad,) = read("time,open,high,low,close,volume\n2026-02-02,1,1,1,1,many\n")
    assert isinstance(bad, BadRow)


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("", M1, "no column for open, high, low, close, time"),
        ("time,open,high,low\n", M1, "no column for close"),
        ("open,high,low,close\n", M1, "no column for time"),
        ("time,open,high,low,close\n", Options(NOW, None, "M1"), "--symbol"),
        ("time,open,high,low,close\n", Options(NOW, "EURUSD", None), "--timeframe"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_it_lacks(text: str, options: Options, says: str) -> None:
    with pytest.raises(UnreadableCandles, match=says):
        read(text, options)


@pytest.mark.parametrize(
    ("stem", "symbol", "timeframe"),
    [
        ("EURUSD_H1_2017-2018", "EURUSD", "H1"),
        ("SP500_M1_2019-11", "SP500", "M1"),
        ("SPY_D1_2008-2018", "SPY", "D1"),
        ("BINANCE_BTCUSDT, 60", "BTCUSDT", "H1"),
        ("CME_MINI_MNQ1!, 1D", "MNQ1!", "D1"),
        ("EURUSD_M15_202001020000_202012312359", "EURUSD", "M15"),
        ("spy", "SPY", None),
        ("SPY-2019-11-15", "SPY", None),
        ("2019-11", None, None),
        ("data_M5", None, "M5"),
        ("", None, None),
    ],
)
def test_names_tell_symbol_and_timeframe(stem: str, symbol: str | None, timeframe: str | None) -> None:
    assert guess_from_name(stem) == (symbol, timeframe)


price = st.decimals(min_value="0.0000000001", max_value="99999999", places=10)


@given(st.tuples(price, price, price, price).map(sorted), st.integers(0, 10**12))
def test_numbers_stay_exact(prices: list[Decimal], volume: int) -> None:
    low, opening, close, high = prices
    bar = only(f"time,open,high,low,close,volume\n2026-02-02,{opening:f},{high:f},{low:f},{close:f},{volume}\n")
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (opening, high, low, close, volume)


@given(st.text(max_size=200))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    for row in read(f"time,open,high,low,close\n{text}\n"):
        assert isinstance(row, Candle | BadRow)
