"""Export batches as an indicator sends them, put into the inbox without a door."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.exports.envelope import CONFIRMED_SIGNALS
from hookfill.kernel.ids import new_id

TRIANGLE = datetime(2025, 12, 17, 15, tzinfo=UTC)
"""10:00 in New York."""


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def confirmed_row(**fields: Any) -> dict[str, Any]:
    """A row of INDICATOR_EXPORT_V2; a field that is given as ... is left out."""
    row = {
        "trade_id": "20251217_100000000_BULLISH",
        "triangle_time": ms(TRIANGLE),
        "confirmation_time": ms(TRIANGLE) + 60_000,
        "date": "2025-12-17",
        "direction": "Bullish",
        "session": "NY AM",
        "age": 3,
        "entry": 21250.5,
        "stop": 21240.25,
        "be_mfe": 1.25,
        "no_be_mfe": 2.5,
        "mae": -0.5,
        "completed": False,
    } | fields
    return {name: value for name, value in row.items() if value is not ...}


def all_row(**fields: Any) -> dict[str, Any]:
    """A row of ALL_SIGNALS_EXPORT; a field that is given as ... is left out."""
    row = {
        "trade_id": "20251217_100000000_BULLISH",
        "direction": "Bullish",
        "status": "CONFIRMED",
        "signal_time": ms(TRIANGLE),
        "confirmation_time": ms(TRIANGLE) + 60_000,
        "bars_to_confirm": 2,
        "entry": 21250.5,
        "stop": 21240.25,
        "risk": 10.25,
        "htf_daily": "Bullish",
        "htf_4h": "Bearish",
        "htf_1h": "Neutral",
        "htf_15m": "Bullish",
        "htf_5m": "Bullish",
        "htf_1m": "Bearish",
    } | fields
    return {name: value for name, value in row.items() if value is not ...}


def batch(
    signals: Sequence[Any], *, event_type: str | None = CONFIRMED_SIGNALS, number: int = 0, size: int = 15, total: int = 300
) -> bytes:
    """A batch's body."""
    envelope = {"event_type": event_type, "batch_number": number, "batch_size": size, "total_signals": total, "signals": signals}
    return json.dumps(envelope).encode()


async def deliver(
    connection: asyncpg.Connection,
    account_id: UUID,
    bodies: Sequence[bytes | Mapping[str, Any]],
    *,
    at: datetime | None = None,
    state: str = "received",
) -> list[UUID]:
    """Store messages as the door does; their ids."""
    rows = []
    for body in bodies:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        received_at = at or datetime.now(UTC)
        rows.append((account_id, new_id(), "indicator_export", "live", {}, content, received_at, received_at, state))
    columns = ("account_id", "message_id", "door", "source", "headers", "body", "received_at", "as_of", "state")
    await connection.copy_records_to_table("messages", records=rows, columns=columns)
    return [row[1] for row in rows]
