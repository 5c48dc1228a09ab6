"""The journal's words: what an indicator tells of a trade, and the trade that it adds up to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

DOOR = "telemetry"
"""The door's name in ``messages``."""
TIME_ZONE = "America/New_York"
"""The indicator's own: of trade ids, of times without a zone, of sessions and of days."""


class EventType(StrEnum):
    """What happened to a trade; every format's own names are read as one of these."""

    SIGNAL_CREATED = "SIGNAL_CREATED"
    ENTRY = "ENTRY"
    MFE_UPDATE = "MFE_UPDATE"
    BE_TRIGGERED = "BE_TRIGGERED"
    EXIT_PARTIAL = "EXIT_PARTIAL"
    EXIT_BREAK_EVEN = "EXIT_BREAK_EVEN"
    EXIT_STOP_LOSS = "EXIT_STOP_LOSS"
    EXIT_TAKE_PROFIT = "EXIT_TAKE_PROFIT"
    CANCELLED = "CANCELLED"


FINAL_EXITS = frozenset({EventType.EXIT_BREAK_EVEN, EventType.EXIT_STOP_LOSS, EventType.EXIT_TAKE_PROFIT})


class Status(StrEnum):
    """Where a trade stands."""

    PENDING = "PENDING"
    """Signalled, not entered."""
    ACTIVE = "ACTIVE"
    BE_PROTECTED = "BE_PROTECTED"
    """Entered, and its stop is at the entry."""
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


OPEN = frozenset({Status.ACTIVE, Status.BE_PROTECTED})


class Direction(StrEnum):
    """Which way a trade goes, as the indicator spells it."""

    BULLISH = "Bullish"
    BEARISH = "Bearish"


class Session(StrEnum):
    """The part of the trading day, New York time (``journal.sessions`` has their hours)."""

    ASIA = "ASIA"
    LONDON = "LONDON"
    NY_PRE = "NY PRE"
    NY_AM = "NY AM"
    NY_LUNCH = "NY LUNCH"
    NY_PM = "NY PM"
    AFTER_HOURS = "AFTER_HOURS"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one trade, whatever format told it.

    Attributes:
        key: 32 bytes that make it the same as another telling of the same: of its message's bytes and its place therein.
        trade_id: at most 100 characters.
        at: when it happened by the indicator's clock (UTC).
        symbol: as told (``MNQ1!``).
        mfe: the greatest favourable move in R, of formats that tell just one; ``be_mfe`` up to the stop or, once +1R was touched,
            the return to the entry; ``no_be_mfe`` up to the original stop.
        final_mfe: the move at the trade's end, as the exit tells it.
        mae: the greatest adverse move in R, at most 0.
        schema_version: None for a legacy message.
        targets, setup, market_state: as told.
        payload: the telling's own JSON object; of a batch, the trade's member.
    """

    key: bytes
    trade_id: str
    event_type: EventType
    at: datetime
    direction: Direction | None = None
    session: Session | None = None
    symbol: str | None = None
    timeframe: str | None = None
    entry_price: Decimal | None = None
    stop_loss: Decimal | None = None
    risk_distance: Decimal | None = None
    current_price: Decimal | None = None
    be_price: Decimal | None = None
    exit_price: Decimal | None = None
    mfe: Decimal | None = None
    be_mfe: Decimal | None = None
    no_be_mfe: Decimal | None = None
    final_mfe: Decimal | None = None
    mae: Decimal | None = None
    be_triggered: bool | None = None
    exit_reason: str | None = None
    position_size: Decimal | None = None
    targets: Mapping[str, Any] | None = None
    setup: Mapping[str, Any] | None = None
    market_state: Mapping[str, Any] | None = None
    schema_version: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beat:
    """A telling about no trade in particular: HEARTBEAT, or UNIFIED_SNAPSHOT_V1's own head.

    Attributes:
        key: as an event's.
        kind: the message's ``event_type``.
        at: UTC.
        signal_count: how many signals the indicator says that it has; None: it does not say.
    """

    key: bytes
    kind: str
    at: datetime
    signal_count: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A member of a batch that can't be used, the others can: its place and why."""

    index: int
    problem: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message says.

    ``trade_id``, ``event_type`` and ``schema_version`` are as told, for the door's answer; a batch has no trade of its own.
    """

    event_type: str
    trade_id: str | None = None
    schema_version: str | None = None
    events: tuple[Event, ...] = ()
    beats: tuple[Beat, ...] = ()
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """How a trade ended: the earliest explicit exit (``journal.fold`` has the rule for two at one moment)."""

    event_type: EventType
    at: datetime
    price: Decimal | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TradeState:
    """A trade as it stands: the sum of its events, whatever order they arrived in.

    Telemetry's members come first; legacy columns fill what it does not tell. Prices are the instrument's, moves are in R (the
    distance from entry to original stop), times UTC.

    Attributes:
        signal_at: the signal bar's time: of the trade id if it has one, else of the earliest event.
        signal_date, signal_hour: of ``signal_at`` in New York.
        current_mfe: of the latest telling while the trade is open (``no_be_mfe`` if it is told); afterwards ``final_mfe``.
        final_mfe: as the exit told it, else the greatest that was told; None unless the trade is completed.
        stopped_at: when the original stop was hit: the break-even trade may have ended before.
        last_event_at: of any event; last_mfe_at: of the latest that told a move.
        setup_id: short name for grouping (setup's ``setup_id``, else family and variant of the entry).
        events: how many.
    """

    trade_id: str
    status: Status
    signal_at: datetime
    signal_date: date
    signal_hour: int
    session: Session
    last_event_at: datetime
    events: int
    direction: Direction | None = None
    symbol: str | None = None
    timeframe: str | None = None
    entered_at: datetime | None = None
    entry_price: Decimal | None = None
    stop_loss: Decimal | None = None
    risk_distance: Decimal | None = None
    current_price: Decimal | None = None
    be_triggered_at: datetime | None = None
    current_mfe: Decimal | None = None
    be_mfe: Decimal | None = None
    no_be_mfe: Decimal | None = None
    final_mfe: Decimal | None = None
    mae: Decimal | None = None
    exit: Exit | None = None
    stopped_at: datetime | None = None
    cancelled_at: datetime | None = None
    last_mfe_at: datetime | None = None
    setup_id: str | None = None
    position_size: Decimal | None = None
    targets: Mapping[str, Any] | None = None
    setup: Mapping[str, Any] | None = None
    market_state: Mapping[str, Any] | None = None
    schema_version: str | None = None
