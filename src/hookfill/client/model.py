"""What the server tells, as frozen values. Amounts are exact decimals, times are timezone-aware UTC.

States and reasons are text: docs/reference lists them, and a newer server may know more of them. Members that the server adds later
are ignored.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator

from hookfill.kernel.times import parse_time


def _moment(value: object) -> datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else parse_time(value, needs_zone=True)


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""ISO 8601 or Unix seconds or milliseconds on the wire; UTC here."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar: ``timestamp`` is when it opened; a volume that is not known is None."""

    symbol: str
    timeframe: str
    timestamp: Moment
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None = None


@dataclass(frozen=True, slots=True)
class QuoteBar:
    """The bar that a price came from: its length and bounds."""

    seconds: int
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """The last price of a symbol.

    Attributes:
        quoted_at: when the price was true; ``age_seconds`` are counted by the server.
        source: candle, alert, agent or a feed.
        bar: None when it came from none.
        scope: ``everybody``; or ``account``: an agent told it, for ``account_id`` alone.
    """

    symbol: str
    price: Decimal
    quoted_at: Moment
    age_seconds: Decimal
    source: str
    bar: QuoteBar | None
    scope: str
    account_id: UUID | None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of candles that were pushed, so far.

    Attributes:
        sent: how many the server has taken.
        added: how many of them it did not have. Should an answer get lost and a batch be sent again, those that the first attempt
            stored don't count here.
        conflicting: how many it has with other values, which stay.
        revised: how many took the place of what it had.
    """

    sent: int = 0
    added: int = 0
    conflicting: int = 0
    revised: int = 0


@dataclass(frozen=True, slots=True)
class SentAlert:
    """An alert that a webhook took; ``wait_for_signal`` finds what became of it.

    Attributes:
        body: what was sent, to the byte.
        sent_at: when, by this machine's clock.
    """

    body: bytes = field(repr=False)
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """What the signed webhook answered.

    Attributes:
        status: ``ACCEPTED``, or ``DUPLICATE`` if symbol, direction and timeframe are those of a signal of the last 60 seconds; that
            may be this very alert, when its first answer got lost.
        signal_id: of the signal, or of the one that it repeats.
        variant: the engine that acts on it.
    """

    status: str
    signal_id: UUID
    request_id: UUID
    processing_time_ms: Decimal
    experiment_id: UUID | None = None
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """An alert on its way to a trade.

    Attributes:
        action: buy, sell, close or target.
        status: pending, approved, executed, discarded, rejected, failed or expired; the last five are final.
        reason: the code of a refusal; ``error_message`` says it in words and what to do.
        raw_payload: the alert's JSON value, or its text; secrets are masked.
    """

    id: UUID
    account_id: UUID
    strategy_id: UUID
    strategy_name: str | None
    message_id: UUID
    symbol: str | None
    action: str | None
    status: str
    reason: str | None
    fill_price: Decimal | None
    broker_order_id: str | None
    error_message: str | None
    raw_payload: Any
    created_at: Moment
    resolved_at: Moment | None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a signal; ``says`` tells it in one sentence, ``figures`` are its numbers."""

    step: str
    at: Moment | None
    elapsed_ms: Decimal | None
    title: str
    says: str
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that happened to one signal, or to a message that became none, in order."""

    signal_id: UUID | None
    message_id: UUID
    account_id: UUID
    strategy_id: UUID | None
    strategy_name: str | None
    symbol: str | None
    action: str | None
    status: str
    reason: str | None
    error_message: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of an order, or all of it, traded at one price; ``realized_pnl`` is gross of commission."""

    id: UUID
    quantity: Decimal
    price: Decimal
    commission: Decimal
    realized_pnl: Decimal
    price_source: str
    bar_low: Decimal | None
    bar_high: Decimal | None
    filled_at: Moment
    created_at: Moment


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its fills; without a ``signal_id`` an exit rule of the position asked for it."""

    id: UUID
    account_id: UUID
    strategy_id: UUID
    strategy_name: str | None
    signal_id: UUID | None
    position_id: UUID | None
    client_order_id: str
    symbol: str
    side: str
    order_type: str
    purpose: str
    exit_reason: str | None
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: str | None
    expires_at: Moment | None
    cancel_requested_at: Moment | None
    status: str
    filled_quantity: Decimal
    average_fill_price: Decimal | None
    reason: str | None
    as_of: Moment
    created_at: Moment
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """One strategy's position in one symbol, in the account's currency.

    Attributes:
        quantity: signed: negative is short, 0 when closed.
        mark: the last known price, known since ``marked_at``.
        initial_risk: the price distance of one R.
    """

    id: UUID
    account_id: UUID
    strategy_id: UUID
    strategy_name: str | None
    symbol: str
    side: str
    status: str
    quantity: Decimal
    entered_quantity: Decimal
    average_price: Decimal
    exit_price: Decimal | None
    multiplier: Decimal
    entries: int
    mark: Decimal
    marked_at: Moment
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    commission: Decimal
    stop_price: Decimal | None
    target_price: Decimal | None
    trailing_stop: Decimal | None
    at_break_even: bool
    initial_risk: Decimal | None
    opened_at: Moment
    closed_at: Moment | None
    exit_reason: str | None
    underlying: str | None = None
    contract: str | None = None
    leave_at: Moment | None = None
    leave_for: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's limits in force."""

    max_open_positions: Decimal
    max_positions_per_symbol: Decimal
    max_position_size: Decimal
    max_exposure: Decimal
    max_exposure_pct: Decimal
    daily_loss_limit_pct: Decimal
    max_signal_age_seconds: Decimal
    price_max_age_seconds: Decimal
    price_collar_pct: Decimal
    order_rate_per_minute: Decimal


@dataclass(frozen=True, slots=True)
class Halt:
    """A halt in force; ``reduce_only`` lets exits through."""

    id: UUID
    scope: str
    strategy_id: UUID | None
    symbol: str | None
    reduce_only: bool
    reason: str
    created_at: Moment


@dataclass(frozen=True, slots=True)
class Account:
    """What an account is worth and may do, in its currency.

    Attributes:
        equity: cash and what the open positions are worth at their marks.
        balance: starting cash and everything realised, net of commission.
        open_risk: what equity falls by when every position leaves at its stop; ``positions_without_stop`` are not in it.
        committed: the capital that open positions hold.
    """

    id: UUID
    name: str
    kind: str
    currency: str
    time_zone: str
    is_default: bool
    equity: Decimal
    cash: Decimal
    balance: Decimal
    unrealized_pnl: Decimal
    realized_today: Decimal
    commission: Decimal
    open_risk: Decimal
    positions_without_stop: int
    committed: Decimal
    open_positions: int
    limits: Limits
    halts: tuple[Halt, ...]
    as_of: Moment
    decided_until: Moment | None


@dataclass(frozen=True, slots=True)
class Strategy:
    """What alerts are sent to; its webhook URL can't be shown again."""

    id: UUID
    name: str
    account_id: UUID
    account_name: str
    account_kind: str
    broker_connection_id: UUID | None
    connection_label: str | None
    engine: str
    is_enabled: bool
    is_signed_door: bool
    risk_override_pct: Decimal | None
    allowed_pairs: tuple[str, ...] | None
    settings: dict[str, Any]
    signals: int
    signals_by_status: dict[str, int]
    created_at: Moment
    updated_at: Moment


@dataclass(frozen=True, slots=True)
class NewStrategy:
    """A strategy that was made. The webhook URL is its secret and is shown this once: keep it."""

    strategy_id: UUID
    webhook_url: str = field(repr=False)
