"""``messages``, ``status`` and ``story``, also when a stranger wrote the text."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from support.cli import Cli

HOSTILE = "buy \x1b[2J\x1b]0;owned\x07[bold red]EURUSD[/] \u202e\u200b\r\n\x9b31m =cmd|' /C calc'!A1 <script>"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]")
LOG_HEADER = ["Alert ID", "Ticker", "Name", "Description", "Time"]


@pytest.fixture
def traded(cli: Cli, tmp_path: Path) -> Cli:
    """An installation in which a position is open and hostile messages have come in."""
    cli.text("strategies", "create", "Scal[red]per")
    candles = tmp_path / "EURUSD_M1.csv"
    candles.write_text("time,open,high,low,close\n2026-03-02 12:00,1.1,1.101,1.099,1.1\n2026-03-02 12:01,1.1,1.101,1.099,1.1005\n")
    cli.text("import", "candles", candles)
    bodies = [
        '{"symbol":"EURUSD","action":"buy","volume":0.1,"sl":1.09,"tp":1.12,"comment":"[red]x\\u001b[31m"}',
        HOSTILE,
        '{"symbol": "' + HOSTILE,
        '{"symbol":"[red]EUR\\u001b[31m","action":"buy"}',
    ]
    log = tmp_path / "log.csv"
    with log.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(LOG_HEADER)
        writer.writerows([1, "[red]\x1b", "name", body, f"2026-03-02T12:01:0{n}Z"] for n, body in enumerate(bodies))
    cli.text("import", "alerts", log, "--strategy", "Scal[red]per")
    return cli


def test_messages_show_hostile_text_without_obeying_it(traded: Cli) -> None:
    text = traded.text("messages")
    assert not CONTROL.search(text)
    assert "[bold red]" in text.replace("\n", "")
    assert r"\x1b" in text
    assert r"\u202e" in text


def test_messages_as_json_hold_the_exact_text_in_plain_ascii(traded: Cli) -> None:
    text = traded.text("messages", "--json")
    assert text.isascii()
    assert not CONTROL.search(text)
    assert HOSTILE in [message["body"] for message in traded.json("messages")]


def test_messages_can_be_picked_by_state_and_number(traded: Cli) -> None:
    everything: list[dict[str, Any]] = traded.json("messages")
    assert len(everything) == 4
    ids = [message["message_id"] for message in everything]
    assert ids == sorted(ids, reverse=True)
    assert traded.json("messages", "--limit", 1) == everything[:1]
    malformed = traded.json("messages", "--state", "malformed")
    assert [message["reason"] for message in malformed] == ["json_invalid"]
    assert traded.json("messages", "--state", "refused") == []


def test_a_long_body_is_shortened_in_the_table_only(cli: Cli, tmp_path: Path) -> None:
    cli.text("strategies", "create", "Scalper")
    log = tmp_path / "log.csv"
    log.write_text(f"{','.join(LOG_HEADER)}\n1,t,n,{'x' * 5000},2026-03-02T12:00:00Z\n")
    cli.text("import", "alerts", log, "--strategy", "Scalper")
    assert "(5000 characters)" in cli.text("messages").replace("\n", "")
    assert cli.json("messages")[0]["body"] == "x" * 5000


def test_stories_are_told_without_obeying_anybody(traded: Cli) -> None:
    for message in traded.json("messages"):
        text = traded.text("story", message["message_id"])
        assert not CONTROL.search(text)
        json_text = traded.text("story", message["message_id"], "--json")
        assert json_text.isascii()
        assert traded.json("story", message["message_id"])["message_id"] == message["message_id"]


def test_the_story_of_a_trade_names_every_step(traded: Cli) -> None:
    signal_id = next(
        told["signal_id"]
        for told in (traded.json("story", message["message_id"]) for message in traded.json("messages"))
        if told["status"] == "executed"
    )
    told = traded.json("story", signal_id)
    assert {"message", "parse", "engine", "check", "sizing", "order", "fill", "position"} <= {
        step["step"] for step in told["steps"]
    }
    text = traded.text("story", signal_id)
    for step in told["steps"]:
        assert step["title"].split()[0] in text


@pytest.mark.parametrize("identifier", ["nonsense", "01a1fd41-0000-7000-8000-000000000000", "'; DROP TABLE signals"])
def test_what_is_not_there_has_no_story(cli: Cli, identifier: str) -> None:
    assert "id" in cli.error("story", identifier)


def test_status_shows_how_things_stand(traded: Cli) -> None:
    found = traded.json("status")
    assert found["server"] == {"url": None, "worker": False}
    assert found["queue"] == {"pending": 0, "oldest_seconds": None, "spooled_batches": 0}
    assert [position["symbol"] for position in found["positions"]] == ["EURUSD"]
    assert found["activity"]["executed"] == 1
    assert found["accounts"][0]["equity"] == found["activity"]["equity"]
    text = traded.text("status")
    assert not CONTROL.search(text)
    for shown in ("not running", "EURUSD", "Scal[red]per", "1 executed"):
        assert shown in text


def test_status_of_a_new_installation(cli: Cli) -> None:
    assert "No open position." in cli.text("status")


def test_spooled_batches_show_up(cli: Cli) -> None:
    (cli.home / "spool").mkdir()
    (cli.home / "spool" / "1.batch").write_text("[]")
    assert cli.json("status")["queue"]["spooled_batches"] == 1
    assert "1 spooled batches" in cli.text("status")
