"""How long both webhook doors take while people read the API and two hundred agents wait for jobs."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from uuid import UUID

from benchmarks.figures import BenchmarkError, Figure, latency_details, quantile
from benchmarks.load import Load, Requests
from benchmarks.plan import Plan
from benchmarks.reference import commits_at
from benchmarks.stage import Running, Stage, create_strategies, hookfill, open_stage, signed_alerts, trades, wait_until_decided
from hookfill.accounts.store import NewStrategy, create_account, hash_secret, owner_id
from hookfill.kernel.ids import new_id

NAME = "mixed"
AIM_MS = 200.0
CONNECTIONS = 16
REFERENCE_CONNECTIONS = 8
LONGER = 5
READS = ("/api/v1/signals", "/api/v1/orders", "/api/v1/positions", "/api/v1/accounts", "/api/v1/strategies", "/api/v1/agents")
READ_EVERY_SECONDS = 0.5
BEAT_EVERY_SECONDS = 10.0
WAIT_SECONDS = 25
STORED = "SELECT count(*) FROM messages WHERE door = $1"

_USER = "INSERT INTO users (user_id, name, role, token_sha256) VALUES ($1, 'reader', 'user', $2)"
_CONNECTION = (
    "INSERT INTO broker_connections (broker_connection_id, user_id, account_id, kind, label) VALUES ($1, $2, $3, 'mt5', 'T')"
)
_AGENT = """
INSERT INTO agents (agent_id, user_id, broker_connection_id, account_id, label, key_sha256) VALUES ($1, $2, $3, $4, 'agent', $5)
"""


@dataclass(slots=True)
class _Company:
    """Who else uses the server, and what they were answered.

    Attributes:
        readers: people's tokens; agents: ids and keys.
        read_seconds: how long each read took; polls, beats: how many there were.
    """

    readers: list[str] = field(default_factory=list)
    agents: list[tuple[UUID, str]] = field(default_factory=list)
    read_seconds: list[float] = field(default_factory=list)
    polls: int = 0
    beats: int = 0


async def run(plan: Plan) -> list[Figure]:
    """Alerts at a steady rate to one door and the other, and bare commits at that rate, by turns."""
    async with open_stage() as stage, hookfill(stage.home, "all") as server:
        strategies = await create_strategies(stage, plan.latency_accounts)
        company = await _settle(stage, plan, strategies)
        course = _Course(stage, server, plan, strategies)
        async with _busy(server.port, company):
            for _ in range(plan.rounds):
                await course.measure()
        if not (company.read_seconds and company.polls and company.beats):
            raise BenchmarkError("Nobody else used the server: the load was not mixed.")
    return course.figures(company)


async def _settle(stage: Stage, plan: Plan, strategies: Sequence[NewStrategy]) -> _Company:
    """People who share the strategies' accounts among them, and agents with an account each."""
    company = _Company()
    async with stage.connection() as connection, connection.transaction():
        for number in range(plan.mixed_readers):
            user_id, token = new_id(), secrets.token_urlsafe(32)
            await connection.execute(_USER, user_id, hash_secret(token))
            mine = [made.account_id for made in strategies[number :: plan.mixed_readers]]
            await connection.execute("UPDATE accounts SET user_id = $1 WHERE account_id = ANY ($2)", user_id, mine)
            company.readers.append(token)
        owner = await owner_id(connection)
        for _ in range(plan.mixed_agents):
            account_id = await create_account(connection, owner, secrets.token_hex(8))
            await connection.execute("UPDATE accounts SET kind = 'mt5' WHERE account_id = $1", account_id)
            agent_id, connection_id, key = new_id(), new_id(), secrets.token_urlsafe(32)
            await connection.execute(_CONNECTION, connection_id, owner, account_id)
            await connection.execute(_AGENT, agent_id, owner, connection_id, account_id, hash_secret(key))
            company.agents.append((agent_id, key))
    return company


