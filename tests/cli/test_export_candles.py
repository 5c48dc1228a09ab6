"""``hookfill export candles``: what is stored comes out to the last digit, as CSV and as Parquet, and goes in again as it was."""

import asyncio
import builtins
import csv
import gzip
import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from hookfill.cli import exports
from hookfill.market.candle_csv import CandleFile, Options
from hookfill.market.file_store import Series, compare_candles, read_series
from hookfill.market.model import Candle
from hookfill.market.store import Stored, store_candles
from hookfill.market.timeframes import TIMEFRAMES, bar_close
from hookfill.postgres.pool import connect
from support.cli import Cli
from support.database import query
from support.desk import at, bar, flat
from support.shared_data import shared_files

VALUES = "symbol, timeframe, timestamp, open::text, high::text, low::text, close::text, volume"
ALL = f"SELECT {VALUES} FROM market_data_candles ORDER BY 1, 2, 3"
HEADER = ["symbol", "timeframe", "timestamp", "open", "high", "low", "close", "volume"]


def store(cli: Cli, *candles: Candle) -> None:
    async def run() -> None:
        connection = await connect(cli.database, name="test")
        try:
            await store_candles(connection, candles, at(100_000))
        finally:
            await connection.close()

    asyncio.run(run())


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def candle(symbol: str, minute: int, prices: str, volume: int | None) -> Candle:
    made = bar(minute, prices, symbol=symbol)
    return Candle(made.symbol, made.timeframe, made.opened_at, made.closes_at, made.open, made.high, made.low, made.close, volume)


def test_every_digit_is_written_as_it_is_stored(cli: Cli, tmp_path: Path) -> None:
    tiny, long = "0.0000000001 0.0000000002 0.0000000001 0.0000000002", "1.100 123456789012345.0123456789 1.10 1.1000"
    store(cli, candle("EURUSD", 0, tiny, None), candle("EURUSD", 1, long, 2**63 - 1), candle("GBPUSD", 0, "2 2 2 2", 0))
    path = tmp_path / "out.csv"
    found = cli.json("export", "candles", path, "--symbol", "fx:eurusd", "--timeframe", "1m")
    assert (found["format"], found["series"], found["candles"]) == ("csv", "EURUSD M1", 2)
    first, second = (at(minute).isoformat().replace("+00:00", "Z") for minute in (0, 1))
    assert cells(path) == [
        HEADER,
        ["EURUSD", "M1", first, *tiny.split(), ""],
        ["EURUSD", "M1", second, *long.split(), str(2**63 - 1)],
    ]
    assert list(tmp_path.glob(".*")) == []


def test_parquet_holds_every_stored_price_exactly(cli: Cli, tmp_path: Path) -> None:
    long = "1.100 123456789012345.0123456789 1.10 1.1000"
    store(cli, candle("EURUSD", 0, long, None), candle("EURUSD", 1, "0.0000000001 2 0.0000000001 1", 7))
    path = tmp_path / "out.parquet"
    assert cli.json("export", "candles", path, "--symbol", "EURUSD", "--timeframe", "M1")["format"] == "parquet"
    table = parquet.read_table(path)
    assert table.column_names == HEADER
    assert str(table.schema.field("open").type) == "decimal128(25, 10)"
    assert str(table.schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
    rows = [tuple(row.values()) for row in table.to_pylist()]
    prices = tuple(map(Decimal, long.split()))
    small = tuple(map(Decimal, ("0.0000000001", "2", "0.0000000001", "1")))
    assert rows == [("EURUSD", "M1", at(0), *prices, None), ("EURUSD", "M1", at(1), *small, 7)]


def test_a_range_holds_its_first_moment_and_not_its_last(cli: Cli, tmp_path: Path) -> None:
    store(cli, *(flat(minute, "1.1") for minute in range(5)))
    path = tmp_path / "out.csv"
    options = ("--symbol", "EURUSD", "--timeframe", "M1", "--from", at(1).isoformat(), "--to", str(int(at(3).timestamp())))
    assert cli.json("export", "candles", path, *options)["candles"] == 2
    assert [row[2] for row in cells(path)[1:]] == [at(minute).isoformat().replace("+00:00", "Z") for minute in (1, 2)]


def test_a_file_is_replaced_only_if_told_and_never_by_half(cli: Cli, tmp_path: Path) -> None:
    store(cli, flat(0, "1.1"))
    path = tmp_path / "out.csv"
    path.write_text("mine")
    options = ("--symbol", "EURUSD", "--timeframe", "M1")
    assert "--force" in cli.error("export", "candles", path, *options)
    assert "No candles" in cli.error("export", "candles", path, "--symbol", "NONE", "--timeframe", "M1", "--force")
    assert path.read_text() == "mine"
    assert "EURUSD M1" in cli.text("export", "candles", path, *options, "--force")
    assert len(cells(path)) == 2
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["out.csv"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--symbol", "NONE", "--timeframe", "M1"], "hookfill import candles"),
        (["--symbol", "EURUSD", "--timeframe", "H1"], "but in M1"),
        (["--symbol", "EURUSD", "--timeframe", "M1", "--from", "2090-01-01"], "widen --from"),
        (["--symbol", "EURUSD", "--timeframe", "M1", "--from", "2026-01-02", "--to", "2026-01-02"], "before --to"),
        (["--symbol", "EURUSD", "--timeframe", "M1", "--from", "soon"], "--from is not a time"),
        (["--symbol", "EURUSD", "--timeframe", "7x"], "not supported"),
        (["--symbol", "EUR\x07USD", "--timeframe", "M1"], "can't be printed"),
    ],
)
def test_what_cannot_be_exported_says_why(cli: Cli, tmp_path: Path, options: Sequence[str], says: str) -> None:
    store(cli, flat(0, "1.1"))
    assert says in cli.error("export", "candles", tmp_path / "out.csv", *options)
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_folder_that_is_not_there_is_told(cli: Cli, tmp_path: Path) -> None:
    store(cli, flat(0, "1.1"))
    path = tmp_path / "nowhere" / "out.csv"
    assert "check that its folder exists" in cli.error("export", "candles", path, "--symbol", "EURUSD", "--timeframe", "M1")


