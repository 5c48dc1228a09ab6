"""An indicator's ledgers against the journal (pure): what telemetry never brought, what the ledgers lack, and where they differ.

The rules:

- A trade that a ledger has and the journal has not is a missed alert: an error for one that was confirmed; a note for a signal that
  never was, which many an indicator does not tell of. Days before the journal's first trade are not judged: nobody listened yet.
- A trade that the journal has and a ledger has not is a warning, on days that a whole run of exports covers (all of its batches
  came), and if it was there before the run was taken. Of the run's first day the part before its first signal is only noted: the
  chart's history may begin there. Confirmed signals are the trades that were entered; all signals are all.
- Direction, entry and stop must be the same (prices within ``PRICE_TOLERANCE`` of their size): an error if not. What a ledger
  leaves out is not compared.
- Moves may differ by ``MOVE_TOLERANCE``: what telemetry and exports round. A greater difference is a warning, unless the two were
  told at different times and the later one is further: that is only noted.
- Where the journal waits for an entry or an exit that a ledger knows of, that alert was missed: an error. Where the journal is
  ahead of a ledger that was taken later, it is a warning; but an indicator may call a trade completed only when its original stop
  is hit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from hookfill.journal.model import OPEN, EventType, Status

PRICE_TOLERANCE = Decimal("0.000001")
"""Of a price's size: far less than a tick of any market, more than what is lost in writing it."""
MOVE_TOLERANCE = Decimal("0.01")
"""In R: exports write two decimals."""
_ENTERED = OPEN | {Status.COMPLETED}
_ZERO = Decimal(0)


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """An alert was lost, or telemetry tells of another trade than the ledger."""
    WARNING = "warning"
    INFO = "info"
    """Explained by when things were told, or without consequence."""


class Problem(StrEnum):
    """What was found."""

    MISSING_IN_JOURNAL = "missing_in_journal"
    MISSING_IN_LEDGER = "missing_in_ledger"
    DIFFERENT = "different"


class Source(StrEnum):
    """Which ledger."""

    CONFIRMED = "confirmed_signals"
    ALL = "all_signals"


Value = Decimal | str | bool | None


@dataclass(frozen=True, slots=True)
class Journalled:
    """A trade as the journal has it; as in ``TradeState``."""

    trade_id: str
    day: date
    signal_at: datetime
    status: Status
    last_event_at: datetime
    direction: str | None = None
    entry: Decimal | None = None
    stop: Decimal | None = None
    be_mfe: Decimal | None = None
    no_be_mfe: Decimal | None = None
    mae: Decimal | None = None
    entered_at: datetime | None = None
    exit_type: str | None = None
    exit_at: datetime | None = None
    stopped_at: datetime | None = None
    last_mfe_at: datetime | None = None

    @property
    def is_entered(self) -> bool:
        """Whether it became a trade."""
        return self.status in _ENTERED

    @property
    def no_be_ended_at(self) -> datetime | None:
        """When the trade without break-even ended."""
        return self.exit_at if self.exit_type == EventType.EXIT_TAKE_PROFIT else self.stopped_at


@dataclass(frozen=True, slots=True)
class Listed:
    """A trade as a ledger has it; ``told_at``: when the newest batch that tells of it came (UTC)."""

    source: Source
    trade_id: str
    day: date
    signal_at: datetime
    told_at: datetime
    direction: str | None = None
    entry: Decimal | None = None
    stop: Decimal | None = None
    be_mfe: Decimal | None = None
    no_be_mfe: Decimal | None = None
    mae: Decimal | None = None
    completed: bool | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one whole run of exports covers.

    Attributes:
        first_day, last_day: of its signals in New York; first_at: its first signal's time.
        taken_at: when its first batch came (UTC).
    """

    source: Source
    first_day: date
    last_day: date
    first_at: datetime
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit."""

    day: date
    trade_id: str
    source: Source
    problem: Problem
    severity: Severity
    field: str | None = None
    in_ledger: Value = None
    in_journal: Value = None
    note: str = ""


