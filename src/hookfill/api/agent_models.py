"""What agents send and are answered.

Unknown members are ignored in what they send: a newer agent may tell more than this server understands.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from hookfill.api.agent_fields import (
    LONGEST_ERROR,
    MOST_ROWS,
    Asked,
    Label,
    Level,
    Magic,
    Moment,
    Money,
    Object,
    Paid,
    Price,
    Sent,
    Side,
    Symbol,
    Ticket,
    Volume,
    shortened,
)
from hookfill.api.models import Amount, Model
from hookfill.brokers.mt5.jobs import Presence
from hookfill.brokers.mt5.model import JobResult, JobType
from hookfill.brokers.mt5.reconcile import Kind

_RESULT_FIELDS = (
    "fill_price", "filled_volume", "broker_order_id", "broker_position_id", "deal_ids", "profit", "commission", "executed_at",
    "error_code", "error_message",
)  # fmt: skip


class PairRequest(Asked):
    """Which broker connection an agent shall serve."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"broker_connection_id": "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10", "label": "Attic"}]},
    )

    broker_connection_id: UUID
    label: Label = Field("MetaTrader", description="What you call it, for example the machine's name.")


class Paired(Model):
    """An agent's identity; the key is shown this once."""

    agent_id: UUID
    pairing_key: str = Field(description="For the header X-Agent-Key. Only its SHA-256 is stored: it can't be shown again.")


class RenameRequest(Asked):
    """An agent's new name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"label": "Cellar"}]})

    label: Label


class AgentAnswer(Model):
    """An agent that may work."""

    agent_id: UUID
    broker_connection_id: UUID
    account_id: UUID
    label: str
    status: Presence = Field(description="online: a heartbeat within 6 minutes; degraded: within 10; else offline.")
    heartbeat_at: datetime | None
    paired_at: datetime
    info: dict[str, Any] = Field(description="What it tells of itself: version, terminal, broker_time_offset_seconds.")
    jobs_in_hand: int = Field(description="Jobs that it has leased.")
    jobs_waiting: int = Field(description="Jobs of its account that no agent has taken yet.")


class HeartbeatRequest(Sent):
    """A sign of life; what is left out stays as it was told before."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {"version": "0.1.0", "terminal": {"name": "MetaTrader 5", "build": 5000}, "broker_time_offset_seconds": 7200}
            ]
        },
    )

    version: Annotated[str, Field(max_length=64)] | None = None
    terminal: Object | None = Field(None, description="Free-form: name, build, login, server, …; at most 64 KiB.")
    broker_time_offset_seconds: int | None = Field(None, ge=-86_400, le=86_400, description="The broker's clock minus UTC.")


class Lease(Model):
    """A job that the agent has to itself until then."""

    job_id: UUID
    lease_token: str
    leased_until: datetime


class HeartbeatAnswer(Model):
    """The leases that this agent still holds, renewed. A job that is not among them may be somebody else's by now."""

    status: Literal["ok"]
    server_time: datetime
    leases: list[Lease]


class NextJob(Model):
    """A job, leased to the agent that asked."""

    job_id: UUID
    job_type: JobType
    input_data: dict[str, Any]
    lease_token: str = Field(description="Opaque; send it back with the result.")
    leased_until: datetime
    expires_at: datetime | None = Field(description="Until when it may be begun.")
    attempt: int = Field(description="1, or more when an earlier lease lapsed: look at the terminal before acting.")
    may_act: bool = Field(description="False: it is too late to begin; find out whether an earlier lease did, and answer that.")


class NoJobs(Model):
    """There is nothing to do."""

    no_jobs: Literal[True]


class ResultRequest(Sent):
    """What came of a job. The trade's fields are also found inside ``output_data`` or ``result``."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "lease_token": "42",
                    "status": "completed",
                    "fill_price": 1.0801,
                    "filled_volume": 0.1,
                    "broker_order_id": "4711",
                    "broker_position_id": "4711",
                    "deal_ids": ["815"],
                    "commission": 0.7,
                    "executed_at": "2026-03-02T12:00:00Z",
                }
            ]
        },
    )

    lease_token: Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value), Field(max_length=64)]
    status: Literal["completed", "failed", "expired"]
    fill_price: Price | None = Field(None, description="The volume-weighted price of all that was dealt.")
    filled_volume: Volume | None = Field(None, description="In lots; left out: all that was asked for.")
    broker_order_id: Ticket | None = None
    broker_position_id: Ticket | None = None
    deal_ids: Annotated[list[Ticket], Field(max_length=200)] | None = None
    profit: Money | None = Field(None, description="Realised by a close, without commission and swap.")
    commission: Paid | None = Field(None, description="Paid; MetaTrader's negative amounts are understood.")
    executed_at: Moment | None = None
    error_code: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = Field(None, description="MetaTrader's retcode of a refusal.")
    error_message: Annotated[str, BeforeValidator(shortened), Field(max_length=LONGEST_ERROR)] | None = None
    output_data: Object | None = Field(None, description="The answer to a question: positions, account, candles.")

    @model_validator(mode="before")
    @classmethod
    def _gather_fields(cls, sent: Any) -> Any:
        """Take a trade's fields from where the client put them; the outermost counts."""
        if not isinstance(sent, dict):
            return sent
        inner = [part for name in ("output_data", "result") if isinstance(part := sent.get(name), dict)]
        gathered = dict(sent)
        for name in _RESULT_FIELDS:
            if gathered.get(name) is None:
                gathered[name] = next((part[name] for part in inner if part.get(name) is not None), None)
        return gathered

    def as_result(self) -> JobResult:
        """The part that is booked."""
        return JobResult(
            status=self.status,
            **{name: getattr(self, name) for name in _RESULT_FIELDS if name != "deal_ids"},
            deal_ids=tuple(self.deal_ids or ()),
        )


