"""Opens what waits, notes repeats and imports batches, for one account at a time under the lock of its ledgers.

Work goes in bounded portions, each a transaction of its own; one that fails is done again one by one, and what fails alone is
counted against itself until it is left to a person.
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
from hookfill.inbox.store import JOURNAL_CHANNEL
from hookfill.ops.loop import POLL_SECONDS, UNREACHABLE, Loop

LONGEST_TRACE = 4000
MOST_MESSAGES = 100
MOST_BATCHES = 500
MOST_SIGNALS = 2_000
"""Rows of a transaction, beside those of its first batch."""
NOBODYS_FAULT = (
    *UNREACHABLE,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
)
"""What comes of the database's state and not of a batch: it is tried again, and not counted against any."""
_LOG = structlog.get_logger("hookfill.exports")


def exports_loop(
    pool: asyncpg.Pool, connect: Callable[[], Awaitable[asyncpg.Connection]], *, poll_seconds: float = POLL_SECONDS
) -> Loop:
    """The loop that keeps all ledgers current; ``connect`` makes the connection that listens."""
    return Loop("exports", pool, connect, JOURNAL_CHANNEL, find, work, poll_seconds=poll_seconds)


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
        async with connection.transaction():
            rows = await _locked(connection, account_id, chore)
            if rows:
                await chore.do(connection, account_id, rows)
        return bool(rows)
    except NOBODYS_FAULT:
        raise
    except Exception as error:
        _LOG.error("exports_failed", chore=chore.name, account_id=str(account_id), error=f"{type(error).__name__}: {error}")
    return await _one_by_one(connection, account_id, chore)


async def _locked(connection: asyncpg.Connection, account_id: UUID, chore: _Chore) -> list[asyncpg.Record]:
    """What waits, with the account's ledgers locked; nothing when somebody else has them."""
    if not await lock_ledgers(connection, account_id, wait=False):
        return []
    return await chore.waiting(connection, account_id, chore.most)


async def _one_by_one(connection: asyncpg.Connection, account_id: UUID, chore: _Chore) -> bool:
    """Each by itself, so that one that fails keeps no other from going on."""
    async with connection.transaction():
        rows = await _locked(connection, account_id, chore)
        for row in rows:
            try:
                async with connection.transaction():
                    await chore.do(connection, account_id, [row])
            except NOBODYS_FAULT:
                raise
            except Exception as error:
                await chore.blame(connection, account_id, row, _trace(error))
    return bool(rows)


def _trace(error: Exception) -> str:
    """The end of an error's traceback, as text that the database can hold."""
    text = "".join(traceback.format_exception(error))
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[-LONGEST_TRACE:]


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
