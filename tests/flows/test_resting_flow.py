"""A limit order's life in the real processes on simulated time: it rests, survives a power cut and fills; the next is cancelled."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookfill.postgres.model import Database
from support.cli import Cli
from support.database import wait_until
from support.desk import at, only
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

BUY = {"symbol": "EURUSD", "action": "buy", "quantity": 0.1, "order_type": "limit", "limit_price": 1.07, "sl": 1.06, "tp": 1.09}


class Desk:
    """The owner of a running server, who sends alerts and candles with times of their own."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.own = {"Authorization": f"Bearer {OWNER_TOKEN}"}

    def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        asked = {"headers": self.own, "timeout": 30, "trust_env": False} | options
        answer = httpx.request(method, self.url + path, **asked)
        assert answer.status_code == status, answer.text
        return answer.json()

    def bar(self, minute: float, prices: str) -> None:
        opening, high, low, close = prices.split()
        candle = {"symbol": "EURUSD", "timeframe": "M1", "timestamp": at(minute).isoformat(), "open": opening, "high": high}
        headers = {"X-API-KEY": CANDLES_KEY, "X-Hookfill-Time": (at(minute) + timedelta(minutes=1)).isoformat()}
        body = {"candles": [{**candle, "low": low, "close": close, "volume": 1}]}
        self.ask("POST", "/api/v1/candles", 201, json=body, headers=headers)

    def wait_for_order(self, status: str) -> dict[str, Any]:
        """The newest order, once it has this status."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = self.ask("GET", "/api/v1/orders?limit=1")
            return bool(found) and found[0]["status"] == status

        wait_until(is_there, f"a newest order that is {status}; it is {found}")
        return only(found)


@pytest.fixture
def webhook(database: Database, tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A server on simulated time, and the path of a strategy's webhook."""
    with Server(tmp_path, database_url=database.url, HOOKFILL_TIME="messages") as server:
        made = Desk(server).ask("POST", "/api/v1/strategies", 201, json={"name": "Waits"})
        yield server, "/" + made["webhook_url"].split("/", 3)[3]


def test_it_rests_through_a_power_cut_then_fills_once(webhook: tuple[Server, str], database: Database, tmp_path: Path) -> None:
    server, path = webhook
    desk = Desk(server)
    desk.bar(-1, "1.08 1.08 1.08 1.08")
    desk.ask("POST", path, json=BUY, headers={"X-Hookfill-Time": at(0.5).isoformat()})
    made = desk.wait_for_order("working")
    assert made["expires_at"] == "2026-03-02T22:00:00Z"
    server.kill()
    server.start()
    desk = Desk(server)
    desk.bar(1, "1.08 1.081 1.068 1.072")
    filled = desk.wait_for_order("filled")
    assert (filled["id"], filled["average_fill_price"], len(filled["fills"])) == (made["id"], 1.07, 1)
    server.kill()
    server.start()
    desk = Desk(server)
    desk.bar(2, "1.072 1.095 1.072 1.09")
    exit_order = desk.wait_for_order("filled")
    wait_until(lambda: desk.ask("GET", "/api/v1/positions?status=closed"), "a closed position")
    closed = only(desk.ask("GET", "/api/v1/positions?status=closed"))
    assert (closed["exit_reason"], closed["realized_pnl"], exit_order["symbol"]) == ("take_profit", 200, "EURUSD")
    assert only(desk.ask("GET", "/api/v1/signals"))["status"] == "executed"

    # Another one, cancelled by its owner: the worker hears of it at once, with no price and no alert.
    desk.ask("POST", path, json=BUY | {"time_in_force": "gtc"}, headers={"X-Hookfill-Time": at(4).isoformat()})
    resting = desk.wait_for_order("working")
    desk.ask("POST", f"/api/v1/orders/{resting['id']}/cancel")
    assert desk.wait_for_order("cancelled")["id"] == resting["id"]
    found = Cli(tmp_path, database).json("doctor", "--ledger")["ledger"]
    assert [one["name"] for one in found if one["findings"]] == []


def test_a_day_order_expires_when_the_clock_says_so(webhook: tuple[Server, str], database: Database) -> None:
    server, path = webhook
    desk = Desk(server)
    desk.ask("POST", path, json=BUY, headers={"X-Hookfill-Time": at(0).isoformat()})
    desk.wait_for_order("working")
    other = {"symbol": "GBPUSD", "action": "close"}
    desk.ask("POST", path, json=other, headers={"X-Hookfill-Time": at(24 * 60).isoformat()})
    assert desk.wait_for_order("expired")["reason"] == "order_expired"
    wait_until(lambda: desk.ask("GET", "/api/v1/signals?status=expired"), "the signal's end")
