"""The candles door over HTTP, against a real server process: contract E as far as the door goes."""

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from hookfill.postgres.model import Database
from support.database import query, value
from support.server import CANDLES_KEY

PATH = "/api/v1/candles"
SUCCESS = {"status": "success", "message": "Data ingested successfully."}


def candle(symbol: str, /, **changes: object) -> dict[str, Any]:
    fields: dict[str, object] = {
        "symbol": symbol, "timeframe": "M5", "timestamp": "2026-01-05T10:00:00Z", "open": 1.1, "high": 1.2, "low": 1.0,
        "close": 1.15, "volume": 100,
    }  # fmt: skip
    return {name: field for name, field in (fields | changes).items() if field is not None}


@pytest.fixture
def symbol() -> str:
    return f"C{uuid.uuid4().hex[:12]}".upper()


def post(client: httpx.Client, content: object, key: str | None = CANDLES_KEY) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return client.post(PATH, content=body, headers={} if key is None else {"X-API-KEY": key})


def count(database: Database, symbol: str) -> int:
    found: int = value(database.url, "SELECT count(*) FROM market_data_candles WHERE symbol = %s", symbol)
    return found


def kept(database: Database) -> list[tuple[Any, ...]]:
    return query(database.url, "SELECT state, reason, body FROM messages WHERE door = 'candles' ORDER BY message_id")


def test_a_batch_is_stored_exactly_and_moves_the_quote(client: httpx.Client, module_database: Database, symbol: str) -> None:
    batch = [
        candle(symbol),
        candle(symbol, timestamp="2026-01-05T10:05:00+00:00", close="1.16000001"),
        candle(symbol, timeframe="1h"),
    ]
    answer = post(client, {"candles": batch})
    assert answer.status_code == 201
    content = answer.json()
    assert {name: content[name] for name in SUCCESS} == SUCCESS
    assert content["records_added"] == 3
    rows = query(
        module_database.url,
        "SELECT timeframe, timestamp, open, high, low, close, volume FROM market_data_candles WHERE symbol = %s ORDER BY 1 DESC, 2",
        symbol,
    )
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    figures = (Decimal("1.1"), Decimal("1.2"), Decimal("1.0"))
    assert rows == [
        ("M5", at, *figures, Decimal("1.15"), 100),
        ("M5", at.replace(minute=5), *figures, Decimal("1.16000001"), 100),
        ("H1", at, *figures, Decimal("1.15"), 100),
    ]
    quote = query(module_database.url, "SELECT price, quoted_at, source FROM quotes WHERE symbol = %s", symbol)
    assert quote == [(Decimal("1.15"), at.replace(hour=11), "candle")]


def test_known_candles_are_ignored_and_differing_ones_counted(client: httpx.Client, module_database: Database, symbol: str) -> None:
    later = candle(symbol, timestamp="2026-01-05T10:05:00Z")
    assert post(client, {"candles": [candle(symbol)]}).json()["records_added"] == 1
    answer = post(client, {"candles": [candle(symbol), later]}).json()
    assert (answer["records_added"], answer["records_conflicting"]) == (1, 0)
    answer = post(client, {"candles": [candle(symbol, close=1.11), later]}).json()
    assert (answer["records_added"], answer["records_conflicting"]) == (0, 1)
    assert value(module_database.url, "SELECT min(close) FROM market_data_candles WHERE symbol = %s", symbol) == Decimal("1.15")


def test_the_same_candle_twice_in_one_batch_is_one(client: httpx.Client, module_database: Database, symbol: str) -> None:
    assert post(client, {"candles": [candle(symbol)] * 3}).json()["records_added"] == 1
    assert count(module_database, symbol) == 1


@pytest.mark.parametrize("key", [None, "", "wrong", CANDLES_KEY + "x", CANDLES_KEY[:-1], "ü"])
def test_without_the_key_nothing_is_stored(client: httpx.Client, module_database: Database, symbol: str, key: str | None) -> None:
    headers = {} if key is None else {"X-API-KEY": key.encode("latin-1")}
    answer = client.post(PATH, content=json.dumps({"candles": [candle(symbol)]}), headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid or missing API Key"})
    assert count(module_database, symbol) == 0
    assert kept(module_database)[-1][:2] == ("refused", "api_key_invalid")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"symbol": None}, "symbol"),
        ({"symbol": ""}, "symbol"),
        ({"timeframe": "M7"}, "timeframe"),
        ({"timestamp": None}, "timestamp"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2999-01-01T00:00:00Z"}, "timestamp"),
        ({"timestamp": 1e30}, "timestamp"),
        ({"open": None}, "open"),
        ({"open": "1,1"}, "open"),
        ({"open": 0}, "open"),
        ({"open": 9}, "open"),
        ({"close": 0.5}, "close"),
        ({"high": 0.9}, "high"),
        ({"low": "1e-400"}, "low"),
        ({"low": "1e-9999999999"}, "low"),
        ({"open": "1e9999999999"}, "open"),
        ({"volume": -1}, "volume"),
        ({"volume": 1.5}, "volume"),
        ({"volume": 1 << 63}, "volume"),
    ],
)
def test_one_bad_candle_refuses_the_batch_and_names_itself(
    client: httpx.Client, module_database: Database, symbol: str, changes: dict[str, Any], field: str
) -> None:
    batch = [candle(symbol), candle(symbol, **changes), candle(symbol, timestamp="2026-01-05T10:05:00Z")]
    if changes.get("symbol", "x") is None:
        batch[1].pop("symbol", None)
    answer = post(client, {"candles": batch})
    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert detail.keys() == {"type", "loc", "msg"}
    assert detail["loc"] == ["body", "candles", 1, field]
    assert detail["msg"]
    assert count(module_database, symbol) == 0
    state, reason, body = kept(module_database)[-1]
    assert (state, reason) == ("malformed", "payload_invalid")
    assert json.loads(bytes(body)) == {"candles": batch}


@pytest.mark.parametrize(
    "content", [[], 5, {}, {"candles": []}, {"candles": 5}, {"candles": [5]}, {"candles": {"0": {}}}, {"candles": [[]]}, None]
)
def test_other_shapes_are_refused_in_the_same_form(client: httpx.Client, module_database: Database, content: object) -> None:
    answer = post(client, content)
    assert answer.status_code == 422
    assert all(detail["loc"][0] == "body" for detail in answer.json()["detail"])
    assert kept(module_database)[-1][0] == "malformed"


def test_values_are_not_echoed_back(client: httpx.Client, symbol: str) -> None:
    canary = "canary-value-7b"
    for field in ("timestamp", "open", "volume"):
        answer = post(client, {"candles": [candle(symbol, **{field: canary})]})
        assert answer.status_code == 422
        assert canary not in answer.text
    long = {"candles": [candle(symbol, timeframe="x" * 100_000, timestamp="y" * 100_000)] * 50}
    assert len(post(client, long).content) < 50_000


def test_a_large_batch_goes_in_and_a_larger_one_is_refused(client: httpx.Client, module_database: Database, symbol: str) -> None:
    start = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
    batch = [candle(symbol, timeframe="M1", timestamp=start + 60 * number) for number in range(5_000)]
    assert post(client, {"candles": batch}).json()["records_added"] == 5_000
    assert post(client, {"candles": batch}).json() == SUCCESS | {
        "records_added": 0,
        "records_conflicting": 0,
        "records_revised": 0,
    }
    answer = post(client, b" " * (8 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert kept(module_database)[-1][:2] == ("refused", "body_too_large")
