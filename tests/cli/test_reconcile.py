"""``hookfill reconcile FILE.csv``: what is missing is told, with an exit code, and brought in when that is confirmed."""

import asyncio
import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from typer.testing import CliRunner

from hookfill.cli.main import app
from hookfill.exports import worker as exports
from hookfill.journal.model import DOOR
from hookfill.journal.worker import work
from hookfill.postgres.pool import connect
from support.alert_log import write_alert_log
from support.cli import Cli
from support.database import query, value
from support.exports import batch, confirmed_row, deliver
from support.journal import at, entry, heartbeat, move, put
from support.telemetry import LEGACY_ENTRY, raw

BUY = '{"symbol":"EURUSD","action":"buy","volume":0.1}'
STRAY = raw(LEGACY_ENTRY).replace(b"25206.75,", b'25206.75",')
Told = Mapping[str, Any] | bytes


def arrive(cli: Cli, *told: Told) -> None:
    """Let messages come in on the default account, and be read."""

    async def store() -> None:
        connection = await connect(cli.database, name="test")
        try:
            account_id = await connection.fetchval("SELECT account_id FROM accounts WHERE is_default")
            await put(connection, account_id, *told)
            while await work(connection, account_id):
                pass
        finally:
            await connection.close()

    asyncio.run(store())


def log(tmp_path: Path, *told: Told | str) -> Path:
    """A log with one alert per minute."""
    tmp_path.mkdir(exist_ok=True)
    return write_alert_log(tmp_path / "log.csv", [(at(minute), one) for minute, one in enumerate(told)])


def missing(cli: Cli, path: Path, *options: str) -> dict[str, Any]:
    """What is told when something is missing."""
    result = cli.run("reconcile", path, "--json", *options)
    assert result.exit_code == 1, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_nothing_is_missing(cli: Cli, tmp_path: Path) -> None:
    arrive(cli, entry(), move(), heartbeat())
    found = cli.json("reconcile", log(tmp_path, entry(), move(), heartbeat(), move()))
    assert (found["rows"], found["alerts"], found["distinct"], found["arrived"], found["missing"]) == (4, 4, 3, 3, 0)
    assert found["findings"]["fired_more_often_than_arrived"][0]["event_type"] == "MFE_UPDATE"
    assert found["backfilled"] is None


def test_what_is_missing_is_told_with_its_line_trade_and_time(cli: Cli, tmp_path: Path) -> None:
    arrive(cli, entry())
    found = missing(cli, log(tmp_path, entry(), move(), heartbeat()))
    first, second = found["findings"]["missing"]
    assert first == {
        "line": 3,
        "fired_at": at(1).isoformat().replace("+00:00", "Z"),
        "last_fired_at": at(1).isoformat().replace("+00:00", "Z"),
        "fired": 1,
        "arrived": 0,
        "kind": "telemetry",
        "trade_id": "T1",
        "event_type": "MFE_UPDATE",
        "alert_id": "7",
        "alert_name": "Any alert",
        "ticker": "CME_MINI:MNQ1!, 1m",
        "can_backfill": True,
        "state": None,
        "reason": None,
        "message_id": None,
        "doors": [],
    }
    assert (second["event_type"], second["trade_id"], second["line"]) == ("HEARTBEAT", None, 2)


def test_a_table_for_people(cli: Cli, tmp_path: Path) -> None:
    result = cli.run("reconcile", log(tmp_path, entry(), BUY, "Gold is \x1b[31mup", STRAY))
    assert result.exit_code == 1
    for text in ("Missing: 4", "2026-03-02 15:00:00", "T1", "ENTRY", "--backfill", "hookfill import alerts", "never meant"):
        assert text in result.stdout
    assert "\x1b" not in result.stdout


def backfill(cli: Cli, path: Path, *options: str) -> Result:
    return cli.run("reconcile", path, "--backfill", *options)


def test_what_is_missing_is_brought_in_as_of_when_it_was_fired(cli: Cli, tmp_path: Path) -> None:
    path = log(tmp_path, entry(), move(), move())
    result = backfill(cli, path, "--yes")
    assert (result.exit_code, "Brought in 2 messages" in result.stdout) == (0, True), result.output
    stored = query(cli.database.url, "SELECT door, source, state, as_of, headers->'log'->>'Name' FROM messages ORDER BY message_id")
    assert stored == [(DOOR, "backfill", "processed", at(minute), "Any alert") for minute in (0, 1)]
    assert query(cli.database.url, "SELECT trade_id, status, events FROM trade_states") == [("T1", "ACTIVE", 2)]
    assert value(cli.database.url, "SELECT count(*) FROM automated_signals WHERE source = 'backfill'") == 2
    again = cli.json("reconcile", path, "--backfill", "--yes")
    assert (again["missing"], again["backfilled"], value(cli.database.url, "SELECT count(*) FROM messages")) == (0, None, 2)


