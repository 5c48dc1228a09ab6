"""Reads candles for charts and programs: as stored, or made of smaller ones where the timeframe asked for is not stored.

A page is bounded twice, by the bars that it holds and by the smaller bars that it is made of, so that no question is expensive.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from hookfill.kernel.errors import HookfillError
from hookfill.kernel.times import EARLIEST, LATEST
from hookfill.market.aggregate import WHOLE_DAYS, DayRule, Slot, default_rule, longest, slots_from, slots_until, source_for
from hookfill.market.instruments import instrument_for
from hookfill.market.timeframes import TIMEFRAMES, bar_close, bar_seconds
from hookfill.postgres.sql import load

SQL = load(__package__, "reading.sql")
MOST_MADE = 5_000
"""Bars of a page that are made of smaller ones, at most."""
MOST_READ = 250_000
"""Smaller bars that a page is made of, at most (more only where a single bar needs them)."""
NO_CURSOR = "This is no cursor: send what the page before had in its header X-Next-Cursor, or leave it out."
_MOMENT = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([ab])(\d{15,16})")


class InvalidCursor(HookfillError, ValueError):
    """A cursor that no page was answered with."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: behind ``at`` towards newer bars, or before it towards older ones."""

    at: datetime
    is_backwards: bool

    def __str__(self) -> str:
        """Its text, which ``parse`` reads."""
        return f"{'b' if self.is_backwards else 'a'}{(self.at - _EPOCH) // _MOMENT}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read a cursor.

        Raises:
            InvalidCursor: it is none.
        """
        match = _CURSOR.fullmatch(text)
        at = _EPOCH + timedelta(microseconds=int(match[2])) if match is not None else LATEST
        if match is None or not EARLIEST <= at < LATEST:
            raise InvalidCursor(NO_CURSOR)
        return cls(at, match[1] == "b")


@dataclass(frozen=True, slots=True)
class Question:
    """Which bars are asked for.

    Attributes:
        start, end: bars with ``start <= opening < end`` (UTC); without a start, the newest ones before the end.
        limit: bars at most.
        rule: how days are to be cut; None: as the instrument's are, and stored bars are taken as they are.
    """

    symbol: str
    timeframe: str
    start: datetime | None = None
    end: datetime | None = None
    limit: int = 1_000
    cursor: Cursor | None = None
    rule: DayRule | None = None

    @property
    def is_backwards(self) -> bool:
        """Whether pages go from the newest bars to older ones."""
        return self.start is None if self.cursor is None else self.cursor.is_backwards

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """What is left to read: ``first <= opening < second``."""
        start, end = self.start or EARLIEST, self.end or LATEST
        if self.cursor is None:
            return start, end
        return (start, min(end, self.cursor.at)) if self.is_backwards else (max(start, self.cursor.at + _MOMENT), end)


@dataclass(frozen=True, slots=True)
class Page:
    """Bars, ascending.

    Attributes:
        body: a JSON list of ``{timestamp (ms), open, high, low, close, volume}``.
        bars: how many.
        source: the timeframe that they were made of; their own if they are as stored.
        forming_at: when the last bar opened, if it had not closed when it was read.
        next: where the next page begins; None: this is the last one.
    """

    body: bytes
    bars: int
    source: str | None
    forming_at: datetime | None
    next: Cursor | None


async def read_candles(connection: asyncpg.Connection, question: Question, now: datetime) -> Page:
    """One page of bars.

    Args:
        now: bars that close after it are still forming (UTC).
    """
    is_cut_anew = question.rule is not None and question.timeframe in WHOLE_DAYS
    if not is_cut_anew:
        page = await _stored(connection, question, now)
        if page.bars:
            return page
    names = [name for name in TIMEFRAMES if bar_seconds(name) <= bar_seconds(question.timeframe)]
    found = await connection.fetch(SQL.stored_timeframes.sql, question.symbol, names)
    stored = {row["timeframe"] for row in found}
    rule = question.rule or default_rule(instrument_for(question.symbol))
    source = source_for(question.timeframe, rule, stored, is_default=question.rule is None)
    if not is_cut_anew and question.timeframe in stored:
        # What is stored is never filled up from smaller bars: two kinds would stand side by side.
        return _EMPTY
    if source is None:
        return await _stored(connection, question, now)
    return await _made(connection, question, rule, source, now)


_EMPTY = Page(b"[]", 0, None, None, None)


async def _stored(connection: asyncpg.Connection, question: Question, now: datetime) -> Page:
    """Bars as they are stored."""
    start, end = question.bounds
    statement = SQL.bars_backwards if question.is_backwards else SQL.bars_forwards
    row = await connection.fetchrow(statement.sql, question.symbol, question.timeframe, start, end, question.limit)
    if not row["bars"]:
        return _EMPTY
    last_at = row["last_at"]
    following = Cursor(row["first_at"] if question.is_backwards else last_at, question.is_backwards) if row["has_more"] else None
    forming_at = last_at if bar_close(question.timeframe, last_at) > now else None
    return Page(row["body"].encode(), row["bars"], question.timeframe, forming_at, following)


async def _made(connection: asyncpg.Connection, question: Question, rule: DayRule, source: str, now: datetime) -> Page:
    """Bars made of those of a smaller timeframe."""
    start, end = question.bounds
    step, span = timedelta(seconds=bar_seconds(source)), longest(question.timeframe)
    edges = await connection.fetchrow(SQL.edges.sql, question.symbol, source, start - step, end + span)
    first_at, last_at = edges["first_at"], edges["last_at"]
    if first_at is None or last_at is None:
        return _EMPTY
    most = _most_slots(question, source)
    start, end = max(start, first_at - span), min(end, last_at + step)
    cut = slots_until if question.is_backwards else slots_from
    slots = cut(rule, question.timeframe, source, start, end, most)
    row = await connection.fetchrow(SQL.bars_of_slots.sql, question.symbol, source, *_columns(slots))
    following = None
    if len(slots) == most:
        is_more = first_at < slots[0].reads_from if question.is_backwards else slots[-1].closes_at <= last_at
        following = Cursor(slots[0 if question.is_backwards else -1].opens_at, question.is_backwards) if is_more else None
    closes_at = {slot.opens_at: slot.closes_at for slot in slots[-1:]}.get(row["last_at"])
    forming_at = row["last_at"] if closes_at is not None and closes_at > now else None
    return Page(row["body"].encode(), row["bars"], source, forming_at, following)


def _most_slots(question: Question, source: str) -> int:
    each = -(-bar_seconds(question.timeframe) // bar_seconds(source))
    return max(1, min(question.limit, MOST_MADE, MOST_READ // each))


def _columns(slots: Sequence[Slot]) -> tuple[list[Any], list[Any], list[Any]]:
    return [slot.opens_at for slot in slots], [slot.reads_from for slot in slots], [slot.closes_at for slot in slots]
