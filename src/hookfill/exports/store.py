"""Turns messages into batches, and batches into ledgers.

What they say is read beside the event loop: a large export must not hold up the trading that goes on in the same process.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.exports.envelope import CONFIRMED_SIGNALS, Envelope, read_envelope
from hookfill.exports.grammar import LEDGERS, read_rows
from hookfill.exports.merge import import_batch as merge_batch
from hookfill.exports.model import Entry, Ledger, Reading
from hookfill.exports.rows import entry_of, result_of, row_of, signals_of
from hookfill.kernel.reasons import Reason
from hookfill.kernel.strict_json import StrictJsonError
from hookfill.postgres.sql import load

SQL = load(__package__)
MOST_ATTEMPTS = 3
"""How often reading a message or importing a batch may fail before it is left to a person."""


async def open_batches(connection: asyncpg.Connection, account_id: UUID, message_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Make batches of an account's messages, and tell which batch each of them brought first.

    A message that is not in the answer repeats a batch that was there before, or is no strict JSON. Asking again changes nothing.

    Raises:
        asyncpg.PostgresError: nothing was changed.
    """
    async with connection.transaction():
        rows = await connection.fetch(SQL.waiting_messages.sql, account_id, message_ids)
        await open_messages(connection, account_id, rows)
        found = await connection.fetch(SQL.batches_of.sql, account_id, message_ids)
        if rows and any(row["is_valid"] for row in found):
            await connection.execute(SQL.wake.sql)
    return {row["message_id"]: row["batch_id"] for row in found}


async def open_messages(connection: asyncpg.Connection, account_id: UUID, rows: Iterable[Mapping[str, Any]]) -> int:
    """Make batches of locked messages (``message_id, body, received_at``); how many were looked at."""
    read = await _read(connection, account_id, rows)
    batches = [
        {
            "place": place,
            **asdict(envelope),
            "payload": row["body"].decode("utf-8-sig"),
            "message_id": row["message_id"],
            "received_at": row["received_at"],
        }
        for place, (row, envelope) in enumerate(read)
    ]
    if batches:
        await connection.execute(SQL.insert_batches.sql, account_id, batches)
        await _note(connection, account_id, read)
        await connection.execute(SQL.settle_messages.sql, account_id, [row["message_id"] for row, _ in read])
    return len(batches)


async def note_repeats(connection: asyncpg.Connection, account_id: UUID, rows: Iterable[Mapping[str, Any]]) -> int:
    """Note that batches came again (locked messages); how many were looked at."""
    rows = list(rows)
    await _note(connection, account_id, await _read(connection, account_id, rows))
    await connection.execute(SQL.pass_over_repeats.sql, account_id, [row["message_id"] for row in rows])
    return len(rows)


async def _read(
    connection: asyncpg.Connection, account_id: UUID, rows: Iterable[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Envelope]]:
    """Messages with their envelopes; what is no strict JSON becomes malformed."""
    read = []
    for row, envelope in await asyncio.to_thread(_envelopes, list(rows)):
        if isinstance(envelope, Envelope):
            read.append((row, envelope))
        else:
            await connection.execute(SQL.refuse_message.sql, account_id, row["message_id"], Reason.JSON_INVALID, str(envelope))
    return read


def _envelopes(rows: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Envelope | StrictJsonError]]:
    found: list[tuple[Mapping[str, Any], Envelope | StrictJsonError]] = []
    for row in rows:
        try:
            found.append((row, read_envelope(row["body"])))
        except StrictJsonError as error:
            found.append((row, error))
    return found


async def _note(connection: asyncpg.Connection, account_id: UUID, read: Sequence[tuple[Mapping[str, Any], Envelope]]) -> None:
    told = [
        {"message_id": row["message_id"], "payload_sha256": envelope.payload_sha256, "received_at": row["received_at"]}
        for row, envelope in read
    ]
    await connection.execute(SQL.note_deliveries.sql, account_id, told)


async def import_batches(
    connection: asyncpg.Connection, account_id: UUID, batches: Sequence[Mapping[str, Any]], *, dry_run: bool = False
) -> dict[int, dict[str, Any]]:
    """Add batches (``batch_id, event_type, received_at, signals``) to the account's ledgers, one behind the other.

    The account's ledgers must be locked unless ``dry_run``, which changes nothing. Returns what each did, as it is stored.
    """
    results: dict[int, dict[str, Any]] = {}
    for event_type, ledger in LEDGERS.items():
        chosen = await asyncio.to_thread(_readings, ledger, [batch for batch in batches if batch["event_type"] == event_type])
        trade_ids = {row.trade_id for _, reading in chosen for row in reading.rows}
        entries = await _entries(connection, account_id, ledger, trade_ids)
        changed: dict[str, Entry] = {}
        for batch, reading in chosen:
            outcome = merge_batch(entries, reading, batch["received_at"], batch["batch_id"])
            entries |= outcome.changes
            changed |= outcome.changes
            results[batch["batch_id"]] = result_of(outcome)
        if changed and not dry_run:
            await _put(connection, account_id, ledger, changed.values())
    if results and not dry_run:
        notes = [{"batch_id": batch_id, "result": result} for batch_id, result in results.items()]
        await connection.execute(SQL.note_imports.sql, account_id, notes)
        if any(result["inserted"] or result["updated"] for result in results.values()):
            await connection.execute(SQL.advance.sql, account_id)
    return results


def _readings(ledger: Ledger, batches: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Reading]]:
    return [(batch, read_rows(ledger, signals_of(batch["signals"]))) for batch in batches]


async def _entries(connection: asyncpg.Connection, account_id: UUID, ledger: Ledger, trade_ids: Iterable[str]) -> dict[str, Entry]:
    query = SQL.confirmed_entries if ledger.event_type == CONFIRMED_SIGNALS else SQL.all_entries
    rows = await connection.fetch(query.sql, account_id, sorted(trade_ids))
    return {row["trade_id"]: entry_of(ledger, row) for row in rows}


async def _put(connection: asyncpg.Connection, account_id: UUID, ledger: Ledger, entries: Iterable[Entry]) -> None:
    query = SQL.put_confirmed if ledger.event_type == CONFIRMED_SIGNALS else SQL.put_all
    await connection.execute(query.sql, account_id, [row_of(ledger, entry) for entry in entries])


async def lock_ledgers(connection: asyncpg.Connection, account_id: UUID, *, wait: bool) -> bool:
    """Hold the lock of an account's ledgers until the transaction ends; False: somebody else has it."""
    await connection.execute(SQL.add_ledgers.sql, account_id)
    query = SQL.lock_ledgers if wait else SQL.try_ledgers
    return bool(await connection.fetch(query.sql, account_id))


async def import_one(connection: asyncpg.Connection, batch: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Import one valid batch that ``find_batch`` or ``find_latest`` found, or tell what importing it would do."""
    account_id: UUID = batch["account_id"]
    async with connection.transaction():
        if not dry_run:
            await lock_ledgers(connection, account_id, wait=True)
        results = await import_batches(connection, account_id, [batch], dry_run=dry_run)
    return results[batch["batch_id"]]


async def find_batch(connection: asyncpg.Connection, batch_id: int) -> asyncpg.Record | None:
    """A batch of those that the connection's user may see."""
    return await connection.fetchrow(SQL.one_batch.sql, batch_id)


async def find_latest(connection: asyncpg.Connection, account_id: UUID, event_type: str) -> asyncpg.Record | None:
    """The newest valid batch of a kind in an account."""
    return await connection.fetchrow(SQL.latest_batch.sql, account_id, event_type)
