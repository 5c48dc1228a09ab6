"""Orders that are on their way at a broker, what comes back of them, and the rows that this leads to: frozen values (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.brokers.mt5.model import NewJob
from hookfill.desk.rows import Fill

OPEN = frozenset({"created", "submitting", "unknown", "working", "partially_filled"})
"""States of an order whose end is not known yet."""


@dataclass(frozen=True, slots=True)
class Flight:
    """An order at a broker: in flight, or ended beside another leg of its signal that is.

    Attributes:
        job_id: the job that carries it out; None if there is none (of a row that was tampered with).
        depends_on: the job that must be completed before it.
        is_waiting: no agent has had the job yet.
        sent: the numbers that went to the terminal: sl, tp, sl_pips, tp_pips.
        alert_stop, alert_target: what the alert itself named.
        estimate: the alert's own price, to value it at while it is in flight and no market price is known; None: it named none.
        reason, text: why it ended unfilled, or in part.
        order_type: ``market``, or ``limit`` or ``stop`` for an entry that waits for a price at the broker.
        is_withdrawn: it was asked to be cancelled.
    """

    order_id: UUID
    client_order_id: str
    signal_id: UUID | None
    position_id: UUID
    strategy_id: UUID
    symbol: str
    side: str
    purpose: str
    exit_reason: str | None
    quantity: Decimal
    status: str
    as_of: datetime
    filled_quantity: Decimal = Decimal(0)
    average_fill_price: Decimal | None = None
    broker_order_id: str | None = None
    reason: str | None = None
    text: str | None = None
    job_id: UUID | None = None
    depends_on: UUID | None = None
    is_waiting: bool = False
    sent: Mapping[str, Decimal] = field(default_factory=dict)
    alert_stop: Decimal | None = None
    alert_target: Decimal | None = None
    estimate: Decimal | None = None
    order_type: str = "market"
    is_withdrawn: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its end is still to come."""
        return self.status in OPEN


@dataclass(frozen=True, slots=True)
class Report:
    """A job that has ended and is not booked yet; ``result`` is whatever lies in the database."""

    job_id: UUID
    order_id: UUID
    status: str
    result: Any
    error_message: str | None
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Deal:
    """What was dealt at the broker without a job of ours.

    Attributes:
        symbol: as the broker calls it.
        magic: the number of the strategy whose position it closed; None or 0 when nobody knows.
        reason: ``stop_loss``, ``take_profit``, ``stop_out`` or ``manual``.
        is_of_a_job: it was told with a job's result as well and is booked there.
    """

    deal_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    magic: int | None
    reason: str
    profit: Decimal | None
    dealt_at: datetime
    is_of_a_job: bool = False


@dataclass(frozen=True, slots=True)
class Tries:
    """How often rules have asked to leave a position, and as of when they last did."""

    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Abroad:
    """What is known of an account's dealings at its broker.

    Attributes:
        now: the moment of deciding, by the clock that signals carry (UTC).
        database_now: the same by the database's clock, by which jobs expire; the two differ on simulated time only.
        flights: orders in flight, and the other legs of their signals.
        reports, deals: what is not booked yet, oldest first.
        tries: per open position.
        is_first_balance: the account was given the broker's first balance just now.
        entries_refused: why no entry may be sent now, in words; None when one may.
    """

    now: datetime
    database_now: datetime
    flights: tuple[Flight, ...] = ()
    reports: tuple[Report, ...] = ()
    deals: tuple[Deal, ...] = ()
    tries: Mapping[UUID, Tries] = field(default_factory=dict)
    is_first_balance: bool = False
    entries_refused: str | None = None


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """How an order ended, as it is to be stored; ``fills`` are those it got now."""

    order_id: UUID
    position_id: UUID
    side: str
    quantity: Decimal
    status: str
    fills: tuple[Fill, ...]
    broker_order_id: str | None
    reason: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """The end of an approved signal; a reason or text of None leaves what the decision wrote."""

    signal_id: UUID
    status: str
    reason: str | None
    error_message: str | None
    fill_price: Decimal | None
    broker_order_id: str | None


@dataclass(frozen=True, slots=True)
class DealNote:
    """What was done with a deal."""

    deal_id: str
    note: str


@dataclass(frozen=True, slots=True)
class Moves:
    """What one event changed at the broker's side of the books.

    Attributes:
        flights: orders as they stand after it.
        jobs: to be asked of an agent.
        settled: jobs whose end is booked.
        cancelled: jobs that are not to be begun any more; they are settled with it.
        withdrawn: orders at the broker that shall not fill any further.
    """

    flights: tuple[Flight, ...] = ()
    jobs: tuple[NewJob, ...] = ()
    settled: tuple[UUID, ...] = ()
    cancelled: tuple[UUID, ...] = ()
    ends: tuple[OrderEnd, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    deals: tuple[DealNote, ...] = ()
    withdrawn: tuple[UUID, ...] = ()

    def __add__(self, other: "Moves") -> "Moves":
        """Both, in this order."""
        return Moves(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def __bool__(self) -> bool:
        """Whether anything is to be written."""
        return any(getattr(self, name) for name in self.__slots__)
