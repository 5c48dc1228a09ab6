"""Doors, writer, desk and API in this process, on simulated time: what a test reads back has come in by the real way."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI

from hookfill.accounts.secret_cache import SecretCache
from hookfill.accounts.store import NewStrategy, bootstrap, create_account, create_strategy, default_account, hash_secret
from hookfill.api.build import build_api
from hookfill.api.vital_signs import Process
from hookfill.desk.worker import Worker
from hookfill.edge.intake import Doors
from hookfill.edge.router import Router
from hookfill.inbox.spool import Spool
from hookfill.inbox.writer import Writer
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect, open_pool
from support.people import quick_people

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday on which the currency market is open."""
TOKEN = "canary-owner-token-2d9c81e07a"
CANDLES_KEY = "canary-candles-key-7b1f30c2aa"
HMAC_SECRET = "canary-hmac-secret-93ce05d1f4"
ORIGIN = "https://page.example"


class House:
    """One installation with its owner, whose default account has the strategy ``strategy``."""

    def __init__(
        self, pool: asyncpg.Pool, client: httpx.AsyncClient, worker: Worker, owner: UUID, account_id: UUID, api: FastAPI
    ) -> None:
        self.api = api
        self.pool = pool
        self.client = client
        self.worker = worker
        self.owner = owner
        self.account_id = account_id

    async def new_strategy(self, name: str = "Breakout", **options: Any) -> NewStrategy:
        async with self.pool.acquire() as connection:
            return await create_strategy(connection, self.account_id, name, **options)

    async def new_strategy_elsewhere(self, limits: Mapping[str, Any] | None = None) -> NewStrategy:
        """A strategy in another account of the owner's."""
        async with self.pool.acquire() as connection:
            account_id = await create_account(connection, self.owner, "Second", time_zone="America/New_York", limits=limits)
            return await create_strategy(connection, account_id, "Elsewhere")

    async def alert(self, strategy: NewStrategy, body: str | bytes | Mapping[str, Any], minute: float = 0) -> httpx.Response:
        """Send an alert so many minutes after noon."""
        content = json.dumps(body) if isinstance(body, Mapping) else body
        path = f"/api/v1/webhooks/tv/{strategy.secret}"
        answer = await self.client.post(path, content=content, headers={"X-Hookfill-Time": at(minute).isoformat()})
        assert answer.status_code == 200
        return answer

    async def bar(self, minute: float, prices: str, symbol: str = "EURUSD") -> None:
        """Push a bar of one minute that opens so many minutes after noon; ``prices``: open, high, low, close."""
        first, high, low, last = prices.split()
        candle = {"symbol": symbol, "timeframe": "M1", "timestamp": at(minute).isoformat(), "open": first, "high": high, "low": low}
        body = {"candles": [{**candle, "close": last, "volume": 1}]}
        headers = {"X-API-KEY": CANDLES_KEY, "X-Hookfill-Time": at(minute + 1).isoformat()}
        answer = await self.client.post("/api/v1/candles", json=body, headers=headers)
        assert answer.status_code == 201, answer.text

    async def decide(self) -> None:
        """Let the desk decide all that is due."""
        self.worker.wake(prices=True, news=True)
        await self.worker.work_off()

    async def new_user(self, token: str = "canary-other-token-5e02f7a4c9") -> UUID:
        """Another user with an account that holds nothing."""
        async with self.pool.acquire() as connection:
            user_id = new_id()
            text = "INSERT INTO users (user_id, name, role, token_sha256) VALUES ($1, 'other', 'user', $2)"
            await connection.execute(text, user_id, hash_secret(token))
            await create_account(connection, user_id, "Other", is_default=True)
            return user_id

    async def signal_ids(self) -> list[UUID]:
        """All signals, oldest first."""
        return [row[0] for row in await self.pool.fetch("SELECT signal_id FROM signals ORDER BY signal_id")]

    async def message_ids(self, state: str) -> list[UUID]:
        """The messages in a state, oldest first."""
        return [row[0] for row in await self.pool.fetch("SELECT message_id FROM messages WHERE state = $1 ORDER BY 1", state)]

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Ask the API as the owner."""
        return await self.client.get(path, params=parameters or None, headers={"Authorization": f"Bearer {TOKEN}"})


def at(minute: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minute)


@asynccontextmanager
async def open_house(database: Database, folder: Path) -> AsyncIterator[House]:
    """An installation on a fresh database."""
    inbox_connect = partial(connect, database, name="inbox")
    pool = await open_pool(database, name="test", max_size=8)
    writer, secrets = Writer(inbox_connect, Spool(folder / "spool"), lanes=1, is_simulated=True), SecretCache(inbox_connect)
    async with pool.acquire() as connection:
        owner = await bootstrap(connection, TOKEN)
        account_id = await default_account(connection, owner)
    await secrets.load()
    writer.start()
    doors = Doors(writer, secrets, True, HMAC_SECRET, CANDLES_KEY, pool, pool)
    api = build_api(pool, "http://house", process=Process(writer.tally, lambda: writer.is_spooling), people=quick_people())
    router = Router(doors, api, ORIGIN)
    worker = Worker(pool, partial(connect, database, name="desk"), is_simulated=True, concurrency=2)
    transport = httpx.ASGITransport(router, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            yield House(pool, client, worker, owner, account_id, api)
    finally:
        await writer.stop()
        await secrets.close()
        await pool.close()
