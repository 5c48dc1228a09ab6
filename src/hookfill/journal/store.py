"""Reads messages that wait into events and trades: one transaction for a batch of an account's, under the journal's lock.

An event is merged into its trade in the transaction that stores it, and only if it was not there before: whatever is killed at
whatever point, each event counts once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hookfill.journal.adopted import read_adopted
from hookfill.journal.fold import Trade, load, merge
from hookfill.journal.grammar import Unreadable, read
from hookfill.journal.model import Beat, Event, EventType, Reading
from hookfill.journal.packing import mark_days
from hookfill.journal.quiet import steady_since
from hookfill.journal.rows import Row, beat_row, event_row, state_of, trade_row
from hookfill.kernel.reasons import Reason
from hookfill.ops.loop import UNREACHABLE
from hookfill.postgres.sql import load as load_sql

__all__ = ["SQL", "adopt", "catch_up", "fold_message", "fold_waiting", "state_of"]

SQL = load_sql(__package__)
MOST_MESSAGES = 500
MOST_BYTES = 1 << 19
"""Of one transaction: what the database, and the trading in the same process, can be kept waiting for."""
MOST_ADOPTED = 1000
BREATH = 20
"""Messages or trades that are dealt with before others in this process have their turn."""
LIVE_WITHIN = timedelta(hours=6)
"""A message that tells of a moment this near to its arrival speaks of the present; all else is history that somebody brought in."""
CATCH_UP_MESSAGES = 200
CATCH_UP_WAIT_MS = 1000
BAR_WAIT_MS = 200
"""How long other programs' writing may be held up to see that no row is missing."""
_SHOWN_SKIPPED = 5
_LOG = structlog.get_logger("hookfill.journal")


@dataclass(slots=True)
class _Fold:
    """What one transaction does.

    Attributes:
        rows: events and heartbeats to be stored, by key in hexadecimal; events: the former as values.
        owners: which message told each of them first.
        outcomes: what became of each message, as far as it is known before its events are stored.
        moves: when a trade's move was told, of messages that tell of the present.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    owners: dict[str, UUID] = field(default_factory=dict)
    outcomes: dict[UUID, Row] = field(default_factory=dict)
    heartbeat_at: datetime | None = None
    received_at: datetime | None = None
    event_at: datetime | None = None
    live_at: datetime | None = None
    moves: list[datetime] = field(default_factory=list)


async def catch_up(pool: asyncpg.Pool, account_ids: Collection[UUID]) -> None:
    """Fold first what waits of these accounts (one batch each), so that who reads sees what was just sent.

    What fails is left to the worker, which finds out which message it is.

    Args:
        pool: the installation's own; of whoever holds one of its connections meanwhile, a second one is taken.

    Raises:
        OSError, TimeoutError, asyncpg.InterfaceError: the database is away.
    """
    async with pool.acquire() as connection:
        for row in await connection.fetch(SQL.have_waiting.sql, list(account_ids)):
            try:
                async with connection.transaction():
                    await connection.execute(SQL.bound_wait.sql, f"{CATCH_UP_WAIT_MS}ms")
                    await fold_waiting(connection, row["account_id"], most=CATCH_UP_MESSAGES, wait=True)
            except UNREACHABLE:
                raise
            except Exception as error:
                _LOG.warning("not_caught_up", account_id=str(row["account_id"]), error=f"{type(error).__name__}: {error}")


async def fold_waiting(connection: asyncpg.Connection, account_id: UUID, *, most: int = MOST_MESSAGES, wait: bool = False) -> bool:
    """Fold an account's oldest messages that wait; False: there are none, or somebody else is at it.

    Args:
        connection: in a transaction.
        wait: for who is at it, instead of leaving it to them.
    """

    async def waiting() -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = await connection.fetch(SQL.waiting_messages.sql, account_id, most, MOST_BYTES)
        return found

    return await _fold(connection, account_id, waiting, wait=wait)


async def fold_message(connection: asyncpg.Connection, account_id: UUID, message_id: UUID) -> bool:
    """Fold one message; False: it does not wait any more, or somebody else is at it. ``connection`` is in a transaction."""

    async def one() -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = await connection.fetch(SQL.waiting_message.sql, account_id, message_id)
        return found

    return await _fold(connection, account_id, one)


async def _fold(
    connection: asyncpg.Connection,
    account_id: UUID,
    messages: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]],
    *,
    wait: bool = False,
) -> bool:
    journal = await _lock(connection, account_id, wait=wait)
    found = await messages() if journal is not None else ()
    if journal is None or not found:
        return False
    fold = _Fold()
    for place, message in enumerate(found):
        _read(fold, message)
        if place % BREATH == BREATH - 1:
            await asyncio.sleep(0)
    stored = await connection.fetch(SQL.add_events.sql, account_id, list(fold.rows.values())) if fold.rows else []
    fresh = {row["event_key"].hex() for row in stored}
    await _merge(connection, account_id, [event for key, event in fold.events.items() if key in fresh])
    for owner in {owner for key, owner in fold.owners.items() if key in fresh}:
        fold.outcomes[owner]["state"] = "processed"
    await connection.execute(SQL.settle_messages.sql, list(fold.outcomes.values()), account_id)
    moves = steady_since(journal["live_mfe_at"], journal["live_mfe_since"], fold.moves)
    marks = (fold.heartbeat_at, fold.received_at, fold.event_at, fold.live_at)
    await connection.execute(SQL.note_progress.sql, 0, *marks, *moves, account_id)
    return True


async def _lock(connection: asyncpg.Connection, account_id: UUID, *, wait: bool) -> asyncpg.Record | None:
    """The journal, locked until commit; None: it is locked elsewhere."""
    statement = (SQL.await_journal if wait else SQL.lock_journal).sql
    row = await connection.fetchrow(statement, account_id)
    if row is None:
        await connection.execute(SQL.open_journal.sql, account_id)
        row = await connection.fetchrow(statement, account_id)
    return row


def _read(fold: _Fold, message: Mapping[str, Any]) -> None:
    """Add what a message says."""
    message_id = message["message_id"]
    fold.received_at = _latest(fold.received_at, message["received_at"])
    try:
        reading = read(bytes(message["body"]), message["as_of"])
    except Unreadable as error:
        fold.outcomes[message_id] = _outcome(message_id, "malformed", error.reason, error.detail)
        return
    if not reading.events and not reading.beats and reading.skipped:
        fold.outcomes[message_id] = _outcome(message_id, "malformed", Reason.PAYLOAD_INVALID, _skipped(reading))
        return
    has_told = bool(reading.events or reading.beats)
    fold.outcomes[message_id] = _outcome(message_id, "duplicate" if has_told else "processed", None, _skipped(reading))
    for event in reading.events:
        if _add(fold, event, event_row(event, message_id, message["source"]), message):
            fold.events[event.key.hex()] = event
            fold.event_at = _latest(fold.event_at, event.at)
    for beat in reading.beats:
        _add(fold, beat, beat_row(beat, message_id, message["source"]), message)
        fold.heartbeat_at = _latest(fold.heartbeat_at, beat.at)


def _add(fold: _Fold, told: Event | Beat, row: Row, message: Mapping[str, Any]) -> bool:
    """Add a row, unless another message of the batch told the same; notes whether it speaks of the present."""
    if message["source"] == "live" and abs(message["as_of"] - told.at) <= LIVE_WITHIN:
        fold.live_at = _latest(fold.live_at, message["as_of"])
        if isinstance(told, Event) and told.event_type is EventType.MFE_UPDATE:
            fold.moves.append(told.at)
    key = row["event_key"]
    if key in fold.rows:
        return False
    fold.rows[key] = row
    fold.owners[key] = message["message_id"]
    return True


def _outcome(message_id: UUID, state: str, reason: Reason | None, error: str | None) -> Row:
    return {"message_id": message_id, "state": state, "reason": reason, "error": error}


def _skipped(reading: Reading) -> str | None:
    """Which members of a batch can't be used, and why; None: all can."""
    if not reading.skipped:
        return None
    shown = "; ".join(f"signals[{one.index}]: {one.problem}" for one in reading.skipped[:_SHOWN_SKIPPED])
    more = len(reading.skipped) - _SHOWN_SKIPPED
    return f"{len(reading.skipped)} of its trades were left out. {shown}" + (f"; and {more} more" if more > 0 else "")


