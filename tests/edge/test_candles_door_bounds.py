"""The candles door's bounds: who may call it from a page, how often, and what it writes into the log."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from hookfill.edge.rate import RateLimit
from hookfill.postgres.model import Database
from support.database import value, wait_until
from support.server import CANDLES_KEY, Server

PATH = "/api/v1/candles"
ORIGIN = "https://charts.example"
PER_MINUTE = 30


@pytest.fixture(scope="module")
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"HOOKFILL_CORS_ORIGINS": ORIGIN, "HOOKFILL_LOG_LEVEL": "debug"}
    environment["HOOKFILL_CANDLE_REQUESTS_PER_MINUTE"] = str(PER_MINUTE)
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url, role="api", **environment) as server:
        yield server


def bars(symbol: str, count: int = 1, **changes: object) -> list[dict[str, Any]]:
    fields = {"symbol": symbol, "timeframe": "M1", "open": 1.08351, "high": 1.08362, "low": 1.08347, "close": 1.08359, "volume": 91}
    first = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    return [fields | {"timestamp": first + 60 * number} | changes for number in range(count)]


def push(client: httpx.Client, content: object, **headers: str) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return client.post(PATH, content=body, headers={"X-API-KEY": CANDLES_KEY} | headers)


@pytest.fixture
def symbol() -> str:
    return f"C{uuid.uuid4().hex[:12]}".upper()


def test_pages_of_the_named_origins_may_push(client: httpx.Client, symbol: str) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}
    answer = client.options(PATH, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "x-api-key" in answer.headers["access-control-allow-headers"].lower()
    answer = push(client, {"candles": bars(symbol)}, Origin=ORIGIN)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (201, ORIGIN)
    refused = push(client, {"candles": []}, Origin=ORIGIN)  # a page must be able to read what is wrong
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (422, ORIGIN)
    other = client.options(PATH, headers=asked | {"Origin": "https://elsewhere.example"})
    assert other.status_code == 400
    assert "access-control-allow-origin" not in other.headers


def events(served: Server, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in served.output().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def test_each_batch_is_one_line_of_the_log_without_its_values(client: httpx.Client, served: Server, symbol: str) -> None:
    stored, refused = len(events(served, "candles_stored")), len(events(served, "candles_refused"))
    push(client, {"candles": bars(symbol, 3) + bars(f"{symbol}B")})
    push(client, {"candles": bars(symbol, 3, close=1.08352), "revise": True})
    push(client, {"candles": bars(symbol, open="canary-value")})
    push(client, b"canary-body")
    push(client, {"candles": bars(symbol)}, **{"X-API-KEY": "canary-wrong-key"})
    first, second = events(served, "candles_stored")[stored:]
    counted = [(line["candles"], line["symbols"], line["added"], line["conflicting"], line["revised"]) for line in (first, second)]
    assert counted == [(4, 2, 4, 0, 0), (3, 1, 0, 2, 1)]
    assert first["level"] == "debug"
    assert first["duration_ms"] > 0
    told = [(line["reason"], line["faults"]) for line in events(served, "candles_refused")[refused:]]
    assert told == [("payload_invalid", 1), ("json_invalid", 1), ("api_key_invalid", 0)]
    for secret in ("canary-value", "canary-body", "canary-wrong-key", CANDLES_KEY, symbol, "1.08351"):
        assert secret not in served.output()


def test_a_key_that_comes_too_often_is_told_when_to_come_again(
    client: httpx.Client, module_database: Database, symbol: str
) -> None:
    """Last in this module: it uses the allowance up."""

    def exhausted() -> bool:
        return push(client, {"candles": bars(symbol)}).status_code == 429

    wait_until(exhausted, "the allowance is used up")
    kept = value(module_database.url, "SELECT count(*) FROM messages")
    answer = next(found for found in iter(lambda: push(client, {"candles": bars(symbol)}), None) if found.status_code == 429)
    assert int(answer.headers["retry-after"]) >= 1
    assert str(PER_MINUTE) in answer.json()["detail"]
    assert value(module_database.url, "SELECT count(*) FROM messages") == kept
    # Whoever has another key, or none, is not counted with it.
    assert push(client, {"candles": bars(symbol)}, **{"X-API-KEY": "another"}).status_code == 401


def test_the_allowance_comes_back_with_time() -> None:
    limit = RateLimit(3)
    assert [limit.wait("a", 100.0) for _ in range(3)] == [0, 0, 0]
    assert limit.wait("a", 100.0) == pytest.approx(20)
    assert limit.wait("b", 100.0) == 0
    assert limit.wait("a", 115.0) == pytest.approx(5)
    assert limit.wait("a", 120.0) == 0
    assert limit.wait("a", 120.0) == pytest.approx(20)
    assert [limit.wait("a", 1000.0) for _ in range(3)] == [0, 0, 0]
    assert limit.wait("a", 1000.0) > 0


def test_without_a_limit_everybody_may() -> None:
    limit = RateLimit(None)
    assert {limit.wait("a", 0.0) for _ in range(10_000)} == {0}
