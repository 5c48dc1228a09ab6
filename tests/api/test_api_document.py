"""The OpenAPI document tells the truth about every route and door."""

import hashlib
import hmac
from typing import Any

import pytest

from hookfill.edge import candles, indicator_export, signed, telemetry, tradingview
from support.house import CANDLES_KEY, HMAC_SECRET, House

DOORS = {
    (f"{tradingview.PREFIX}{{webhook_secret}}", "post"),
    (signed.PATH, "post"),
    ("/webhook/test", "get"),
    (candles.PATH, "post"),
    (telemetry.PATH, "post"),
    (indicator_export.PATH, "post"),
}

FOR_ANYBODY = {f"/api/v1/auth/{name}" for name in ("register", "login", "refresh", "logout")}


async def document(house: House) -> dict[str, Any]:
    answer = await house.client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(path, method): operation for path, methods in found["paths"].items() for method, operation in methods.items()}


async def test_every_route_and_door_is_described(house: House) -> None:
    found = operations(await document(house))
    assert found.keys() > DOORS
    reading = {path for path, _ in found.keys() - DOORS}
    assert reading >= {
        "/api/v1/signals", "/api/v1/signals/{signal_id}", "/api/v1/signals/{signal_id}/story", "/api/v1/orders",
        "/api/v1/positions", "/api/v1/account", "/api/v1/accounts", "/health", *FOR_ANYBODY,
    }  # fmt: skip
    for (path, method), operation in found.items():
        assert operation["summary"], (path, method)
        assert operation["operationId"]
    assert len({operation["operationId"] for operation in found.values()}) == len(found)


async def test_routes_that_need_the_token_say_so(house: House) -> None:
    for (path, method), operation in operations(await document(house)).items():
        needs_token = path not in ("/health", "/metrics", *FOR_ANYBODY) and (path, method) not in DOORS
        assert ("security" in operation) is needs_token, (path, method)
        if needs_token:
            assert {"401", "422", "503"} < operation["responses"].keys()
            is_agents_own = "AgentKey" in str(operation["security"])  # whose id in the path must be its own: else 401
            assert "404" in operation["responses"] or "{" not in path or is_agents_own, (path, method)


async def test_amounts_are_numbers_in_the_document(house: House) -> None:
    schemas = (await document(house))["components"]["schemas"]
    assert schemas["Fill"]["properties"]["price"] == {"type": "number", "title": "Price"}
    assert {"type": "number"} in schemas["Signal"]["properties"]["fill_price"]["anyOf"]


async def test_the_document_names_the_server_and_is_made_once(house: House) -> None:
    first = await document(house)
    assert first["servers"] == [{"url": "http://house"}]
    assert await document(house) == first


def examples(found: dict[str, Any], path: str) -> list[tuple[str, Any]]:
    content = found["paths"][path]["post"]["requestBody"]["content"]
    return [(name, example["value"]) for kind in content.values() for name, example in kind["examples"].items()]


async def test_the_documented_requests_work(house: House) -> None:
    found = await document(house)
    strategy = await house.new_strategy()
    for name, value in examples(found, f"{tradingview.PREFIX}{{webhook_secret}}"):
        await house.alert(strategy, value)
        newest = (await house.get("/api/v1/signals", limit=1)).json()[0]
        assert newest["status"] == "pending", name
    for _, value in examples(found, signed.PATH):
        answer = await house.client.post(signed.PATH, json={**value, "secret": HMAC_SECRET})
        assert answer.status_code == 201
        assert answer.json().keys() == documented(found, signed.PATH, 201).keys()
    counts = {"batch": {"records_added": 1}, "revision": {"records_revised": 1}, "other spellings": {"records_added": 1}}
    for name, value in examples(found, candles.PATH):
        headers = {"X-API-KEY": CANDLES_KEY, "X-Hookfill-Time": "2026-02-05T12:05:00Z"}
        answer = await house.client.post(candles.PATH, json=value, headers=headers)
        nothing = dict.fromkeys(("records_added", "records_conflicting", "records_revised"), 0)
        assert answer.json() == documented(found, candles.PATH, 201) | nothing | counts.pop(name)
    assert counts == {}


async def test_the_documented_requests_of_indicators_work(house: House) -> None:
    found = await document(house)
    for path in (telemetry.PATH, indicator_export.PATH):
        shown = found["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["examples"]
        fields = [sorted(example["value"]) for example in shown.values()]
        for _, value in examples(found, path):
            for _ in range(2):
                answer = await house.client.post(path, json=value)
                assert answer.status_code == 200, answer.text
                assert sorted(answer.json()) in fields
                assert "is_valid" not in answer.json()
        refused = await house.client.post(path, content=b"{")
        assert refused.json().keys() == documented(found, path, 400).keys()


def documented(found: dict[str, Any], path: str, status: int, method: str = "post") -> dict[str, Any]:
    example: dict[str, Any] = found["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["example"]
    return example


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"{}", 401)])
async def test_documented_refusals_of_the_signed_door(house: House, body: bytes, status: int) -> None:
    signature = hmac.new(HMAC_SECRET.encode(), body, hashlib.sha256).hexdigest() if status == 400 else "0"
    answer = await house.client.post(signed.PATH, content=body, headers={"x-webhook-signature": signature})
    assert answer.status_code == status
    assert answer.json().keys() == documented(await document(house), signed.PATH, status).keys()
