"""TradingView's alert log against what arrived (pure): which alerts were lost.

An alert arrived when a message with the same body did (secrets masked, as they are stored), in whichever door; what an indicator
tells, in a door where it is read: a strategy's is the wrong address for it. Else when the journal has its events: by their keys,
which follow from the body, or by trade, event and time, for a body that was changed on its way. An event that another alert of the
log has brought proves nothing: alerts of one minute may tell of the same trade in other numbers.

What an indicator tells is one event however often it is fired, so that one delivery is enough. A strategy's alert is a signal of
its own each time: of those every firing has to have arrived.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from hookfill.exports.envelope import DOOR as EXPORT_DOOR
from hookfill.exports.envelope import EVENT_TYPES, read_envelope
from hookfill.inbox.alert_log import BadRow, LoggedAlert
from hookfill.inbox.repair import repair
from hookfill.journal.grammar import Unreadable, read
from hookfill.journal.model import DOOR, Reading
from hookfill.kernel.strict_json import StrictJsonError
from hookfill.signals.mask import mask_secrets
from hookfill.signals.model import Alert
from hookfill.signals.reading import read_alert

_TRADINGVIEW = "tradingview"
_READERS = frozenset({DOOR, EXPORT_DOOR})
"""The doors behind which telemetry and exports are read; elsewhere they come to nothing."""


class Kind(StrEnum):
    """Whose an alert is."""

    TELEMETRY = "telemetry"
    EXPORT = "export"
    TRADE = "trade"
    """A strategy's: it asks for a trade."""
    UNREADABLE = "unreadable"
    """No door could read it: perhaps it was never meant to be sent."""


BACKFILLED = frozenset({Kind.TELEMETRY, Kind.EXPORT})
"""What reconciling may bring in. Trades of the past are for ``hookfill import alerts``, which names their strategy."""


@dataclass(frozen=True, slots=True)
class Fired:
    """Alerts of one body.

    Attributes:
        digest: SHA-256 of ``body``, which has its secrets masked.
        line: of the first firing in the file.
        times: how often it was fired; first_at, last_at: when (UTC).
        labels: the log's other columns, of the first firing.
    """

    digest: bytes
    body: bytes
    line: int
    times: int
    first_at: datetime
    last_at: datetime
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Log:
    """What an alert log says.

    Attributes:
        rows: how many there are, bad ones included.
        fired: one per body, in the order of their first firing.
    """

    rows: int
    fired: tuple[Fired, ...]
    bad_rows: tuple[BadRow, ...]

    @property
    def alerts(self) -> int:
        """How many firings."""
        return sum(one.times for one in self.fired)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The messages of one body.

    Attributes:
        deliveries: how many a door could take or set aside; those that were refused are not among them.
        taken_by: the doors where at least one was read or waits to be; a malformed one is neither.
        message_id, state, reason: of the first that was not taken, if there is one.
    """

    deliveries: int
    taken_by: frozenset[str]
    message_id: UUID | None = None
    state: str | None = None
    reason: str | None = None


class Known(NamedTuple):
    """An event that the journal has; ``told_by`` is the digest of the message that brought it first."""

    key: bytes
    trade_id: str | None
    event_type: str
    at: datetime | None
    told_by: bytes | None


@dataclass(frozen=True, slots=True)
class Content:
    """What an alert says.

    Attributes:
        trade_id, event_type: as told, for people.
        reading: of telemetry, after repair if it needs any.
        is_sound: it could be read as it is.
    """

    kind: Kind
    trade_id: str | None = None
    event_type: str | None = None
    reading: Reading | None = None
    is_sound: bool = True

    @property
    def keys(self) -> list[bytes]:
        """Of all that it tells."""
        if self.reading is None:
            return []
        return [*(event.key for event in self.reading.events), *(beat.key for beat in self.reading.beats)]


class State(StrEnum):
    """What became of an alert."""

    ARRIVED = "arrived"
    MALFORMED = "malformed"
    """It arrived, could not be read, and nobody repaired it."""
    MISSING = "missing"
    """Nothing of it arrived, it was refused, or it came to a door where nobody reads it; of a strategy's alert: not each firing
    arrived."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One body of the log, and what became of it.

    Attributes:
        deliveries: how many arrived.
        by_event: its events are known, though no message with its body is.
        arrival: the messages; None: there are none.
    """

    fired: Fired
    state: State
    deliveries: int
    content: Content | None = None
    by_event: bool = False
    arrival: Arrival | None = None

    @property
    def lost_firings(self) -> int:
        """How many firings did not arrive."""
        return max(0, self.fired.times - self.deliveries)

    @property
    def can_backfill(self) -> bool:
        """Whether it is missing and may be brought in by this."""
        return self.state is State.MISSING and self.content is not None and self.content.kind in BACKFILLED


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of a log against what arrived; findings in the order of their firing."""

    log: Log
    findings: tuple[Finding, ...] = field(default=())

    @property
    def missing(self) -> list[Finding]:
        """What did not arrive."""
        return [one for one in self.findings if one.state is State.MISSING]

    @property
    def malformed(self) -> list[Finding]:
        """What arrived and waits for repair."""
        return [one for one in self.findings if one.state is State.MALFORMED]

    @property
    def incomplete(self) -> list[Finding]:
        """What arrived fewer times than it was fired: nothing is lost by that."""
        return [one for one in self.findings if one.state is not State.MISSING and one.lost_firings and not one.by_event]


