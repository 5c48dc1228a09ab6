"""A ledger as CSV (pure): times in UTC, numbers exact, text never run as a formula."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hookfill.exports.model import Ledger
from hookfill.kernel.money import plain
from hookfill.market.formula import guarded


def columns_of(ledger: Ledger) -> tuple[str, ...]:
    """The file's columns."""
    return ("trade_id", "signal_date", *ledger.fields, "batch_id", "received_at")


def head(ledger: Ledger) -> bytes:
    """The file's first line."""
    return text_of([columns_of(ledger)])


def lines(ledger: Ledger, rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The lines of some trades."""
    columns = columns_of(ledger)
    return text_of([cell(row[name]) for name in columns] for row in rows)


def text_of(rows: Iterable[Iterable[str]]) -> bytes:
    """Rows of cells as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def cell(value: Any) -> str:
    """A value as a cell's text."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case int():
            return str(value)
    return guarded(str(value))