def _latest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


async def _merge(connection: asyncpg.Connection, account_id: UUID, events: Iterable[Event]) -> None:
    """Merge events, none of which was merged before, into their trades, and note the days whose statistics that changes."""
    by_trade: dict[str, list[Event]] = {}
    for event in events:
        by_trade.setdefault(event.trade_id, []).append(event)
    if not by_trade:
        return
    known: dict[str, Trade] = {}
    days: set[date] = set()
    for row in await connection.fetch(SQL.merged_trades.sql, account_id, list(by_trade)):
        known[row["trade_id"]] = load(row["merged"])
        days.add(row["signal_date"])
    rows = []
    for place, (trade_id, told) in enumerate(by_trade.items()):
        trade = known.get(trade_id)
        for event in told:
            trade = merge(trade, event)
        assert trade is not None
        rows.append(trade_row(trade))
        if place % BREATH == BREATH - 1:
            await asyncio.sleep(0)
    days |= {row["signal_date"] for row in rows}
    await connection.execute(SQL.keep_trades.sql, account_id, rows)
    await mark_days(connection, account_id, days)


async def adopt(connection: asyncpg.Connection, account_id: UUID) -> bool:
    """Fold some rows that ``automated_signals`` holds without an account; the rows stay as they are.

    Args:
        connection: not in a transaction.

    Raises:
        asyncpg.LockNotAvailableError: another program is in the middle of writing; to be tried again.
    """
    if account_id not in {row["account_id"] for row in await connection.fetch(SQL.accounts_to_adopt.sql)}:
        return False
    async with connection.transaction():
        await connection.execute(SQL.bound_wait.sql, f"{BAR_WAIT_MS}ms")
        await connection.execute(SQL.bar_writers.sql)
        last = await connection.fetchval(SQL.last_to_adopt.sql)
    async with connection.transaction():
        journal = await _lock(connection, account_id, wait=False)
        if journal is None:
            return False
        rows = await connection.fetch(SQL.rows_to_adopt.sql, journal["adopted_until"], last, MOST_ADOPTED)
        if not rows:
            return False
        events: list[Event] = []
        for place, row in enumerate(rows):
            events += _adopted(row)
            if place % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        await _merge(connection, account_id, events)
        event_at = max((event.at for event in events), default=None)
        await connection.execute(SQL.note_progress.sql, rows[-1]["id"], None, None, event_at, None, None, None, account_id)
    return True


def _adopted(row: Mapping[str, Any]) -> tuple[Event, ...]:
    try:
        return read_adopted(row["id"], row["row"], row["telemetry"], row["now"])
    except Unreadable as error:
        _LOG.warning("older_row_left_out", id=row["id"], why=error.detail)
    except Exception:  # a fault of ours must not keep all rows behind this one from being adopted
        _LOG.exception("older_row_failed", id=row["id"])
    return ()
