"""Stores candles and moves quotes."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from hookfill.market.ingest import Reading, as_json
from hookfill.market.model import Candle, Quote
from hookfill.market.plain import PlainBatch
from hookfill.market.timeframes import bar_close, bar_seconds
from hookfill.postgres.sql import load

SQL = load(__package__)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch.

    Attributes:
        added: bars that were new.
        conflicting: bars whose stored values differ from what was sent; the stored ones stay.
        revised: bars whose stored values were replaced by what was sent.
        sent: how many bars came.
        symbols: of how many symbols.
    """

    added: int
    conflicting: int
    revised: int = 0
    sent: int = field(default=0, compare=False)
    symbols: int = field(default=0, compare=False)


async def become_candle_writer(connection: asyncpg.Connection) -> None:
    """For the rest of the open transaction: may store candles and move quotes, and nothing else (where there is such a role)."""
    await connection.execute(SQL.become_candle_writer.sql)


async def store_candles(
    connection: asyncpg.Connection, candles: Sequence[Candle], known_at: datetime, revise: bool | Collection[int] = False
) -> Stored:
    """Store a batch, all or nothing, and move the quotes of its symbols; workers are told.

    A bar that is known already stays as it is, and is counted where its values differ. ``revise`` replaces the values of the last
    bar of its symbol and timeframe; older bars stay in any case. What a bar has done stays done: positions remember until when they
    were marked and exits are taken from closed bars after that, so a revised bar neither fires an exit again nor takes one back;
    one that was not looked at yet counts with its new values. The quote follows the revision of the bar that it came from.

    Args:
        connection: in a transaction or not.
        candles: checked bars, as ``read_candles`` gives them.
        known_at: when the candles became known (UTC): a bar that is still forming is a price as of then, not as of its close.
        revise: whether last bars may be replaced; or the indices of the candles that may.
    """
    # As text, made beside the event loop: a third of what it costs to encode the numbers one by one.
    text = await asyncio.to_thread(as_json, candles)
    async with connection.transaction():
        stored = await _store(connection, text, None, known_at, revise)
    assert stored is not None, "only what came as somebody sent it may be unsound"
    return stored


async def store_reading(connection: asyncpg.Connection, batch: Reading, known_at: datetime) -> Stored:
    """The same for a batch that was read from a request's bytes.

    Args:
        connection: in a transaction.
        batch: without faults.
        known_at: when it came (UTC).
    """
    stored = await _store(connection, batch.text, None, known_at, batch.revise)
    assert stored is not None, "only what came as somebody sent it may be unsound"
    return stored


async def store_plain(connection: asyncpg.Connection, batch: PlainBatch, known_at: datetime) -> Stored | None:
    """The same for a batch as it came, which PostgreSQL takes apart and judges; None: not sound, and nothing is stored.

    Args:
        connection: in a transaction.
        batch: the bytes.
        known_at: when they came (UTC).

    Raises:
        asyncpg.DataError: not sound either; the transaction must be rolled back.
    """
    return await _store(connection, batch.candles, batch.marks, known_at, batch.revise)


async def _store(
    connection: asyncpg.Connection,
    candles: bytes | bytearray | memoryview,
    marks: int | None,
    known_at: datetime,
    revise: bool | Collection[int],
) -> Stored | None:
    rows = await connection.fetch(SQL.store_batch.sql, marks, candles, known_at)
    if not rows[0]["is_sound"]:
        return None
    added = rows[0]["added"]
    if added + rows[0]["known"] < rows[0]["sent"]:
        # Bars that stand twice in it, or that another batch has added meanwhile: now that all are known, see which differ.
        rows = await connection.fetch(SQL.store_batch.sql, marks, candles, known_at)
        added += rows[0]["added"]
    differing = rows[0]["differing"]
    newest = [_candle(row) for row in rows]
    revised = 0
    may_change: list[Candle] = []
    if revise is not False and differing:
        may_change = [bar for bar, row in zip(newest, rows, strict=True) if revise is True or row["ordinal"] - 1 in revise]
        revised = await _revise(connection, may_change)
    await _move_quotes(connection, newest, known_at, {bar.symbol for bar in may_change} if revised else set())
    symbols = len({bar.symbol for bar in newest})
    return Stored(added, differing - revised, revised, rows[0]["sent"], symbols)


def _candle(row: asyncpg.Record) -> Candle:
    symbol, timeframe, opened_at, *values = (row[name] for name in _COLUMNS)
    return Candle(symbol, timeframe, opened_at, bar_close(timeframe, opened_at), *values)


_COLUMNS = ("symbol", "timeframe", "timestamp", "open", "high", "low", "close", "volume")


async def _revise(connection: asyncpg.Connection, bars: Sequence[Candle]) -> int:
    """Of a bar that came more than once, what came last."""
    last = list({(bar.symbol, bar.timeframe): bar for bar in bars}.values())
    revised: int = await connection.fetchval(
        SQL.revise_candles.sql,
        [bar.symbol for bar in last],
        [bar.timeframe for bar in last],
        [bar.opened_at for bar in last],
        [bar.open for bar in last],
        [bar.high for bar in last],
        [bar.low for bar in last],
        [bar.close for bar in last],
        [bar.volume for bar in last],
    )
    return revised


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
    moved = await keep_account_prices(connection, account_id, quotes)
    if moved:
        await connection.execute(SQL.announce_prices.sql)
    return moved


async def keep_account_prices(connection: asyncpg.Connection, account_id: UUID, quotes: Sequence[Quote]) -> int:
    """The same without telling workers."""
    moved: int = await connection.fetchval(SQL.move_account_prices.sql, account_id, *_columns_of(quotes))
    return moved


def _columns_of(quotes: Sequence[Quote]) -> tuple[list[str], list[Decimal], list[datetime], list[str]]:
    return (
        [quote.symbol for quote in quotes],
        [quote.price for quote in quotes],
        [quote.at for quote in quotes],
        [quote.source for quote in quotes],
    )


async def _move_quotes(connection: asyncpg.Connection, candles: Sequence[Candle], known_at: datetime, revised: set[str]) -> None:
    newest: dict[str, Candle] = {}
    for candle in candles:
        best = newest.get(candle.symbol)
        if best is None or _newness(candle, known_at) > _newness(best, known_at):
            newest[candle.symbol] = candle
    bars = list(newest.values())
    await connection.fetchval(
        SQL.move_quotes.sql,
        [bar.symbol for bar in bars],
        [bar.close for bar in bars],
        [min(bar.closes_at, known_at) for bar in bars],
        ["candle"] * len(bars),
        [bar_seconds(bar.timeframe) for bar in bars],
        [bar.low for bar in bars],
        [bar.high for bar in bars],
        list(revised),
    )


def _newness(candle: Candle, known_at: datetime) -> tuple[datetime, int]:
    """When a bar's close was true; of bars that are equally new the shortest, since a price's age is measured in its bars."""
    return min(candle.closes_at, known_at), -bar_seconds(candle.timeframe)
