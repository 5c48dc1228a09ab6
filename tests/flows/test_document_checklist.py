"""The options engine's document, its whole testing checklist: over HTTP, against the real server, with the document's own SQL.

Time is what the messages carry: Thursday, 5 February 2026, a trading day in New York.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from hookfill.ops.ledger import check_ledger
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.database import wait_until
from support.server import CANDLES_KEY, OWNER_TOKEN, Server

HMAC_SECRET = "canary-hmac-secret-0f9c2b7d51"
OPEN = datetime(2026, 2, 5, 14, 30, tzinfo=UTC)
"""Half past nine in New York."""
BARS = timedelta(minutes=5)
QUERIES = {
    "signals": "SELECT * FROM signals ORDER BY created_at DESC LIMIT 10",
    "refactored_signals": "SELECT * FROM refactored_signals ORDER BY created_at DESC LIMIT 10",
    "refactored_orders": "SELECT * FROM refactored_orders ORDER BY created_at DESC LIMIT 10",
    "refactored_positions": "SELECT * FROM refactored_positions ORDER BY created_at DESC LIMIT 10",
}
"""As the document has them."""
FIVE = (
    "market_closed",
    "max_open_positions_exceeded",
    "max_positions_per_symbol_exceeded",
    "max_position_size_exceeded",
    "max_exposure_exceeded",
)
"""The document's risk checks."""


