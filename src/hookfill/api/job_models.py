"""What people ask and are answered about jobs, alarms and the broker's side of an account."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from hookfill.api.agent_fields import Asked, Moment, Side, read_timeframe
from hookfill.api.agent_models import DifferenceAnswer
from hookfill.api.models import Amount, Model
from hookfill.brokers.mt5.model import JobType


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
    kind: str = Field(
        description="reconciliation: broker and books differ; agent_offline: nobody works for the account; alpaca_not_traded, "
        "alpaca_unreachable, alpaca_order: no keys, no answer, or an order of which nobody knows what came."
    )
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
    timeframe: Annotated[str, BeforeValidator(read_timeframe), WithJsonSchema({"type": "string"})] = Field(examples=["M5", "1h"])
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

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"job_type": "get_candles", "input_data": {"symbol": "EURUSD", "timeframe": "M5", "limit": 100}}]
        },
    )

    job_type: Literal["get_candles"]
    input_data: CandlesQuestion


class NewJob(Model):
    """A question on its way to the terminal."""

    job_id: UUID
