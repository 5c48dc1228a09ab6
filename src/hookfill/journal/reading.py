"""Reads trades, their events and their statistics for people; the connection's user sees only their own.

Statistics are made of ``journal_days``: one row of packed records per New York day. A fold marks the days whose trades it changed;
until such a day is packed again (the worker does that when nothing else waits), its trades themselves are read, so what is answered
is always exact and reading changes nothing.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.exports.rows import exact_value
from hookfill.journal.fold import build_trade_state, load
from hookfill.journal.known_days import KnownDays, KnownSpan
from hookfill.journal.model import Direction, Session, Status, TradeState
from hookfill.journal.records import BRIEF, LAYOUT, Columns, PackedDay, brief_state, pack, unpack
from hookfill.journal.sessions import to_new_york
from hookfill.kernel.clock import EPOCH, to_us
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.times import EARLIEST, LATEST
from hookfill.postgres.sql import load as load_sql

SQL = load_sql(__package__, "statistics.sql")
MOST_OPEN = 200
NO_CURSOR = "This is no cursor: send what the page before had in its header X-Next-Cursor, or leave it out."
FIRST_DAY, LAST_DAY = EARLIEST.date(), LATEST.date()
_MOST_CURSOR_ID = 1 << 63


class InvalidCursor(HookfillError, ValueError):
    """A cursor that no page was answered with."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: a moment (UTC), and what tells things of the same moment apart."""

    at: datetime
    name: str

    def __str__(self) -> str:
        """Its text, which ``parse`` reads."""
        return base64.urlsafe_b64encode(f"{to_us(self.at)} {self.name}".encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read a cursor.

        Raises:
            InvalidCursor: it is none.
        """
        try:
            told = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True).decode()
        except (binascii.Error, ValueError):
            raise InvalidCursor(NO_CURSOR) from None
        microseconds, space, name = told.partition(" ")
        if not space or not (microseconds.isascii() and microseconds.isdecimal() and len(microseconds) <= 16) or "\x00" in name:
            raise InvalidCursor(NO_CURSOR)
        at = EPOCH + timedelta(microseconds=int(microseconds))
        if not EARLIEST <= at <= LATEST:
            raise InvalidCursor(NO_CURSOR)
        return cls(at, name)


@dataclass(frozen=True, slots=True)
class EventPlace(Place):
    """Where a page of events ended; its name is the event's number."""

    @property
    def number(self) -> int:
        """The event's id."""
        return int(self.name)

    @classmethod
    def parse(cls, text: str) -> "EventPlace":
        """Read a cursor.

        Raises:
            InvalidCursor: it is none.
        """
        place = Place.parse(text)
        if not (place.name.isascii() and place.name.isdecimal() and len(place.name) <= 19 and int(place.name) < _MOST_CURSOR_ID):
            raise InvalidCursor(NO_CURSOR)
        return cls(place.at, place.name)


@dataclass(frozen=True, slots=True)
class Question:
    """Which trades are asked for; None: whatever it is. Days are New York's, both included."""

    first: date = FIRST_DAY
    last: date = LAST_DAY
    session: Session | None = None
    direction: Direction | None = None
    status: Status | None = None
    setup: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A trade as it stands, and when its row was last written (UTC)."""

    state: TradeState
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Freshness:
    """How current an account's journal is.

    Attributes:
        now: by the database's clock.
        version: grows with each fold that changed something.
        received_at: when the latest message arrived; event_at, heartbeat_at: the own times of the latest event and heartbeat.
        live_at: when the latest message about the present arrived.
        waiting: messages that wait to be read, at most 1,000.
    """

    now: datetime
    version: int
    received_at: datetime | None
    event_at: datetime | None
    heartbeat_at: datetime | None
    live_at: datetime | None
    waiting: int


async def read_columns(
    connection: asyncpg.Connection,
    account_id: UUID,
    first: date = FIRST_DAY,
    last: date = LAST_DAY,
    known: KnownDays | None = None,
) -> Columns:
    """What statistics need of all trades of some New York days, both included.

    Args:
        known: days that were read before: they are read again only where they were packed anew. What is read is added to it.
    """
    before = None if known is None else known.of(account_id, first, last)
    found = await _read_days(connection, account_id, first, last, before)
    if found is None:  # days that were known are gone, or others are there that no packing made
        found = await _read_days(connection, account_id, first, last, None)
    assert found is not None  # nothing was known, so nothing could contradict
    if known is not None:
        known.keep(account_id, found)
    return found.columns


async def _read_days(
    connection: asyncpg.Connection, account_id: UUID, first: date, last: date, before: KnownSpan | None
) -> KnownSpan | None:
    """Days as they are, those read anew that have changed since ``before``; None: what is known does not fit what there is."""
    rows = await connection.fetch(SQL.days.sql, account_id, first, last, LAYOUT, 0 if before is None else before.horizon)
    packed_in = {} if before is None else dict(before.packed_in)
    changed = []
    for _, _, _, day, number, records, setups, trades in rows:
        if day is None:  # the one row that tells that nothing has changed
            continue
        if trades is not None:
            packed = pack(brief_state(dict(zip(BRIEF, trade, strict=True))) for trade in trades)
        else:
            packed = records, setups
        packed_in[day] = number
        changed.append(PackedDay(day, *packed))
    if (len(packed_in), sum(packed_in.values())) != (rows[0]["days"], rows[0]["packed"]):
        return None
    columns = unpack(changed) if before is None else before.columns.renewed(changed)
    return KnownSpan(first, last, rows[0]["horizon"], packed_in, columns)


def _choice(question: Question, behind: Place | None, limit: int) -> tuple[Any, ...]:
    place = behind or Place(LATEST, "")
    return (
        question.first,
        question.last,
        to_new_york(place.at).date(),
        place.at,
        place.name,
        question.session,
        question.direction,
        question.status,
        question.setup,
        limit + 1,
    )


def _page(states: Sequence[TradeState], limit: int) -> Place | None:
    if len(states) <= limit:
        return None
    last = states[limit - 1]
    return Place(last.signal_at, last.trade_id)


async def read_trades(
    connection: asyncpg.Connection, account_id: UUID, question: Question, limit: int, behind: Place | None = None
) -> tuple[list[Known], Place | None]:
    """Trades, newest first, and where the next page goes on, if there is one."""
    rows = await connection.fetch(SQL.trades.sql, account_id, *_choice(question, behind, limit))
    found = [_known(row) for row in rows]
    return found[:limit], _page([one.state for one in found], limit)


async def read_brief_trades(
    connection: asyncpg.Connection, account_id: UUID, question: Question, limit: int, behind: Place | None = None
) -> tuple[list[TradeState], Place | None]:
    """The same for many at once: without timeframe, targets, setup, market state and what was told last of the price."""
    rows = await connection.fetch(SQL.brief_trades.sql, account_id, *_choice(question, behind, limit))
    states = [brief_state(row) for row in rows]
    return states[:limit], _page(states, limit)


async def read_open_trades(connection: asyncpg.Connection, account_id: UUID, most: int = MOST_OPEN) -> tuple[list[Known], int]:
    """The newest trades that were entered and have not ended, and how many there are."""
    rows = await connection.fetch(SQL.open_trades.sql, account_id, most)
    return [_known(row) for row in rows], rows[0]["total"] if rows else 0


async def read_trade(connection: asyncpg.Connection, account_id: UUID, trade_id: str) -> Known | None:
    """One trade; None: there is none of this id."""
    row = await connection.fetchrow(SQL.trade.sql, account_id, trade_id)
    return None if row is None else _known(row)


async def read_events(
    connection: asyncpg.Connection, account_id: UUID, trade_id: str, limit: int, behind: EventPlace | None = None
) -> tuple[list[dict[str, Any]], EventPlace | None]:
    """What was told of a trade, by event time, and where the next page goes on, if there is one."""
    place = behind or EventPlace(EARLIEST, "0")
    rows = await connection.fetch(SQL.events.sql, account_id, trade_id, place.at, place.number, limit + 1)
    events = [{**row, "telemetry": None if row["telemetry"] is None else exact_value(row["telemetry"])} for row in rows[:limit]]
    return events, EventPlace(rows[limit - 1]["at"], str(rows[limit - 1]["id"])) if len(rows) > limit else None


async def read_freshness(connection: asyncpg.Connection, account_id: UUID) -> Freshness:
    """How current the journal is."""
    row = await connection.fetchrow(SQL.freshness.sql, account_id)
    return Freshness(**row)


def _known(row: asyncpg.Record) -> Known:
    return Known(build_trade_state(load(row["merged"])), row["updated_at"])
