"""``hookfill import candles``: real files and awkward ones, read back value by value."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support.cli import Cli
from support.database import query, value
from support.shared_data import shared_file

STORED = "SELECT timestamp, open, high, low, close, volume FROM market_data_candles WHERE symbol = %s AND timeframe = %s ORDER BY 1"
REAL = {
    "EURUSD_H1_2017-2018.csv": ("EURUSD", "H1", "%Y-%m-%d %H:%M:%S", []),
    "SP500_M1_2019-11.csv": ("SP500", "M1", "%m/%d/%Y %H:%M", []),
    # Two days' opens lie outside the day's range: the file's own fault.
    "SPY_D1_2008-2018.csv": ("SPY", "D1", "%Y-%m-%d", [1808, 1825]),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_stored_to_the_last_digit(cli: Cli, name: str) -> None:
    symbol, timeframe, form, bad_lines = REAL[name]
    path = shared_file("candles", name)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    good = [row for line, row in enumerate(rows, start=2) if line not in bad_lines]
    found = cli.json("import", "candles", path, "--zone", "America/New_York")
    (told,) = found["files"]
    assert (found["rows"], found["added"], found["rejected"]) == (len(rows), len(good), len(bad_lines))
    assert [bad["line"] for bad in told["bad_rows"]] == bad_lines
    assert told["series"] == f"{symbol} {timeframe}"
    time_column = next(iter(rows[0]))
    wanted = [
        (
            datetime.strptime(row[time_column], form).replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC),
            *(Decimal(row[name]) for name in ("Open", "High", "Low", "Close")),
            int(row["Volume"]),
        )
        for row in good
    ]
    assert query(cli.database.url, STORED, symbol, timeframe) == wanted


def test_the_same_file_again_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD_M1.csv"
    path.write_text("time,open,high,low,close\n2026-03-02 12:00,1.1,1.2,1.0,1.15\n2026-03-02 12:01,1.1,1.2,1.0,1.15\n")
    first = cli.json("import", "candles", path)
    before = query(cli.database.url, "SELECT * FROM market_data_candles ORDER BY id")
    second = cli.json("import", "candles", path)
    assert (first["added"], first["duplicate"]) == (2, 0)
    assert (second["added"], second["duplicate"], second["conflicting"]) == (0, 2, 0)
    assert query(cli.database.url, "SELECT * FROM market_data_candles ORDER BY id") == before
    assert value(cli.database.url, "SELECT price FROM quotes WHERE symbol = 'EURUSD'") == Decimal("1.15")


def test_a_bar_that_differs_is_counted_and_the_stored_one_stays(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD_M1.csv"
    path.write_text("time,open,high,low,close\n2026-03-02 12:00,1.1,1.2,1.0,1.15\n")
    cli.text("import", "candles", path)
    path.write_text("time,open,high,low,close\n2026-03-02 12:00,1.1,1.3,1.0,1.15\n")
    assert cli.json("import", "candles", path)["conflicting"] == 1
    assert value(cli.database.url, "SELECT high FROM market_data_candles") == Decimal("1.2")


def test_options_count_before_the_name(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD_M1.csv"
    path.write_text("time,open,high,low,close\n2026-03-02 12:00,1.1,1.2,1.0,1.15\n")
    cli.text("import", "candles", path, "--symbol", "gbpusd", "--timeframe", "60")
    assert query(cli.database.url, "SELECT symbol, timeframe FROM market_data_candles") == [("GBPUSD", "H1")]


def test_bad_rows_are_shown_with_their_lines(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD_M1.csv"
    path.write_text("time,open,high,low,close\n2026-03-02 11:59,1,1,1,1\n2026-03-02 12:00,1.1,1.2,1.0,[red]x\x1b[31m\n")
    text = cli.text("import", "candles", path)
    assert "1 rows were rejected" in text
    assert "[red]x" in text
    assert "close is not a number" in text
    assert "\x1b" not in text


def test_metatraders_encoding_is_read(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD_M1.csv"
    path.write_text("<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\n2026.03.02\t12:00\t1.1\t1.2\t1.0\t1.15\n", encoding="utf-16")
    assert cli.json("import", "candles", path)["added"] == 1


@pytest.mark.parametrize(
    ("name", "content", "options", "says"),
    [
        ("prices.csv", b"time,open,high,low,close\n", [], "--timeframe"),
        ("EURUSD_M1.csv", b"a,b\n", [], "no column for open"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n\xff\xfe,1,1,1,1\n", [], "not written in UTF-8"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--zone", "Nowhere"], "Unknown time zone"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--timeframe", "7x"], "not supported"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    cli: Cli, tmp_path: Path, name: str, content: bytes, options: list[str], says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert says in cli.error("import", "candles", path, *options)
