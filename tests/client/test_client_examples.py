"""The examples, as programs of their own, against a real server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from hookfill.client import Candle, Client
from hookfill.kernel.clock import utc_now
from hookfill.postgres.model import Database
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A whole server."""
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url) as server:
        yield server


def run(server: Server, name: str, *arguments: str, token: str = OWNER_TOKEN) -> "subprocess.CompletedProcess[str]":
    known = {"HOOKFILL_URL": server.url, "HOOKFILL_TOKEN": token, "HOOKFILL_CANDLES_KEY": CANDLES_KEY}
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()} | known
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_candles_of_a_file_are_pushed(served: Server, tmp_path: Path) -> None:
    file = tmp_path / "candles.csv"
    times = [utc_now().replace(second=0, microsecond=0) - timedelta(minutes=number) for number in (2, 1)]
    rows = [f"{time.isoformat()},100.5,101,100,100.75,{volume}" for time, volume in zip(times, ("", "7"), strict=True)]
    file.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]), encoding="utf-8")
    pushed = run(served, "push_candles.py", "ETHUSD", "M1", str(file))
    assert (pushed.returncode, pushed.stdout) == (0, "2 sent, 2 new, 0 differ from what is stored\n"), pushed.stderr


def test_an_alert_is_sent_and_its_position_watched(served: Server) -> None:
    time = utc_now().replace(second=0, microsecond=0) - timedelta(minutes=1)
    with Client(served.url, token=OWNER_TOKEN, candles_key=CANDLES_KEY, transport=httpx.HTTPTransport()) as client:
        client.push_candles([Candle("BTCUSD", "M1", time, *map(Decimal, ("100.5", "101", "100", "100.75")))])
        url = client.create_strategy("Example").webhook_url
    sent = run(served, "send_alert.py", url, "BTCUSD", "buy", "2")
    assert (sent.returncode, sent.stdout.partition(":")[0]) == (0, "executed"), sent.stderr
    assert "buy 2 BTCUSD at 100." in sent.stdout
    watched = run(served, "watch_positions.py", "1")
    assert (watched.returncode, watched.stdout.split()[:2]) == (0, ["BTCUSD", "2"]), watched.stderr


@pytest.mark.parametrize(
    ("name", "arguments"), [("watch_positions.py", ["1"]), ("send_alert.py", ["http://127.0.0.1:1/x", "EURUSD", "buy", "1"])]
)
def test_they_say_what_is_wrong(served: Server, name: str, arguments: list[str]) -> None:
    ended = run(served, name, *arguments, token="canary-wrong")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("The server")
    assert "Traceback" not in ended.stderr
