"""What the API answers about comparisons, field by field."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import Field

from hookfill.api.models import Model
from hookfill.journal.compare import Kind
from hookfill.journal.ledger_compare import Problem, Severity, Source


class LoggedAlert(Model):
    """An alert of the log, with all firings of the same body."""

    line: int = Field(description="Of its first firing in the file.")
    fired_at: datetime = Field(description="First; UTC.")
    last_fired_at: datetime
    fired: int = Field(description="How often it was fired.")
    arrived: int = Field(description="How often it arrived.")
    kind: Kind | None = Field(description="Null: it is settled by its body alone, which was not read.")
    trade_id: str | None
    event_type: str | None
    alert_id: str | None = Field(description="TradingView's number of the alert.")
    alert_name: str | None
    ticker: str | None
    can_backfill: bool = Field(description="It is missing, and backfill=1 brings it in.")
    state: str | None = Field(description="Of a message with this body that was not taken: malformed or refused.")
    reason: str | None
    message_id: UUID | None = Field(description="For POST /api/v1/messages/{message_id}/repair.")
    doors: list[str] = Field(description="The doors that took it; telemetry that only a strategy's door took counts as missing.")


class BadRow(Model):
    """A row that is no alert."""

    line: int
    reason: str


class LogFindings(Model):
    """What was found, in the order of firing; the first 1,000 of each kind."""

    missing: list[LoggedAlert] = Field(
        description="Not there, refused, or at the wrong door; a strategy's alert: fewer times than fired."
    )
    malformed: list[LoggedAlert] = Field(description="Arrived, could not be read, and nobody repaired it.")
    fired_more_often_than_arrived: list[LoggedAlert] = Field(description="Repeats that did not arrive: nothing is lost by that.")
    bad_rows: list[BadRow]


class Backfilled(Model):
    """What was brought in."""

    stored: int
    malformed: int = Field(description="Of these, how many wait for repair.")


class LogComparison(Model):
    """An alert log against what arrived."""

    rows: int
    alerts: int = Field(description="Firings that could be read.")
    distinct: int = Field(description="Different bodies; the numbers below count these.")
    arrived: int
    known_by_event: int = Field(description="Of these, known by their events alone: the body arrived long before or was changed.")
    missing: int
    missing_trades: int = Field(description="Of these, strategies' alerts: no trade is made after the fact.")
    missing_unreadable: int = Field(description="Of these, what no door can read: perhaps never meant to be sent.")
    malformed: int
    fired_more_often_than_arrived: int
    bad_rows: int
    findings: LogFindings
    backfilled: Backfilled | None = Field(description="Null: nothing was brought in.")


class LedgerDay(Model):
    """One New York day of signal bars."""

    date: date
    journal: int = Field(description="Trades that the journal has.")
    confirmed_signals: int
    all_signals: int
    confirmed_signals_covered: bool = Field(description="A whole run of exports tells of the day.")
    all_signals_covered: bool
    errors: int
    warnings: int
    infos: int


class LedgerFinding(Model):
    """One thing that does not fit."""

    date: date
    trade_id: str
    ledger: Source
    problem: Problem
    severity: Severity
    field: str | None = Field(description="direction, entry, stop, status, completed, be_mfe, no_be_mfe or mae.")
    in_ledger: Decimal | str | bool | None
    in_journal: Decimal | str | bool | None
    note: str


class LedgerComparison(Model):
    """The ledgers against the journal."""

    account_id: UUID
    date_from: date
    date_to: date
    telemetry_since: date | None = Field(description="The day of the journal's first trade; before, nothing is missing in it.")
    broken_runs: int = Field(description="Runs of exports that lack batches: they cover no day.")
    errors: int
    warnings: int
    infos: int
    days: list[LedgerDay]
    findings: list[LedgerFinding] = Field(description="The first 1,000, in order of days and trades.")
