"""The agent's loops against a small stand-in for the server, in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hookfill.brokers.mt5.agent import client as clients
from hookfill.brokers.mt5.agent.client import Client, KeyRefused, Refused, ServerAway
from hookfill.brokers.mt5.agent.journal import Journal
from hookfill.brokers.mt5.agent.link import Backoff, ServerClock
from hookfill.brokers.mt5.agent.pushing import Candles, Interest
from hookfill.brokers.mt5.agent.runner import Pace, Runner
from hookfill.brokers.mt5.agent.simulated import Market, SimulatedTerminal
from hookfill.kernel.errors import ConfigurationError
from support.fake_hookfill import AGENT_ID, AGENT_KEY, MAGIC, URL, FakeHookfill

PACE = Pace(heartbeat_seconds=0.01, prices_seconds=0.01, snapshot_seconds=0.01, candles_seconds=0.01, look_again_seconds=0)
WAIT_SECONDS = 20


class Place:
    """A terminal's file, a journal and a fake server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fake = FakeHookfill()
        self.world = SimulatedTerminal(folder / "terminal", Market())

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until something holds of what the server was told."""
        await self.fake.bell.until(is_so, "what the agent was to tell", WAIT_SECONDS)

    @asynccontextmanager
    async def agent(self, *, key: str = AGENT_KEY, **options: Any) -> AsyncIterator["asyncio.Task[None]"]:
        journal = Journal(self.folder / "journal")
        terminal = SimulatedTerminal(self.folder / "terminal", Market())
        async with Client(URL, AGENT_ID, key, transport=self.fake.transport()) as client:
            runner = Runner(terminal, journal, client, pace=PACE, pause=lambda _seconds: None, **options)
            task = asyncio.create_task(runner.run())
            try:
                yield task
            finally:
                runner.stop()
                async with asyncio.timeout(WAIT_SECONDS):
                    await asyncio.wait({task})
                if not task.cancelled() and task.exception() is not None and not isinstance(task.exception(), KeyRefused):
                    raise task.exception()  # type: ignore[misc]  # is not None
                journal.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_job_is_carried_out_told_and_shown(place: Place) -> None:
    job = place.fake.add("trade", side="buy")
    async with place.agent():
        await place.until(lambda: job.status == "completed" and any(taken["positions"] for taken in place.fake.snapshots))
    (position,) = next(taken["positions"] for taken in place.fake.snapshots if taken["positions"])
    assert (position["symbol"], position["side"], position["volume"]) == ("EURUSD", "buy", Decimal("0.1"))
    assert place.fake.snapshots[-1]["account"]["currency"] == "USD"
    assert place.fake.snapshots[-1]["deals"] == []
    assert {tick["symbol"] for tick in place.fake.prices} == {"EURUSD"}
    assert place.fake.heartbeats[0]["terminal"]["kind"] == "simulated"
    assert place.fake.heartbeats[0]["broker_time_offset_seconds"] == 0


async def test_prices_are_pushed_for_symbols_that_were_asked_for(place: Place) -> None:
    async with place.agent(interest=Interest(always=frozenset({"GBPUSD"}))):
        await place.until(lambda: place.fake.prices)
    tick = place.fake.prices[0]
    assert (tick["symbol"], tick["bid"], tick["ask"]) == ("GBPUSD", Decimal("1.27"), Decimal("1.2701"))


async def test_what_was_dealt_without_a_job_is_told_once_also_after_a_restart(place: Place) -> None:
    job = place.fake.add("trade", side="buy", sl=1.08)
    async with place.agent():
        await place.until(lambda: job.status == "completed" and len(place.fake.snapshots) > 2)
    place.world.set_price("EURUSD", Decimal("1.07"))
    async with place.agent():
        await place.until(lambda: any(taken["deals"] for taken in place.fake.snapshots))
        told = len(place.fake.snapshots)
        await place.until(lambda: len(place.fake.snapshots) > told + 2)
    deals = [deal for taken in place.fake.snapshots for deal in taken["deals"]]
    assert [(deal["reason"], deal["side"], deal["price"]) for deal in deals] == [("stop_loss", "sell", Decimal("1.07"))]
    assert deals[0]["magic"] == MAGIC


async def test_a_revoked_agent_ends_and_says_what_to_do(place: Place) -> None:
    async with place.agent(key="wrong") as task:
        await asyncio.wait({task}, timeout=WAIT_SECONDS)
    assert isinstance(task.exception(), KeyRefused)
    assert "hookfill agent pair" in str(task.exception())
    async with place.agent() as task:
        await place.until(lambda: place.fake.heartbeats)
        place.fake.is_revoked = True
        await asyncio.wait({task}, timeout=WAIT_SECONDS)
    assert isinstance(task.exception(), KeyRefused)


async def test_an_outage_of_the_server_is_outlived(place: Place) -> None:
    place.fake.is_away = True
    async with place.agent():
        await place.until(lambda: place.fake.turned_away)
        place.fake.is_away = False
        job = place.fake.add("trade", side="buy")
        await place.until(lambda: job.status == "completed")
    assert len(place.world.book().deals) == 1


async def test_an_outcome_that_could_not_be_told_is_told_after_a_restart(place: Place) -> None:
    job = place.fake.add("trade", side="buy")
    async with place.agent():
        await place.until(lambda: job.status == "completed")
    assert job.result is not None
    job.status, told = "running", job.result  # the server has forgotten it
    journal = Journal(place.folder / "journal")
    journal.take(job.job_id, {}, str(job.token))
    journal.close()
    async with place.agent():
        await place.until(lambda: job.status == "completed")
    assert job.result == told
    assert len(place.world.book().deals) == 1


@pytest.mark.parametrize("knows_id", [False, True])
async def test_a_lease_of_which_the_journal_knows_nothing_is_given_up(place: Place, knows_id: bool) -> None:
    """The agent ended while the server's answer was on its way, and perhaps again while it made sure of that."""
    job = place.fake.add("trade", side="buy")
    headers = {"x-agent-id": AGENT_ID, "x-agent-key": AGENT_KEY}
    assert "job_id" in place.fake.answer("GET", f"/api/v1/agents/{AGENT_ID}/jobs/next", headers, b"")[1]
    if knows_id:
        journal = Journal(place.folder / "journal")
        journal.take(job.job_id, {"job_id": str(job.job_id)}, str(job.token))
        journal.close()
    async with place.agent():
        await place.until(lambda: job.status == "expired")
    assert place.world.book().orders == []


