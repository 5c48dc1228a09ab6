"""API keys at the candles door: the owner's with the scope candles, soon known, soon forgotten, seldom looked for."""

from typing import Any

import asyncpg
import httpx
import pytest

from hookfill.accounts.api_keys import FRESH_SECONDS, PAUSE_SECONDS, TOUCH_SECONDS, CandleKeys
from support.house import CANDLES_KEY, TOKEN, House, at
from support.people import bearer

BAR = {"symbol": "EURUSD", "timeframe": "M1", "timestamp": at(0).isoformat(), "open": "1.08", "high": "1.08", "low": "1.08"}


async def push(house: House, key: str) -> httpx.Response:
    headers = {"X-API-KEY": key, "X-Hookfill-Time": at(1).isoformat()}
    return await house.client.post("/api/v1/candles", json={"candles": [{**BAR, "close": "1.08", "volume": 1}]}, headers=headers)


async def make(house: House, *scopes: str) -> dict[str, Any]:
    answer = await house.client.post("/api/v1/api-keys", json={"label": "x", "scopes": list(scopes)}, headers=bearer(TOKEN))
    assert answer.status_code == 201
    found: dict[str, Any] = answer.json()
    return found


async def test_a_key_with_the_scope_may_push(house: House) -> None:
    key = (await make(house, "candles"))["key"]
    assert (await push(house, key)).status_code == 201
    assert await house.pool.fetchval("SELECT last_used_at IS NOT NULL FROM api_keys")


@pytest.mark.parametrize("scopes", [["read"], ["read", "trade"]])
async def test_a_key_without_it_may_not(house: House, scopes: list[str]) -> None:
    answer = await push(house, (await make(house, *scopes))["key"])
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid or missing API Key"})


@pytest.mark.parametrize("key", ["", "hf_", "hf_12345678_unknown", TOKEN, "hf_" + "x" * 10_000])
async def test_what_is_no_key(house: House, key: str) -> None:
    assert (await push(house, key)).status_code == 401


class Counting:
    """A pool that counts what is asked."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.reads = self.touches = 0

    async def fetch(self, *arguments: Any) -> list[Any]:
        self.reads += 1
        rows: list[Any] = await self.pool.fetch(*arguments)
        return rows

    async def execute(self, *arguments: Any) -> None:
        self.touches += 1
        await self.pool.execute(*arguments)


async def test_memory_answers_and_forgets(house: House) -> None:
    now, pool = 0.0, Counting(house.pool)
    keys = CandleKeys(clock=lambda: now)
    made = await make(house, "candles")
    assert await keys.has(pool, made["key"], 10.0)
    for _ in range(20):
        assert await keys.has(pool, made["key"], 10.0)
        assert not await keys.has(pool, "hf_guess", 10.0)
        assert not await keys.has(pool, CANDLES_KEY, 10.0)
    assert (pool.reads, pool.touches) == (1, 1)
    later = await make(house, "candles")
    now = PAUSE_SECONDS
    assert await keys.has(pool, later["key"], 10.0)
    await house.client.delete(f"/api/v1/api-keys/{made['key_id']}", headers=bearer(TOKEN))
    now = PAUSE_SECONDS + FRESH_SECONDS
    assert not await keys.has(pool, made["key"], 10.0)
    assert (pool.reads, pool.touches) == (3, 2)
    now += TOUCH_SECONDS
    assert await keys.has(pool, later["key"], 10.0)
    assert pool.touches == 3


@pytest.mark.parametrize("change", ["UPDATE users SET is_disabled = true", "UPDATE users SET role = 'user'"])
async def test_whose_owner_is_owner_no_more(house: House, change: str) -> None:
    key = (await make(house, "candles"))["key"]
    await house.pool.execute(change)
    assert not await CandleKeys().has(house.pool, key, 10.0)


async def test_while_the_database_is_away_the_sender_is_told_to_come_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> bool:
        raise ConnectionRefusedError

    monkeypatch.setattr(CandleKeys, "has", away)
    answer = await push(house, "hf_12345678_unknown")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
