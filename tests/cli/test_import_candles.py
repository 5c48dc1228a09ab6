"""``hookfill import candles``: real files and awkward ones, read back value by value."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from hookfill.cli import import_candles
from hookfill.cli.files import opened
from hookfill.market.store import store_candles
from support.cli import Cli
from support.database import query, value, wait_for_value
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
        ("prices_M1.csv", b"time,open,high,low,close\n", [], "--symbol"),
        ("SPY.csv", b"time,open,high,low,close\n", [], "--timeframe"),
        ("EURUSD_M1.csv", b"a,b\n", [], "no column for open"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n\xff\xfe,1,1,1,1\n", [], "not written in UTF-8"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--zone", "Nowhere"], "Unknown time zone"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--timeframe", "7x"], "not supported"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--delimiter", "ab"], "--delimiter takes one character"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--delimiter", "7"], "--delimiter takes one character"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--decimal", ";"], "--decimal takes"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--symbol", "A\x07"], "--symbol"),
        ("EURUSD_M1.csv", b"time,open,high,low,close\n", ["--time-column", "when"], "--time-column names 'when'"),
        ("EURUSD_M1.csv.gz", gzip.compress(b"time,open,high,low,close\n" * 9, mtime=0)[:-9], [], "ends too early or is damaged"),
        ("EURUSD_M1.csv.gz", b"\x1f\x8b\x08damaged", [], "ends too early or is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    cli: Cli, tmp_path: Path, name: str, content: bytes, options: list[str], says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert says in cli.error("import", "candles", path, *options)


HEADER = "time,open,high,low,close\n"


def rows(number: int, minute: int = 0) -> str:
    return "".join(f"2026-03-02 {12 + each // 60}:{each % 60:02},1,1,1,1\n" for each in range(minute, minute + number))


def test_several_files_at_once_packed_or_not(cli: Cli, tmp_path: Path) -> None:
    first, second, bad = tmp_path / "EURUSD.csv", tmp_path / "GBPUSD.csv.gz", tmp_path / "AUDUSD.csv"
    first.write_text(HEADER + rows(6))
    second.write_bytes(gzip.compress((HEADER + rows(9)).encode()))
    found = cli.json("import", "candles", first, second)
    assert (found["added"], found["rows"], [each["series"] for each in found["files"]]) == (15, 15, ["EURUSD M1", "GBPUSD M1"])
    bad.write_text("nothing of use")
    result = cli.run("import", "candles", bad, first, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["added"], told["duplicate"]) == (0, 6)
    assert "no column for" in told["files"][0]["error"]
    result = cli.run("import", "candles", bad, first)
    assert (result.exit_code, "no column for" in result.stderr, "EURUSD M1" in result.stdout) == (1, True, True)


def test_rejected_rows_tell_line_column_value_and_reason(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.csv"
    path.write_text(HEADER + rows(6) + "2026-03-02 13:00,1,1,1,x\n2026-03-02 13:01,1,1,2,1\n" + rows(1, 6))
    result = cli.run("import", "candles", path, "--json", "--strict")
    told = json.loads(result.stdout)["files"][0]
    assert result.exit_code == 1
    assert (told["added"], told["rejected"]) == (7, 2)
    assert [(row["line"], row["column"], row["value"]) for row in told["bad_rows"]] == [(8, "close", "x"), (9, "high", "1")]
    assert sum(told["reasons"].values()) == 2
    assert cli.json("import", "candles", path)["duplicate"] == 7
    path.write_text(HEADER + rows(7))
    assert cli.json("import", "candles", path, "--strict")["rejected"] == 0


def test_of_many_rejected_rows_the_first_are_kept_and_all_are_counted(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.csv"
    path.write_text(HEADER + rows(6) + "2026-03-02 13:00,1,1,1,x\n" * 1_500)
    told = cli.json("import", "candles", path)["files"][0]
    assert (told["rejected"], len(told["bad_rows"]), list(told["reasons"].values())) == (1_500, 1_000, [1_500])
    text = cli.text("import", "candles", path)
    assert "1500 rows were rejected; the first 20" in text
    assert "All of them" in text


def test_a_file_without_any_bar_fails(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.csv"
    path.write_text(HEADER + "2026-03-02,x,x,x,x\n")
    result = cli.run("import", "candles", path, "--timeframe", "M1")
    assert (result.exit_code, "nothing could be imported" in result.stderr) == (1, True)
    result = cli.run("import", "candles", path, "--timeframe", "M1", "--json")
    assert (result.exit_code, json.loads(result.stdout)["rejected"]) == (1, 1)


def test_a_dry_run_tells_and_stores_nothing(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.csv"
    path.write_text(HEADER + rows(6))
    cli.text("import", "candles", path)
    path.write_text(HEADER + rows(5) + "2026-03-02 12:05,1,2,1,1\n" + rows(3, 6))
    before = query(cli.database.url, "SELECT * FROM market_data_candles ORDER BY id")
    quotes = query(cli.database.url, "SELECT * FROM quotes")
    dry = cli.json("import", "candles", path, "--dry-run")
    assert query(cli.database.url, "SELECT * FROM market_data_candles ORDER BY id") == before
    assert query(cli.database.url, "SELECT * FROM quotes") == quotes
    assert "nothing stored" in cli.text("import", "candles", path, "--dry-run")
    done = cli.json("import", "candles", path)
    assert dry["dry_run"] is True
    assert {**dry, "dry_run": False} == done
    assert [done[name] for name in ("added", "duplicate", "conflicting")] == [3, 5, 1]


def test_rows_twice_and_in_no_order(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD.csv"
    lines = rows(9).splitlines(keepends=True)
    path.write_text(HEADER + "".join([*lines[::-2], *lines[::2], *lines, "2026-03-02 12:00,1,3,1,1\n"]))
    found = cli.json("import", "candles", path)
    assert [found[name] for name in ("rows", "added", "conflicting", "rejected")] == [20, 9, 1, 0]
    assert value(cli.database.url, "SELECT max(high) FROM market_data_candles") == 1


def test_an_interrupted_import_goes_on_when_it_is_started_again(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "EURUSD.csv"
    path.write_text(HEADER + rows(50))
    monkeypatch.setattr(import_candles, "CANDLES_PER_BATCH", 8)
    stored = 0

    async def store_some(*arguments: Any) -> Any:
        nonlocal stored
        stored += 1
        if stored == 4:
            raise KeyboardInterrupt
        return await store_candles(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("hookfill.market.store.store_candles", store_some)
        result = cli.run("import", "candles", path)
    assert (result.exit_code, "start the same import again" in result.stderr) == (130, True)
    assert value(cli.database.url, "SELECT count(*) FROM market_data_candles") == 24
    found = cli.json("import", "candles", path)
    assert [found[name] for name in ("added", "duplicate", "conflicting")] == [26, 24, 0]


def test_a_killed_import_goes_on_when_it_is_started_again(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "EURUSD_M1.csv"
    opens = [datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=number) for number in range(12_000)]
    path.write_text(HEADER + "".join(f"{moment:%Y-%m-%d %H:%M},1,1.5,1,1.25\n" for moment in opens))
    kept = {name: text for name, text in os.environ.items() if name not in cli.environment}
    given = {name: text for name, text in cli.environment.items() if text is not None}
    command = [sys.executable, "-m", "hookfill", "import", "candles", str(path)]
    with psycopg.connect(cli.database.url) as other:
        # Somebody else is about to add a bar of the second batch: the import waits in the middle of it.
        other.execute(
            "INSERT INTO market_data_candles (symbol, timeframe, timestamp, open, high, low, close) "
            "VALUES ('EURUSD', 'M1', %s, 1, 1, 1, 1)",
            (opens[7_000],),
        )
        with subprocess.Popen(command, env=kept | given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
            wait_for_value(
                cli.database.url,
                1,
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            killed.kill()
        other.rollback()
    stored = value(cli.database.url, "SELECT count(*) FROM market_data_candles")
    assert killed.returncode == -signal.SIGKILL
    assert stored == 5_000
    found = cli.json("import", "candles", path)
    assert [found[name] for name in ("added", "duplicate", "conflicting", "rejected")] == [7_000, 5_000, 0, 0]
    assert [row[0] for row in query(cli.database.url, STORED, "EURUSD", "M1")] == opens


def test_options_reach_the_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "unknown.txt"
    path.write_text("when#o#h#l#c\n04/03/26 14h00#1,5#1,5#1,5#1,5\n")
    told = ["--symbol", "EURUSD", "--timeframe", "H1", "--delimiter", "#", "--decimal", "comma", "--zone", "new-york-close"]
    found = cli.json("import", "candles", path, *told, "--time-column", "When", "--time-format", "%d/%m/%y %Hh%M")
    assert (found["added"], found["zone"]) == (1, "new-york-close")
    assert query(cli.database.url, "SELECT timestamp, close FROM market_data_candles") == [
        (datetime(2026, 3, 4, 12, tzinfo=UTC), Decimal("1.5"))
    ]


def test_lines_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "big.csv.gz"
    path.write_bytes(gzip.compress(b"x" * 99 + b"\n" * io.DEFAULT_BUFFER_SIZE * 64))
    with opened(path, quiet=True) as lines:
        assert next(lines) == "x" * 99 + "\n"
        assert sum(1 for _ in lines) == io.DEFAULT_BUFFER_SIZE * 64 - 1
