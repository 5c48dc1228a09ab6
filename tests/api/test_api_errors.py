"""Whatever is asked in whatever way: JSON that says what to do, and never a secret."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pydantic import TypeAdapter

from hookfill.api import account, auth, models
from hookfill.kernel.errors import ConfigurationError
from support.house import CANDLES_KEY, HMAC_SECRET, ORIGIN, TOKEN, House


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/signals?limit=0", "limit"),
        ("/api/v1/signals?limit=501", "limit"),
        ("/api/v1/signals?limit=99999999999999999999", "limit"),
        ("/api/v1/signals?limit=many", "limit"),
        ("/api/v1/signals?offset=-1", "offset"),
        ("/api/v1/signals?offset=99999999999999999999", "offset"),
        ("/api/v1/signals?status=done", "status"),
        ("/api/v1/signals?status=%00", "status"),
        ("/api/v1/signals/1", "signal_id"),
        ("/api/v1/signals/1/story", "signal_id"),
        ("/api/v1/orders?signal_id='", "signal_id"),
        ("/api/v1/orders?status=open", "status"),
        ("/api/v1/orders?limit=1.5", "limit"),
        ("/api/v1/positions?status=short", "status"),
        ("/api/v1/account?account_id=default", "account_id"),
    ],
)
async def test_a_parameter_that_cant_be_used_is_named(house: House, path: str, field: str) -> None:
    answer = await house.get(path)
    assert answer.status_code == 422
    TypeAdapter(models.InvalidRequest).validate_json(answer.content)
    assert [fault["loc"][-1] for fault in answer.json()["detail"]] == [field]


async def test_the_largest_page_and_the_furthest_offset_are_served(house: House) -> None:
    for path in ("/api/v1/signals", "/api/v1/orders", "/api/v1/positions"):
        assert (await house.get(path, limit=500, offset=1_000_000_000)).json() == []


async def test_what_was_sent_is_not_sent_back(house: House) -> None:
    answer = await house.get("/api/v1/signals", status=TOKEN)
    assert answer.status_code == 422
    assert TOKEN not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1/nothing", "/api/v1/signals/", "/webhook/", "/webhook/x", "/api/v1/webhooks/tv"]
)
async def test_unknown_paths(house: House, method: str, path: str) -> None:
    answer = await house.client.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 404
    assert "/openapi.json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/webhook", "POST"),
        ("/api/v1/candles", "GET, POST"),
        ("/api/v1/webhooks/tv/some-secret", "POST"),
        ("/webhook/test", "GET"),
        ("/api/v1/signals", "GET"),
        ("/api/v1/account", "GET"),
        ("/health", "GET"),
    ],
)
async def test_the_wrong_method(house: House, path: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(allowed.split(", ")):
        answer = await house.client.request(method, path)
        assert answer.status_code == 405, (method, path)
        assert answer.headers["allow"] == allowed
        assert answer.json()["detail"]
        assert "some-secret" not in answer.text


async def test_limits_that_cant_be_read_say_which(house: House) -> None:
    await house.pool.execute("""UPDATE accounts SET limits = '{"max_open_position": 1}'""")
    answer = await house.get("/api/v1/account")
    assert answer.status_code == 500
    assert "max_open_position'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (asyncpg.ConnectionDoesNotExistError("gone"), 503),
        (asyncpg.CannotConnectNowError("starting"), 503),
        (asyncpg.TooManyConnectionsError("full"), 503),
        (asyncpg.InterfaceError("closed"), 503),
        (asyncpg.QueryCanceledError("slow"), 503),
        (ConnectionRefusedError("no"), 503),
        (TimeoutError(), 503),
        (ConfigurationError("Mend it."), 500),
        (asyncpg.UndefinedTableError("secret table"), 500),
        (ZeroDivisionError("secret detail"), 500),
    ],
)
async def test_trouble_inside(house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int) -> None:
    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(account, "account_summary", fail)
    answer = await house.get("/api/v1/account")
    assert answer.status_code == status
    TypeAdapter(models.Problem).validate_json(answer.content)
    assert "secret" not in answer.text
    assert answer.headers.get("retry-after") == ("5" if status == 503 else None)


async def test_a_pool_without_a_free_connection(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [await house.pool.acquire() for _ in range(house.pool.get_max_size())]
    try:
        with monkeypatch.context() as hurried:
            hurried.setattr(auth, "ACQUIRE_SECONDS", 0.01)
            assert (await house.get("/api/v1/signals")).status_code == 503
    finally:
        for connection in held:
            await house.pool.release(connection)
    assert (await house.get("/api/v1/signals")).status_code == 200


async def test_every_connection_is_given_back(house: House) -> None:
    for path in ("/api/v1/signals", "/api/v1/signals/1", f"/api/v1/signals/{uuid4()}", "/api/v1/account", "/health", "/nothing"):
        for _ in range(house.pool.get_max_size() + 1):
            await house.get(path)
            await house.client.get(path)
    assert house.pool.get_size() == house.pool.get_idle_size()


async def test_no_secret_in_any_answer(house: House) -> None:
    strategy = await house.new_strategy()
    await house.alert(strategy, {"symbol": "EURUSD", "action": "buy", "secret": HMAC_SECRET})
    [signal_id] = await house.signal_ids()
    signal = f"/api/v1/signals/{signal_id}"
    for path in ("/api/v1/signals", signal, f"{signal}/story", "/api/v1/accounts", "/health", "/openapi.json"):
        text = (await house.get(path)).text
        for secret in (TOKEN, CANDLES_KEY, HMAC_SECRET, strategy.secret):
            assert secret not in text, path


async def test_pages_of_the_named_origin_may_read_and_push_candles(house: House) -> None:
    page = {"Origin": ORIGIN}
    for path in ("/api/v1/signals", "/health", "/nothing", "/webhook/test"):
        assert (await house.client.get(path, headers=page)).headers["access-control-allow-origin"] == ORIGIN
    pushed = await house.client.post("/api/v1/candles", content=b"{}", headers=page)
    assert (pushed.status_code, pushed.headers["access-control-allow-origin"]) == (401, ORIGIN)
    asked = {**page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-KEY, Content-Type"}
    preflight = await house.client.options("/api/v1/candles", headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "access-control-allow-credentials" not in preflight.headers


async def test_other_pages_and_the_alert_doors_get_no_leave(house: House) -> None:
    other = {"Origin": "https://evil.example"}
    for path in ("/api/v1/signals", "/health"):
        assert "access-control-allow-origin" not in (await house.client.get(path, headers=other)).headers
    strategy = await house.new_strategy()
    for path in ("/webhook", f"/api/v1/webhooks/tv/{strategy.secret}"):
        assert "access-control-allow-origin" not in (await house.client.post(path, headers={"Origin": ORIGIN})).headers
