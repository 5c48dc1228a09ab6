"""Rows that ``automated_signals`` had before Hookfill, read as events (pure).

A row tells what its ``telemetry`` says, and its flat columns what that leaves open. It happened when its telemetry says; else when
it was written (``timestamp``, ``created_at``), else at its ``signal_date`` and ``signal_time`` in New York, else at its trade's
signal bar. Rows that know no time at all come one after the other, in the order of their ids.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hookfill.journal.grammar import read
from hookfill.journal.model import Event
from hookfill.journal.sessions import parse_moment, signal_time
from hookfill.kernel import exact_json, strict_json
from hookfill.kernel.strict_json import StrictJsonError
from hookfill.kernel.times import InvalidTime

_FLAT = (
    "trade_id",
    "event_type",
    "direction",
    "session",
    "entry_price",
    "stop_loss",
    "risk_distance",
    "current_price",
    "exit_price",
    "mfe",
    "be_mfe",
    "no_be_mfe",
    "final_mfe",
    "mae",
    "exit_reason",
    "symbol",
    "timeframe",
)
_WRITTEN_AT = ("timestamp", "created_at")


def read_adopted(row_id: int, row: str, telemetry: str | None, now: datetime) -> tuple[Event, ...]:
    """The events that an older row tells: one, or those of a batch. Each has a key of its own, made of the row's id.

    Args:
        row: the row as a JSON object, without telemetry.
        telemetry: its JSON text, if it has any.
        now: when it is adopted (UTC).

    Raises:
        Unreadable: it tells nothing of any trade.
    """
    flat = _object(row)
    told = {name: flat[name] for name in _FLAT if flat.get(name) is not None}
    if telemetry is not None:
        told |= {name: value for name, value in _object(telemetry).items() if value is not None}
    reading = read(exact_json.dumps(told), _moment(row_id, flat, now))
    return tuple(
        replace(event, key=hashlib.sha256(b"adopted%d/%d" % (row_id, place)).digest()) for place, event in enumerate(reading.events)
    )


def _object(text: str) -> dict[str, Any]:
    try:
        value = strict_json.loads(text.encode())
    except StrictJsonError:
        return {}
    return value if type(value) is dict else {}


def _moment(row_id: int, flat: Mapping[str, Any], now: datetime) -> datetime:
    """When a row's event happened, as far as its own columns know."""
    for name in _WRITTEN_AT:
        if type(flat.get(name)) is str and (at := _written_at(flat[name], name)) is not None:
            return at
    if flat.get("signal_date") is not None and flat.get("signal_time") is not None:
        try:
            return parse_moment(f"{flat['signal_date']}T{flat['signal_time']}", "signal_date")
        except InvalidTime:
            pass
    at = signal_time(str(flat.get("trade_id")))
    return (at if at is not None else now) + timedelta(microseconds=row_id)


def _written_at(text: str, name: str) -> datetime | None:
    """A column's time; without a zone it is the database server's, which is UTC unless somebody wished otherwise."""
    try:
        moment = datetime.fromisoformat(text)
        return parse_moment((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat(), name)
    except (ValueError, InvalidTime):
        return None
