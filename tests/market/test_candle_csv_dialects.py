"""What is found out about a candle file by itself, and what is asked for where two readings are possible."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hookfill.market.candle_csv import BadRow, CandleFile, Dialect, Options, UnreadableCandles, guess_from_name
from hookfill.market.csv_layout import plain_number
from hookfill.market.csv_times import read_zone
from hookfill.market.formula import guarded, unguarded
from hookfill.market.model import Candle

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


METATRADER_5 = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"


@pytest.mark.parametrize(
    ("text", "options", "dialect", "opened", "volume"),
    [
        (f"{METATRADER_5}2018.01.02\t00:00:00\t1.1\t1.3\t1.0\t1.2\t7\t0\t3\r\n", {}, Dialect.METATRADER, "2018-01-02", 7),
        (f"{METATRADER_5}2018.01.02\t00:00:00\t1.1\t1.3\t1.0\t1.2\t7\t9\t3\r\n", {}, Dialect.METATRADER, "2018-01-02", 9),
        ("<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\n2018.01.02\t1.1\t1.3\t1.0\t1.2\n", {}, Dialect.METATRADER, "2018-01-02", None),
        ("2018.01.02,00:00,1.1,1.3,1.0,1.2,7\r\n", {}, Dialect.METATRADER, "2018-01-02", 7),
        ("20180102 170000;1.1;1.3;1.0;1.2;0\n", {}, Dialect.GENERIC, "2018-01-02 17:00", 0),
        ("1514851200000,1.1,1.3,1.0,1.2,7.9,1514851259999\n", {}, Dialect.GENERIC, "2018-01-02", 7),
        ("1514851200000000,1.1,1.3,1.0,1.2,7\n", {}, Dialect.GENERIC, "2018-01-02", 7),
        ("1514851200000000000,1.1,1.3,1.0,1.2,7\n", {}, Dialect.GENERIC, "2018-01-02", 7),
        (
            "Date,Open,High,Low,Close,Adj Close,Volume\n2018-01-02,1.1,1.3,1.0,1.2,0.6,7\n",
            {},
            Dialect.YAHOO,
            "2018-01-02",
            7,
        ),
        (
            "time,open,high,low,close,VWAP,Upper,last,Volume,Volume MA\n1514851200,1.1,1.3,1.0,1.2,9,9,9,7,5\n",
            {},
            Dialect.TRADINGVIEW,
            "2018-01-02",
            7,
        ),
        ("time,open,high,low,close\n2018-01-02T02:00:00+02:00,1.1,1.3,1.0,1.2\n", {}, Dialect.TRADINGVIEW, "2018-01-02", None),
        ("CLOSE|Low|hIGH|Open|Clock|Date\n1.2|1.0|1.3|1.1|x|2018-01-02\n", {}, Dialect.GENERIC, "2018-01-02", None),
        ("Date (UTC),Open,High,Low,Close\n2018-01-02,1.1,1.3,1.0,1.2\n", {}, Dialect.GENERIC, "2018-01-02", None),
        ("time_ms,Open,High,Low,Close\n1514851200000,1.1,1.3,1.0,1.2\n", {}, Dialect.GENERIC, "2018-01-02", None),
        ("Date Time Open High Low Close\n2018-01-02 00:00 1.1 1.3 1.0 1.2\n", {}, Dialect.GENERIC, "2018-01-02", None),
        ("Date;Time;O;H;L;C;Vol\n02.01.2018;00:00;1,1;1,3;1,0;1,2;7\n", {}, Dialect.GENERIC, "2018-01-02", 7),
        ("sep=;\r\ndate;open;high;low;close\r\n2018-01-02;1,1;1,3;1,0;1,2\r\n", {}, Dialect.GENERIC, "2018-01-02", None),
        ("\ufeffdate,open,high,low,close\n2018-01-02,1.1,1.3,1.0,1.2\n".lstrip("\ufeff"), {}, Dialect.GENERIC, "2018-01-02", None),
        ("Prices of EURUSD\n\ndate,open,high,low,close\n2018-01-02,1.1,1.3,1.0,1.2\n", {}, Dialect.GENERIC, "2018-01-02", None),
        (
            "Date,Close/Last,Volume,Open,High,Low\n01/02/2018,$1.2,7,$1.1,$1.3,$1.0\n01/31/2018,$1.2,7,$1.1,$1.3,$1.0\n",
            {},
            Dialect.GENERIC,
            "2018-01-02",
            7,
        ),
        ("Date,Price,Open,High,Low,Vol.\n2018-01-02,1.2,1.1,1.3,1.0,1.5K\n", {}, Dialect.GENERIC, "2018-01-02", 1500),
        ("Date,Price,Open,High,Low,Vol.\n2018-01-02,1.2,1.1,1.3,1.0,-\n", {}, Dialect.GENERIC, "2018-01-02", None),
        (
            "<TICKER>;<PER>;<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>\nEURUSD;1;20180102;001500;1.1;1.3;1.0;1.2;7\n",
            {"symbol": None, "timeframe": None},
            Dialect.GENERIC,
            "2018-01-02 00:15",
            7,
        ),
        ("a^open^high^low^close\n2018-01-02^1.1^1.3^1.0^1.2\n", {"delimiter": "^", "time_column": "A"}, None, "2018-01-02", None),
        ("open,high,low,close,at\n1.1,1.3,1.0,1.2,2018-01-02\n", {"time_column": "5"}, None, "2018-01-02", None),
        ("day,open,high,low,close\n2 Jan 18,1.1,1.3,1.0,1.2\n", {"time_format": "%d %b %y"}, None, "2018-01-02", None),
        ("time,open,high,low,close\n01/02/2018 9:05 PM,1.1,1.3,1.0,1.2\n", {"day_first": False}, None, "2018-01-02 21:05", None),
        ("time,open,high,low,close\n01/02/2018 12:05 am,1.1,1.3,1.0,1.2\n", {"day_first": True}, None, "2018-02-01 00:05", None),
    ],
)
def test_a_file_is_read_as_it_is_written(
    text: str, options: dict[str, object], dialect: Dialect | None, opened: str, volume: int | None
) -> None:
    file, bars, bad = read(text, replace(TOLD, **options))  # type: ignore[arg-type]  # any of its fields
    assert not bad, bad
    assert dialect in (None, file.layout.dialect)
    first = bars[0]
    assert (first.symbol, first.timeframe, first.opened_at, first.volume) == ("EURUSD", "M1", at(opened), volume)
    assert [first.open, first.high, first.low, first.close] == [Decimal(text) for text in ("1.1", "1.3", "1.0", "1.2")]


def test_yahoos_prices_are_adjusted_if_wished() -> None:
    rows = "2018-01-02,1.1,1.3,1.0,1.2,0.6,7\n2018-01-03,1,1,1,0,0,7\n2018-01-04,1,1,1,1,null,1\n"
    _, (bar,), bad = read(f"Date,Open,High,Low,Close,Adj Close,Volume\n{rows}", replace(TOLD, adjusted=True))
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (*map(Decimal, ("0.55", "0.65", "0.5", "0.6")), 7)
    assert [(row.line, row.column) for row in bad] == [(3, "Adj Close"), (4, "Adj Close")]
    with pytest.raises(UnreadableCandles, match="leave --adjusted away"):
        read(f"{OHLC}2018-01-02,1,1,1,1\n", replace(TOLD, adjusted=True))


def test_a_told_dialect_counts_its_own_columns_only() -> None:
    text = "time,open,high,low,last\n2018-01-02,1,1,1,1\n"
    assert len(read(text)[1]) == 1
    with pytest.raises(UnreadableCandles, match=r"no column for close.*leave --dialect tradingview away"):
        read(text, replace(TOLD, dialect=Dialect.TRADINGVIEW))


@pytest.mark.parametrize(
    ("texts", "delimiter", "decimal", "wanted"),
    [
        (["1,2345", "1,5"], ";", None, ["1.2345", "1.5"]),
        (["110,123", "110,125"], ";", None, ["110.123", "110.125"]),
        (["1.234,5", "999,5"], ";", None, ["1234.5", "999.5"]),
        (["1,234.5", "999.5"], ";", None, ["1234.5", "999.5"]),
        (["1,234,567", "999"], ";", None, ["1234567", "999"]),
        (["1,234", "999.5"], ";", None, ["1234", "999.5"]),
        (["1'234.5", "1 234.5", "1\u00a0234.5"], ";", None, ["1234.5"] * 3),
        (['"1,2345"', '"1,5"'], ",", None, ["1.2345", "1.5"]),
        (['"1,234"', '"1,235"'], ",", ",", ["1.234", "1.235"]),
        (['"1,234"', '"1,235"'], ",", ".", ["1234", "1235"]),
        (["1e-5", "1E2"], ",", None, ["0.00001", "100"]),
    ],
)
def test_decimal_marks(texts: list[str], delimiter: str, decimal: str | None, wanted: list[str]) -> None:
    header = delimiter.join(("time", "open", "high", "low", "close"))
    rows = [delimiter.join((f"2018-01-02 00:0{minute}", *[text] * 4)) for minute, text in enumerate(texts)]
    _, bars, bad = read("\n".join([header, *rows]), replace(TOLD, decimal=decimal))
    assert not bad, bad
    assert [bar.open for bar in bars] == [Decimal(text) for text in wanted]


@pytest.mark.parametrize(
    ("text", "decimal"),
    [("1.2345", ","), ("1,2345", "."), ("12,34.5", "."), ("1.2.3", "."), ("1,2,3", ","), ("1 2", "."), ("1,,5", ",")],
)
def test_a_number_that_is_written_otherwise_is_never_guessed(text: str, decimal: str) -> None:
    with pytest.raises(ValueError, match="--decimal"):
        plain_number(text, decimal)


def test_thousands_or_decimals_are_asked_for() -> None:
    row = ",".join(["2018-01-02", *['"1,234"'] * 4])
    with pytest.raises(UnreadableCandles, match="--decimal"):
        read(f"{OHLC}{row}\n")


def test_a_told_symbol_is_of_one_symbols_file() -> None:
    text = f"symbol,{OHLC}EURUSD.pro,2025-01-06,1,1,1,1\nGBPUSD,2025-01-06,1,1,1,1\n"
    _, bars, (bad,) = read(text)
    assert [bar.symbol for bar in bars] == ["EURUSD"]
    assert (bad.line, bad.column, bad.value) == (3, "symbol", "GBPUSD")
    _, bars, (bad,) = read(text.replace("GBP", "G\0P"), replace(TOLD, symbol=None))
    assert [bar.symbol for bar in bars] == ["EURUSD.PRO"]
    assert "can't be printed" in bad.reason


def test_windows_lines_quotes_empty_lines_and_footers() -> None:
    rows = ['"2025-01-06 00:00","1","1","1","1"', "", ",,,,", "2025-01-06 00:01,1,1,1,1", '"* Delayed."', "Source: someone,,,,"]
    _, bars, bad = read("\r\n".join([OHLC.strip(), *rows]))
    assert (len(bars), bad) == (2, [])


def test_words_between_bars_are_rejected_rows() -> None:
    _, bars, (bad,) = read(f"{OHLC}2025-01-06 00:00,1,1,1,1\nholiday,,,,\n2025-01-06 00:01,1,1,1,1\n")
    assert (len(bars), bad.line, bad.column, bad.value) == (2, 3, "time", "holiday")
    _, bars, bad_rows = read(f"{OHLC}2025-01-06 00:00,1,1,1,1\n" + "words\n" * 25)
    assert (len(bars), len(bad_rows)) == (1, 25)


def test_a_last_line_that_was_cut_off_is_rejected() -> None:
    _, bars, (bad,) = read(f"{OHLC}2025-01-06 00:00,1,1,1,1\n2025-01-06 0")
    assert (len(bars), bad.line) == (1, 3)
    assert "fewer than the header" in bad.reason


def test_bad_rows_name_the_files_own_column() -> None:
    _, _, bad = read(f"{METATRADER_5}2018.01.02\t00:00:00\t1.1\tx\t1.0\t1.2\t7\t0\t3\n2018.13.02\t00:00:00\t1\t1\t1\t1\t7\t0\t3\n")
    assert [(row.line, row.column, row.value) for row in bad] == [(2, "<HIGH>", "x"), (3, "<TIME>", "2018.13.02 00:00:00")]
    _, _, (headless,) = read("2018.01.02,00:00,1.1,1.3,1.0,1.2,7\n2018.01.02,00:01,1.1,1.3,1.0,,7\n")
    assert headless.column == "column 6 (close)"


def test_a_quote_that_is_never_closed_is_told() -> None:
    with pytest.raises(UnreadableCandles, match="Line 2 can't be read"):
        read(f'{OHLC}"2025-01-06,1,1,1,1\n' + "2025-01-06,1,1,1,1\n" * 10_000)


def test_a_million_lines_are_not_kept() -> None:
    """Only the lines from which is found how the file is written are read before they are asked for."""
    taken = 0

    def lines() -> object:
        nonlocal taken
        yield OHLC
        for number in range(1_000_000):
            taken += 1
            yield f"{1_700_000_000 + 60 * number},1,1,1,1\n"

    items = iter(CandleFile(lines(), TOLD))  # type: ignore[arg-type]  # a generator of lines
    assert isinstance(next(items), Candle)
    assert taken < 3_000


def test_metatraders_own_file_names() -> None:
    assert guess_from_name("EURUSD60") == ("EURUSD", "H1")
    assert guess_from_name("EURUSD1440") == ("EURUSD", "D1")
    assert guess_from_name("EURUSD7") == ("EURUSD7", None)


prices = st.lists(st.decimals("0.0001", 99_999, places=4), min_size=4, max_size=4).map(sorted)


@given(
    st.lists(st.tuples(prices, st.integers(0, 10**9)), min_size=1, max_size=20),
    st.sampled_from([(",", "."), (";", ","), (";", "."), ("\t", ","), ("|", "."), (" ", ".")]),
    st.sampled_from(["Europe/Athens", "new-york-close", "+05:30", "UTC"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_a_platform_writes_is_what_is_read(
    bars: list[tuple[list[Decimal], int]], marks: tuple[str, str], zone: str, end: str, is_newest_first: bool
) -> None:
    """Hourly bars over a change of the clocks, written in local time in any dialect."""
    delimiter, mark = marks
    told = Options(NOW, "EURUSD", "H1", zone=read_zone(zone), decimal=mark)
    start = at("2025-10-25 20:00")
    rows = []
    for number, ((low, opening, close, high), volume) in enumerate(bars):
        local = (start + timedelta(hours=number)).astimezone(told.zone)
        texts = [f"{price:f}".replace(".", mark) for price in (opening, high, low, close)]
        rows.append(delimiter.join((f"{local:%Y.%m.%d}", f"{local:%H:%M}", *texts, str(volume + number))))
    header = delimiter.join(("date", "time", "open", "high", "low", "close", "volume"))
    ordered = rows[::-1] if is_newest_first and len({row[:10] for row in rows}) > 1 else rows
    newest = (start + timedelta(hours=len(bars) - 1)).astimezone(told.zone)
    is_half_told = newest.fold == 0 and newest.utcoffset() != newest.replace(fold=1).utcoffset()
    assume(not is_half_told or ordered is rows)  # an hour that comes twice, and nothing above it tells which of them it is
    file = CandleFile([f"{line}{end}" for line in (header, *ordered)], told)
    found = list(file)
    assert all(isinstance(item, Candle) for item in found), found
    read_back = {item.opened_at: item for item in found if isinstance(item, Candle)}
    for number, ((low, opening, close, high), volume) in enumerate(bars):
        bar = read_back[start + timedelta(hours=number)]
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (opening, high, low, close, volume + number)


@given(st.text(max_size=300))
def test_no_file_makes_it_fail_otherwise(text: str) -> None:
    try:
        items = list(CandleFile(text.splitlines(keepends=True), NAMED))
    except UnreadableCandles:
        return
    assert all(isinstance(item, Candle | BadRow) for item in items)


cell = st.text(st.sampled_from("0123456789.,-/: TZeE+'\"\u00b2\u0663$x"), max_size=12)


@given(st.lists(st.tuples(cell, cell, cell, cell, cell, cell).map(",".join), max_size=6))
def test_no_cell_makes_it_fail_otherwise(rows: list[str]) -> None:
    lines = ["time,open,high,low,close,volume\n", *(f"{row}\n" for row in rows)]
    try:
        items = list(CandleFile(lines, TOLD))
    except UnreadableCandles:
        return
    assert all(isinstance(item, Candle | BadRow) for item in items)


@given(st.text(st.sampled_from("'=+-@AB"), max_size=6))
def test_guarded_text_comes_back_as_it_was(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in tuple("=+-@")
