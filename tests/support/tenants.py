"""People who each have one of everything, made through HTTP as far as there is a way."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import httpx

from hookfill.journal.merging import of
from hookfill.journal.model import Event, EventType
from hookfill.journal.rows import trade_row
from hookfill.journal.store import SQL as JOURNAL
from hookfill.kernel.clock import utc_now
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from hookfill.postgres.pool import open_pool
from support.house import TOKEN, House
from support.people import PASSWORD, bearer
from support.server import OWNER_TOKEN, Server

ALERT = {"symbol": "BTCUSDT", "action": "buy", "volume": 0.01, "price": 64000}
"""Of a market that never closes."""
RESTING = {"symbol": "ETHUSDT", "action": "buy", "volume": 0.1, "order_type": "limit", "limit_price": 1500, "time_in_force": "gtc"}
BROKEN_ALERT = b'{"symbol":"BTCUSDT","action":"sell","volume":0.01,"price":64000","id":"broken %s"}'
"""With a stray quote that repair takes away."""
BATCH = """
INSERT INTO indicator_export_batches (account_id, batch_id, event_type, batch_number, batch_size, total_signals, signals_count,
                                      payload_json, payload_sha256, is_valid, message_id, received_at)
VALUES ($1, $3, 'INDICATOR_EXPORT_V2', 0, 1, 1, 1,
        '{"signals": [{"trade_id": "x", "triangle_time": 1765983600000, "direction": "Bullish"}]}',
        $2, true, gen_random_uuid(), now())
"""


EXPERIMENT = """
INSERT INTO experiments (account_id, signal_id, experiment_id, strategy_id, symbol, as_of, direction, variant, assignment_hash,
                         split_percentage, outcome_a, outcome_b, opinions)
VALUES ($1, $2, $2, $3, 'BTCUSDT', now(), 1, 'A', 'x', 0, 'entered', 'entered', '[]')
"""


class Place(Protocol):
    """Where people live: a house in this process, or a server in its own."""

    @property
    def client(self) -> httpx.AsyncClient: ...

    @property
    def pool(self) -> asyncpg.Pool: ...

    async def decide(self) -> None:
        """Let all that is due be decided."""


class Served:
    """A server process as a place."""

    def __init__(self, client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
        self.client, self.pool = client, pool

    async def decide(self) -> None:
        """Wait until nothing is pending."""
        for _ in range(1_500):
            if not await self.pool.fetchval("SELECT EXISTS (SELECT FROM signals WHERE status = 'pending')"):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("signals are still pending after half a minute")


@dataclass(frozen=True, slots=True)
class Tenant:
    """One person: the ids of all that is theirs by the names of the parameters, and what they show to be let in."""

    name: str
    ids: dict[str, str]
    token: str
    refresh_token: str
    read_key: str
    agent: dict[str, str]
    webhook_secret: str


async def ask(house: Place, method: str, path: str, token: str, body: Any = None, status: int = 201) -> Any:
    """One request that must be answered with a status; its JSON."""
    answer = await house.client.request(method, path, json=body, headers=bearer(token))
    assert answer.status_code == status, f"{method} {path}: {answer.text}"
    return answer.json() if answer.content else None


async def make_tenant(house: House, name: str) -> Tenant:
    """A person with an account, a strategy, a signal with its order and position, a connection, an agent, a job, keys, an alarm."""
    address = f"{name}@example.com"
    invited = await ask(house, "POST", "/api/v1/invitations", TOKEN, {"email": address})
    secret = next(value for key, value in invited.items() if key in ("token", "invitation"))
    registered = await ask(
        house, "POST", "/api/v1/auth/register", TOKEN, {"email": address, "password": PASSWORD, "invitation": secret}
    )
    return await furnish(house, name, registered["access_token"], registered["refresh_token"])


async def furnish(house: Place, name: str, token: str, refresh_token: str, owner_token: str = TOKEN) -> Tenant:
    """One of everything for whom this token lets in."""
    strategy = await ask(house, "POST", "/api/v1/strategies", token, {"name": name})
    webhook = "/" + strategy["webhook_url"].split("/", 3)[3]
    await house.client.post(webhook, json=RESTING | {"id": f"rests {name}"})
    await house.client.post(webhook, json=ALERT | {"id": name})
    await house.client.post(webhook, content=BROKEN_ALERT % name.encode())
    await house.decide()
    signal = (await ask(house, "GET", "/api/v1/signals", token, status=200))[0]
    assert signal["status"] == "executed", signal
    order = (await ask(house, "GET", "/api/v1/orders?status=working", token, status=200))[0]
    account = (await ask(house, "GET", "/api/v1/accounts", token, status=200))[0]["id"]
    await ask(house, "POST", f"/api/v1/accounts/{account}/deposits", token, {"amount": 5})
    terminal = await ask(house, "POST", "/api/v1/broker-connections", token, {"kind": "mt5", "label": name})
    connection_id = terminal["broker_connection_id"]
    paired = await ask(house, "POST", "/api/v1/agents/pair", token, {"broker_connection_id": connection_id})
    job = await ask(house, "POST", f"/api/v1/agents/{paired['agent_id']}/jobs", token, {"job_type": "get_account"})
    key = await ask(house, "POST", "/api/v1/api-keys", token, {"label": name, "scopes": ["read"]})
    await house.pool.execute(
        "INSERT INTO alarms (account_id, alarm_id, kind, subject, text) VALUES ($1, gen_random_uuid(), 'x', $2, 'text')",
        account,
        name,
    )
    experiment_id = str(new_id())  # no signal's
    await house.pool.execute(EXPERIMENT, account, experiment_id, strategy["strategy_id"])
    batch_id = 10**15 + UUID(account).int % 10**15  # a number that stands nowhere else
    await house.pool.execute(BATCH, account, name, batch_id)
    trade_id = f"T-{account}"
    told = Event(b"", trade_id, EventType.ENTRY, utc_now())
    await house.pool.execute(JOURNAL.keep_trades.sql, account, [trade_row(of(told))])
    invited = await ask(house, "POST", "/api/v1/invitations", owner_token, {"email": f"next-{name}@example.com"})
    malformed = (await ask(house, "GET", "/api/v1/messages?state=malformed", token, status=200))[0]
    ids = {
        "account_id": account,
        "agent_id": paired["agent_id"],
        "batch_id": str(batch_id),
        "broker_connection_id": connection_id,
        "id": account,  # of what a halt is for; the routes' examples name an account
        "experiment_id": experiment_id,
        "invitation_id": invited["invitation_id"],  # only the owner has any
        "job_id": job["job_id"],
        "key_id": key["key_id"],
        "message_id": malformed["id"],
        "order_id": order["id"],
        "signal_id": signal["id"],
        "strategy_id": strategy["strategy_id"],
        "trade_id": trade_id,
    }
    agent = {"X-Agent-Id": paired["agent_id"], "X-Agent-Key": paired["pairing_key"]}
    return Tenant(name, ids, token, refresh_token, key["key"], agent, strategy["webhook_url"].rpartition("/")[2])


async def furnish_server(server: Server, database: Database, name: str) -> Tenant:
    """The owner of a running server, with one of everything."""
    pool = await open_pool(database, name="test", max_size=2)
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as client:
            return await furnish(Served(client, pool), name, OWNER_TOKEN, "", OWNER_TOKEN)
    finally:
        await pool.close()
