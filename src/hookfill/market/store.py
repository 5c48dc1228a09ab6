"""Stores candles and moves quotes."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from hookfill.market.model import Candle, Quote
from hookfill.market.timeframes import bar_seconds
from hookfill.postgres.sql import load

SQL = load(__package__)
NULL = "\\N"
"""How COPY's text format writes that there is no value."""
_COLUMNS = ("symbol", "timeframe", "timestamp", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch: new bars, and bars whose stored values differ from what was sent (the stored ones stay)."""

    added: int
    conflicting: int


async def store_candles(connection: asyncpg.Connection, candles: Sequence[Candle], known_at: datetime) -> Stored:
    """Store a batch, all or nothing, and move the quotes of its symbols; workers are told.

    Args:
        known_at: when the candles became known (UTC): a bar that is still forming is a price as of then, not as of its close.
    """
    # As text, made beside the event loop: a third of what it costs to encode the numbers for a binary COPY.
    text = await asyncio.to_thread(copy_text, candles)
    await connection.execute(SQL.make_staging.sql)
    async with connection.transaction():
        await connection.copy_to_table("incoming_candles", source=io.BytesIO(text), columns=_COLUMNS)
        added: int = await connection.fetchval(SQL.merge_candles.sql)
        conflicting = 0 if added == len(candles) else await connection.fetchval(SQL.count_conflicts.sql)
        await _move_quotes(connection, candles, known_at)
    return Stored(added, conflicting)


async def move_prices(connection: asyncpg.Connection, quotes: Sequence[Quote]) -> int:
    """Move the quotes that everybody shares to newer prices; workers are told. Returns how many moved.

    Args:
        quotes: prices that come from no bar, one per symbol.
    """
    moved: int = await connection.fetchval(SQL.move_prices.sql, *_columns_of(quotes))
    if moved:
        await connection.execute(SQL.announce_prices.sql)
    return moved


async def move_account_prices(connection: asyncpg.Connection, account_id: UUID, quotes: Sequence[Quote]) -> int:
    """The same for the quotes that price one account only."""
    moved: int = await connection.fetchval(SQL.move_account_prices.sql, account_id, *_columns_of(quotes))
    if moved:
        await connection.execute(SQL.announce_prices.sql)
    return moved


def _columns_of(quotes: Sequence[Quote]) -> tuple[list[str], list[Decimal], list[datetime], list[str]]:
    return (
        [quote.symbol for quote in quotes],
        [quote.price for quote in quotes],
        [quote.at for quote in quotes],
        [quote.source for quote in quotes],
    )


def copy_text(candles: Sequence[Candle]) -> bytes:
    """Candles in PostgreSQL's text format for COPY."""
    names = {name: _escaped(name) for name in {candle.symbol for candle in candles}}
    return "".join(
        [
            f"{names[c.symbol]}\t{c.timeframe}\t{c.opened_at.isoformat()}\t{c.open}\t{c.high}\t{c.low}\t{c.close}\t"
            f"{NULL if c.volume is None else c.volume}\n"
            for c in candles
        ]
    ).encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


async def _move_quotes(connection: asyncpg.Connection, candles: Sequence[Candle], known_at: datetime) -> None:
    newest: dict[str, Candle] = {}
    for candle in candles:
        best = newest.get(candle.symbol)
        if best is None or _newness(candle, known_at) > _newness(best, known_at):
            newest[candle.symbol] = candle
    bars = list(newest.values())
    await connection.execute(
        SQL.move_quotes.sql,
        [bar.symbol for bar in bars],
        [bar.close for bar in bars],
        [min(bar.closes_at, known_at) for bar in bars],
        ["candle"] * len(bars),
        [bar_seconds(bar.timeframe) for bar in bars],
        [bar.low for bar in bars],
        [bar.high for bar in bars],
    )
    await connection.execute(SQL.announce_prices.sql)


def _newness(candle: Candle, known_at: datetime) -> tuple[datetime, int]:
    """When a bar's close was true; of bars that are equally new the shortest, since a price's age is measured in its bars."""
    return min(candle.closes_at, known_at), -bar_seconds(candle.timeframe)