class ResultAnswer(Model):
    """The result is stored; a repeat changes nothing."""

    status: Literal["ok"]
    job_status: str
    duplicate: bool


class ReportedPrice(Sent):
    """One symbol's bid and ask at the terminal."""

    symbol: Symbol = Field(description="As the broker calls it.")
    bid: Level
    ask: Level
    last: Level = None
    time: Moment = Field(description="UTC: the broker's own time less its offset.")


class PricesRequest(Sent):
    """Prices of any number of symbols."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"prices": [{"symbol": "EURUSD.r", "bid": 1.08, "ask": 1.0802, "time": "2026-03-02T12:00:00Z"}]}]
        },
    )

    prices: Annotated[list[ReportedPrice], Field(max_length=MOST_ROWS)]


class PricesAnswer(Model):
    """How many moved a quote; older, future and one-sided prices are ignored."""

    accepted: int
    ignored: int


class ReportedAccount(Sent):
    """What the terminal knows of its account."""

    balance: Money
    equity: Money
    currency: Annotated[str, Field(max_length=16)]
    login: Ticket | None = None
    server: Annotated[str, Field(max_length=128)] | None = None
    leverage: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    margin: Money | None = None
    hedging: bool | None = Field(None, description="Whether positions of one symbol stand side by side; left out: they do.")


class ReportedPosition(Sent):
    """An open position at the terminal."""

    ticket: Ticket
    symbol: Symbol = Field(description="As the broker calls it.")
    side: Side
    volume: Volume = Field(description="In lots.")
    price_open: Price
    price_current: Level = None
    sl: Level = None
    tp: Level = None
    profit: Money | None = None
    magic: Magic = None
    comment: Annotated[str, BeforeValidator(shortened), Field(max_length=LONGEST_ERROR)] | None = None


class ReportedDeal(Sent):
    """What was dealt at the terminal without a job: a stop, a target, a stop-out, by hand."""

    deal_id: Ticket
    symbol: Symbol = Field(description="As the broker calls it.")
    side: Side
    volume: Volume
    price: Price
    magic: Magic = None
    reason: Literal["stop_loss", "take_profit", "stop_out", "manual"]
    profit: Money | None = Field(None, description="Realised, without commission and swap.")
    commission: Paid | None = Field(
        None, description="Paid, and taken off the profit; MetaTrader's negative amounts are understood."
    )
    time: Moment
    position_id: Ticket | None = None


class PositionsRequest(Sent):
    """The terminal's account at one moment."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "taken_at": "2026-03-02T12:00:00Z",
                    "account": {"balance": 10000, "equity": 10012.5, "currency": "USD", "hedging": True},
                    "positions": [
                        {
                            "ticket": "4711",
                            "symbol": "EURUSD.r",
                            "side": "buy",
                            "volume": 0.1,
                            "price_open": 1.0801,
                            "sl": 1.07,
                            "magic": 1234567,
                        }
                    ],
                    "deals": [],
                }
            ]
        },
    )

    taken_at: Moment
    account: ReportedAccount
    positions: Annotated[list[ReportedPosition], Field(max_length=MOST_ROWS)]
    deals: Annotated[list[ReportedDeal], Field(max_length=MOST_ROWS)] = Field(default=[])


class DifferenceAnswer(Model):
    """One thing on which the broker and our books disagree."""

    kind: Kind
    symbol: str
    magic: int | None = Field(description="The strategy's mark; null where positions of one symbol net.")
    ours: Amount = Field(description="Lots in our books; negative is short.")
    theirs: Amount = Field(description="Lots at the broker; negative is short.")
    since: datetime
    is_lasting: bool = Field(description="It has been there for two reports or ten seconds: an alarm is in force.")
    text: str


class PositionsAnswer(Model):
    """Where the report differs from our books."""

    differences: list[DifferenceAnswer]