class Engine:
    """The server, as the document's reader meets it."""

    def __init__(self, server: Server, database: Database, client: httpx.Client) -> None:
        self.server, self.database, self.client = server, database, client

    def webhook(self, at: datetime, **changes: Any) -> httpx.Response:
        """The document's payload, signed as the document shows."""
        fields = {"symbol": "SPY", "direction": "long", "timeframe": "5m", "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        body = json.dumps(fields | changes, separators=(",", ":")).encode()
        signature = hmac.new(HMAC_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "x-webhook-signature": signature, "X-Hookfill-Time": at.isoformat()}
        return self.client.post("/webhook", content=body, headers=headers)

    def candles(self, first: datetime, prices: Sequence[str]) -> None:
        """Bars of five minutes; ``prices``: open, high, low, close of each."""
        names = ("open", "high", "low", "close")
        bars = [
            {"symbol": "SPY", "timeframe": "M5", "timestamp": (first + BARS * number).isoformat(), "volume": 1_000}
            | dict(zip(names, each.split(), strict=True))
            for number, each in enumerate(prices)
        ]
        headers = {"X-API-KEY": CANDLES_KEY, "X-Hookfill-Time": (first + BARS * len(prices)).isoformat()}
        answer = self.client.post("/api/v1/candles", json={"candles": bars}, headers=headers)
        assert answer.status_code == 201, answer.text

    def sql(self, name: str) -> list[dict[str, Any]]:
        """One of the document's queries."""
        with psycopg.connect(self.database.url, row_factory=dict_row) as connection:
            return connection.execute(QUERIES[name]).fetchall()

    def wait_for_status(self, signal_id: str, status: str) -> dict[str, Any]:
        """Until the worker has brought a signal there; returns its row."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = [row for row in self.sql("signals") if str(row["signal_id"]) == signal_id]
            return bool(found) and found[0]["status"] == status

        wait_until(is_there, f"signal {signal_id} is {status}: {found}")
        return found[0]

    def get(self, path: str) -> Any:
        answer = self.client.get(path, headers={"Authorization": f"Bearer {OWNER_TOKEN}"})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    settings = {"HOOKFILL_TIME": "messages", "HMAC_SECRET": HMAC_SECRET, "APP_MODE": "PAPER", "REDIS_URL": "redis://nowhere"}
    with (
        Server(tmp_path / "home", database_url=database.url, **settings) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client,
    ):
        yield Engine(server, database, client)


def rising(first: Decimal, bars: int) -> list[str]:
    """Bars that climb by a tenth each."""
    opens = [first + Decimal("0.1") * number for number in range(bars)]
    return [f"{price} {price + Decimal('0.2')} {price - Decimal('0.1')} {price + Decimal('0.1')}" for price in opens]


def test_the_documents_checklist(engine: Engine) -> None:
    # Send test webhook to /webhook/test endpoint.
    tested = engine.client.get("/webhook/test").json()
    assert (tested["status"], tested["message"]) == ("ok", "Webhook endpoint is ready")
    engine.candles(OPEN, rising(Decimal(500), 12))
    now = OPEN + BARS * 12

    # Send valid signal webhook.
    answer = engine.webhook(now)
    accepted = answer.json()
    assert (answer.status_code, accepted["status"], accepted["variant"]) == (201, "ACCEPTED", "A")
    assert set(accepted) == {"status", "signal_id", "experiment_id", "variant", "request_id", "processing_time_ms"}
    repeated = engine.webhook(now + timedelta(seconds=1))
    assert (repeated.status_code, repeated.json()["status"]) == (200, "DUPLICATE")
    assert repeated.json()["signal_id"] == accepted["signal_id"]

    # Verify signal stored in signals table; processed by worker (status changes).
    signal = engine.wait_for_status(accepted["signal_id"], "executed")
    assert (signal["symbol"], signal["action"], str(signal["experiment_id"])) == ("SPY", "buy", accepted["experiment_id"])

    # Verify enriched data in refactored_signals table.
    [enriched] = engine.sql("refactored_signals")
    assert str(enriched["signal_id"]) == accepted["signal_id"]
    assert (enriched["direction"], enriched["timeframe"], enriched["variant"]) == ("long", "5m", "A")
    assert enriched["enriched_data"]["quote"]["price"] == "501.2"
    checks = {check["check"]: check["passed"] for check in enriched["risk_check_result"]["checks"]}
    assert {name: checks[name] for name in FIVE} == dict.fromkeys(FIVE, True)

    # Verify order created; verify position created.
    [order] = engine.sql("refactored_orders")
    assert (str(order["signal_id"]), order["status"], order["purpose"]) == (accepted["signal_id"], "filled", "entry")
    [position] = engine.sql("refactored_positions")
    assert (position["position_id"], position["symbol"], position["status"]) == (order["position_id"], "SPY", "open")
    assert position["entry_price"] == order["fill_price"] > Decimal("501.2")  # worsened by the slippage

    # The position refresher and the exit monitor: the price climbs by a quarter, then falls back by a fifth.
    engine.candles(now, ["501.2 630 501 625"])
    wait_until(lambda: engine.sql("refactored_positions")[0]["current_price"] == 625, "the position is marked")
    assert engine.sql("refactored_positions")[0]["unrealized_pnl"] > 1_000
    engine.candles(now + BARS, ["620 622 500 505"])
    wait_until(lambda: engine.sql("refactored_positions")[0]["status"] == "closed", "the exit is taken")
    [closed] = engine.sql("refactored_positions")
    assert (closed["exit_reason"], closed["quantity"]) == ("trailing_stop", 0)
    leave = next(row for row in engine.sql("refactored_orders") if row["purpose"] == "exit")
    assert (leave["exit_reason"], leave["status"], leave["signal_id"]) == ("trailing_stop", "filled", None)
    assert Decimal(500) <= leave["fill_price"] <= Decimal(622)
    [told] = engine.get("/api/v1/exit-signals")
    assert (told["position_id"], told["exit_reason"]) == (str(position["position_id"]), "trailing_stop")
    assert told["realized_pnl"] > 0


def test_signals_that_must_not_trade_are_rejected_with_their_checks(engine: Engine) -> None:
    engine.candles(OPEN, rising(Decimal(500), 2))
    night = OPEN.replace(hour=2) + timedelta(days=1)
    refused = engine.webhook(night).json()
    row = engine.wait_for_status(refused["signal_id"], "rejected")
    assert row["reason"] == "market_closed"
    [enriched] = engine.sql("refactored_signals")
    assert (enriched["risk_check_result"]["passed"], enriched["risk_check_result"]["refusal"]) == (False, "market_closed")
    assert engine.sql("refactored_orders") == engine.sql("refactored_positions") == []
    invalid = engine.webhook(night, direction="sideways")
    assert (invalid.status_code, invalid.json()["status"]) == (400, "REJECTED")
    assert invalid.json()["details"]
    unsigned = engine.client.post("/webhook", json={"symbol": "SPY", "direction": "long", "timeframe": "5m", "timestamp": "1"})
    assert unsigned.status_code == 401


def test_the_logs_the_ledger_and_the_monitoring_have_nothing_to_complain_of(engine: Engine) -> None:
    """Check logs for any errors; the document's key metrics."""
    engine.candles(OPEN, rising(Decimal(500), 3))
    accepted = engine.webhook(OPEN + BARS * 3).json()
    engine.wait_for_status(accepted["signal_id"], "executed")
    wait_until(lambda: {"desk", "journal"} <= {one["name"] for one in engine.get("/health")["workers"]}, "the workers are heard of")
    health = engine.get("/health")
    assert (health["status"], health["database"], health["alarms"]) == ("ok", True, 0), health
    assert {one["state"] for one in health["workers"]} == {"ok"}
    assert [one["symbols"] for one in health["feeds"]] == [1]
    metrics = engine.client.get("/metrics").text
    assert 'hookfill_messages_total{door="signed",state="processed"} 1.0' in metrics
    assert "hookfill_pool_connections" in metrics
    said = [json.loads(line) for line in engine.server.output().splitlines() if line.startswith("{")]
    assert [line for line in said if line["level"] in ("error", "critical")] == []
    assert [line["note"] for line in said if line["event"] == "setting_not_used"] != []
    assert "nowhere" not in engine.server.output()
    assert asyncio.run(broken_invariants(engine.database)) == []


async def broken_invariants(database: Database) -> list[str]:
    connection = await connect(database, name="test")
    try:
        return [one.name for one in await check_ledger(connection) if not one.holds]
    finally:
        await connection.close()
