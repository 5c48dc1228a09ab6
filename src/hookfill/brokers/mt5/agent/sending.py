"""Looking for a job's traces at the terminal, and sending its orders: never on a lease that has lapsed, never twice blindly."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hookfill.brokers.mt5.agent import retcodes
from hookfill.brokers.mt5.agent.failpoints import Step, reach
from hookfill.brokers.mt5.agent.fills import Found, find
from hookfill.brokers.mt5.agent.jobs import Job, failed
from hookfill.brokers.mt5.agent.journal import Journal
from hookfill.brokers.mt5.agent.requests import Refusal, fillings_of, spread_points
from hookfill.brokers.mt5.agent.retcodes import Kind
from hookfill.brokers.mt5.agent.terminal import Answer, Filling, SymbolInfo, Terminal, TerminalError, Tick, TradeRequest
from hookfill.brokers.mt5.model import JobResult, comment_of
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.money import plain

LOOK_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0, 6.0)
"""Pauses between looks while the terminal may not show yet what was done."""
SHOWN_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""The same after it said that an order is done: the deal is there soon."""
RETRY_SECONDS = 0.5
MOST_TRIES = 6
"""How often an order is sent while the broker answers with other prices, or looked at while the spread is too wide."""
LEASE_MARGIN = timedelta(seconds=2)
"""No order is sent so near to the end of a lease: sending takes a moment."""
_HISTORY = timedelta(days=2)
_DEFAULT_HISTORY = timedelta(days=30)


class LeaseOver(HookfillError):
    """The lease has lapsed, or the job may not be begun any more; the order was not sent."""