class _Client:
    """One kept-alive connection of somebody else's."""

    def __init__(self, port: int, headers: str) -> None:
        self._port, self._headers = port, headers
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: str = "") -> bytes:
        """One request; anything but 200 ends the benchmark."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        length = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if method == "POST" else ""
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n{self._headers}{length}\r\n{body}".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        answer = await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r", 1)[0]))
        if not head.startswith(b"http/1.1 200"):
            raise BenchmarkError(f"{method} {path} was answered {head[9:12].decode()}: {answer[:200].decode()}")
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].transport.abort()


@contextlib.asynccontextmanager
async def _busy(port: int, company: _Company) -> AsyncIterator[None]:
    """Everybody does what they do, for as long as the context lasts."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_read(port, token, company)) for token in company.readers]
        for number, (agent_id, key) in enumerate(company.agents):
            headers = f"x-agent-id: {agent_id}\r\nx-agent-key: {key}\r\n"
            delay = BEAT_EVERY_SECONDS * number / len(company.agents)
            tasks.append(group.create_task(_poll(port, headers, agent_id, company)))
            tasks.append(group.create_task(_beat(port, headers, agent_id, delay, company)))
        yield
        for task in tasks:
            task.cancel()


async def _read(port: int, token: str, company: _Company) -> None:
    client, clock = _Client(port, f"authorization: Bearer {token}\r\n"), asyncio.get_running_loop().time
    try:
        while True:
            for path in READS:
                began = clock()
                json.loads(await client.ask("GET", path))
                company.read_seconds.append(clock() - began)
                await asyncio.sleep(READ_EVERY_SECONDS)
    finally:
        client.close()


async def _poll(port: int, headers: str, agent_id: UUID, company: _Company) -> None:
    client = _Client(port, headers)
    try:
        while True:
            company.polls += 1
            await client.ask("GET", f"/api/v1/agents/{agent_id}/jobs/next?wait={WAIT_SECONDS}")
    finally:
        client.close()


async def _beat(port: int, headers: str, agent_id: UUID, delay: float, company: _Company) -> None:
    client = _Client(port, headers)
    try:
        await asyncio.sleep(delay)
        while True:
            await client.ask("POST", f"/api/v1/agents/{agent_id}/heartbeat", '{"version":"1"}')
            company.beats += 1
            await asyncio.sleep(BEAT_EVERY_SECONDS)
    finally:
        client.close()


class _Course:
    """Alternates doors and the reference; numbers go on from round to round."""

    def __init__(self, stage: Stage, server: Running, plan: Plan, strategies: Sequence[NewStrategy]) -> None:
        self._stage, self._server, self._plan, self._strategies = stage, server, plan, strategies
        self._next_number = 0
        self._committed: list[float] = []
        self._answered: dict[str, list[float]] = {"tradingview": [], "signed": []}
        self._cpu: dict[str, float] = {}

    async def measure(self) -> None:
        """One round."""
        seconds = self._plan.seconds * LONGER
        bare = await commits_at(self._stage, REFERENCE_CONNECTIONS, self._plan.latency_rate, seconds)
        self._committed += bare.latencies
        count = max(1, round(seconds * self._plan.latency_rate))
        await self._send("tradingview", trades(self._strategies, self._next_number), count, 200)
        await self._send("signed", signed_alerts(self._next_number), count, 201)
        self._next_number += count

    async def _send(self, door: str, requests: Requests, count: int, status: int) -> None:
        watched = self._server.watched(self._stage)
        work = Load(self._server.port, requests, CONNECTIONS, status, watched, rate=self._plan.latency_rate, count=count)
        outcome = await self._stage.send(work)
        self._answered[door] += outcome.latencies
        self._cpu = outcome.cpu
        await wait_until_decided(self._stage)
        async with self._stage.connection() as connection:
            stored = await connection.fetchval(STORED, door)
        if stored != len(self._answered[door]):
            raise BenchmarkError(
                f"{len(self._answered[door])} alerts were acknowledged at the door {door}, but {stored} are stored."
            )

    def figures(self, company: _Company) -> list[Figure]:
        """The 99th percentile of each door beside that of bare commits."""
        more = {"reads": len(company.read_seconds), "read_p50_ms": round(1000 * median(company.read_seconds), 2)}
        more |= {"agents": len(company.agents), "polls": company.polls, "beats": company.beats, "lost": 0} | self._cpu
        reference = 1000 * quantile(self._committed, 0.99)
        title = f"door at {self._plan.latency_rate:g}/s among {len(company.agents)} agents and {len(company.readers)} readers, p99"
        return [
            Figure(
                NAME,
                f"{door} {title}",
                1000 * quantile(latencies, 0.99),
                "ms",
                "pgbench at that rate, p99",
                reference,
                most_value=AIM_MS,
                details=latency_details(latencies) | more,
            )
            for door, latencies in self._answered.items()
        ]
