"""The broken entries of a real log, over HTTP: kept, shown, repaired on confirmation, and trades in the journal afterwards."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hookfill.edge.telemetry import PATH
from hookfill.postgres.model import Database
from support.database import query, wait_for_value
from support.server import OWNER_TOKEN, Server
from support.shared_data import shared_file


def is_json(body: str) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@pytest.fixture
def served(database: Database, home: Path) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {OWNER_TOKEN}"}
    with (
        Server(home, database_url=database.url) as server,
        httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=30) as client,
    ):
        yield client


def test_broken_entries_become_trades_when_they_are_repaired(served: httpx.Client, database: Database) -> None:
    path = shared_file("tradingview-alert-logs", "TradingView_Alerts_Log_2025-11-14_575e3.csv")
    with path.open(encoding="utf-8", newline="") as file:
        bodies = [row["Description"] for row in csv.DictReader(file)]
    broken = [body for body in bodies if not is_json(body)]
    statuses = [served.post(PATH, content=body.encode()).status_code for body in bodies]
    assert statuses == [400 if body in broken else 200 for body in bodies]
    wait_for_value(database.url, 0, "SELECT count(*) FROM messages WHERE state = 'received'")
    entered = "SELECT count(*) FROM trade_states WHERE entered_at IS NOT NULL AND entry_price IS NOT NULL"
    assert query(database.url, entered) == [(0,)]
    malformed = served.get("/api/v1/messages", params={"state": "malformed"}).json()
    assert [message["body"] for message in reversed(malformed)] == broken
    for message in malformed:
        shown = served.get(f"/api/v1/messages/{message['id']}/repair").json()
        assert (shown["before"], shown["is_repairable"]) == (message["body"], True)
        assert json.loads(shown["after"])["type"] == "ENTRY"
        assert served.post(f"/api/v1/messages/{message['id']}/repair").json()["state"] == "received"
    wait_for_value(database.url, len(broken), entered)
    assert query(database.url, "SELECT count(*) FROM messages WHERE state <> 'processed'") == [(0,)]
    trades = query(
        database.url, "SELECT trade_id, entry_price, stop_loss FROM trade_states WHERE entry_price IS NOT NULL ORDER BY 1"
    )
    for trade_id, entry, stop in trades:
        (body,) = [body for body in broken if trade_id in body]
        assert f'"entry_price":{entry}' in body
        assert f'"sl_price":{stop}' in body