@dataclass(slots=True)
class Lease:
    """How long a job is ours, by the server's clock; heartbeats move ``leased_until``.

    Attributes:
        expires_at: until when the job may be begun; None: any time.
    """

    leased_until: datetime
    expires_at: datetime | None

    def is_over(self, now: datetime) -> bool:
        """Whether it has lapsed, or is about to."""
        return now + LEASE_MARGIN >= self.leased_until

    def is_expired(self, now: datetime) -> bool:
        """Whether the job may not be begun any more."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was sent, what the terminal said, and what that means."""

    request: TradeRequest
    answer: Answer
    kind: Kind


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be sent: how to make the request at the present price, and the widest spread for it (None or 0: any)."""

    symbol: str
    make: Callable[[SymbolInfo, Tick, Filling], TradeRequest | Refusal]
    max_spread_points: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Looks and sends for one job at a time.

    Attributes:
        server_now: the server's time, never earlier than it really is.
        pause: waits so many seconds.
    """

    terminal: Terminal
    journal: Journal
    server_now: Callable[[], datetime]
    pause: Callable[[float], None]

    def look(self, job: Job) -> Found:
        """One look at positions, orders and history.

        Raises:
            TerminalError: the terminal can't tell, or is not connected to its broker: what it shows may be old.
        """
        self.terminal.check_connection()
        since = made_at(job.job_id)
        since = self.server_now() - _DEFAULT_HISTORY if since is None else since - _HISTORY
        positions, orders, deals = self.terminal.positions(), self.terminal.orders(since), self.terminal.deals(since)
        magic = job.input_data.get("magic")
        return find(comment_of(job.job_id), magic if isinstance(magic, int) else None, positions, orders, deals)

    def look_until(self, job: Job, is_enough: Callable[[Found], bool], pauses: tuple[float, ...]) -> Found:
        """Look again and again until what is found is enough or the pauses are used up; the last look counts.

        Raises:
            TerminalError: as ``look``.
        """
        found = self.look(job)
        for seconds in pauses:
            if is_enough(found):
                break
            self.pause(seconds)
            found = self.look(job)
        return found

    def deal(self, job: Job, lease: Lease, order: Order) -> Sent | JobResult:
        """Send an order at fresh prices until the broker takes or refuses it; a result is a refusal, and nothing was dealt.

        Raises:
            LeaseOver: time was over before anything was sent.
            TerminalError: the terminal can't tell prices; nothing was sent.
        """
        fillings: tuple[Filling, ...] | None = None
        problem = failed("The terminal shows no price for the symbol: see whether its market is open.", 10021)
        for number in range(MOST_TRIES):
            if number:
                self.pause(RETRY_SECONDS)
            symbol, tick = self.terminal.symbol(order.symbol), self.terminal.tick(order.symbol)
            if symbol is None:
                return failed(f"The broker has no symbol {order.symbol}: mend the account's symbol map.")
            if tick is None:
                continue
            if (wide := _too_wide(order, symbol, tick)) is not None:
                problem = wide
                continue
            fillings = fillings_of(symbol) if fillings is None else fillings
            tried = self._try(job, lease, order, symbol, tick, fillings)
            if isinstance(tried, JobResult) or tried.kind in {Kind.DONE, Kind.PLACED, Kind.UNKNOWN}:
                return tried
            problem = failed(retcodes.explain(tried.answer), tried.answer.retcode)
            if tried.kind is Kind.FILLING:
                fillings = tuple(filling for filling in fillings if filling is not tried.request.filling)
            if tried.kind is Kind.REFUSED or not fillings:
                return problem
        return problem

    def _try(
        self, job: Job, lease: Lease, order: Order, symbol: SymbolInfo, tick: Tick, fillings: tuple[Filling, ...]
    ) -> Sent | JobResult:
        """Check a request with each filling mode in turn, and send the first that the terminal finds in order."""
        for filling in fillings:
            request = order.make(symbol, tick, filling)
            if isinstance(request, Refusal):
                return failed(request.text, request.code)
            checked = self.terminal.order_check(request)
            kind = Kind.DONE if checked.retcode in {0, None} else retcodes.kind_of(checked)
            if kind is Kind.FILLING and filling is not fillings[-1]:
                continue
            if kind in {Kind.REFUSED, Kind.FILLING}:
                return failed(retcodes.explain(checked), checked.retcode)
            return self._send(job, lease, request)
        raise AssertionError("fillings_of always names a mode")

    def _send(self, job: Job, lease: Lease, request: TradeRequest) -> Sent:
        self._check_lease(lease)
        reach(Step.BEFORE_JOURNAL)
        self.journal.act(job.job_id, _shown(request))
        reach(Step.AFTER_JOURNAL)
        try:
            # Looked at again after the disk's pause (and whatever else may have held us up), and nothing comes in between.
            self._check_lease(lease)
        except LeaseOver:
            self.journal.withdraw(job.job_id)
            raise
        try:
            answer = self.terminal.order_send(request)
        except TerminalError as error:
            answer = Answer(None, str(error))
        reach(Step.AFTER_ORDER)
        kind = retcodes.kind_of(answer)
        if kind is not Kind.UNKNOWN:
            self.journal.answered(job.job_id, "accepted" if kind in {Kind.DONE, Kind.PLACED} else "refused")
        return Sent(request, answer, kind)

    def _check_lease(self, lease: Lease) -> None:
        now = self.server_now()
        if lease.is_over(now):
            raise LeaseOver("The lease had lapsed before the order was sent.")
        if lease.is_expired(now):
            raise LeaseOver("The job's time was over before the order was sent.")


def made_at(job_id: UUID) -> datetime | None:
    """When a job was made, from its UUIDv7; None for an id of another kind."""
    if job_id.version != 7:
        return None
    return datetime.fromtimestamp((job_id.int >> 80) / 1000, UTC)


def _too_wide(order: Order, symbol: SymbolInfo, tick: Tick) -> JobResult | None:
    limit = order.max_spread_points
    spread = spread_points(tick, symbol)
    if not limit or spread <= limit:
        return None
    return failed(f"The spread of {symbol.name} is {plain(spread)} points, more than the {plain(limit)} allowed: nothing was sent.")


def _shown(request: TradeRequest) -> dict[str, object]:
    return {name: value for name, value in asdict(request).items() if value is not None}
