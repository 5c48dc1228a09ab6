"""What agents send and are answered.

Numbers are finite and bounded and read exactly; times are UTC. Unknown members are ignored in what agents send: a newer agent may
tell more than this server understands.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from hookfill.api.models import Amount, Model
from hookfill.brokers.mt5.jobs import Presence
from hookfill.brokers.mt5.model import JobResult, JobType
from hookfill.brokers.mt5.reconcile import Kind
from hookfill.kernel.money import MAX_PRICE, MAX_QUANTITY, PRICE_STEP, QUANTITY_STEP, as_price, decimal_from
from hookfill.kernel.times import parse_time
from hookfill.market.timeframes import normalize_timeframe

MOST_ROWS = 2_000
"""Prices, positions or deals in one report."""
LONGEST_ERROR = 500
_RESULT_FIELDS = (
    "fill_price", "filled_volume", "broker_order_id", "broker_position_id", "deal_ids", "profit", "commission", "executed_at",
    "error_code", "error_message",
)  # fmt: skip


def _positive(limit: Decimal, least: Decimal, *, zero_is_none: bool = False) -> Callable[[Any], Decimal | None]:
    """Reads a number from ``least`` to below ``limit``."""

    def read(value: Any) -> Decimal | None:
        if value is None:
            return None
        number = decimal_from(value, "it")
        if zero_is_none and number == 0:
            return None
        if not least <= number < limit:
            raise ValueError(f"it must be at least {least:f} and below {limit:f}")
        return _rounded(number)

    return read


def _rounded(number: Decimal) -> Decimal:
    """At ten places, as everything is stored; a number that has fewer stays as it was written."""
    rounded = as_price(number)
    return number if rounded == number else rounded


def _money(value: Any) -> Decimal | None:
    return None if value is None else _rounded(decimal_from(value, "it", limit=MAX_PRICE - 1))


def _paid(value: Any) -> Decimal | None:
    """A commission: MetaTrader books it as a negative amount; either sign means paid."""
    amount = _money(value)
    return None if amount is None else amount.copy_abs()


def _ticket(value: Any) -> str | None:
    """A terminal's number, as text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | str) or not len(text := str(value).strip()) <= 64:
        raise ValueError("it must be a whole number or a text of at most 64 characters")
    return text


def _moment(value: Any) -> datetime | None:
    return None if value is None else parse_time(value, "it")


def _magic(value: Any) -> int | None:
    """A magic number that the database can hold; another is none of ours."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("it must be a whole number")  # noqa: TRY004 - pydantic reports only ValueError
    return value if -(2**63) <= value < 2**63 else None


def _timeframe(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("send a timeframe such as M1, 5 or 1h")  # noqa: TRY004 - pydantic reports only ValueError
    return normalize_timeframe(value)


def _short(value: Any) -> Any:
    return value[:LONGEST_ERROR] if isinstance(value, str) else value


def _storable(value: Any) -> Any:
    """Free-form JSON as it can be kept: nothing is booked from it, so numbers may become binary ones."""
    match value:
        case Decimal():
            return float(value)
        case bool() | str() | float() | None:
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else float(value)
        case dict():
            return {str(key): _storable(entry) for key, entry in value.items()}
        case _:
            return [_storable(entry) for entry in value]


def _object(value: Any) -> Any:
    return _storable(value) if isinstance(value, dict) else value


_NUMBER = {"type": "number", "exclusiveMinimum": 0}
_TIME = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
_LEVEL = {"type": ["number", "null"], "minimum": 0, "description": "0 and null: there is none."}
Price = Annotated[Decimal, BeforeValidator(_positive(MAX_PRICE, PRICE_STEP)), WithJsonSchema(_NUMBER)]
Level = Annotated[Decimal | None, BeforeValidator(_positive(MAX_PRICE, PRICE_STEP, zero_is_none=True)), WithJsonSchema(_LEVEL)]
Volume = Annotated[Decimal, BeforeValidator(_positive(MAX_QUANTITY, QUANTITY_STEP)), WithJsonSchema(_NUMBER)]
Money = Annotated[Decimal, BeforeValidator(_money), WithJsonSchema({"type": "number"})]
Paid = Annotated[Decimal, BeforeValidator(_paid), WithJsonSchema({"type": "number"})]
Ticket = Annotated[str, BeforeValidator(_ticket), WithJsonSchema({"type": ["string", "integer"]})]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema(_TIME)]
Magic = Annotated[int | None, BeforeValidator(_magic), WithJsonSchema({"type": ["integer", "null"]})]
Side = Literal["buy", "sell"]
Symbol = Annotated[str, Field(min_length=1, max_length=64)]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Object = Annotated[dict[str, Any], BeforeValidator(_object)]


class Sent(BaseModel):
    """What a program sends; members that are not described here are ignored."""

    model_config = ConfigDict(extra="ignore")


class Asked(BaseModel):
    """What a person sends; a member that is not described here is a mistake."""

    model_config = ConfigDict(extra="forbid")


class PairRequest(Asked):
    """Which broker connection an agent shall serve."""

    broker_connection_id: UUID
    label: Label = Field("MetaTrader", description="What you call it, for example the machine's name.")


class Paired(Model):
    """An agent's identity; the key is shown this once."""

    agent_id: UUID
    pairing_key: str = Field(description="For the header X-Agent-Key. Only its SHA-256 is stored: it can't be shown again.")


