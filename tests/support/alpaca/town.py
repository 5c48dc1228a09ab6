"""A house with an account at Alpaca, whose stand-in runs beside it, and workers that trade it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.vault import Vault
from hookfill.brokers.alpaca import session as sessions
from hookfill.brokers.alpaca.worker import AlpacaWorker, Places
from hookfill.kernel.ids import new_id
from hookfill.ops.ledger import check_ledger
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.alpaca.server import KEY, SECRET
from support.house import TOKEN, House

PATIENCE_SECONDS = 30
OPEN = 180.0
"""Minutes after noon (UTC) at which New York trades."""


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers look as often as a test wants to see."""
    monkeypatch.setattr(sessions, "SOON_SECONDS", 0.05)
    monkeypatch.setattr(sessions, "COMPARE_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr("hookfill.brokers.alpaca.worker.POLL_SECONDS", 0.05)


class _Told:
    """A pool that tells whenever a connection comes back: what was done with it can be seen by all."""

    def __init__(self, pool: asyncpg.Pool, tell: Callable[[], None]) -> None:
        self._pool, self._tell = pool, tell

    @contextlib.asynccontextmanager
    async def acquire(self, **options: Any) -> AsyncIterator[asyncpg.Connection]:
        try:
            async with self._pool.acquire(**options) as connection:
                yield connection
        finally:
            self._tell()


class Town:
    """A house with an account at Alpaca, and workers that trade it."""

    def __init__(self, house: House, database: Database, pool: asyncpg.Pool, url: str) -> None:
        self.house, self.database, self.url = house, database, url
        self._worked = asyncio.Event()
        self.pool = _Told(pool, self._worked.set)
        self.minute = OPEN
        self.account_id, self.connection_id, self.secret = new_id(), new_id(), ""

    async def connect(self, **body: Any) -> None:
        """Make the broker connection and a strategy over the API."""
        asked = {"kind": "alpaca", "label": "Alpaca", "credentials": {"key": KEY, "secret": SECRET}, **body}
        made = await self.post("/api/v1/broker-connections", asked)
        self.account_id, self.connection_id = UUID(made["account_id"]), UUID(made["broker_connection_id"])
        strategy = await self.post("/api/v1/strategies", {"name": "S", "broker_connection_id": made["broker_connection_id"]})
        self.secret = strategy["webhook_url"].rpartition("/")[2]
        limits = {"max_exposure": "10000000", "max_exposure_pct": "10000", "max_position_size": "1000"}
        await self.house.pool.execute("UPDATE accounts SET limits = $2 WHERE account_id = $1", self.account_id, limits)

    async def post(self, path: str, body: Any, status: int = 201) -> Any:
        answer = await self.house.client.post(path, json=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def worker(self, vault: Vault | None = None, **places: Any) -> AlpacaWorker:
        """A worker that would trade at the fake."""
        known = {"paper_url": self.url, "live_url": self.url, **places}
        vault = vault or self.house.api.state.vault
        return AlpacaWorker(self.pool, partial(connect, self.database, name="alpaca"), vault, Places(**known))

    async def alert(self, action: str, **more: Any) -> dict[str, Any]:
        """Send an alert, let the desk decide, and return the signal."""
        return await self.send({"symbol": "SPY", "action": action, "volume": 10, **more})

    async def send(self, body: Any) -> dict[str, Any]:
        """The same with a body of any form."""
        self.minute += 0.1
        strategy = type("Known", (), {"secret": self.secret})()
        await self.house.alert(strategy, body, self.minute)
        newest = "SELECT status FROM signals WHERE account_id = $1 ORDER BY signal_id DESC LIMIT 1"
        await self.until(newest, lambda status: status not in (None, "pending"), "the signal decided")
        return dict(await self.row("SELECT * FROM signals WHERE account_id = $1 ORDER BY signal_id DESC LIMIT 1"))

    async def row(self, statement: str) -> asyncpg.Record:
        """The first row of a statement about the account."""
        return await self.house.pool.fetchrow(statement, self.account_id)

    async def until(self, statement: str, is_so: Callable[[Any], object], what: str) -> Any:
        """Let the desk decide, and again whenever a worker did something, until the first value of a statement is as wanted."""
        seen: Any = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    self._worked.clear()
                    await self.house.decide()
                    seen = await self.house.pool.fetchval(statement, self.account_id)
                    if is_so(seen):
                        return seen
                    await self._worked.wait()
        raise AssertionError(f"{what}: still {seen!r} after {PATIENCE_SECONDS} s")

    async def compared(self) -> None:
        """Wait until both sides agree."""
        await self.until("SELECT reconciled_at FROM alpaca_sessions WHERE account_id = $1", bool, "both sides compared")

    async def executed(self) -> None:
        """Wait until the newest signal is."""
        newest = "SELECT status FROM signals WHERE account_id = $1 ORDER BY signal_id DESC LIMIT 1"
        await self.until(newest, lambda status: status == "executed", "the signal executed")

    async def alarms(self) -> dict[str, str]:
        """Kind and text of what is in force."""
        rows = await self.house.pool.fetch(
            "SELECT kind, text FROM alarms WHERE account_id = $1 AND cleared_at IS NULL", self.account_id
        )
        return {row["kind"]: row["text"] for row in rows}

    async def until_alarm(self, kind: str) -> str:
        """The text of an alarm, once it is in force."""
        wanted = f"SELECT text FROM alarms WHERE account_id = $1 AND cleared_at IS NULL AND kind = '{kind}'"
        return str(await self.until(wanted, bool, f"the alarm {kind}"))

    async def check(self) -> None:
        async with self.house.pool.acquire() as connection:
            broken = [(one.name, one.findings) for one in await check_ledger(connection) if not one.holds and not one.is_warning]
        assert not broken, broken


@contextlib.asynccontextmanager
async def running(*workers: AlpacaWorker) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*tasks)
