"""What the API answers about messages, field by field."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from hookfill.api.models import Model
from hookfill.inbox.repair import RuleName


class MessageState(StrEnum):
    """The states of a message's lifecycle that last."""

    RECEIVED = "received"
    PROCESSED = "processed"
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"
    REFUSED = "refused"


class Message(Model):
    """What came in through a door."""

    id: UUID
    account_id: UUID
    strategy_id: UUID | None = Field(description="Of an alert.")
    signal_id: UUID | None = Field(description="The signal that it became, or, of a duplicate, the first delivery's.")
    door: str = Field(description="tradingview, signed, telemetry, indicator_export, candles or operator.")
    source: str = Field(description="live, import or backfill.")
    state: MessageState
    reason: str | None = Field(description="The code of a refusal.")
    error_message: str | None = Field(description="Why it can't be used, and what to do.")
    content_type: str | None = Field(description="As sent.")
    body: str = Field(
        description="The text that came, secrets masked, with U+FFFD for bytes that are no UTF-8; in a list its first 4,000 bytes."
    )
    bytes: int = Field(description="How long the body is.")
    repaired_by: list[str] = Field(description="The repair rules that were applied, in order.")
    received_at: datetime = Field(description="UTC.")
    as_of: datetime = Field(description="The moment as of which it is judged, UTC: its arrival, or its own time for history.")
    stored_at: datetime = Field(description="When it was on disk, UTC.")


class MessageDetail(Message):
    """A message with all that is kept of it."""

    headers: dict[str, Any] = Field(description="Those worth keeping, and the sender's address.")
    repaired_body: str | None = Field(description="What is read in place of the body.")


class Rule(Model):
    """A repair rule."""

    name: RuleName
    title: str = Field(description="What it does.")
    is_trusted: bool = Field(description="AUTO_REPAIR applies it without anybody looking.")


class RepairPreview(Model):
    """What would become of a malformed message."""

    message_id: UUID
    state: MessageState
    is_repairable: bool
    problem: str | None = Field(description="Why it can't be sent on, and what to do.")
    rules: list[Rule] = Field(
        description="Those that would be applied, in order; none where its door understands the message as it came by now."
    )
    before: str = Field(description="The text that came.")
    after: str | None = Field(description="What would be read in its place; null where the rules make nothing of it.")


class Repaired(Model):
    """What became of a message that was sent on."""

    message_id: UUID
    state: MessageState = Field(
        description="processed: an alert whose signal is pending; received: a worker reads it next; duplicate: it repeats another."
    )
    signal_id: UUID | None = Field(description="Of an alert; of a duplicate, the first delivery's.")
    repaired_by: list[RuleName]
