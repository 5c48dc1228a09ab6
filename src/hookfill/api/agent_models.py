"""What agents send and are answered.

Numbers are finite and bounded and read exactly; times are UTC. Unknown members are ignored in what agents send: a newer agent may
tell more than this server understands.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from hookfill.api.models import Model
from hookfill.brokers.mt5.jobs import Presence
from hookfill.brokers.mt5.model import JobResult, JobType
from hookfill.kernel.money import MAX_PRICE, MAX_QUANTITY, PRICE_STEP, QUANTITY_STEP, as_price, decimal_from
from hookfill.kernel.times import parse_time

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