def test_without_pyarrow_parquet_says_how_to_get_it(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(cli, flat(0, "1.1"))
    really = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)
        return really(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    said = cli.error("export", "candles", tmp_path / "out.parquet", "--symbol", "EURUSD", "--timeframe", "M1")
    assert "hookfill[parquet]" in said
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


@pytest.mark.parametrize("symbol", ["=1+1", "-X", "+X", "@X", "'=X", "A,B", 'A"B', "'X", "ÄÖ"])
def test_no_symbol_becomes_a_formula_and_each_comes_back_as_it_was(cli: Cli, tmp_path: Path, symbol: str) -> None:
    store(cli, flat(0, "1.1", symbol=symbol))
    before = query(cli.database.url, ALL)
    path = tmp_path / "out.csv"
    cli.text("export", "candles", path, f"--symbol={symbol}", "--timeframe", "M1")
    assert cells(path)[1][0][0] not in "=+-@"
    query(cli.database.url, "DELETE FROM market_data_candles")
    assert cli.json("import", "candles", path)["added"] == 1
    assert query(cli.database.url, ALL) == before


def test_real_files_go_out_and_in_again_as_they_were(cli: Cli, tmp_path: Path) -> None:
    cli.json("import", "candles", *shared_files("candles"), "--zone", "America/New_York")
    before = query(cli.database.url, ALL)
    assert {row[0] for row in before} == {"EURUSD", "SP500", "SPY"}
    paths = []
    for symbol, timeframe in sorted({row[:2] for row in before}):
        paths.append(tmp_path / f"{symbol}.csv")
        cli.text("export", "candles", paths[-1], "--symbol", symbol, "--timeframe", timeframe)
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(paths.pop().read_bytes()))
    query(cli.database.url, "TRUNCATE market_data_candles")
    again = cli.json("import", "candles", *paths, packed, "--strict")
    assert (again["added"], again["duplicate"], again["rejected"]) == (len(before), 0, 0)
    assert query(cli.database.url, ALL) == before


async def test_a_series_is_read_in_batches_of_one_moment(connection) -> None:
    await store_candles(connection, [flat(minute, "1.1") for minute in range(7_000)], at(100_000))
    batches = [batch async for batch in read_series(connection, Series("EURUSD", "M1"))]
    assert [len(batch) for batch in batches] == [5_000, 2_000]
    assert [each.opened_at for batch in batches for each in batch] == [at(minute) for minute in range(7_000)]
    assert batches[0][0] == candle("EURUSD", 0, "1.1 1.1 1.1 1.1", flat(0, "1.1").volume)


async def test_comparing_tells_what_storing_would_do(connection) -> None:
    await store_candles(connection, [flat(0, "1.1"), flat(1, "1.1")], at(100_000))
    batch = [flat(0, "1.1"), flat(1, "1.2"), flat(2, "1.1"), flat(2, "1.1")]
    assert await compare_candles(connection, batch) == Stored(1, 1)
    assert await connection.fetchval("SELECT count(*) FROM market_data_candles") == 2
    assert await store_candles(connection, batch, at(100_000)) == Stored(1, 1)


price = st.decimals(min_value="0.0000000001", max_value="999999999999999", places=10)


@given(
    st.lists(st.tuples(st.tuples(price, price, price, price).map(sorted), st.none() | st.integers(0, 2**63 - 1)), min_size=1),
    st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=":"), min_size=1, max_size=8).map(str.upper),
    st.sampled_from(list(TIMEFRAMES)),
)
def test_what_is_written_is_read_as_it_was(bars: list[tuple[list[Decimal], int | None]], symbol: str, timeframe: str) -> None:
    series = [
        Candle(symbol, timeframe, opened, bar_close(timeframe, opened), opening, high, low, close, volume)
        for number, ((low, opening, close, high), volume) in enumerate(bars)
        for opened in [at(-60 * 24 * 31 * number)]
    ]
    target = Kept()
    with exports.writing_csv(target) as write:
        write(series)
    lines = io.StringIO(target.kept.decode(), newline="")
    assert list(CandleFile(lines, Options(at(0)))) == series


class Kept(io.BytesIO):
    """Bytes that can be looked at when the file is closed."""

    kept = b""

    def close(self) -> None:
        if not self.closed:
            self.kept = self.getvalue()
        super().close()
