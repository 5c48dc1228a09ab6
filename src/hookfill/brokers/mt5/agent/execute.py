"""Carrying out a job once: look first, act only if nothing is there, and tell what really happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import structlog

from hookfill.brokers.mt5.agent import retcodes
from hookfill.brokers.mt5.agent.close import NO_CONNECTION, Closing
from hookfill.brokers.mt5.agent.failpoints import Step, reach
from hookfill.brokers.mt5.agent.fills import Found, completed, dealt_volume, fill_from, merge
from hookfill.brokers.mt5.agent.jobs import Entry, Job, UnusableJob, entry_from, expired, failed, wire
from hookfill.brokers.mt5.agent.journal import Entry as Known
from hookfill.brokers.mt5.agent.journal import JournalError
from hookfill.brokers.mt5.agent.questions import answer_question
from hookfill.brokers.mt5.agent.requests import entry_request
from hookfill.brokers.mt5.agent.retcodes import Kind
from hookfill.brokers.mt5.agent.sending import LOOK_SECONDS, SHOWN_SECONDS, Lease, LeaseOver, Order, Sender, Sent
from hookfill.brokers.mt5.agent.terminal import TerminalError
from hookfill.brokers.mt5.model import JobResult, JobType

NOTHING_DONE = "Its time was over before it could be begun: nothing was done."


class Pending(Enum):
    """Why a job has no outcome yet.

    LOOK_AGAIN: something of it may still be dealt, or the terminal can't tell; ask again in a moment.
    DROPPED: the lease has lapsed and nothing was sent; the server gives the job out again.
    """

    LOOK_AGAIN = "look_again"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries out jobs, one at a time."""

    sender: Sender

    def carry_out(self, job: Job, lease: Lease) -> Mapping[str, Any] | Pending:
        """Do what a job asks for, unless it was done already, and return the body of its result.

        The outcome is in the journal before it is returned. Calling it again with the same job is always safe.

        Raises:
            JournalError: the journal can't be written; nothing was sent after that.
        """
        journal = self.sender.journal
        known = journal.entry(job.job_id)
        if known is None or known.lease_token != job.lease_token:
            known = journal.take(job.job_id, _raw(job), job.lease_token)
        if known.outcome is not None:
            return known.outcome
        reach(Step.TAKEN)
        outcome = self._outcome(job, lease, known)
        if isinstance(outcome, Pending):
            if outcome is Pending.DROPPED:
                journal.forget(job.job_id)
            return outcome
        reach(Step.BEFORE_OUTCOME)
        journal.finish(job.job_id, outcome)
        reach(Step.AFTER_OUTCOME)
        return outcome

    def find_out(self, job: Job) -> Mapping[str, Any] | None:
        """What the terminal shows of a job of which only the id is certain; None while it can't be told.

        That is a job under a lease of ours which the journal does not know, since the agent ended as it was given out: no order was
        sent for it then, unless the journal was lost.
        """
        try:
            found = self.sender.look_until(job, _has_trace, LOOK_SECONDS)
        except TerminalError:
            return None
        if found.is_working:
            return None
        if found.fills:
            return wire(completed(found.fills, dealt_volume(found.fills)))
        return wire(expired("The agent was restarted before it began: nothing was done."))

    def has_trace(self, job: Job) -> bool:
        """Whether the terminal shows that something was dealt for a job, and nothing more is to come.

        Raises:
            TerminalError: the terminal can't tell.
        """
        found = self.sender.look(job)
        return bool(found.fills) and not found.is_working

    def _outcome(self, job: Job, lease: Lease, known: Known) -> dict[str, Any] | Pending:
        try:
            if job.job_type not in {JobType.TRADE, JobType.CLOSE_POSITION}:
                return wire(JobResult("completed"), answer_question(self.sender.terminal, job))
            run = Closing(self.sender).run if job.job_type is JobType.CLOSE_POSITION else self._trade
            result = run(job, lease, known)
            return Pending.LOOK_AGAIN if result is None else wire(result)
        except UnusableJob as error:
            return wire(failed(str(error)))
        except LeaseOver as error:
            return self._over(job, lease, str(error))
        except TerminalError as error:
            return self._unreachable(job, lease, error)
        except JournalError:
            raise
        except Exception as error:
            # A defect, here or in what the terminal answered: one job must not stop all others.
            structlog.get_logger("agent").exception("job_met_a_defect", job_id=str(job.job_id))
            return self._defect(job, error)

    def _defect(self, job: Job, error: Exception) -> dict[str, Any] | Pending:
        known = self.sender.journal.entry(job.job_id)
        if job.attempt > 1 or not job.may_act or (known is not None and known.requests):
            return Pending.LOOK_AGAIN
        return wire(failed(f"The agent met a defect ({type(error).__name__}), which its log describes: nothing was done."))

    def _over(self, job: Job, lease: Lease, why: str) -> dict[str, Any] | Pending:
        """Nothing more may be sent. What was dealt before that is found by looking again."""
        known = self.sender.journal.entry(job.job_id)
        if known is not None and known.requests:
            return Pending.LOOK_AGAIN
        if lease.is_expired(self.sender.server_now()):
            return wire(expired(f"{why} Nothing was done."))
        return Pending.DROPPED

    def _unreachable(self, job: Job, lease: Lease, error: TerminalError) -> dict[str, Any] | Pending:
        """The terminal can't be asked. Only a job of which nothing can have been sent may be given up."""
        known = self.sender.journal.entry(job.job_id)
        may_have_acted = job.attempt > 1 or not job.may_act or (known is not None and bool(known.requests))
        if job.job_type not in {JobType.TRADE, JobType.CLOSE_POSITION}:
            return wire(failed(str(error)))
        now = self.sender.server_now()
        if not may_have_acted and lease.is_expired(now):
            return wire(expired(f"{error} Nothing was done."))
        if not may_have_acted and lease.is_over(now):
            return Pending.DROPPED
        return Pending.LOOK_AGAIN

    # Opening -----------------------------------------------------------------------------------------------------------------

    def _trade(self, job: Job, lease: Lease, known: Known) -> JobResult | None:
        """Open a position; None while it isn't known what came of it."""
        entry = entry_from(job.input_data)
        has_begun = bool(known.requests)
        pauses = LOOK_SECONDS if has_begun or job.attempt > 1 or not job.may_act else ()
        found = self.sender.look_until(job, _has_trace, pauses)
        if not found.is_nothing or has_begun:
            return settled(found, entry, known)
        if not job.may_act or lease.is_expired(self.sender.server_now()):
            return expired(NOTHING_DONE)
        order = Order(
            entry.symbol, lambda symbol, tick, filling: entry_request(entry, symbol, tick, filling), entry.max_spread_points
        )
        return self._open(job, lease, entry, order)

    def _open(self, job: Job, lease: Lease, entry: Entry, order: Order) -> JobResult | None:
        sent = self.sender.deal(job, lease, order)
        if isinstance(sent, JobResult):
            return sent
        if sent.kind is not Kind.UNKNOWN:
            return self._shown(job, entry, sent)
        found = self.sender.look_until(job, _has_trace, LOOK_SECONDS)
        if found.is_nothing and sent.answer.retcode == NO_CONNECTION:
            # It never left the terminal and the terminal is connected again: once more, if there is time.
            sent = self.sender.deal(job, lease, order)
            if isinstance(sent, JobResult):
                return sent
            if sent.kind is not Kind.UNKNOWN:
                return self._shown(job, entry, sent)
            found = self.sender.look_until(job, _has_trace, LOOK_SECONDS)
        if found.is_nothing:
            return failed(_no_trace(retcodes.explain(sent.answer)), sent.answer.retcode)
        return settled(found, entry, None)

    def _shown(self, job: Job, entry: Entry, sent: Sent) -> JobResult | None:
        """The terminal said done: the history's own figures, else those of its answer."""
        told = fill_from(sent.answer, sent.request)
        wanted = sent.request.volume if told is None else told.volume
        found = self.sender.look_until(job, lambda found: dealt_volume(found.fills) >= wanted, SHOWN_SECONDS)
        fills = merge([] if told is None else [told], found.fills)
        if fills and not found.is_working:
            return completed(fills, entry.volume)
        return None


def settled(found: Found, entry: Entry, known: Known | None) -> JobResult | None:
    """What a look after the act says; None while an order is open, or one that was accepted is not shown yet."""
    if found.is_working:
        return None
    if found.fills:
        return completed(found.fills, entry.volume)
    if found.is_over:
        return failed("The broker took the order and then cancelled it: nothing was dealt. See the terminal's history.")
    if known is not None and known.is_accepted:
        return None
    return failed(_no_trace("The agent was interrupted while it sent the order."))


def _no_trace(what: str) -> str:
    return f"{what} The terminal shows no trace of the order, so it is taken as not dealt; it was not sent again."


def _has_trace(found: Found) -> bool:
    return bool(found.fills)


def _raw(job: Job) -> dict[str, Any]:
    """A job as the server described it, for the journal."""
    return {
        "job_id": str(job.job_id),
        "job_type": job.job_type.value,
        "input_data": dict(job.input_data),
        "lease_token": job.lease_token,
        "leased_until": job.leased_until.isoformat(),
        "expires_at": None if job.expires_at is None else job.expires_at.isoformat(),
        "attempt": job.attempt,
        "may_act": job.may_act,
    }
