"""Compares an account's journal with its ledgers, day by day: gathers what ``ledger_compare`` needs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.exports.envelope import ALL_SIGNALS, CONFIRMED_SIGNALS
from hookfill.exports.reading import list_runs
from hookfill.exports.runs import Run
from hookfill.journal.ledger_compare import Coverage, Finding, Journalled, Listed, Severity, Source, compare_ledgers
from hookfill.journal.model import Status
from hookfill.journal.reconcile import SQL
from hookfill.journal.sessions import to_new_york
from hookfill.kernel.clock import EPOCH, to_us
from hookfill.kernel.times import EARLIEST, LATEST

MOST_RUNS = 10
"""Of whole runs of each kind since the first day, so many of the oldest and of the newest are looked at."""
_SOURCES = {Source.CONFIRMED: CONFIRMED_SIGNALS, Source.ALL: ALL_SIGNALS}
_MILLISECOND = timedelta(milliseconds=1)
_SPAN = (to_us(EARLIEST) // 1000, to_us(LATEST) // 1000)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was compared, and what was found.

    Attributes:
        telemetry_since: the day of the journal's first trade; nothing is missing in the journal before.
        journal, ledgers: the trades of these days.
        coverage: of whole runs.
        broken_runs: how many runs since the first day lack batches, and so cover nothing.
    """

    first: date
    last: date
    telemetry_since: date | None
    journal: Mapping[str, Journalled]
    ledgers: Mapping[Source, Mapping[str, Listed]]
    coverage: Sequence[Coverage]
    broken_runs: int
    findings: Sequence[Finding]

    def covers(self, source: Source, day: date) -> bool:
        """Whether a whole run tells of a day."""
        return any(run.source is source and run.first_day <= day <= run.last_day for run in self.coverage)

    def count(self, severity: Severity) -> int:
        """How many findings."""
        return sum(one.severity is severity for one in self.findings)

    @property
    def fits(self) -> bool:
        """Whether there is nothing but what explains itself."""
        return all(one.severity is Severity.INFO for one in self.findings)

    def answer(self, most: int | None = None) -> dict[str, Any]:
        """All of it for programs; ``most``: how many findings at most, the first ones."""
        return {
            "date_from": self.first,
            "date_to": self.last,
            "telemetry_since": self.telemetry_since,
            "broken_runs": self.broken_runs,
            **{f"{severity}s": self.count(severity) for severity in Severity},
            "days": self._days(),
            "findings": [_told(one) for one in self.findings[:most]],
        }

    def _days(self) -> list[dict[str, Any]]:
        """One per day that something is known of, the first one first."""
        journal = Counter(trade.day for trade in self.journal.values())
        ledgers = {source: Counter(one.day for one in listed.values()) for source, listed in self.ledgers.items()}
        counts: dict[date, Counter[Severity]] = {}
        for one in self.findings:
            counts.setdefault(one.day, Counter())[one.severity] += 1
        return [
            {
                "date": day,
                "journal": journal[day],
                **{source.value: listed[day] for source, listed in ledgers.items()},
                **{f"{source.value}_covered": self.covers(source, day) for source in Source},
                **{f"{severity}s": counts.get(day, Counter())[severity] for severity in Severity},
            }
            for day in sorted({*journal, *counts, *(day for listed in ledgers.values() for day in listed)})
        ]


def _told(finding: Finding) -> dict[str, Any]:
    told = asdict(finding)
    return {"date": told.pop("day"), "ledger": told.pop("source"), **told}


async def compare_days(connection: asyncpg.Connection, account_id: UUID, first: date, last: date) -> Reconciled:
    """What does not fit between an account's journal and its ledgers.

    Args:
        connection: sees the account's rows.
        first, last: New York days of the signal bars, both included.
    """
    journal = await _journal(connection, account_id, first, last, ())
    ledgers: dict[Source, dict[str, Listed]] = {}
    for source, query in ((Source.CONFIRMED, SQL.confirmed_signals), (Source.ALL, SQL.all_signals)):
        rows = await connection.fetch(query.sql, account_id, first, last, list(journal))
        ledgers[source] = {row["trade_id"]: Listed(source, **row) for row in rows}
    # What only a ledger has in these days may lie in another day of the journal.
    others = {trade_id for listed in ledgers.values() for trade_id in listed} - journal.keys()
    journal |= await _journal(connection, account_id, first, last, others)
    coverage, broken = await _coverage(connection, account_id, first)
    since = await connection.fetchval(SQL.telemetry_since.sql, account_id)
    findings = compare_ledgers(journal, ledgers, coverage, since)
    return Reconciled(first, last, since, journal, ledgers, coverage, broken, findings)


async def _journal(
    connection: asyncpg.Connection, account_id: UUID, first: date, last: date, trade_ids: Iterable[str]
) -> dict[str, Journalled]:
    rows = await connection.fetch(SQL.journalled.sql, account_id, first, last, list(trade_ids))
    return {row["trade_id"]: Journalled(**{**row, "status": Status(row["status"])}) for row in rows}


async def _coverage(connection: asyncpg.Connection, account_id: UUID, first: date) -> tuple[list[Coverage], int]:
    """What whole runs cover that were taken on the first day or later, and how many runs since then are not whole."""
    coverage: list[Coverage] = []
    broken = 0
    for source, event_type in _SOURCES.items():
        runs = [run for run in await list_runs(connection, account_id, event_type) if to_new_york(run.ended_at).date() >= first]
        whole = [run for run in runs if run.missing_count == 0]
        broken += len(runs) - len(whole)
        chosen = whole if len(whole) <= 2 * MOST_RUNS else whole[:MOST_RUNS] + whole[-MOST_RUNS:]
        coverage += await _spans(connection, account_id, source, chosen)
    return coverage, broken


async def _spans(connection: asyncpg.Connection, account_id: UUID, source: Source, runs: Sequence[Run]) -> list[Coverage]:
    batch_ids = sorted({batch_id for run in runs for batch_id in run.batches.values()})
    rows = await connection.fetch(SQL.batch_spans.sql, account_id, batch_ids, *_SPAN)
    spans = {row["batch_id"]: (_moment(row["first_ms"]), _moment(row["last_ms"])) for row in rows}
    found = []
    for run in runs:
        told = [spans[batch_id] for batch_id in run.batches.values() if batch_id in spans]
        if told:
            first_at, last_at = min(first for first, _ in told), max(last for _, last in told)
            days = to_new_york(first_at).date(), to_new_york(last_at).date()
            found.append(Coverage(source, *days, first_at, run.began_at))
    return found


def _moment(milliseconds: int) -> datetime:
    return EPOCH + milliseconds * _MILLISECOND