async def test_a_late_result_is_refused_and_told_again_under_the_next_lease(place: Place) -> None:
    job = place.fake.add("trade", side="buy")
    transport = place.fake.answer

    def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        if path.endswith("/result") and not place.fake.reports:
            place.fake.lapse()
            assert transport("GET", f"/api/v1/agents/{AGENT_ID}/jobs/next", headers, b"")[1]["attempt"] == 2
            place.fake.reports.append((0, {}))
            status, given = transport(method, path, headers, body)
            place.fake.lapse()
            return status, given
        return transport(method, path, headers, body)

    place.fake.answer = answer  # type: ignore[method-assign]  # an outage at the worst moment
    async with place.agent():
        await place.until(lambda: job.status == "completed")
    assert [status for status, _ in place.fake.reports] == [0, 409, 200]
    assert len(place.world.book().deals) == 1


async def test_a_slow_job_keeps_its_lease(place: Place) -> None:
    place.world.set_state(is_connected=False)
    job = place.fake.add("trade", side="buy")
    async with place.agent():
        await place.until(lambda: job.status == "running")
        first = job.leased_until
        await place.until(lambda: job.leased_until != first)
        place.world.set_state()
        await place.until(lambda: job.status == "completed")
    assert job.attempts == 1


async def test_candles_are_pushed_with_their_own_key(place: Place) -> None:
    wanted = Candles("candles-key-1", ("M5",), suffix=".r")
    async with place.agent(candles=wanted, interest=Interest(always=frozenset({"EURUSD.r"}))):
        await place.until(lambda: len(place.fake.candles) > 1)
    first, second = place.fake.candles[:2]
    assert (first["key"], len(first["candles"]), len(second["candles"])) == ("candles-key-1", 500, 3)
    assert {(bar["symbol"], bar["timeframe"]) for bar in first["candles"]} == {("EURUSD", "M5")}


async def test_pairing_gives_an_identity() -> None:
    transport = FakeHookfill().transport()
    assert await clients.pair(URL, "token-1", "connection-1", None, transport=transport) == (AGENT_ID, AGENT_KEY)
    with pytest.raises(Refused, match="token"):
        await clients.pair(URL, "token-2", "connection-1", "My terminal", transport=transport)
    for server in ("hookfill.test", "ftp://hookfill.test", "http://user:word@hookfill.test"):
        with pytest.raises(ConfigurationError):
            await clients.pair(server, "token-1", "connection-1", None, transport=transport)


async def test_what_is_no_hookfill_server_is_told_apart() -> None:
    async with Client("http://127.0.0.1:1", AGENT_ID, AGENT_KEY) as client:
        with pytest.raises(ServerAway):
            await client.heartbeat({})


def test_the_servers_clock_is_never_behind() -> None:
    steady = 100.0
    clock = ServerClock(lambda: steady)
    assert not clock.is_known
    start = FakeHookfill().now()
    clock.set(start, 99.0)
    assert clock.now() == start + timedelta(seconds=1)
    steady = 160.0
    assert clock.now() == start + timedelta(seconds=61)


def test_pauses_grow_up_to_a_bound_and_begin_anew() -> None:
    backoff = Backoff(1.0, 8.0)
    pauses = [backoff.next() for _ in range(30)]
    assert all(0.5 * min(2**number, 8) <= pause <= min(2**number, 8) for number, pause in enumerate(pauses))
    backoff.reset()
    assert backoff.next() <= 1.0
