"""Opens what waits, notes repeats and imports batches, for one account at a time under the lock of its ledgers.

``find`` and ``work`` are what the worker's loop calls. Work goes in bounded portions, each a transaction of its own; one that fails
is done again one by one, and what fails alone is counted against itself until it is left to a person.
"""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hookfill.exports.store import (
    MOST_ATTEMPTS,
    SQL,
    import_batches,
    lock_ledgers,
    note_repeats,
    open_messages,
)
from hookfill.ops.loop import UNREACHABLE

MOST_MESSAGES = 200
MOST_BATCHES = 500
MOST_SIGNALS = 5_000
"""Rows of a transaction, beside those of its first batch."""
_LOG = structlog.get_logger("hookfill.exports")


async def find(connection: asyncpg.Connection) -> set[UUID]:
    """Accounts with exports that wait, found without locks."""
    rows = await connection.fetch(SQL.accounts_with_exports.sql, MOST_ATTEMPTS)
    return {row["account_id"] for row in rows}


async def work(connection: asyncpg.Connection, account_id: UUID) -> bool:
    """Do one portion of what waits for an account; False: there was nothing, or somebody else is at it."""
    done = False
    for chore in _CHORES:
        done = await _portion(connection, account_id, chore) or done
    return done


@dataclass(frozen=True, slots=True)
class _Chore:
    """One kind of work: what waits (up to a number), doing it, and what to count when one alone fails."""

    name: str
    waiting: Callable[[asyncpg.Connection, UUID, int], Awaitable[list[asyncpg.Record]]]
    do: Callable[[asyncpg.Connection, UUID, list[asyncpg.Record]], Awaitable[Any]]
    blame: Callable[[asyncpg.Connection, UUID, asyncpg.Record, str], Awaitable[Any]]
    most: int


async def _portion(connection: asyncpg.Connection, account_id: UUID, chore: _Chore) -> bool:
    try:
        return await _attempt(connection, account_id, chore, chore.most)
    except UNREACHABLE:
        raise
    except Exception as error:
        _LOG.error("exports_failed", chore=chore.name, account_id=str(account_id), error=f"{type(error).__name__}: {error}")
    return await _one(connection, account_id, chore)


async def _attempt(connection: asyncpg.Connection, account_id: UUID, chore: _Chore, most: int) -> bool:
    async with connection.transaction():
        if not await lock_ledgers(connection, account_id, wait=False):
            return False
        rows = await chore.waiting(connection, account_id, most)
        if rows:
            await chore.do(connection, account_id, rows)
    return bool(rows)


async def _one(connection: asyncpg.Connection, account_id: UUID, chore: _Chore) -> bool:
    """The first one alone; when it fails it is blamed, and the others have their turn sooner or later."""
    async with connection.transaction():
        if not await lock_ledgers(connection, account_id, wait=False):
            return False
        rows = await chore.waiting(connection, account_id, 1)
        try:
            async with connection.transaction():
                await chore.do(connection, account_id, rows[:1])
        except UNREACHABLE:
            raise
        except Exception:
            for row in rows[:1]:
                await chore.blame(connection, account_id, row, traceback.format_exc())
    return bool(rows)


async def _waiting_messages(connection: asyncpg.Connection, account_id: UUID, most: int) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(SQL.next_messages.sql, account_id, most)
    return rows


async def _blame_message(connection: asyncpg.Connection, account_id: UUID, row: asyncpg.Record, text: str) -> None:
    await connection.execute(SQL.count_reading.sql, account_id, row["message_id"], MOST_ATTEMPTS, text)


async def _waiting_repeats(connection: asyncpg.Connection, account_id: UUID, most: int) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(SQL.next_repeats.sql, account_id, most)
    return rows


async def _pass_over(connection: asyncpg.Connection, account_id: UUID, row: asyncpg.Record, text: str) -> None:
    del text  # a repeat that can't be noted is missed by nothing but the list of runs
    await connection.execute(SQL.pass_over_repeats.sql, account_id, [row["message_id"]])


async def _waiting_batches(connection: asyncpg.Connection, account_id: UUID, most: int) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(SQL.next_batches.sql, account_id, MOST_ATTEMPTS, most, MOST_SIGNALS)
    return rows


async def _blame_batch(connection: asyncpg.Connection, account_id: UUID, row: asyncpg.Record, text: str) -> None:
    await connection.execute(SQL.count_import.sql, account_id, row["batch_id"], text)


_CHORES = (
    _Chore("open", _waiting_messages, open_messages, _blame_message, MOST_MESSAGES),
    _Chore("note repeats", _waiting_repeats, note_repeats, _pass_over, MOST_MESSAGES),
    _Chore("import", _waiting_batches, import_batches, _blame_batch, MOST_BATCHES),
)
