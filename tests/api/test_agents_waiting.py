"""An agent that waits for a job costs nothing, is told at once, and is let go when either side ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import asyncpg
import httpx
import pytest

from hookfill.api import agent_work
from hookfill.api import waking as waking_module
from hookfill.api.build import build_api
from hookfill.api.waking import Waking
from hookfill.brokers.mt5.store import Agent, announce_jobs, lease_job
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.agents import TestAgent, new_agent, new_connection, new_job
from support.bell import Bell
from support.database import wait_until_async
from support.house import TOKEN, House

NEVER = (3600.0, 3600.0)
OFTEN = (0.01, 0.02)


class Listening:
    """Makes the connections that listen, and tells once they do."""

    def __init__(self, database: Database) -> None:
        self._connect = partial(connect, database, name="jobs wake")
        self._bell = Bell()
        self._pids: list[int] = []

    async def __call__(self) -> asyncpg.Connection:
        return await self._connect()

    def told(self, connection: asyncpg.Connection) -> None:
        self._pids.append(connection.get_server_pid())
        self._bell.ring()

    async def until(self, times: int) -> int:
        """Wait until it has listened so many times; the process that listens now."""
        await self._bell.until(lambda: len(self._pids) >= times, f"the API listens, for the {times}. time")
        return self._pids[-1]


@asynccontextmanager
async def served(house: House, connect_to_listen: Callable[[], object] | None) -> AsyncIterator[tuple[Waking, TestAgent]]:
    """The API with its agents woken, and an agent of it."""
    waking = Waking(house.pool, connect_to_listen)  # type: ignore[arg-type]
    running = asyncio.create_task(waking.run())
    transport = httpx.ASGITransport(build_api(house.pool, "http://house", waking=waking))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            agent = await new_agent(house)
            agent.client = client
            yield waking, agent
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def listening(database: Database, monkeypatch: pytest.MonkeyPatch) -> Listening:
    listening, listen = Listening(database), asyncpg.Connection.add_listener

    async def listen_and_tell(connection: asyncpg.Connection, channel: str, heard: Callable[..., object]) -> None:
        await listen(connection, channel, heard)
        if channel == waking_module.CHANNEL:
            listening.told(connection)

    monkeypatch.setattr(asyncpg.Connection, "add_listener", listen_and_tell)
    return listening


async def begin(waking: Waking, agent: TestAgent) -> "asyncio.Task[dict[str, object] | None]":
    """Ask for a job and wait until that request waits."""
    asking = asyncio.create_task(agent.next(wait=25))
    await wait_until_async(lambda: agent.account_id in waking.accounts, "the request waits")
    return asking


async def announced_job(house: House, account_id: UUID) -> UUID:
    """A job as the desk stores it, with its NOTIFY."""
    job_id = await new_job(house, account_id)
    async with house.pool.acquire() as connection:
        await announce_jobs(connection, account_id)
    return job_id


async def test_a_notification_wakes(house: House, listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", NEVER)
    async with served(house, listening) as (waking, agent):
        await listening.until(1)
        asking = await begin(waking, agent)
        other = await new_connection(house)
        await announced_job(house, other.account_id)
        async with house.pool.acquire() as connection:
            await connection.execute("SELECT pg_notify('hookfill_jobs', 'nonsense')")
        job_id = await announced_job(house, agent.account_id)
        job = await asyncio.wait_for(asking, 30)
        assert job is not None
        assert job["job_id"] == str(job_id)
        assert waking.accounts == frozenset()


async def test_the_poll_alone_wakes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", OFTEN)
    async with served(house, None) as (waking, agent):
        asking = await begin(waking, agent)
        job_id = await new_job(house, agent.account_id)
        job = await asyncio.wait_for(asking, 30)
        assert job is not None
        assert job["job_id"] == str(job_id)


async def test_a_listener_that_died_comes_back(house: House, listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "RELISTEN_SECONDS", 0.01)
    monkeypatch.setattr(waking_module, "POLL_SECONDS", OFTEN)
    async with served(house, listening) as (waking, agent):
        pid = await listening.until(1)
        asking = await begin(waking, agent)
        await house.pool.execute("SELECT pg_terminate_backend($1)", pid)
        await new_job(house, agent.account_id)  # without a word: the poll finds it
        assert await asyncio.wait_for(asking, 30) is not None
        monkeypatch.setattr(waking_module, "POLL_SECONDS", NEVER)
        assert await listening.until(2) != pid
        asking = await begin(waking, agent)
        waking.wake(waking.accounts)  # a wake-up without a job is no answer
        await announced_job(house, agent.account_id)
        assert await asyncio.wait_for(asking, 30) is not None


async def test_a_lapsed_lease_is_found_by_the_poll(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", OFTEN)
    async with served(house, None) as (waking, agent):
        await new_job(house, agent.account_id)
        await agent.next()
        asking = await begin(waking, agent)
        await house.pool.execute("UPDATE jobs SET leased_until = clock_timestamp()")
        job = await asyncio.wait_for(asking, 30)
        assert job is not None
        assert job["attempt"] == 2


async def test_waiting_agents_hold_no_connection(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", NEVER)
    async with served(house, None) as (waking, agent):
        asking = [await begin(waking, agent) for _ in range(3 * house.pool.get_max_size())]
        await wait_until_async(lambda: len(waking._waiting[agent.account_id]) == len(asking), "all requests wait")
        await wait_until_async(lambda: house.pool.get_idle_size() == house.pool.get_size(), "all connections are given back")
        assert not any(task.done() for task in asking)
        waking.stop()
        assert await asyncio.wait_for(asyncio.gather(*asking), 30) == [None] * len(asking)


async def test_the_end_of_the_server_ends_waits_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", NEVER)
    async with served(house, None) as (waking, agent):
        asking = await begin(waking, agent)
        waking.stop()
        assert await asyncio.wait_for(asking, 30) is None
        assert await asyncio.wait_for(agent.next(wait=25), 30) is None


async def test_a_wait_ends_in_its_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", NEVER)
    async with served(house, None) as (_, agent):
        assert await asyncio.wait_for(agent.next(wait=1), 30) is None
        for wait in ("26", "-1", "x"):
            answer = await agent.client.get(agent.path("jobs/next"), params={"wait": wait}, headers=agent.headers)
            assert answer.status_code == 422


async def test_an_agent_that_is_revoked_while_it_waits_gets_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", NEVER)
    async with served(house, None) as (waking, agent):
        request = agent.client.get(agent.path("jobs/next"), params={"wait": 25}, headers=agent.headers)
        asking = asyncio.create_task(request)
        await wait_until_async(lambda: bool(waking.accounts), "the request waits")
        await new_job(house, agent.account_id)
        path = f"/api/v1/agents/{agent.agent_id}"
        assert (await house.client.delete(path, headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 204
        waking.wake(waking.accounts)
        assert (await asyncio.wait_for(asking, 30)).status_code == 401
        assert await house.pool.fetchval("SELECT status FROM jobs") == "pending"


class Line:
    """One request's connection, which the test can hang up."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.sent: list[dict[str, object]] = []
        self._is_first = True

    async def receive(self) -> dict[str, object]:
        if self._is_first:
            self._is_first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, object]) -> None:
        self.sent.append(message)


