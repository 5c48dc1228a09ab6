"""Telemetry that waits to be read, put into the database as the door leaves it, and what became of it."""

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.journal.fold import dump, fold
from hookfill.journal.grammar import read
from hookfill.journal.model import DOOR
from hookfill.journal.worker import work
from hookfill.kernel.ids import new_id
from hookfill.kernel.strict_json import loads
from support.shared_data import shared_file

MONDAY = datetime(2026, 3, 2, 15, tzinfo=UTC)
"""10:00 in New York on a day of trade."""


def at(minute: float) -> datetime:
    """So many minutes after."""
    return MONDAY + timedelta(minutes=minute)


def entry(trade_id: str = "T1", minute: float = 0, **more: Any) -> dict[str, Any]:
    """A telemetry ENTRY."""
    told = {"schema_version": "1.0.0", "event_type": "ENTRY", "trade_id": trade_id, "event_timestamp": at(minute).isoformat()}
    return {**told, "direction": "Bullish", "entry_price": 20500.25, "stop_loss": 20475, **more}


def move(trade_id: str = "T1", minute: float = 1, mfe: float = 0.5, **more: Any) -> dict[str, Any]:
    """A legacy MFE_UPDATE."""
    stamp = int(at(minute).timestamp() * 1000)
    return {"type": "MFE_UPDATE", "signal_id": trade_id, "be_mfe": mfe, "no_be_mfe": mfe, "timestamp": stamp, **more}


def heartbeat(minute: float = 0) -> dict[str, Any]:
    """A sign of life."""
    return {"event_type": "HEARTBEAT", "timestamp": at(minute).isoformat(), "signal_count": 3}


def body_of(told: Mapping[str, Any] | bytes) -> bytes:
    """A message's bytes."""
    return told if isinstance(told, bytes) else json.dumps(told).encode()


async def put(
    connection: asyncpg.Connection,
    account_id: UUID,
    *told: Mapping[str, Any] | bytes,
    received_at: datetime = MONDAY,
    source: str = "live",
) -> list[UUID]:
    """Store messages that wait to be read; returns their ids."""
    ids = [new_id() for _ in told]
    await connection.executemany(
        """INSERT INTO messages (account_id, message_id, door, source, headers, body, received_at, as_of, state)
           VALUES ($1, $2, $3, $4, '{}', $5, $6, $6, 'received')""",
        [(account_id, one, DOOR, source, body_of(what), received_at) for one, what in zip(ids, told, strict=True)],
    )
    return ids


async def work_all(connection: asyncpg.Connection, account_id: UUID) -> None:
    """Fold until nothing waits."""
    while await work(connection, account_id):
        pass


async def outcomes(connection: asyncpg.Connection, ids: Iterable[UUID]) -> list[tuple[str, str | None]]:
    """State and reason of messages, in the order asked for."""
    rows = await connection.fetch("SELECT message_id, state, reason FROM messages")
    found = {row["message_id"]: (row["state"], row["reason"]) for row in rows}
    return [found[one] for one in ids]


async def stored_trades(connection: asyncpg.Connection, account_id: UUID) -> dict[str, Any]:
    """What is kept of each trade."""
    rows = await connection.fetch("SELECT trade_id, merged FROM trade_states WHERE account_id = $1", account_id)
    return {row["trade_id"]: row["merged"] for row in rows}


def folded(bodies: Iterable[bytes]) -> dict[str, Any]:
    """The same by the pure functions alone, all events at once."""
    events = [event for body in bodies for event in read(body, MONDAY).events]
    return {trade_id: json.loads(json.dumps(dump(trade))) for trade_id, trade in fold(events).items()}


def log_bodies(name: str) -> list[bytes]:
    """The alerts of a real log that are valid JSON, in their fire order."""
    with shared_file("tradingview-alert-logs", name).open(encoding="utf-8-sig", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["Time"])
    bodies = [row["Description"].encode() for row in rows]
    return [body for body in bodies if _is_json(body)]


def _is_json(body: bytes) -> bool:
    try:
        loads(body)
    except ValueError:
        return False
    return True