def compare_ledgers(
    journal: Mapping[str, Journalled],
    ledgers: Mapping[Source, Mapping[str, Listed]],
    coverage: Sequence[Coverage],
    telemetry_since: date | None,
) -> list[Finding]:
    """All that does not fit, day by day.

    Args:
        journal, ledgers: the trades of the days that are judged, by trade id; what is in one of them must have been looked up in
            the others.
        coverage: of whole runs.
        telemetry_since: the day of the journal's first trade of all; None: it has none.
    """
    confirmed, every = ledgers.get(Source.CONFIRMED, {}), ledgers.get(Source.ALL, {})
    found: list[Finding] = []
    for trade_id in journal.keys() | confirmed.keys() | every.keys():
        listed = [one for one in (confirmed.get(trade_id), every.get(trade_id)) if one is not None]
        trade = journal.get(trade_id)
        if trade is None:
            if telemetry_since is not None and listed[0].day >= telemetry_since:
                found.append(_missed(listed[0]))
            continue
        found += _unlisted(trade, {one.source for one in listed}, coverage)
        found += _differences(trade, listed)
    return sorted(found, key=lambda one: (one.day, one.trade_id, one.source, one.field or ""))


# Missing -----------------------------------------------------------------------------------------------------------------------


def _missed(listed: Listed) -> Finding:
    """A trade that telemetry never brought."""
    is_trade = listed.source is Source.CONFIRMED or _stage(listed.status) is _Stage.ENTERED
    severity = Severity.ERROR if is_trade else Severity.INFO
    note = "Telemetry never brought it: its alerts were lost." if is_trade else "It was never confirmed: no trade was missed."
    return Finding(listed.day, listed.trade_id, listed.source, Problem.MISSING_IN_JOURNAL, severity, note=note)


def _unlisted(trade: Journalled, listed_in: set[Source], coverage: Sequence[Coverage]) -> Iterator[Finding]:
    """The ledgers that should have a trade and have not."""
    expected = [(Source.ALL, trade.signal_at)]
    if trade.is_entered:
        expected.append((Source.CONFIRMED, trade.entered_at or trade.signal_at))
    for source, since in expected:
        runs = [run for run in coverage if run.source is source and _covers(run, trade, since)]
        if source in listed_in or not runs:
            continue
        is_within = any(run.first_at <= trade.signal_at for run in runs)
        note = "A whole export of that day does not have it."
        yield Finding(
            trade.day,
            trade.trade_id,
            source,
            Problem.MISSING_IN_LEDGER,
            Severity.WARNING if is_within else Severity.INFO,
            note=note if is_within else "It lies before the export's first signal: the chart's history may begin there.",
        )


def _covers(run: Coverage, trade: Journalled, since: datetime) -> bool:
    return run.first_day <= trade.day <= run.last_day and since <= run.taken_at


# Different ---------------------------------------------------------------------------------------------------------------------


def _differences(trade: Journalled, listed: Iterable[Listed]) -> Iterator[Finding]:
    """Where the ledgers say something else than the journal; what both say the same is told once."""
    told: set[tuple[str | None, Value]] = set()
    for one in listed:
        for finding in (*_what_it_is(trade, one), *_how_it_stands(trade, one), *_moves(trade, one)):
            # The ledgers have words of their own for the same state.
            same = (finding.field, None if finding.field == "status" else finding.in_ledger)
            if same not in told:
                told.add(same)
                yield finding


def _different(
    trade: Journalled, listed: Listed, field: str, values: tuple[Value, Value], severity: Severity, note: str = ""
) -> Finding:
    """``values``: the ledger's and the journal's."""
    return Finding(trade.day, trade.trade_id, listed.source, Problem.DIFFERENT, severity, field, *values, note)


def _what_it_is(trade: Journalled, listed: Listed) -> Iterator[Finding]:
    if listed.direction is not None and trade.direction is not None and listed.direction != trade.direction:
        yield _different(trade, listed, "direction", (listed.direction, trade.direction), Severity.ERROR)
    for field in ("entry", "stop"):
        known: Decimal | None = getattr(trade, field)
        told: Decimal | None = getattr(listed, field)
        if told is None or (known is None and not trade.is_entered):
            continue
        if known is None:
            yield _different(trade, listed, field, (told, None), Severity.WARNING, "Telemetry never told it.")
        elif abs(told - known) > PRICE_TOLERANCE * max(abs(told), abs(known)):
            yield _different(trade, listed, field, (told, known), Severity.ERROR)