def test_what_arrives_after_all_is_a_repeat_of_what_was_brought_in(cli: Cli, tmp_path: Path) -> None:
    backfill(cli, log(tmp_path, entry()), "--yes")
    arrive(cli, entry())
    assert query(cli.database.url, "SELECT state FROM messages ORDER BY message_id") == [("processed",), ("duplicate",)]
    assert value(cli.database.url, "SELECT events FROM trade_states") == 1


@pytest.mark.parametrize(("answer", "stored"), [("y\n", 1), ("n\n", 0)])
def test_it_asks_before_it_stores(cli: Cli, tmp_path: Path, answer: str, stored: int) -> None:
    arguments = ["reconcile", str(log(tmp_path, entry())), "--backfill"]
    result = CliRunner().invoke(app, arguments, env=cli.environment, input=answer)
    assert (result.exit_code, value(cli.database.url, "SELECT count(*) FROM messages")) == (1 - stored, stored)


def test_json_cannot_ask(cli: Cli, tmp_path: Path) -> None:
    assert "--yes" in cli.error("reconcile", log(tmp_path, entry()), "--backfill", "--json")


def test_trades_are_told_and_never_made(cli: Cli, tmp_path: Path) -> None:
    found = missing(cli, log(tmp_path, BUY, "close EURUSD"), "--backfill", "--yes")
    assert (found["missing"], found["missing_trades"], found["backfilled"]) == (2, 2, None)
    assert [one["can_backfill"] for one in found["findings"]["missing"]] == [False, False]
    assert value(cli.database.url, "SELECT count(*) FROM messages") == 0
    cli.text("strategies", "create", "Scalper")
    cli.text("import", "alerts", tmp_path / "log.csv", "--strategy", "Scalper")
    assert cli.json("reconcile", tmp_path / "log.csv")["missing"] == 0


def test_a_missing_batch_of_an_export_is_imported(cli: Cli, tmp_path: Path) -> None:
    assert backfill(cli, log(tmp_path, batch([confirmed_row()])), "--yes").exit_code == 0
    assert query(cli.database.url, "SELECT trade_id FROM confirmed_signals_ledger") == [("20251217_100000000_BULLISH",)]
    assert value(cli.database.url, "SELECT source FROM messages") == "backfill"


def test_malformed_telemetry_is_brought_in_to_be_repaired(cli: Cli, tmp_path: Path) -> None:
    path = log(tmp_path, STRAY)
    result = backfill(cli, path, "--yes")
    assert (result.exit_code, "hookfill messages repair" in result.stdout) == (0, True)
    assert query(cli.database.url, "SELECT state, reason FROM messages") == [("malformed", "json_invalid")]
    found = cli.json("reconcile", path)
    (waiting,) = found["findings"]["malformed"]
    message_id = value(cli.database.url, "SELECT message_id FROM messages")
    assert (UUID(waiting["message_id"]), waiting["reason"], waiting["trade_id"]) == (
        message_id,
        "json_invalid",
        LEGACY_ENTRY["signal_id"],
    )


def test_telemetry_that_went_to_a_strategys_door_is_missing(cli: Cli, tmp_path: Path) -> None:
    cli.text("strategies", "create", "Scalper")
    path = log(tmp_path, entry())
    cli.text("import", "alerts", path, "--strategy", "Scalper")
    (finding,) = missing(cli, path)["findings"]["missing"]
    assert (finding["arrived"], finding["doors"]) == (1, ["tradingview"])
    result = backfill(cli, path, "--yes")
    assert (result.exit_code, "webhook address" in result.stdout) == (0, True)
    assert cli.json("reconcile", path)["missing"] == 0


def test_only_one_account_is_looked_through(cli: Cli, tmp_path: Path) -> None:
    cli.text("accounts", "create", "Second")
    arrive(cli, entry())
    path = log(tmp_path, entry())
    assert cli.json("reconcile", path)["missing"] == 0
    assert missing(cli, path, "--account", "Second")["missing"] == 1
    assert backfill(cli, path, "--account", "Second", "--yes").exit_code == 0
    of_second = "SELECT count(*) FROM trade_states JOIN accounts USING (account_id) WHERE name = 'Second'"
    assert value(cli.database.url, of_second) == 1


def test_a_message_that_came_before_the_log_begins_is_known_by_its_key(cli: Cli, tmp_path: Path) -> None:
    """Its repeats fill the log, and its first delivery lies further back than messages are looked through."""
    arrive(cli, entry())
    statement = "UPDATE messages SET message_id = '00000000-0000-7000-8000-000000000000'"
    asyncio.run(_execute(cli, statement))
    found = cli.json("reconcile", log(tmp_path, entry()))
    assert (found["missing"], found["known_by_event"]) == (0, 1)


async def _execute(cli: Cli, statement: str) -> None:
    connection = await connect(cli.database, name="test")
    await connection.execute(statement)
    await connection.close()


