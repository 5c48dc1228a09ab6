"""Runs the inbox's statements."""

import re
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.inbox.model import WINDOW_SECONDS, Delivery, Receipt
from hookfill.kernel.ids import earliest_id
from hookfill.postgres.sql import load

SQL = load(__package__)
WINDOW_US = WINDOW_SECONDS * 1_000_000
DESK_CHANNEL = "hookfill_signals"
"""Where workers hear of pending signals."""
JOURNAL_CHANNEL = "hookfill_journal"
"""Where workers hear of messages that are stored and wait to be read."""
_UNLESS_THERE = re.compile(r"\bON CONFLICT \(account_id, (?:message|signal)_id\) DO NOTHING\b")


def _batch(deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """The batch as the statement takes it: JSON objects named like the columns, bytes as base64 or hexadecimal text.

    What is null or as usual is left out: PostgreSQL reads a missing member as null, and need not read its name.
    """
    return [_row(delivery, is_repeat) for delivery, is_repeat in zip(deliveries, _repeats(deliveries), strict=True)]


def _row(delivery: Delivery, is_repeat: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "account_id": delivery.account_id,
        "message_id": delivery.message_id,
        "strategy_id": delivery.strategy_id,
        "door": delivery.door,
        "content_type": delivery.content_type,
        "headers": delivery.headers,
        "body": b64encode(delivery.body).decode(),
        "received_at": delivery.received_at,
        "seen_us": delivery.seen_us,
    }
    if delivery.gate_key is not None:
        row["gate_key"] = delivery.gate_key.hex()
    if is_repeat:
        row["is_repeat"] = True
    signal = delivery.signal
    if signal is not None:
        row["signal_id"] = signal.signal_id
        if signal.experiment_id is not None or signal.variant is not None:
            row["experiment_id"] = signal.experiment_id
            row["variant"] = signal.variant
            row["split_percentage"] = signal.split_percentage
    if delivery.source != "live" or delivery.as_of != delivery.received_at:
        row |= {"source": delivery.source, "as_of": delivery.as_of}
    if delivery.state != "processed" or delivery.error is not None:
        row |= {"state": delivery.state, "reason": delivery.reason, "error": delivery.error}
    if delivery.repaired_body is not None:
        row |= {"repaired_body": b64encode(delivery.repaired_body).decode(), "repaired_by": delivery.repaired_by}
    return row


def _repeats(deliveries: Sequence[Delivery]) -> list[bool]:
    """Which deliveries repeat the key of an earlier one in the same batch (one statement can't upsert a key twice)."""
    if len({delivery.gate_key for delivery in deliveries}) == len(deliveries):
        return [False] * len(deliveries)
    seen: set[tuple[int, bytes]] = set()
    repeats = []
    for delivery in deliveries:
        key = None if delivery.gate_key is None else (delivery.account_id.int, delivery.gate_key)
        repeats.append(key in seen)
        if key is not None:
            seen.add(key)
    return repeats


@cache
def _flush_sql(*, are_new: bool) -> str:
    """Where nothing can be there yet PostgreSQL need not look: it saves the looking, and a log record for each row."""
    sql: str = SQL.flush_batch.sql
    return _UNLESS_THERE.sub("", sql) if are_new else sql


async def flush(connection: asyncpg.Connection, deliveries: Sequence[Delivery], *, are_new: bool = False) -> list[Receipt]:
    """Store deliveries in one commit and answer for each, in order.

    Args:
        are_new: none of them can have been stored before, and none comes again should this fail.

    Raises:
        asyncpg.PostgresError, OSError: nothing was stored, or it is unknown whether it was; flushing again is safe, but not as
            ``are_new``.
    """
    rows = await connection.fetch(_flush_sql(are_new=are_new), _batch(deliveries), WINDOW_US)
    firsts: dict[UUID, UUID | None] = {row["message_id"]: row["first_signal_id"] for row in rows}
    return [_receipt(delivery, firsts) for delivery in deliveries]


def _receipt(delivery: Delivery, firsts: Mapping[UUID, UUID | None]) -> Receipt:
    """The answer for one delivery, given the duplicates' first signals by message."""
    if firsts and delivery.message_id in firsts:
        return Receipt(fresh=False, signal_id=firsts[delivery.message_id])
    return Receipt(fresh=True, signal_id=delivery.signal.signal_id if delivery.signal is not None else None)


async def known_keys(connection: asyncpg.Connection, account_id: UUID, keys: Sequence[bytes]) -> set[bytes]:
    """Which of the keys an account has had already, whenever that was."""
    rows = await connection.fetch(SQL.known_keys.sql, account_id, keys)
    return {row["key"] for row in rows}


async def commit_decoy(connection: asyncpg.Connection, decoys: Sequence[Delivery]) -> None:
    """Commit as much as storing these would cost, and store nothing."""
    await connection.fetch(SQL.commit_decoy.sql, _batch(decoys))


async def skip_flush(connection: asyncpg.Connection) -> None:
    """From now on commits of this connection do not wait for the disk: for one that only notifies, never for one that stores."""
    await connection.execute(SQL.skip_flush.sql)


async def wake(connection: asyncpg.Connection, channels: Collection[str]) -> None:
    """Tell workers that there is something for them: a hint; their poll is the truth.

    Args:
        channels: ``DESK_CHANNEL``, ``JOURNAL_CHANNEL``.
    """
    await connection.execute(SQL.wake.sql, list(channels))


async def wake_desk(connection: asyncpg.Connection) -> None:
    """Tell workers that there are pending signals."""
    await wake(connection, [DESK_CHANNEL])


async def advance_simulated_clock(connection: asyncpg.Connection, now: datetime) -> None:
    """On a server whose messages carry the time: move it on (never back)."""
    await connection.execute(SQL.advance_simulated_clock.sql, now)


async def list_messages(
    connection: asyncpg.Connection, account_id: UUID, *, state: str | None, limit: int, offset: int = 0
) -> list[asyncpg.Record]:
    """Messages of an account, newest first."""
    rows: list[asyncpg.Record] = await connection.fetch(SQL.list_messages.sql, account_id, state, limit, offset)
    return rows


async def messages_of(
    connection: asyncpg.Connection, user_id: UUID, *, state: str | None, limit: int, offset: int = 0, beginning: int = 4_000
) -> list[asyncpg.Record]:
    """A user's messages, newest first, with the first ``beginning`` bytes of their bodies and how many there are (``bytes``)."""
    rows: list[asyncpg.Record] = await connection.fetch(SQL.messages_of.sql, beginning, state, limit, offset, user_id)
    return rows


async def message_of(connection: asyncpg.Connection, user_id: UUID, message_id: UUID) -> asyncpg.Record | None:
    """One of a user's messages with all of its columns; None when there is none of that id among the user's own."""
    return await connection.fetchrow(SQL.message_of.sql, user_id, message_id)


async def lock_message(connection: asyncpg.Connection, account_id: UUID, message_id: UUID) -> asyncpg.Record | None:
    """One message with all of its columns, locked until the transaction ends, and ``now_at``: what time it is (UTC)."""
    return await connection.fetchrow(SQL.lock_message.sql, account_id, message_id)


async def send_on(connection: asyncpg.Connection, item: Delivery) -> Receipt:
    """Send a malformed message on as it was repaired: with the state, gate key and signal that its door's reading gave it.

    Call it in the transaction that has locked the message.
    """
    signal = item.signal
    row = await connection.fetchrow(
        SQL.send_on.sql,
        item.account_id,
        item.gate_key,
        item.seen_us,
        item.message_id,
        signal.signal_id if signal else None,
        WINDOW_US,
        item.state,
        item.as_of,
        item.repaired_body,
        item.repaired_by,
        item.strategy_id,
        item.door,
        item.source,
        signal.experiment_id if signal else None,
        signal.variant if signal else None,
        signal.split_percentage if signal else None,
    )
    await wake(connection, [DESK_CHANNEL if signal else JOURNAL_CHANNEL])
    return Receipt(row["is_fresh"], row["first_signal_id"])


async def delivery_since(connection: asyncpg.Connection, since: datetime, body: bytes) -> asyncpg.Record | None:
    """What became of the first message with this (masked) body that arrived since a moment (UTC), as far as it is by now.

    It has ``message_id, state, signal_id, status, reason, error_message, fill_price``; the last five are None where there is none.
    """
    return await connection.fetchrow(SQL.delivery_since.sql, earliest_id(since), body)


async def count_messages(connection: asyncpg.Connection, account_id: UUID) -> dict[str, int]:
    """How many messages an account has in each state."""
    rows = await connection.fetch(SQL.count_messages.sql, account_id)
    return {row["state"]: row["messages"] for row in rows}