def scope_of(agent: TestAgent) -> dict[str, object]:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": agent.path("jobs/next"),
        "raw_path": agent.path("jobs/next").encode(), "query_string": b"wait=25", "root_path": "", "client": None, "server": None,
        "headers": [(name.lower().encode(), value.encode()) for name, value in agent.headers.items()],
    }  # fmt: skip


async def test_an_agent_that_hangs_up_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", NEVER)
    agent = await new_agent(house)
    waking, line = Waking(house.pool), Line()
    api = build_api(house.pool, "http://house", waking=waking)
    serving = asyncio.create_task(api(scope_of(agent), line.receive, line.send))  # type: ignore[arg-type]
    await wait_until_async(lambda: bool(waking.accounts), "the request waits")
    line.gone.set()
    await asyncio.wait_for(serving, 30)
    assert waking.accounts == frozenset()


async def test_a_job_that_nobody_was_told_of_is_given_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", NEVER)
    begun = ended = 0
    bell = Bell()

    async def lease(connection: asyncpg.Connection, asking: Agent) -> asyncpg.Record | None:
        nonlocal begun, ended
        begun += 1
        bell.ring()
        try:
            return await lease_job(connection, asking)
        finally:
            ended += 1
            bell.ring()

    monkeypatch.setattr(agent_work, "lease_job", lease)
    agent = await new_agent(house)
    waking, line = Waking(house.pool), Line()
    api = build_api(house.pool, "http://house", waking=waking)
    serving = asyncio.create_task(api(scope_of(agent), line.receive, line.send))  # type: ignore[arg-type]
    # One look for a job at once, another when it is sure to be woken; the third is the one that finds it.
    await bell.until(lambda: (begun, ended) == (2, 2), "the request waits")
    await new_job(house, agent.account_id)
    async with house.pool.acquire() as blocking, blocking.transaction():
        await blocking.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        waking.wake(waking.accounts)
        await bell.until(lambda: begun == 3, "the request looks for the job")
        line.gone.set()
    await asyncio.wait_for(serving, 30)
    job = await house.pool.fetchrow("SELECT status, attempts, leased_until <= clock_timestamp() AS is_over FROM jobs")
    assert tuple(job) == ("running", 1, True)
    assert (await agent.next())["attempt"] == 2


async def test_a_database_that_is_away_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking_module, "POLL_SECONDS", OFTEN)
    monkeypatch.setattr(waking_module, "RELISTEN_SECONDS", 0.01)
    tries = 0

    async def refused() -> asyncpg.Connection:
        nonlocal tries
        tries += 1
        raise ConnectionRefusedError

    waking = Waking(await closed_pool(house), refused)
    running = asyncio.create_task(waking.run())
    with waking.waiter(house.account_id):
        await wait_until_async(lambda: tries > 3, "it tries again")
    assert not running.done()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def closed_pool(house: House) -> asyncpg.Pool:
    pool = asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0)
    await pool
    await pool.close()
    return pool