def test_a_hostile_log_is_read_to_its_end(cli: Cli, tmp_path: Path) -> None:
    rows: list[tuple[Any, Any]] = [(at(number / 1000), f"=HYPERLINK({number})") for number in range(20_000)]
    rows[7] = ("soon", "+1")
    rows[19_000] = (at(9), "@SUM(A1)\x00\u202e\r\n{")
    path = write_alert_log(tmp_path / "log.csv", rows, name="=cmd|' /C calc'!A0")
    path.write_text(path.read_text(encoding="utf-8") + "just,two\n", encoding="utf-8")
    found = missing(cli, path)
    assert (found["rows"], found["alerts"], found["missing_unreadable"], found["bad_rows"]) == (20_001, 19_999, 19_999, 2)
    # Newest first, and one row takes two lines of its own.
    assert [bad["line"] for bad in found["findings"]["bad_rows"]] == [20_000 - 7 + 2, 20_000 + 3]
    result = cli.run("reconcile", path)
    assert "Missing: 19999; the first 200" in result.stdout
    assert "\u202e" not in result.stdout


@pytest.mark.parametrize(("content", "says"), [("", "no alert log"), ("Time,Text\n", "no alert log")])
def test_another_file_is_no_log(cli: Cli, tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(content)
    assert says in cli.error("reconcile", path)


def test_a_file_must_be_named(cli: Cli) -> None:
    assert "FILE.csv" in cli.error("reconcile")


def test_a_process_ends_with_its_exit_code(cli: Cli, tmp_path: Path) -> None:
    arrive(cli, entry())
    paths = [log(tmp_path / name, *told) for name, told in (("whole", [entry()]), ("more", [entry(), move()]))]
    assert [cli.process("reconcile", path).returncode for path in paths] == [0, 1]
    assert cli.process("reconcile", paths[1], "--backfill").returncode == 1  # nobody confirms
    assert cli.process("reconcile", paths[1], "--backfill", "--yes").returncode == 0
    assert cli.process("reconcile", paths[1]).returncode == 0


def test_a_log_without_alerts_has_nothing_missing(cli: Cli, tmp_path: Path) -> None:
    found = cli.json("reconcile", log(tmp_path))
    assert (found["rows"], found["missing"]) == (0, 0)


def export(cli: Cli, **fields: Any) -> None:
    """Let one whole export come in and be imported."""

    async def store() -> None:
        connection = await connect(cli.database, name="test")
        try:
            account_id = await connection.fetchval("SELECT account_id FROM accounts WHERE is_default")
            stamp = round(at(0).timestamp() * 1000)
            row = confirmed_row(trade_id="T1", triangle_time=stamp, entry=20500.25, stop=20475, be_mfe=..., no_be_mfe=..., mae=...)
            await deliver(connection, account_id, [batch([row | fields], total=1)], at=at(60))
            while await exports.work(connection, account_id):
                pass
        finally:
            await connection.close()

    asyncio.run(store())


def test_ledgers_that_fit(cli: Cli) -> None:
    arrive(cli, entry())
    export(cli)
    found = cli.json("reconcile", "--ledger", "--day", "2026-03-02")
    assert (found["errors"], found["warnings"], found["infos"], found["findings"]) == (0, 0, 0, [])
    assert [(day["date"], day["journal"], day["confirmed_signals"]) for day in found["days"]] == [("2026-03-02", 1, 1)]


def test_ledgers_that_differ_end_with_1(cli: Cli) -> None:
    arrive(cli, entry())
    export(cli, stop=20474)
    result = cli.run("reconcile", "--ledger", "--day", "2026-03-02", "--json")
    (finding,) = json.loads(result.stdout)["findings"]
    assert (result.exit_code, finding["field"], finding["in_ledger"], finding["in_journal"]) == (1, "stop", 20474, 20475)
    told = cli.run("reconcile", "--ledger", "--day", "2026-03-02")
    assert told.exit_code == 1
    for text in ("What does not fit: 1", "T1", "error", "stop", "20474", "20475"):
        assert text in told.stdout


def test_without_a_day_it_is_the_last_week(cli: Cli) -> None:
    found = cli.json("reconcile", "--ledger")
    first, last = (date.fromisoformat(found[name]) for name in ("date_from", "date_to"))
    assert (last - first, found["days"]) == (timedelta(days=6), [])
    assert "no trades" in cli.text("reconcile", "--ledger")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ledger", "--day", "soon"], "2026-03-02"),
        (["--ledger", "--day", "1000-01-01"], "1990"),
        (["--ledger", "--backfill"], "leave them out"),
        (["--day", "2026-03-02"], "--ledger"),
        (["--ledger", "--account", "Nobody's"], "no account"),
    ],
)
def test_what_does_not_go_together(cli: Cli, arguments: list[str], says: str) -> None:
    assert says in cli.error("reconcile", *arguments)
