"""What the API answers, field by field; the OpenAPI document is made of it.

Answers are written by ``kernel.exact_json`` (amounts as exact JSON numbers), not by these models: tests hold every route's answer
against its model, which refuses unknown and missing fields.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Amount = Annotated[Decimal, WithJsonSchema({"type": "number"})]
"""An exact JSON number: read it as a decimal where no digit may be lost."""


class SignalStatus(StrEnum):
    """The states of a signal's lifecycle."""

    PENDING = "pending"
    APPROVED = "approved"
    EXECUTED = "executed"
    DISCARDED = "discarded"
    REJECTED = "rejected"
    FAILED = "failed"
    EXPIRED = "expired"


class OrderStatus(StrEnum):
    """The states of an order's lifecycle."""

    CREATED = "created"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DENIED = "denied"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class PositionState(StrEnum):
    """The states of a position's lifecycle."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class PositionStatus(StrEnum):
    """Which positions are asked for."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


class Model(BaseModel):
    """An answer; a field that is not described here is a defect."""

    model_config = ConfigDict(extra="forbid")


class Problem(Model):
    """Why a request was not served, and what to do."""

    detail: str


class Fault(Model):
    """One field that can't be used."""

    type: str
    loc: list[str | int]
    msg: str


class InvalidRequest(Model):
    """Every field that can't be used."""

    detail: list[Fault]


class Signal(Model):
    """An alert on its way to a trade."""

    id: UUID
    account_id: UUID
    strategy_id: UUID
    strategy_name: str | None = Field(description="None when the strategy was deleted.")
    message_id: UUID = Field(description="The message that it was read from.")
    symbol: str | None
    action: str | None = Field(description="buy, sell, close or target (make the position what TradingView says it is).")
    status: SignalStatus
    reason: str | None = Field(description="The code of a refusal.")
    fill_price: Amount | None = Field(description="Of an executed signal.")
    broker_order_id: str | None
    error_message: str | None = Field(description="Why it was refused or failed, and what to do.")
    raw_payload: Any = Field(description="The message's body, secrets masked: its JSON value, or text when it is no strict JSON.")
    created_at: datetime = Field(description="When the alert was received, UTC.")
    resolved_at: datetime | None


class Fill(Model):
    """A part of an order, or all of it, traded at one price."""

    id: UUID
    quantity: Amount
    price: Amount
    commission: Amount
    realized_pnl: Amount = Field(description="What it realised, gross of commission, in the account's currency.")
    price_source: str
    bar_low: Amount | None = Field(description="The bounds of the bar that the price comes from.")
    bar_high: Amount | None
    filled_at: datetime = Field(description="The moment as of which it filled, UTC.")
    created_at: datetime = Field(description="When it was stored.")


class Order(Model):
    """An order with its fills."""

    id: UUID
    account_id: UUID
    strategy_id: UUID
    strategy_name: str | None
    signal_id: UUID | None = Field(description="None: an exit rule of the position asked for it.")
    position_id: UUID | None
    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    order_type: Literal["market", "limit", "stop"]
    purpose: Literal["entry", "exit"]
    exit_reason: str | None
    quantity: Amount
    limit_price: Amount | None
    stop_price: Amount | None
    time_in_force: Literal["day", "gtc"] | None = Field(description="How long an entry waits for its price; null: it never waited.")
    expires_at: datetime | None = Field(description="The last moment whose prices may fill it, UTC; null: until it is cancelled.")
    cancel_requested_at: datetime | None = Field(description="Since when nothing of it fills any more, because somebody asked.")
    status: OrderStatus
    filled_quantity: Amount
    average_fill_price: Amount | None
    reason: str | None
    as_of: datetime = Field(description="The moment as of which it was made, UTC.")
    created_at: datetime
    fills: list[Fill]


class Position(Model):
    """One strategy's position in one symbol. Amounts are in the account's currency."""

    id: UUID
    account_id: UUID
    strategy_id: UUID
    strategy_name: str | None
    symbol: str
    side: Literal["long", "short"]
    status: PositionState
    quantity: Amount = Field(description="Signed: negative is short, 0 when closed.")
    entered_quantity: Amount = Field(description="How much was entered over its life.")
    average_price: Amount
    exit_price: Amount | None = Field(description="The average of its exits so far.")
    multiplier: Amount = Field(description="Units per contract or lot.")
    entries: int
    mark: Amount = Field(description="The last known price.")
    marked_at: datetime = Field(description="Since when it is the last known price, UTC.")
    unrealized_pnl: Amount = Field(description="At the mark, gross of commission.")
    realized_pnl: Amount = Field(description="Gross of commission.")
    commission: Amount
    stop_price: Amount | None
    target_price: Amount | None
    trailing_stop: Amount | None
    at_break_even: bool
    initial_risk: Amount | None = Field(description="The price distance of one R.")
    opened_at: datetime
    closed_at: datetime | None
    exit_reason: str | None
    underlying: str | None = Field(description="Of an option: the symbol whose price decides its own.")
    contract: str | None = Field(description="Of an option: the contract in words.", examples=["SPY 2026-02-20 500 C"])
    leave_at: datetime | None = Field(description="From then on its time is up, by the rule leave_for; UTC.")
    leave_for: str | None


