"""Closing a strategy's positions: by ticket where positions stand side by side, by the opposite deal where they net."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from hookfill.brokers.mt5.agent import retcodes
from hookfill.brokers.mt5.agent.fills import (
    Fill,
    Found,
    closed_without_us,
    completed,
    dealt_volume,
    fill_from,
    merge,
)
from hookfill.brokers.mt5.agent.jobs import Close, Job, close_from, expired, failed
from hookfill.brokers.mt5.agent.journal import Entry as Known
from hookfill.brokers.mt5.agent.requests import closable, close_request
from hookfill.brokers.mt5.agent.retcodes import Kind
from hookfill.brokers.mt5.agent.sending import LOOK_SECONDS, SHOWN_SECONDS, Lease, LeaseOver, Order, Sender, Sent
from hookfill.brokers.mt5.agent.terminal import Position
from hookfill.brokers.mt5.model import JobResult

POSITION_CLOSED = 10036
NO_CONNECTION = 10031
"""The terminal had no connection to the broker: the one unknown outcome where the request is known not to have left it."""
_HISTORY = timedelta(days=90)


@dataclass(slots=True)
class _Course:
    """How far a close has come: fills that answers told and that the history shows, tickets that are closed, what went wrong."""

    told: list[Fill] = field(default_factory=list)
    shown: tuple[Fill, ...] = ()
    gone: frozenset[int] = frozenset()
    was_sent_again: bool = False
    problem: JobResult | None = None

    @property
    def fills(self) -> tuple[Fill, ...]:
        return merge(self.told, self.shown)

    @property
    def volume(self) -> Decimal:
        return dealt_volume(self.fills)


@dataclass(frozen=True, slots=True)
class Closing:
    """Carries out ``close_position`` jobs."""

    sender: Sender

    def run(self, job: Job, lease: Lease, known: Known) -> JobResult | None:
        """Close, or find out how it was closed; None while it isn't known what came of it.

        Raises:
            UnusableJob, LeaseOver, TerminalError: as ``Sender`` and ``close_from`` say.
        """
        close = close_from(job.input_data)
        pauses = LOOK_SECONDS if known.requests or job.attempt > 1 or not job.may_act else ()
        found = self.sender.look_until(job, lambda found: dealt_volume(found.fills) >= close.volume, pauses)
        course = _Course(shown=found.fills)
        if found.is_working:
            return None
        if known.is_accepted and not found.fills and not found.is_over:
            return None
        hedging = self.sender.terminal.account().hedging
        is_time_over = lease.is_expired(self.sender.server_now()) and not found.fills
        if job.may_act and not is_time_over and self._may_go_on(known, hedging=hedging):
            try:
                if not self._close_all(job, lease, close, course, hedging=hedging):
                    return None
            except LeaseOver:
                if not course.fills:
                    raise
        return self._result(close, course, is_untouched=not known.requests, hedging=hedging)

    def _may_go_on(self, known: Known, *, hedging: bool) -> bool:
        """Whether another order can do no harm even if the last one, whose outcome was never learnt, is still on its way."""
        if not known.is_unanswered:
            return True
        last = known.requests[-1]
        held = [position for position in self.sender.terminal.positions() if position.ticket == last.get("position")]
        return hedging and all(position.volume == Decimal(str(last["volume"])) for position in held)

    def _close_all(self, job: Job, lease: Lease, close: Close, course: _Course, *, hedging: bool) -> bool:
        """Close one position after the other; false while one's outcome isn't known."""
        while course.volume < close.volume and course.problem is None:
            positions = closable(close, self.sender.terminal.positions(), hedging=hedging, without=course.gone)
            if not positions:
                break
            if not self._close_one(job, lease, close, course, positions[0], hedging=hedging):
                return False
        return True

    def _close_one(self, job: Job, lease: Lease, close: Close, course: _Course, position: Position, *, hedging: bool) -> bool:
        remaining = close.volume - course.volume
        order = Order(
            close.symbol,
            lambda symbol, tick, filling: close_request(close, position, remaining, symbol, tick, filling, hedging=hedging),
        )
        sent = self.sender.deal(job, lease, order)
        if isinstance(sent, JobResult):
            if sent.error_code == POSITION_CLOSED:
                # By stop, target or hand; or by an order of this job that was late to arrive.
                course.gone |= {position.ticket}
                course.shown = self.sender.look_until(job, lambda found: bool(found.fills), SHOWN_SECONDS).fills
            else:
                course.problem = sent
            return True
        if sent.kind is Kind.UNKNOWN:
            self._find_out(job, course, position, sent, hedging=hedging)
            return True
        return self._take(job, course, position, sent)

    def _take(self, job: Job, course: _Course, position: Position, sent: Sent) -> bool:
        """The terminal said done: wait until it shows it; false if neither its answer nor its history has the figures yet."""
        told = fill_from(sent.answer, sent.request)
        before = course.volume
        wanted = before + (sent.request.volume if told is None else told.volume)
        found = self.sender.look_until(job, lambda found: dealt_volume(merge(course.told, found.fills)) >= wanted, SHOWN_SECONDS)
        course.shown = found.fills
        if told is not None:
            course.told.append(told)
        if course.volume <= before:
            return False
        if course.volume - before >= position.volume:
            course.gone |= {position.ticket}
        return True

    def _find_out(self, job: Job, course: _Course, position: Position, sent: Sent, *, hedging: bool) -> None:
        """The outcome is unknown: look.

        Only what can't do harm twice is sent once more: a whole position by its ticket, or what never left the terminal.
        """
        before = course.volume
        grown: Found = self.sender.look_until(
            job, lambda found: dealt_volume(merge(course.told, found.fills)) > before, LOOK_SECONDS
        )
        course.shown = grown.fills
        if course.volume > before:
            if course.volume - before >= position.volume:
                course.gone |= {position.ticket}
            return
        is_harmless = (hedging and sent.request.volume == position.volume) or sent.answer.retcode == NO_CONNECTION
        if is_harmless and not course.was_sent_again and not grown.is_working:
            course.was_sent_again = True
            return
        course.problem = failed(
            f"{retcodes.explain(sent.answer)} The terminal shows no trace of the closing order.", sent.answer.retcode
        )

    def _result(self, close: Close, course: _Course, *, is_untouched: bool, hedging: bool) -> JobResult:
        if course.fills:
            result = completed(course.fills, close.volume)
            if course.problem is None:
                return result
            return _with_problem(result, course.problem)
        if course.problem is not None:
            return course.problem
        by_others = closed_without_us(close, self.sender.terminal.deals(self.sender.server_now() - _HISTORY))
        if by_others:
            return completed(by_others, close.volume)
        if closable(close, self.sender.terminal.positions(), hedging=hedging, without=frozenset()):
            if not is_untouched:
                return failed("The agent was interrupted while it closed the position, which is still open: it was not sent again.")
            return expired("Its time was over before it could be begun: the position is still open, nothing was done.")
        return failed(
            f"There is no open position of this strategy in {close.symbol}, and no deal that closed one: nothing was done."
        )


def _with_problem(result: JobResult, problem: JobResult) -> JobResult:
    """A part was closed; why the rest was not."""
    return replace(
        result, error_message=f"{result.error_message or ''} {problem.error_message}".strip(), error_code=problem.error_code
    )
