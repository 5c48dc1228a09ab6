"""The agent's journal, and defects that must not stop everything."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hookfill.brokers.mt5.agent.client import Client
from hookfill.brokers.mt5.agent.execute import Executor, Pending
from hookfill.brokers.mt5.agent.identity import Identity, load, save
from hookfill.brokers.mt5.agent.jobs import Job
from hookfill.brokers.mt5.agent.journal import Journal, JournalError
from hookfill.brokers.mt5.agent.runner import Pace, Runner
from hookfill.brokers.mt5.agent.sending import Lease, Sender
from hookfill.brokers.mt5.agent.simulated import SimulatedTerminal
from hookfill.brokers.mt5.agent.terminal import Answer, Tick, TradeRequest
from hookfill.brokers.mt5.model import JobType, comment_of
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.ids import new_id
from support.fake_hookfill import AGENT_ID, AGENT_KEY, URL, FakeHookfill


def test_a_job_moves_from_taken_over_acting_to_done(tmp_path: Path) -> None:
    journal, job_id = Journal(tmp_path / "journal"), new_id()
    assert journal.entry(job_id) is None
    assert journal.take(job_id, {"volume": Decimal("0.10")}, "1").state == "taken"
    journal.act(job_id, {"volume": Decimal("0.1")})
    journal.answered(job_id, "refused")
    journal.act(job_id, {"volume": Decimal("0.2")})
    entry = journal.entry(job_id)
    assert entry is not None
    assert (entry.state, entry.requests, entry.is_unanswered) == ("acting", ({"volume": Decimal("0.2")},), True)
    journal.close()
    journal = Journal(tmp_path / "journal")
    assert [each.job_id for each in journal.open_jobs()] == [job_id]
    journal.answered(job_id, "accepted")
    journal.finish(job_id, {"fill_price": Decimal("1.0851")})
    (entry,) = journal.to_report()
    assert (entry.outcome, entry.is_accepted, entry.is_unanswered) == ({"fill_price": Decimal("1.0851")}, True, False)
    journal.reported(job_id)
    assert journal.to_report() == []
    assert journal.counts() == {"done": 1}
    again = journal.take(job_id, {}, "2")
    assert (again.outcome, again.is_reported) == ({"fill_price": Decimal("1.0851")}, False)


def test_what_was_not_sent_is_withdrawn(tmp_path: Path) -> None:
    journal, job_id = Journal(tmp_path / "journal"), new_id()
    journal.take(job_id, {}, "1")
    journal.act(job_id, {"volume": 1})
    journal.forget(job_id)
    assert journal.entry(job_id) is not None
    journal.withdraw(job_id)
    journal.forget(job_id)
    assert journal.entry(job_id) is None


def test_old_jobs_are_dropped_at_the_start_but_never_those_that_are_open(tmp_path: Path) -> None:
    path, old, unreported = tmp_path / "journal", new_id(), new_id()
    journal = Journal(path)
    for job_id in (old, unreported):
        journal.take(job_id, {}, "1")
        journal.act(job_id, {})
        journal.finish(job_id, {})
    journal.reported(old)
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE jobs SET written_at = 0")
    connection.close()
    journal = Journal(path)
    assert journal.entry(old) is None
    assert journal.entry(unreported) is not None


def test_each_commit_is_synced_to_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal._all("PRAGMA synchronous") == [(2,)]


def test_a_journal_that_can_not_be_used_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError):
        Journal(tmp_path)
    journal = Journal(tmp_path / "journal")
    journal._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalError, match="space"):
        journal.take(new_id(), {}, "1")


def test_an_identity_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "agent" / "agent.json"
    with pytest.raises(ConfigurationError, match="agent pair"):
        load(path)
    identity = Identity(URL, AGENT_ID, AGENT_KEY)
    save(path, identity)
    save(path, identity)
    assert load(path) == identity
    assert path.stat().st_mode & 0o777 == 0o600
    assert AGENT_KEY not in repr(identity)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="anew"):
        load(path)


class Broken(SimulatedTerminal):
    """One that answers what nobody expects."""

    at = "tick"

    def tick(self, symbol: str) -> Tick | None:
        if self.at == "tick":
            raise ZeroDivisionError
        return super().tick(symbol)

    def order_send(self, request: TradeRequest) -> Answer:
        super().order_send(request)
        raise ZeroDivisionError


def test_a_defect_before_the_order_fails_the_job_and_one_after_it_is_looked_at() -> None:
    terminal, journal, now = Broken(":memory:"), Journal(":memory:"), datetime.now(UTC)
    executor = Executor(Sender(terminal, journal, lambda: now, lambda _seconds: None))

    def run(job_id: Any) -> Any:
        given = {"symbol": "EURUSD", "side": "buy", "volume": Decimal("0.1"), "magic": 7, "comment": comment_of(job_id)}
        job = Job(job_id, JobType.TRADE, given, "1", now + timedelta(seconds=60), None, 1, may_act=True)
        return executor.carry_out(job, Lease(job.leased_until, None))

    assert run(new_id())["status"] == "failed"
    terminal.at = "order_send"
    job_id = new_id()
    assert run(job_id) is Pending.LOOK_AGAIN
    assert run(job_id)["status"] == "completed"
    assert len(terminal.book().deals) == 1


async def test_jobs_that_nobody_understands_and_answers_that_nobody_takes_end_as_failed(tmp_path: Path) -> None:
    fake = FakeHookfill()
    strange, question = fake.add("dance"), fake.add("get_account")
    original = fake._result

    def picky(job_id: Any, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return (413, {"detail": "too large"}) if "output_data" in given else original(job_id, given)

    fake._result = picky  # type: ignore[method-assign]  # a server with a limit
    pace = Pace(look_again_seconds=0, heartbeat_seconds=0.01)
    async with Client(URL, AGENT_ID, AGENT_KEY, transport=fake.transport()) as client, asyncio.timeout(20):
        runner = Runner(SimulatedTerminal(tmp_path / "terminal"), Journal(tmp_path / "journal"), client, pace=pace)
        task = asyncio.create_task(runner.run())
        await fake.bell.until(lambda: {strange.status, question.status} == {"failed"}, "both at their end")
        runner.stop()
        await task
    assert question.result is not None
    assert "did not take" in question.result["error_message"]
