"""Reads batches, runs and ledgers for people; the connection's user sees only their own."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.exports.grammar import CONFIRMED, LONGEST_TRADE_ID, NEW_YORK
from hookfill.exports.model import Ledger
from hookfill.exports.rows import exact_value
from hookfill.exports.runs import Delivery, Run, runs_of
from hookfill.kernel.clock import EPOCH, to_us
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.times import EARLIEST, LATEST
from hookfill.postgres.sql import load

SQL = load(__package__, "reading.sql")
MOST_DELIVERIES = 50_000
"""How far back runs are looked for."""
NO_CURSOR = "This is no cursor: send what the page before had in its header X-Next-Cursor, or leave it out."
_MICROSECOND = timedelta(microseconds=1)


class InvalidCursor(HookfillError, ValueError):
    """A cursor that no page was answered with."""


@dataclass(frozen=True, slots=True)
class Place:
    """A trade's place in a ledger: its signal bar's time (UTC) and its id."""

    at: datetime
    trade_id: str

    def __str__(self) -> str:
        """Its text, which ``parse`` reads."""
        return base64.urlsafe_b64encode(f"{to_us(self.at)} {self.trade_id}".encode()).decode().rstrip("=")

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
        microseconds, space, trade_id = told.partition(" ")
        if not space or not (microseconds.isascii() and microseconds.isdecimal() and len(microseconds) <= 16):
            raise InvalidCursor(NO_CURSOR)
        at = EPOCH + int(microseconds) * _MICROSECOND
        if not EARLIEST <= at <= LATEST or len(trade_id) > LONGEST_TRADE_ID or not trade_id.isprintable():
            raise InvalidCursor(NO_CURSOR)
        return cls(at, trade_id)


@dataclass(frozen=True, slots=True)
class Question:
    """Which trades of a ledger are asked for.

    Attributes:
        first, last: New York days of the signal bar, both included; None: without a bound.
        direction: ``Bullish`` or ``Bearish``.
        session, completed: of the ledger of confirmed signals; status: of that of all signals; in any case.
        behind: where the page before ended.
    """

    first: date | None = None
    last: date | None = None
    direction: str | None = None
    session: str | None = None
    completed: bool | None = None
    status: str | None = None
    behind: Place | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which batches are asked for; None: whatever it is."""

    event_type: str | None = None
    is_valid: bool | None = None
    is_imported: bool | None = None


async def find_account(connection: asyncpg.Connection, user_id: UUID, account_id: UUID | None) -> UUID | None:
    """An account of the user's, their default one when none is named; None: it is not theirs."""
    found: UUID | None = await connection.fetchval(SQL.account.sql, user_id, account_id)
    return found


async def read_page(
    connection: asyncpg.Connection, account_id: UUID, ledger: Ledger, question: Question, limit: int
) -> tuple[list[dict[str, Any]], Place | None]:
    """Trades of a ledger, newest first, and where the next page goes on, if there is one."""
    behind = question.behind or Place(LATEST, "")
    bounds = (
        EARLIEST if question.first is None else _midnight(question.first),
        LATEST if question.last is None else _midnight(question.last + timedelta(days=1)),
        behind.at,
        behind.trade_id,
    )
    if ledger is CONFIRMED:
        session = None if question.session is None else question.session.upper().replace("_", " ")
        filters = (*bounds, question.direction, session, question.completed, limit + 1)
        found = await connection.fetch(SQL.confirmed.sql, account_id, *filters)
    else:
        status = None if question.status is None else question.status.upper()
        found = await connection.fetch(SQL.all.sql, account_id, *bounds, question.direction, status, limit + 1)
    rows = [_trade(row) for row in found]
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], Place(last[ledger.moment], last["trade_id"])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def _trade(row: asyncpg.Record) -> dict[str, Any]:
    """A row as it is answered: of fields that another batch told, which one."""
    told = dict(row)
    told["sources"] = {name: batch_id for name, (_, batch_id, _) in told["sources"].items()}
    return told


async def list_batches(
    connection: asyncpg.Connection, account_id: UUID, filters: Filters, *, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Batches, newest first, without what they hold."""
    rows = await connection.fetch(SQL.batches.sql, account_id, *astuple(filters), limit, offset)
    return [dict(row) for row in rows]


async def get_batch(connection: asyncpg.Connection, batch_id: int) -> dict[str, Any] | None:
    """One batch with what it holds, numbers exact."""
    row = await connection.fetchrow(SQL.batch.sql, batch_id)
    if row is None:
        return None
    return {**row, "payload": exact_value(row["payload"])}


async def list_runs(connection: asyncpg.Connection, account_id: UUID, event_type: str | None) -> Sequence[Run]:
    """The runs that the newest deliveries make, the newest first."""
    rows = await connection.fetch(SQL.deliveries.sql, account_id, event_type, MOST_DELIVERIES)
    return runs_of(Delivery(**row) for row in rows)
