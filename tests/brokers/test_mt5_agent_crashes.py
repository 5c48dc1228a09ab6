"""Whatever step an agent dies at, and however often: at most one order per job, and the truth in the end."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookfill.brokers.mt5.agent import execute, runner, sending
from hookfill.brokers.mt5.agent.client import Client
from hookfill.brokers.mt5.agent.failpoints import Step
from hookfill.brokers.mt5.agent.journal import Journal
from hookfill.brokers.mt5.agent.runner import Pace, Runner
from hookfill.brokers.mt5.agent.simulated import Market, SimulatedTerminal
from hookfill.brokers.mt5.agent.terminal import Entry, Reason
from support.fake_hookfill import AGENT_ID, AGENT_KEY, MAGIC, URL, FakeHookfill, FakeJob

PACE = Pace(
    heartbeat_seconds=0.01, prices_seconds=5, snapshot_seconds=0.05, candles_seconds=5, look_again_seconds=0, goodbye_seconds=5
)
FAULTS = [
    "10009",
    "10004",
    "10019",
    "none",
    "none+done",
    "raise",
    "raise+done",
    "10012+late",
    "10012",
    "10031",
    "10031+done",
    "10008",
]


class Crash(BaseException):  # what no handler of errors may stop
    """The process is gone."""


class Life:
    """One run of the agent that ends at a step, the first time that it comes by; None: not before it is told to stop."""

    def __init__(self, dies_at: Step | None) -> None:
        self.dies_at = dies_at

    def reach(self, step: Step) -> None:
        if step is self.dies_at:
            raise Crash

    async def live(self, fake: FakeHookfill, folder: Path, hedging: bool, job: FakeJob) -> None:
        terminal = SimulatedTerminal(folder / "terminal", Market(hedging=hedging))
        journal = Journal(folder / "journal")
        async with Client(URL, AGENT_ID, AGENT_KEY, transport=fake.transport()) as client:
            agent = Runner(terminal, journal, client, pace=PACE, pause=lambda _seconds: None)
            watching = asyncio.create_task(self._stop_when_over(agent, fake, job))
            patches = [patch.object(module, "reach", self.reach) for module in (execute, runner, sending)]
            for one in patches:
                one.start()
            try:
                with suppress(Crash):
                    await asyncio.wait_for(agent.run(), 30)
            finally:
                for one in patches:
                    one.stop()
                watching.cancel()
                journal.close()

    async def _stop_when_over(self, agent: Runner, fake: FakeHookfill, job: FakeJob) -> None:
        await fake.bell.until(lambda: job.status not in {"pending", "running"}, "the job at its end", None)
        before = len(fake.heartbeats)
        await fake.bell.until(lambda: len(fake.heartbeats) > before, "it goes on for a while", None)
        agent.stop()


lives = st.lists(st.tuples(st.sampled_from(Step), st.sampled_from(["", "lapse", "expire"])), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(lives, st.lists(st.sampled_from(FAULTS), max_size=3), st.booleans())
def test_an_entry_is_ordered_at_most_once(lives: list[tuple[Step, str]], faults: list[str], hedging: bool) -> None:
    with TemporaryDirectory() as folder:
        fake, place = FakeHookfill(), Path(folder)
        world = SimulatedTerminal(place / "terminal", Market(hedging=hedging))
        world.add_faults(*faults)
        job = fake.add("trade", side="buy")
        asyncio.run(_live_through(fake, place, hedging, job, lives))
        deals = world.book().deals
        world.close()
        assert len(deals) <= 1
        _check_told(job, len(deals))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(lives, st.lists(st.sampled_from(FAULTS), max_size=3), st.booleans())
def test_a_close_closes_at_most_what_is_there(lives: list[tuple[Step, str]], faults: list[str], hedging: bool) -> None:
    with TemporaryDirectory() as folder:
        fake, place = FakeHookfill(), Path(folder)
        opening = fake.add("trade", side="buy")
        asyncio.run(_live_through(fake, place, hedging, opening, []))
        world = SimulatedTerminal(place / "terminal", Market(hedging=hedging))
        assert [deal.magic for deal in world.book().deals] == [MAGIC]
        world.add_faults(*faults)
        job = fake.add("close_position", side="sell", life_seconds=300)
        asyncio.run(_live_through(fake, place, hedging, job, lives))
        closings = [deal for deal in world.book().deals if deal.entry is not Entry.IN]
        positions = world.book().positions
        world.close()
        assert len(closings) <= 1
        assert all(deal.entry is Entry.OUT and deal.reason is Reason.PROGRAM for deal in closings)
        assert len(positions) == 1 - len(closings)
        _check_told(job, len(closings))


async def _live_through(fake: FakeHookfill, place: Path, hedging: bool, job: FakeJob, lives: list[tuple[Step, str]]) -> None:
    for step, then in lives:
        if job.status not in {"pending", "running"}:
            break
        await Life(step).live(fake, place, hedging, job)
        if then:
            fake.lapse()
        if then == "expire":
            fake.expire()
    if job.status in {"pending", "running"}:
        await Life(None).live(fake, place, hedging, job)


def _check_told(job: FakeJob, deals: int) -> None:
    """What the server was told is what happened; a job that nobody began in time needs no report."""
    assert job.status in {"completed", "failed", "expired"}
    assert (job.status == "completed") == (deals == 1)
    if deals:
        assert job.result is not None
        assert Decimal(job.result["filled_volume"]) == Decimal("0.1")
        assert job.result["fill_price"] > 0
        assert job.result["deal_ids"]
