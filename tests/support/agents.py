"""MetaTrader accounts, their agents and jobs, as tests of several rooms need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from hookfill.kernel.ids import new_id
from support.house import TOKEN, House

MT5 = """
INSERT INTO accounts (account_id, user_id, name, kind, currency, starting_cash, cash, balance, day, day_start_balance, symbol_map)
VALUES ($1, $2, 'MetaTrader', 'mt5', 'USD', 10000, 10000, 10000, '1970-01-01', 10000, $3)
"""
CONNECTION = "INSERT INTO broker_connections (broker_connection_id, user_id, account_id, kind, label) VALUES ($1, $2, $3, $4, 'IC')"
JOB = """
INSERT INTO jobs (account_id, job_id, job_type, input_data, status, order_id, depends_on, expires_at)
VALUES ($1, $2, $3, $4, 'pending', $5, $6, clock_timestamp() + make_interval(secs => $7))
"""
TRADE = {"symbol": "EURUSD", "side": "buy", "volume": 0.1, "source": "tv_signal", "magic": 7, "comment": "hf"}


@dataclass(frozen=True, slots=True)
class Connected:
    """A broker connection and its account."""

    account_id: UUID
    broker_connection_id: UUID


class TestAgent:
    """An agent that knows its key."""

    __test__ = False

    def __init__(self, client: httpx.AsyncClient, agent_id: UUID, key: str, account_id: UUID) -> None:
        self.client = client
        self.agent_id = agent_id
        self.key = key
        self.account_id = account_id

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Agent-Id": str(self.agent_id), "X-Agent-Key": self.key}

    def path(self, rest: str) -> str:
        return f"/api/v1/agents/{self.agent_id}/{rest}"

    async def post(self, rest: str, body: Any = None) -> httpx.Response:
        return await self.client.post(self.path(rest), json={} if body is None else body, headers=self.headers)

    async def next(self, wait: int = 0) -> Any:
        """The next job, or None."""
        answer = await self.client.get(self.path("jobs/next"), params={"wait": wait}, headers=self.headers)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return None if found == {"no_jobs": True} else found

    async def result(self, job: Mapping[str, Any], **told: Any) -> httpx.Response:
        body = {"lease_token": job["lease_token"], "status": "completed", **told}
        return await self.post(f"jobs/{job['job_id']}/result", body)


async def new_connection(
    house: House, user_id: UUID | None = None, kind: str = "mt5", symbol_map: Mapping[str, str] | None = None
) -> Connected:
    """A broker connection with an account of its own; the owner's unless said otherwise."""
    connected = Connected(new_id(), new_id())
    user_id = user_id or house.owner
    await house.pool.execute(MT5, connected.account_id, user_id, dict(symbol_map or {}))
    await house.pool.execute(CONNECTION, connected.broker_connection_id, user_id, connected.account_id, kind)
    return connected


async def new_agent(house: House, connected: Connected | None = None, token: str = TOKEN) -> TestAgent:
    """A paired agent; on a connection of its own unless one is given."""
    connected = connected or await new_connection(house)
    body = {"broker_connection_id": str(connected.broker_connection_id)}
    answer = await house.client.post("/api/v1/agents/pair", json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201, answer.text
    paired = answer.json()
    return TestAgent(house.client, UUID(paired["agent_id"]), paired["pairing_key"], connected.account_id)


async def new_job(
    house: House,
    account_id: UUID,
    job_type: str = "trade",
    *,
    input_data: Mapping[str, Any] = TRADE,
    order_id: UUID | None = None,
    depends_on: UUID | None = None,
    seconds: float = 20,
) -> UUID:
    """A pending job, stored as the desk stores it; it expires after so many seconds."""
    job_id = new_id()
    if job_type in ("trade", "close_position"):
        order_id = order_id or new_id()
    await house.pool.execute(JOB, account_id, job_id, job_type, dict(input_data), order_id, depends_on, seconds)
    return job_id


async def lapse(house: House, job_id: str | UUID) -> None:
    """Let a job's lease be over."""
    statement = "UPDATE jobs SET leased_until = clock_timestamp() - interval '1 second' WHERE job_id = $1"
    await house.pool.execute(statement, UUID(str(job_id)))