def gather(rows: Iterable[LoggedAlert | BadRow]) -> Log:
    """A log's rows by their bodies, in whatever order they come.

    Raises:
        UnreadableLog: from ``rows``.
    """
    fired: dict[bytes, Fired] = {}
    bad: list[BadRow] = []
    number = 0
    for row in rows:
        number += 1
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        body = mask_secrets(row.body)
        digest = hashlib.sha256(body).digest()
        known = fired.get(digest)
        fired[digest] = _first(body, digest, row) if known is None else _again(known, row)
    return Log(number, tuple(sorted(fired.values(), key=lambda one: (one.first_at, one.digest))), tuple(bad))


def _first(body: bytes, digest: bytes, row: LoggedAlert) -> Fired:
    return Fired(digest, body, row.line, 1, row.fired_at, row.fired_at, row.labels)


def _again(known: Fired, row: LoggedAlert) -> Fired:
    """One more firing; the earliest one is the one that is shown, of two at one moment the lower line."""
    is_first = (row.fired_at, row.line) < (known.first_at, known.line)
    return Fired(
        known.digest,
        known.body,
        row.line if is_first else known.line,
        known.times + 1,
        min(known.first_at, row.fired_at),
        max(known.last_at, row.fired_at),
        row.labels if is_first else known.labels,
    )


def read_content(fired: Fired) -> Content:
    """What an alert says, and whose it is."""
    body, is_sound = fired.body, True
    for _ in range(2):
        content = _read(body, fired.first_at, is_sound=is_sound)
        if content is not None:
            return content
        mended = repair(body)
        if mended is None:
            break
        body, is_sound = mended.body, False
    return Content(Kind.UNREADABLE)


def _read(body: bytes, fired_at: datetime, *, is_sound: bool) -> Content | None:
    try:
        reading = read(body, fired_at)
    except Unreadable:
        pass
    else:
        return Content(Kind.TELEMETRY, reading.trade_id, reading.event_type, reading, is_sound)
    try:
        envelope = read_envelope(body)
    except StrictJsonError:
        pass
    else:
        if envelope.event_type in EVENT_TYPES:
            return Content(Kind.EXPORT, None, envelope.event_type, None, is_sound)
    if isinstance(read_alert(_TRADINGVIEW, body), Alert):
        return Content(Kind.TRADE, is_sound=is_sound)
    return None


def unaccounted(log: Log, arrivals: Mapping[bytes, Arrival]) -> dict[bytes, Content]:
    """What those alerts say that are not settled by the messages with their bodies."""
    return {one.digest: read_content(one) for one in log.fired if _is_open(one, arrivals.get(one.digest))}


def _is_open(fired: Fired, arrival: Arrival | None) -> bool:
    return arrival is None or arrival.taken_by.isdisjoint(_READERS) or arrival.deliveries < fired.times


def compare(
    log: Log, arrivals: Mapping[bytes, Arrival], contents: Mapping[bytes, Content], known: Sequence[Known] = ()
) -> Comparison:
    """What became of each alert of a log.

    Args:
        log: what was fired.
        arrivals: the messages of its bodies, by digest.
        contents: of ``unaccounted``.
        known: the journal's events with the keys, or with trade, event and time, of what ``contents`` tells.
    """
    keys = {event.key for event in known}
    spare = _spare(log, arrivals, contents, known)
    findings = []
    for fired in log.fired:
        arrival, content = arrivals.get(fired.digest), contents.get(fired.digest)
        if content is None:
            assert arrival is not None
            findings.append(Finding(fired, State.ARRIVED, arrival.deliveries, arrival=arrival))
        else:
            findings.append(_judge(fired, arrival, content, keys, spare))
    return Comparison(log, tuple(findings))


def _spare(
    log: Log, arrivals: Mapping[bytes, Arrival], contents: Mapping[bytes, Content], known: Sequence[Known]
) -> Counter[tuple[str, str, datetime]]:
    """Events by trade, kind and time that no alert of the log has brought by its own body."""
    own_digests = {one.digest for one in log.fired}
    own_keys = {key for content in contents.values() for key in content.keys}
    spare: Counter[tuple[str, str, datetime]] = Counter()
    for event in known:
        if event.key in own_keys or event.told_by in own_digests or event.trade_id is None or event.at is None:
            continue
        spare[event.trade_id, event.event_type, event.at] += 1
    return spare


def _judge(
    fired: Fired, arrival: Arrival | None, content: Content, keys: set[bytes], spare: Counter[tuple[str, str, datetime]]
) -> Finding:
    deliveries = 0 if arrival is None else arrival.deliveries
    taken_by = frozenset[str]() if arrival is None else arrival.taken_by
    if taken_by and (content.kind not in BACKFILLED or taken_by & _READERS):
        is_lost = content.kind is Kind.TRADE and deliveries < fired.times
        return Finding(fired, State.MISSING if is_lost else State.ARRIVED, deliveries, content, arrival=arrival)
    told = content.keys
    # A repaired message has told its events too, and one that arrived long before the log begins.
    if (told and keys.issuperset(told)) or _use_up(content, spare):
        return Finding(fired, State.ARRIVED, deliveries, content, by_event=True, arrival=arrival)
    state = State.MALFORMED if deliveries and not taken_by else State.MISSING
    return Finding(fired, state, deliveries, content, arrival=arrival)


def _use_up(content: Content, spare: Counter[tuple[str, str, datetime]]) -> bool:
    """Whether each event of an alert is there; if so, it is no proof for another alert any more."""
    events = () if content.reading is None else content.reading.events
    wanted = Counter((event.trade_id, event.event_type.value, event.at) for event in events)
    if not wanted or any(spare[event] < number for event, number in wanted.items()):
        return False
    spare.subtract(wanted)
    return True
