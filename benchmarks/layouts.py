"""Whether the candles' index shall hold their values, and the table be kept in parts: three layouts by turns."""

import random
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any

import asyncpg

from benchmarks.charts import BARS_PER_CHART, FIRST_BAR, TABLE, Filled, fill, size_of
from benchmarks.figures import BenchmarkError, Figure, latency_details
from benchmarks.plan import Plan
from benchmarks.stage import open_stage
from hookfill.market.reading import SQL

NAME = "layouts"
BARE, DIVIDED = "bare_candles", "divided_candles"
_BARE = f"""
    CREATE TABLE {BARE} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING STORAGE);
    ALTER TABLE {BARE} ADD PRIMARY KEY (id), ADD UNIQUE (symbol, timeframe, timestamp);
"""
_DIVIDED = f"""
    CREATE TABLE {DIVIDED} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING STORAGE) PARTITION BY RANGE (timestamp);
    ALTER TABLE {DIVIDED} ADD UNIQUE (symbol, timeframe, timestamp) INCLUDE (open, high, low, close, volume);
"""
_PART = "CREATE TABLE {0}_{1} PARTITION OF {0} FOR VALUES FROM ('{2}') TO ('{3}')"


async def run(plan: Plan) -> list[Figure]:
    """Fill the three tables by turns, then read them by turns."""
    minutes, symbols = size_of(plan)
    async with open_stage() as stage:
        return await _layouts(
            plan, await fill(stage, minutes, symbols, [TABLE, BARE, DIVIDED], partial(_make_layouts, minutes=minutes))
        )


async def _make_layouts(connection: asyncpg.Connection, minutes: int) -> None:
    """The tables to compare with: one without the values in its index, and one in parts, each of a chart's length of time."""
    await connection.execute(_BARE)
    await connection.execute(_DIVIDED)
    step = timedelta(minutes=-(-minutes // BARS_PER_CHART))
    for number in range(BARS_PER_CHART):
        begins_at = FIRST_BAR + number * step
        await connection.execute(_PART.format(DIVIDED, number, begins_at.isoformat(), (begins_at + step).isoformat()))


async def _layouts(plan: Plan, large: Filled) -> list[Figure]:
    """The same bars read by the same statement and inserted: as it is, without the values in the index, and in parts by time."""
    chance, spent = random.Random(11), {table: list[float]() for table in (TABLE, BARE, DIVIDED)}
    async with large.stage.connection() as connection:
        for _ in range(plan.chart_reads):
            for table, times in spent.items():
                symbol = f"S{chance.randrange(large.symbols):05d}"
                # The second time counts: the first brings the pages into memory.
                await _read_layout(connection, table, symbol, plan.chart_bars)
                times.append(await _read_layout(connection, table, symbol, plan.chart_bars))
        sizes = {f"{name}_mib": await _size(connection, name) for name in (TABLE, BARE, DIVIDED)}
    details = sizes | {name: value for table, times in spent.items() for name, value in latency_details(times, f"{table}_").items()}
    read = {table: 1 / median(times) for table, times in spent.items()}
    put = large.inserted_per_second
    figures = []
    for other, reference in ((BARE, "index without the values"), (DIVIDED, "the table in parts by time")):
        title = f"of {plan.chart_rows:,} rows in one table, the index with the values:"
        figures += [
            Figure(NAME, f"{title} charts read by SQL", read[TABLE], "/s", reference, read[other], details=details),
            Figure(NAME, f"{title} rows inserted in order of time", put[TABLE], "rows/s", reference, put[other]),
        ]
    return figures


async def _read_layout(connection: asyncpg.Connection, table: str, symbol: str, bars: int) -> float:
    statement = SQL.bars_backwards.sql.replace(TABLE, table)
    began = time.perf_counter()
    row: Any = await connection.fetchrow(statement, symbol, "M1", FIRST_BAR, datetime(2099, 1, 1, tzinfo=UTC), bars)
    elapsed = time.perf_counter() - began
    if row["bars"] != bars:
        raise BenchmarkError(f"{table} has {row['bars']} bars of {symbol} instead of {bars}.")
    return elapsed


async def _size(connection: asyncpg.Connection, table: str) -> float:
    """Of the table, its parts and their indexes, in MiB."""
    parts = "SELECT $1::regclass AS relid UNION SELECT relid FROM pg_partition_tree($1::regclass)"
    return float(await connection.fetchval(f"SELECT sum(pg_total_relation_size(relid)) / 1048576 FROM ({parts}) AS part", table))