class Limits(Model):
    """The account's limits in force."""

    max_open_positions: Amount
    max_positions_per_symbol: Amount
    max_position_size: Amount = Field(description="Contracts or lots of one position.")
    max_exposure: Amount = Field(description="Capital committed, in the account's currency.")
    max_exposure_pct: Amount = Field(description="The same in percent of equity; the tighter of the two holds.")
    daily_loss_limit_pct: Amount = Field(description="Of the balance at the account's midnight; 0 is off.")
    max_signal_age_seconds: Amount
    price_max_age_seconds: Amount
    price_collar_pct: Amount
    order_rate_per_minute: Amount


class Halt(Model):
    """A halt in force."""

    id: UUID
    scope: Literal["global", "user", "account", "strategy", "symbol"]
    strategy_id: UUID | None
    symbol: str | None
    reduce_only: bool = Field(description="Exits are let through.")
    reason: str
    created_at: datetime


class Account(Model):
    """What an account is worth and may do. Amounts are in its currency."""

    id: UUID
    name: str
    kind: str
    currency: str
    time_zone: str
    is_default: bool
    equity: Amount = Field(description="Cash and what the open positions are worth at their marks.")
    cash: Amount
    balance: Amount = Field(description="Starting cash and everything realised, net of commission.")
    unrealized_pnl: Amount
    realized_today: Amount = Field(description="Since midnight in the account's time zone, net of commission.")
    commission: Amount = Field(description="Paid so far.")
    open_risk: Amount = Field(description="What equity falls by when every position leaves at its stop.")
    positions_without_stop: int = Field(description="Open positions whose risk open_risk does not know.")
    committed: Amount = Field(description="The capital (notional x margin rate) that open positions hold.")
    open_positions: int
    limits: Limits
    halts: list[Halt]
    as_of: datetime = Field(description="The time of these figures, UTC: now, or the simulated clock.")
    decided_until: datetime | None = Field(description="The latest moment that has been decided.")


class Step(Model):
    """One thing that happened."""

    step: Literal[
        "message", "stored", "refusal", "parse", "gate", "plan", "price", "check", "engine", "experiment", "sizing", "verdict",
        "order", "fill", "position", "exit",
    ]  # fmt: skip
    at: datetime | None = Field(description="When, by the wall clock, UTC; null for what happened inside the decision.")
    elapsed_ms: float | None = Field(description="Milliseconds since the step before that has a time.")
    title: str
    says: str = Field(description="The step in one sentence.")
    figures: dict[str, Any] = Field(description="Its numbers.")


class Story(Model):
    """Everything that happened to one signal, or to a message that became none, in order."""

    signal_id: UUID | None = Field(description="Of a duplicate: the signal that it repeats.")
    message_id: UUID
    account_id: UUID
    strategy_id: UUID | None
    strategy_name: str | None
    symbol: str | None
    action: str | None
    status: str = Field(
        description="The signal's status; of a message that became none, its state (duplicate, malformed, refused)."
    )
    reason: str | None
    error_message: str | None
    steps: list[Step]


class WorkerHealth(Model):
    """How one kind of worker fares, over all processes that run it."""

    name: str
    state: Literal["ok", "failing", "silent"] = Field(
        description="failing: three rounds or more in a row failed; silent: no process that runs it was heard of for half a minute."
    )
    instances: int = Field(description="Processes that run it and are alive.")
    last_success_at: datetime | None = Field(description="When the one that is worst off last went round without a failure, UTC.")
    consecutive_failures: int


class FeedHealth(Model):
    """How fresh the prices of one source are."""

    source: str
    symbols: int = Field(description="How many symbols have their newest price from there.")
    newest_at: datetime
    heard_seconds: float = Field(description="How long ago one last came in.")


class Health(Model):
    """Whether this server does its work."""

    status: Literal["ok", "degraded"]
    uptime_seconds: float = Field(description="Since this server started.")
    database: bool = Field(description="The database answers.")
    spooling: bool = Field(description="Messages go to the local spool, because the database does not take them.")
    oldest_pending_seconds: float | None = Field(description="Age of the oldest signal that waits for a decision; null: none does.")
    oldest_unread_seconds: float | None = Field(
        description="Age of the oldest telemetry or export that waits to be read; null: none does."
    )
    alarms: int | None = Field(description="Alarms in force in all accounts: GET /api/v1/alarms shows each user theirs.")
    workers: list[WorkerHealth]
    feeds: list[FeedHealth]
    newest_candle_seconds: float | None = Field(description="How long ago a candle was last stored; null: never.")
    version: str
