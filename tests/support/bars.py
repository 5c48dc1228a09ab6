"""Bars written straight into the table, and read back page by page."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from hookfill.market.reading import Cursor, Question, read_candles

COLUMNS = ("symbol", "timeframe", "timestamp", "open", "high", "low", "close", "volume")
LATE = datetime(2099, 1, 1, tzinfo=UTC)
"""When every bar has closed."""


async def put(connection: asyncpg.Connection, symbol: str, timeframe: str, bars: Iterable[tuple[Any, ...]]) -> None:
    """Store bars as they are: (opened at, open, high, low, close, volume)."""
    records = [(symbol, timeframe, *bar) for bar in bars]
    await connection.copy_records_to_table("market_data_candles", records=records, columns=COLUMNS)


def flat_bars(opened_at: Iterable[datetime], price: str = "1.5") -> list[tuple[Any, ...]]:
    """Bars without movement."""
    return [(at, *[Decimal(price)] * 4, 1) for at in opened_at]


async def pages(connection: asyncpg.Connection, question: Question, now: datetime = LATE) -> list[list[dict[str, Any]]]:
    """All pages, in the order in which they were read."""
    found: list[list[dict[str, Any]]] = []
    cursor: Cursor | None = None
    while cursor is not None or not found:
        asked = Question(question.symbol, question.timeframe, question.start, question.end, question.limit, cursor, question.rule)
        page = await read_candles(connection, asked, now)
        bars = json.loads(page.body, parse_float=Decimal)
        assert len(bars) == page.bars <= question.limit
        found.append(bars)
        cursor = page.next
    return found


async def all_bars(connection: asyncpg.Connection, question: Question) -> list[dict[str, Any]]:
    """The bars of all pages, ascending."""
    found = await pages(connection, question)
    return [bar for page in (reversed(found) if question.start is None else found) for bar in page]


def bar(opened_at: datetime, *values: Any) -> dict[str, Any]:
    """A bar as it is answered: open, high, low, close, volume."""
    return dict(
        zip(("timestamp", "open", "high", "low", "close", "volume"), (round(opened_at.timestamp() * 1000), *values), strict=True)
    )
