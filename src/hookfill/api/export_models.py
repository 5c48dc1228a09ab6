"""What is answered about an indicator's exports and the ledgers made of them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from hookfill.api.models import Amount, Model
from hookfill.exports.envelope import ALL_SIGNALS, CONFIRMED_SIGNALS
from hookfill.exports.reading import Place


class ExportType(StrEnum):
    """The kinds of exports."""

    CONFIRMED = CONFIRMED_SIGNALS
    ALL = ALL_SIGNALS


class LedgerDirection(StrEnum):
    """Which way a trade goes."""

    BULLISH = "Bullish"
    BEARISH = "Bearish"


def _place(value: str) -> str:
    Place.parse(value)
    return value


def _printable(value: str) -> str:
    text = value.strip()
    if not text or not text.isprintable():
        raise ValueError("it must be printable text")
    return text


LedgerCursor = Annotated[str, AfterValidator(_place), StringConstraints(max_length=700)]
Word = Annotated[str, AfterValidator(_printable), StringConstraints(max_length=40)]


class SkippedRow(Model):
    """A row that could not be used."""

    index: int = Field(description="Its place in the batch, from 0.")
    trade_id: str | None = Field(description="As told.")
    reason: str = Field(description="The code of the reason.")
    detail: str


class RowNote(Model):
    """Something that was put right in a row."""

    index: int
    trade_id: str
    note: str


class ImportResult(Model):
    """What an import did."""

    inserted: int = Field(description="Trades that the ledger did not have.")
    updated: int = Field(description="Trades of which some value is another one now.")
    skipped_invalid: int = Field(description="Rows that could not be used.")
    total_processed: int = Field(description="All rows; those that changed nothing too.")
    skipped: list[SkippedRow] = Field(description="The first 1,000 of them.")
    notes: list[RowNote] = Field(description="The first 1,000.")


class Imported(ImportResult):
    """What an import that was asked for did, or with ``dry_run`` would do."""

    success: Literal[True]
    batch_id: int
    event_type: str
    dry_run: bool


class ImportRefused(Model):
    """Why a batch can't be imported here."""

    success: Literal[False]
    error: Literal["wrong_event_type", "batch_invalid"]
    detail: str


class ExportBatch(Model):
    """One batch of an export, without what it holds."""

    batch_id: int
    account_id: UUID
    event_type: str | None = Field(description="As told.")
    batch_number: int | None
    batch_size: int | None
    total_signals: int | None
    signals_count: int
    payload_sha256: str = Field(description="Of its JSON with sorted keys, hexadecimal.")
    is_valid: bool = Field(description="Whether it can be imported.")
    validation_error: str | None
    message_id: UUID = Field(description="The message that first brought it.")
    received_at: datetime = Field(description="When it first came, UTC.")
    imported_at: datetime | None
    import_result: ImportResult | None = Field(description="Of its first import.")
    import_attempts: int = Field(description="Imports that failed; after 3 the worker leaves it.")
    import_error: str | None


class WholeBatch(ExportBatch):
    """One batch."""

    payload: Any = Field(description="Its JSON.")
    deliveries: int = Field(description="How often it came.")


class ExportRun(Model):
    """One export, as far as it arrived."""

    event_type: str
    total_signals: int
    batch_size: int | None
    began_at: datetime = Field(description="When its first batch came, UTC.")
    ended_at: datetime = Field(description="When its last batch came, UTC.")
    expected_batches: int | None = Field(description="total_signals ÷ batch_size, rounded up; null: no batch tells a size.")
    is_complete: bool | None
    present: list[int] = Field(description="The numbers that arrived.")
    missing: list[int] = Field(description="The numbers that did not; the first 1,000 of them.")
    missing_count: int | None


class LedgerTrade(Model):
    """What both ledgers tell of a trade. Prices are the instrument's, moves in R, times UTC."""

    trade_id: str
    signal_date: date = Field(description="The signal bar's day in New York.")
    confirmation_time: datetime | None
    direction: LedgerDirection
    entry: Amount | None
    stop: Amount | None
    batch_id: int = Field(description="The newest batch that told of it.")
    received_at: datetime = Field(description="When that batch came.")
    sources: dict[str, int] = Field(description="Of fields that another batch told last: which one.")
    created_at: datetime = Field(description="When it was first imported.")
    updated_at: datetime = Field(description="When an import last told something newer of it.")


class ConfirmedTrade(LedgerTrade):
    """A trade of the ledger of confirmed signals (INDICATOR_EXPORT_V2)."""

    triangle_time: datetime = Field(description="The signal bar's time.")
    date: Annotated[date | None, Field(description="As the indicator tells it.")]
    session: str | None
    age: Amount | None
    be_mfe: Amount | None = Field(description="Up to the stop or, once +1R was touched, the return to the entry.")
    no_be_mfe: Amount | None = Field(description="Up to the original stop.")
    mae: Amount | None = Field(description="At most 0.")
    completed: bool | None


class SignalledTrade(LedgerTrade):
    """A trade of the ledger of all signals (ALL_SIGNALS_EXPORT)."""

    signal_time: datetime = Field(description="The signal bar's time.")
    status: str
    bars_to_confirm: Amount | None
    risk: Amount | None
    htf_daily: str | None
    htf_4h: str | None
    htf_1h: str | None
    htf_15m: str | None
    htf_5m: str | None
    htf_1m: str | None
