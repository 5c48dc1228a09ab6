"""The journal's worker: folds what waits, account by account, and sets aside what can't be folded."""

import traceback
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import structlog

from hookfill.inbox.store import JOURNAL_CHANNEL
from hookfill.journal.packing import accounts_to_pack, pack_days
from hookfill.journal.store import MOST_BYTES, MOST_MESSAGES, SQL, adopt, fold_message, fold_waiting
from hookfill.ops.loop import POLL_SECONDS, UNREACHABLE, Loop

MAX_ATTEMPTS = 3
LONGEST_TRACE = 4000
NOBODYS_FAULT = (
    *UNREACHABLE,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
)
"""What comes of the database's state and not of a message: it is tried again, and not counted against any."""
_LOG = structlog.get_logger("hookfill.journal")


def journal_loop(
    pool: asyncpg.Pool, connect: Callable[[], Awaitable[asyncpg.Connection]], *, poll_seconds: float = POLL_SECONDS
) -> Loop:
    """The loop that keeps all journals current; ``connect`` makes the connection that listens."""
    return Loop("journal", pool, connect, JOURNAL_CHANNEL, find, work, poll_seconds=poll_seconds)


async def find(connection: asyncpg.Connection) -> set[UUID]:
    """Accounts with messages to be read, with older rows to be adopted, or with days to be packed for statistics."""
    rows = await connection.fetch(SQL.accounts_with_messages.sql)
    rows += await connection.fetch(SQL.accounts_to_adopt.sql)
    return {row["account_id"] for row in rows} | await accounts_to_pack(connection)


async def work(connection: asyncpg.Connection, account_id: UUID) -> bool:
    """Fold one batch of an account's messages; those that failed before one by one; then some older rows; else pack days."""
    did_something = await _fold_batch(connection, account_id)
    rows = await connection.fetch(SQL.failed_before.sql, account_id, MOST_MESSAGES)
    did_something |= await _one_by_one(connection, account_id, [row["message_id"] for row in rows])
    if await adopt(connection, account_id) or did_something:
        return True
    async with connection.transaction():
        return await pack_days(connection, account_id)


async def _fold_batch(connection: asyncpg.Connection, account_id: UUID) -> bool:
    try:
        async with connection.transaction():
            return await fold_waiting(connection, account_id)
    except NOBODYS_FAULT:
        raise
    except Exception as error:
        _LOG.error("batch_failed", account_id=str(account_id), error=f"{type(error).__name__}: {error}")
    rows = await connection.fetch(SQL.waiting_messages.sql, account_id, MOST_MESSAGES, MOST_BYTES)
    return await _one_by_one(connection, account_id, [row["message_id"] for row in rows])


async def _one_by_one(connection: asyncpg.Connection, account_id: UUID, message_ids: list[UUID]) -> bool:
    """Fold each message by itself, so that one that fails keeps no other from going on; False: none was folded."""
    did_something = False
    for message_id in message_ids:
        try:
            async with connection.transaction():
                did_something |= await fold_message(connection, account_id, message_id)
        except NOBODYS_FAULT:
            raise
        except Exception as error:
            _LOG.error("message_failed", message_id=str(message_id), error=f"{type(error).__name__}: {error}")
            await connection.execute(SQL.note_failure.sql, MAX_ATTEMPTS, _trace(error), account_id, message_id)
    return did_something


def _trace(error: Exception) -> str:
    """The end of an error's traceback, as text that the database can hold."""
    text = "".join(traceback.format_exception(error))
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[-LONGEST_TRACE:]
