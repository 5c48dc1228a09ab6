"""Events and trades as rows, and rows as trades (pure)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from hookfill.journal.fold import Trade, build_trade_state, dump, load
from hookfill.journal.model import Beat, Event, TradeState
from hookfill.journal.sessions import to_new_york
from hookfill.kernel import exact_json

Row = dict[str, Any]
"""Named like the columns; numbers are Decimal, keys hexadecimal text, telemetry JSON text."""

_NUMBERS = (
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
)
_STATE_MEMBERS = (
    "trade_id",
    "status",
    "direction",
    "session",
    "symbol",
    "setup_id",
    "signal_at",
    "signal_date",
    "signal_hour",
    "entered_at",
    "entry_price",
    "stop_loss",
    "be_triggered_at",
    "be_mfe",
    "no_be_mfe",
    "final_mfe",
    "mae",
    "stopped_at",
    "last_event_at",
    "last_mfe_at",
    "events",
)


def event_row(event: Event, message_id: UUID, source: str) -> Row:
    """An event as a row of ``automated_signals``; what is not told is left out."""
    row = {name: value for name in _NUMBERS if (value := getattr(event, name)) is not None}
    telemetry = None if event.schema_version is None else event.payload
    row |= _told(event.key, event.event_type, event.at, telemetry, message_id, source)
    row |= {"trade_id": event.trade_id, "direction": event.direction, "session": event.session}
    return row


def beat_row(beat: Beat, message_id: UUID, source: str) -> Row:
    """What is told of no trade in particular, as a row of ``automated_signals``."""
    telemetry = None if beat.payload.get("schema_version") is None else beat.payload
    return _told(beat.key, beat.kind, beat.at, telemetry, message_id, source)


def _told(key: bytes, event_type: str, at: datetime, telemetry: Mapping[str, Any] | None, message_id: UUID, source: str) -> Row:
    """What every row has; its date and time are New York's."""
    local = to_new_york(at)
    return {
        "event_key": key.hex(),
        "event_type": event_type,
        "event_at": at,
        "signal_date": local.date(),
        "signal_time": local.time(),
        "telemetry": None if telemetry is None else exact_json.dumps(telemetry).decode(),
        "message_id": message_id,
        "source": source,
    }


def trade_row(trade: Trade) -> Row:
    """A trade as a row of ``trade_states``: all that is known of it, and beside it what is asked for often."""
    state = build_trade_state(trade)
    row: Row = {name: getattr(state, name) for name in _STATE_MEMBERS}
    if state.exit is not None:
        row |= {"exit_type": state.exit.event_type, "exit_at": state.exit.at, "exit_price": state.exit.price}
    return row | {"merged": dump(trade)}


def state_of(row: Mapping[str, Any]) -> TradeState:
    """A row of ``trade_states`` (its ``merged`` is enough) as the trade that it is."""
    return build_trade_state(load(row["merged"]))