def _moves(trade: Journalled, listed: Listed) -> Iterator[Finding]:
    if not trade.is_entered:
        return
    ends = {"be_mfe": trade.exit_at, "no_be_mfe": trade.no_be_ended_at, "mae": trade.no_be_ended_at}
    for field, ended_at in ends.items():
        told: Decimal | None = getattr(listed, field)
        known: Decimal | None = getattr(trade, field)
        if told is None or abs(told - (known or _ZERO)) <= MOVE_TOLERANCE:
            continue
        is_ahead = abs(told) > abs(known or _ZERO)
        if _is_explained(trade, listed, ended_at, is_ahead=is_ahead):
            yield _different(trade, listed, field, (told, known), Severity.INFO, "They were told at different times.")
        else:
            note = "Telemetry never told it." if known is None else ""
            yield _different(trade, listed, field, (told, known), Severity.WARNING, note)


def _is_explained(trade: Journalled, listed: Listed, ended_at: datetime | None, *, is_ahead: bool) -> bool:
    """Whether the one that was told later is the one that is further."""
    journal_at = ended_at or trade.last_mfe_at or trade.last_event_at
    if is_ahead:
        return ended_at is None and listed.told_at >= journal_at
    return listed.told_at < journal_at


class _Stage(StrEnum):
    PENDING = "pending"
    ENTERED = "entered"
    CANCELLED = "cancelled"


_STAGES = {
    **dict.fromkeys(("PENDING", "DETECTED", "WAITING", "UNCONFIRMED"), _Stage.PENDING),
    **dict.fromkeys(("CONFIRMED", "ACTIVE", "TRIGGERED", "ENTERED", "COMPLETED", "CLOSED", "BE_PROTECTED"), _Stage.ENTERED),
    **dict.fromkeys(("CANCELLED", "CANCELED", "INVALIDATED", "EXPIRED", "REJECTED"), _Stage.CANCELLED),
}


def _stage(status: str | None) -> _Stage | None:
    """What a ledger's status means; None: a word that is not known, which is not judged."""
    return _STAGES.get(status.strip().upper()) if status else None


def _how_it_stands(trade: Journalled, listed: Listed) -> Iterator[Finding]:
    own = _Stage.ENTERED if trade.is_entered else _stage(trade.status)
    stage = _Stage.ENTERED if listed.source is Source.CONFIRMED else _stage(listed.status)
    values = (listed.status or "CONFIRMED", trade.status.value)
    if stage is not None and stage is not own:
        if stage is _Stage.ENTERED:
            yield _different(trade, listed, "status", values, Severity.ERROR, "Its ENTRY never arrived.")
        elif stage is _Stage.CANCELLED:
            severity = Severity.ERROR if own is _Stage.ENTERED else Severity.WARNING
            yield _different(trade, listed, "status", values, severity, "Its CANCELLED never arrived.")
        elif listed.told_at >= trade.last_event_at:
            yield _different(trade, listed, "status", values, Severity.WARNING)
    elif listed.completed is not None and trade.is_entered:
        yield from _completion(trade, listed)


def _completion(trade: Journalled, listed: Listed) -> Iterator[Finding]:
    is_over = trade.status is Status.COMPLETED
    values = (listed.completed, is_over)
    if listed.completed and not is_over:
        yield _different(trade, listed, "completed", values, Severity.ERROR, "Its exit never arrived.")
    elif is_over and not listed.completed and trade.exit_at is not None and listed.told_at >= trade.exit_at:
        if trade.no_be_ended_at is None:
            note = "It ended at break-even; the ledger may wait for its original stop."
            yield _different(trade, listed, "completed", values, Severity.INFO, note)
        else:
            yield _different(trade, listed, "completed", values, Severity.WARNING)
