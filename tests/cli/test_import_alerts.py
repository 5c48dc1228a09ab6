"""``hookfill import alerts``: TradingView's export becomes decided signals, once, judged as of their own times."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.cli import Cli
from support.database import query, value
from support.shared_data import shared_files

HEADER = ["Alert ID", "Ticker", "Name", "Description", "Time"]
BUY = '{"symbol":"EURUSD","action":"buy","volume":0.1,"price":1.1000}'
CLOSE = "close EURUSD"
EVERYTHING = """
    SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM signals), (SELECT count(*) FROM orders),
           (SELECT count(*) FROM gate),
           (SELECT md5(string_agg(m::text, '' ORDER BY message_id)) FROM messages m),
           (SELECT md5(string_agg(s::text, '' ORDER BY signal_id)) FROM signals s)"""


def write_log(path: Path, rows: list[tuple[str, str]]) -> Path:
    """An alert log of (time, message), newest first, as TradingView writes it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows([7, "FX:EURUSD, 1m", "Scalper", body, time] for time, body in reversed(rows))
    return path


@pytest.fixture
def scalper(cli: Cli, tmp_path: Path) -> Cli:
    """An installation with a strategy and an hour of prices on Monday 2026-03-02."""
    cli.text("strategies", "create", "Scalper")
    bars = [f"2026-03-02 12:{minute:02},1.1000,1.1010,1.0990,1.1000" for minute in range(60)]
    path = tmp_path / "EURUSD_M1.csv"
    path.write_text("\n".join(["time,open,high,low,close", *bars]))
    cli.text("import", "candles", path)
    return cli


def import_log(cli: Cli, path: Path) -> Any:
    return cli.json("import", "alerts", path, "--strategy", "Scalper")


def test_alerts_are_traded_as_of_their_own_times(scalper: Cli, tmp_path: Path) -> None:
    rows = [("2026-03-02T12:10:01Z", BUY), ("2026-03-02T12:20:01Z", CLOSE), ("2026-03-02T12:30:01Z", CLOSE)]
    found = import_log(scalper, write_log(tmp_path / "log.csv", rows))
    assert (found["rows"], found["stored"], found["duplicates"], found["malformed"]) == (3, 3, 0, 0)
    assert found["outcomes"] == {"executed": 2, "rejected": 1}
    assert found["reasons"] == {"no_position": 1}
    stored = query(scalper.database.url, "SELECT source, as_of, door FROM signals ORDER BY signal_id")
    times = [datetime(2026, 3, 2, 12, minute, 1, tzinfo=UTC) for minute in (10, 20, 30)]
    assert stored == [("import", time, "tradingview") for time in times]
    position = query(scalper.database.url, "SELECT status, opened_at, closed_at FROM positions")
    assert position == [("closed", times[0], times[1])]


def test_the_same_log_again_changes_nothing(scalper: Cli, tmp_path: Path) -> None:
    rows = [("2026-03-02T12:10:01Z", BUY), ("2026-03-02T12:12:00Z", '{"symbol":'), ("2026-03-02T12:20:01Z", CLOSE)]
    path = write_log(tmp_path / "log.csv", rows)
    import_log(scalper, path)
    before = query(scalper.database.url, EVERYTHING)
    found = import_log(scalper, path)
    assert (found["rows"], found["stored"], found["duplicates"]) == (3, 0, 3)
    assert query(scalper.database.url, EVERYTHING) == before


def test_a_longer_log_adds_what_is_new(scalper: Cli, tmp_path: Path) -> None:
    rows = [("2026-03-02T12:10:01Z", BUY)]
    import_log(scalper, write_log(tmp_path / "log.csv", rows))
    found = import_log(scalper, write_log(tmp_path / "log.csv", [*rows, ("2026-03-02T12:20:01Z", CLOSE)]))
    assert (found["stored"], found["duplicates"]) == (1, 1)


def test_a_message_repeats_at_another_time_and_not_at_the_same(scalper: Cli, tmp_path: Path) -> None:
    moments = ["2026-03-02T12:10:01Z", "2026-03-02T12:10:01Z", "2026-03-02T12:10:02Z"]
    found = import_log(scalper, write_log(tmp_path / "log.csv", [(moment, BUY) for moment in moments]))
    assert (found["rows"], found["stored"], found["duplicates"]) == (3, 2, 1)
    assert value(scalper.database.url, "SELECT count(*) FROM messages") == 2


def test_what_cannot_be_read_or_used_is_kept_with_its_reason(scalper: Cli, tmp_path: Path) -> None:
    rows = [("2026-03-02T12:10:01Z", '{"symbol":"EURUSD"'), ("2026-03-02T12:11:01Z", '{"event":"HEARTBEAT"}'), ("soon", BUY)]
    found = import_log(scalper, write_log(tmp_path / "log.csv", rows))
    assert (found["malformed"], found["outcomes"], found["skipped"]) == (1, {"discarded": 1}, 1)
    assert found["bad_rows"][0]["line"] == 2
    assert "Time" in found["bad_rows"][0]["reason"]
    assert [row["body"] for row in scalper.json("messages", "--state", "malformed")] == ['{"symbol":"EURUSD"']


def test_secrets_in_messages_are_masked(scalper: Cli, tmp_path: Path) -> None:
    body = '{"symbol":"EURUSD","action":"buy","volume":0.1,"price":1.1,"passphrase":"canary-31f0"}'
    import_log(scalper, write_log(tmp_path / "log.csv", [("2026-03-02T12:10:01Z", body)]))
    assert value(scalper.database.url, "SELECT count(*) FROM messages WHERE position('canary-31f0'::bytea IN body) > 0") == 0


def test_nul_and_other_oddities_can_be_stored(scalper: Cli, tmp_path: Path) -> None:
    rows = [("2026-03-02T12:10:01Z", "buy\x00EURUSD"), ("2026-03-02T12:11:01Z", "ü" * 700_000), ("2026-03-02T12:12:01Z", "")]
    found = import_log(scalper, write_log(tmp_path / "log.csv", rows))
    assert found["stored"] == 3
    assert found["malformed"] + sum(found["outcomes"].values()) == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "no alert log"), ("Time,Text\n", "no alert log"), (f'{",".join(HEADER)}\n1,2,3,"4,5\n', "no sound CSV")],
)
def test_another_file_is_refused(scalper: Cli, tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(content)
    assert says in scalper.error("import", "alerts", path, "--strategy", "Scalper")


def test_the_strategy_must_be_there(cli: Cli, tmp_path: Path) -> None:
    assert "no strategy" in cli.error("import", "alerts", write_log(tmp_path / "log.csv", []), "--strategy", "Scalper")


def test_the_real_logs_are_stored_whole_and_once(cli: Cli) -> None:
    cli.text("strategies", "create", "Scalper")
    for path in shared_files("tradingview-alert-logs"):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        distinct = {(row["Time"], row["Description"]) for row in rows}
        found = import_log(cli, path)
        assert (found["rows"], found["stored"], found["skipped"]) == (len(rows), len(distinct), 0)
        assert set(found["outcomes"]) == {"discarded"}
        assert import_log(cli, path)["stored"] == 0
    assert value(cli.database.url, "SELECT count(*) FROM messages WHERE state = 'malformed'") == 6
    assert value(cli.database.url, "SELECT count(*) FROM orders") == 0