class RenameRequest(Asked):
    """An agent's new name."""

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
    error_message: Annotated[str, BeforeValidator(_short), Field(max_length=LONGEST_ERROR)] | None = None
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
    comment: Annotated[str, BeforeValidator(_short), Field(max_length=LONGEST_ERROR)] | None = None


class ReportedDeal(Sent):
    """What was dealt at the terminal without a job: a stop, a target, a stop-out, by hand."""

    deal_id: Ticket
    symbol: Symbol = Field(description="As the broker calls it.")
    side: Side
    volume: Volume
    price: Price
    magic: Magic = None
    reason: Literal["stop_loss", "take_profit", "stop_out", "manual"]
    profit: Money | None = None
    time: Moment
    position_id: Ticket | None = None


class PositionsRequest(Sent):
    """The terminal's account at one moment."""

    taken_at: Moment
    account: ReportedAccount
    positions: Annotated[list[ReportedPosition], Field(max_length=MOST_ROWS)]
    deals: Annotated[list[ReportedDeal], Field(max_length=MOST_ROWS)] = []


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


class BrokerPosition(Model):
    """A position at the broker, in our symbols."""

    ticket: str
    symbol: str
    side: Side
    volume: Amount
    price_open: Amount
    price_current: Amount | None
    sl: Amount | None
    tp: Amount | None
    profit: Amount | None
    magic: int | None
    comment: str | None
    is_foreign: bool = Field(description="Opened by hand or by another program: shown, and not compared.")


class Reconciliation(Model):
    """What an agent last told of an account, and where it differs from our books."""

    account_id: UUID
    agent_id: UUID | None = Field(description="Who told it; null: nobody has yet.")
    taken_at: datetime | None
    account: dict[str, Any] | None = Field(description="balance, equity, currency and what else the terminal told.")
    positions: list[BrokerPosition]
    differences: list[DifferenceAnswer]


class Alarm(Model):
    """Something that a person should look at."""

    id: UUID
    account_id: UUID
    kind: str = Field(description="reconciliation: broker and books differ; agent_offline: nobody works for the account.")
    subject: str
    text: str
    raised_at: datetime
    cleared_at: datetime | None = Field(description="When its reason was gone; null: it is in force.")


class JobStatus(StrEnum):
    """The states of a job's lifecycle."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class JobAnswer(Model):
    """A job for an agent."""

    id: UUID
    account_id: UUID
    job_type: JobType
    status: JobStatus
    input_data: dict[str, Any]
    order_id: UUID | None = Field(description="The order that it carries out; null for questions.")
    depends_on: UUID | None = Field(description="The job that must be completed first.")
    attempts: int = Field(description="How often it was leased.")
    leased_by: UUID | None = Field(description="The agent that had it last.")
    leased_until: datetime | None
    expires_at: datetime | None
    result: dict[str, Any] | None = Field(description="What the agent told.")
    error_message: str | None
    created_at: datetime
    finished_at: datetime | None


class CandlesQuestion(Asked):
    """Which bars the terminal shall send."""

    symbol: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[^\x00-\x20\x7f]+$")] = Field(
        description="As you call it; the account's symbol map makes it the broker's."
    )
    timeframe: Annotated[str, BeforeValidator(_timeframe), WithJsonSchema({"type": "string"})] = Field(examples=["M5", "1h"])
    since: Moment | None = Field(None, alias="from")
    until: Moment | None = Field(None, alias="to")
    limit: int = Field(500, ge=1, le=5_000)


class Nothing(Asked):
    """No input."""


class AccountQuestion(Asked):
    """A question that needs no input."""

    job_type: Literal["get_positions", "get_account"]
    input_data: Nothing = Nothing()


class BarsQuestion(Asked):
    """A question for bars."""

    job_type: Literal["get_candles"]
    input_data: CandlesQuestion


class NewJob(Model):
    """A question on its way to the terminal."""

    job_id: UUID
