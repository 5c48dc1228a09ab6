"""Ledger entries as rows of their tables, and what an import did as JSON (pure)."""

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hookfill.exports.grammar import signal_date
from hookfill.exports.model import Entry, Ledger, Outcome, Stamp
from hookfill.kernel.clock import EPOCH, to_us

MOST_TOLD = 1_000
"""Rows that a result names one by one; all are counted."""
_LONGEST_INTEGER = 19
_MICROSECOND = timedelta(microseconds=1)


def entry_of(ledger: Ledger, row: Mapping[str, Any]) -> Entry:
    """A table's row as an entry."""
    newest = Stamp(row["received_at"], row["batch_id"], row["row_index"])
    others = {name: _stamp(parts) for name, parts in row["sources"].items()}
    values = {name: row[name] for name in ledger.fields if row[name] is not None}
    return Entry(row["trade_id"], values, {name: others.get(name, newest) for name in values})


def row_of(ledger: Ledger, entry: Entry) -> dict[str, Any]:
    """An entry as its table's row; what is not known is left out."""
    # Every row tells the required fields, so that one of them carries the newest stamp of all.
    newest = entry.stamps[ledger.moment]
    sources = {
        name: [to_us(stamp.received_at), stamp.batch_id, stamp.row] for name, stamp in entry.stamps.items() if stamp != newest
    }
    return {
        "trade_id": entry.trade_id,
        "signal_date": signal_date(entry.values[ledger.moment]),
        **entry.values,
        "batch_id": newest.batch_id,
        "received_at": newest.received_at,
        "row_index": newest.row,
        "sources": sources,
    }


def _stamp(parts: list[int]) -> Stamp:
    microseconds, batch_id, row = parts
    return Stamp(EPOCH + microseconds * _MICROSECOND, batch_id, row)


def signals_of(text: str | None) -> list[Any]:
    """A stored batch's rows with exact numbers."""
    rows: list[Any] = [] if text is None else exact_value(text)
    return rows


def exact_value(text: str) -> Any:
    """A stored JSON value with exact numbers. What PostgreSQL writes was strict JSON when it came."""
    return json.loads(text, parse_float=Decimal, parse_int=_whole)


def _whole(literal: str) -> int | Decimal:
    """What JSON writers take as an integer, and beyond it a Decimal."""
    return int(literal) if len(literal) < _LONGEST_INTEGER else Decimal(literal)


def result_of(outcome: Outcome) -> dict[str, Any]:
    """What an import did, as it is answered and stored."""
    reading = outcome.reading
    return {
        "inserted": outcome.inserted,
        "updated": outcome.updated,
        "skipped_invalid": len(reading.skipped),
        "total_processed": reading.total,
        "skipped": [
            {"index": one.index, "trade_id": one.trade_id, "reason": one.reason, "detail": one.detail}
            for one in reading.skipped[:MOST_TOLD]
        ],
        "notes": [
            {"index": row.index, "trade_id": row.trade_id, "note": row.note}
            for row in [row for row in reading.rows if row.note is not None][:MOST_TOLD]
        ],
    }
