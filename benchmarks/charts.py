"""A chart's 5,000 bars over HTTP, in a large table and in a small one; and whether the index shall hold the values.

The bars of all symbols arrive minute by minute, so that those of one symbol lie far apart in the table. The last 90 minutes are not
vacuumed yet, as it is between two rounds of autovacuum.
"""

import asyncio
import http.client
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import asyncpg
import orjson

from benchmarks.figures import BenchmarkError, Figure, latency_details, quantile
from benchmarks.plan import Plan
from benchmarks.stage import Running, Stage, hookfill, open_stage
from hookfill.market.reading import SQL

NAME = "charts"
MOST_MS = 30.0
MOST_OF_SMALL = 1.2
SMALL_SYMBOLS = 40
BARS_PER_CHART = 4
"""How many charts' worth of bars each symbol of the large table has."""
FRESH_MINUTES = 90
CHUNK_ROWS = 50_000
TABLE, BARE, DIVIDED = "market_data_candles", "bare_candles", "divided_candles"
FIRST_BAR = datetime(2020, 1, 1, tzinfo=UTC)
_BARE = f"""
    CREATE TABLE {BARE} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING STORAGE);
    ALTER TABLE {BARE} ADD PRIMARY KEY (id), ADD UNIQUE (symbol, timeframe, timestamp);
"""
_DIVIDED = f"""
    CREATE TABLE {DIVIDED} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING STORAGE) PARTITION BY RANGE (timestamp);
    ALTER TABLE {DIVIDED} ADD UNIQUE (symbol, timeframe, timestamp) INCLUDE (open, high, low, close, volume);
"""
_PART = "CREATE TABLE {0}_{1} PARTITION OF {0} FOR VALUES FROM ('{2}') TO ('{3}')"
_FILL = """
    INSERT INTO {} (symbol, timeframe, timestamp, open, high, low, close, volume)
    SELECT 'S' || lpad((n % $3)::text, 5, '0'), 'M1', $4::timestamptz + n / $3 * interval '1 minute',
           round(1.0800 + n % 97 * 0.0001, 5), round(1.0902 + n % 97 * 0.0001, 5), round(1.0702 + n % 97 * 0.0001, 5),
           round(1.0801 + n % 91 * 0.0001, 5), n % 500
    FROM generate_series($1::bigint, $2::bigint - 1) AS n
    ON CONFLICT (symbol, timeframe, timestamp) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class _Filled:
    """A stage with its table."""

    stage: Stage
    symbols: int
    inserted_per_second: dict[str, float]


class _Client:
    """Reads charts, one after the other, over one connection."""

    def __init__(self, filled: _Filled, server: Running, bars: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        token = (filled.stage.home / "owner-token").read_text(encoding="utf-8").strip()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._symbols, self._bars, self._chance = filled.symbols, bars, random.Random(7)
        self.latencies: list[float] = []

    def read(self, times: int) -> None:
        """Read so many charts of random symbols, and keep how long each took until its last byte."""
        for _ in range(times):
            symbol = f"S{self._chance.randrange(self._symbols):05d}"
            path = f"/api/v1/candles?symbol={symbol}&timeframe=M1&limit={self._bars}"
            began = time.perf_counter()
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read()
            self.latencies.append(time.perf_counter() - began)
            if answer.status != 200 or len(orjson.loads(body)) != self._bars:
                raise BenchmarkError(f"{path} was answered {answer.status} with {len(body)} bytes.")


async def run(plan: Plan) -> list[Figure]:
    """The two sizes by turns, then the two layouts by turns."""
    async with AsyncExitStack() as stack:
        small = await _fill(await stack.enter_async_context(open_stage()), plan.chart_bars, SMALL_SYMBOLS, [TABLE])
        minutes = BARS_PER_CHART * plan.chart_bars
        large_stage = await stack.enter_async_context(open_stage())
        large = await _fill(large_stage, minutes, max(1, plan.chart_rows // minutes), [TABLE, BARE, DIVIDED])
        clients = []
        for filled in (small, large):
            server = await stack.enter_async_context(hookfill(filled.stage.home, "api"))
            clients.append(_Client(filled, server, plan.chart_bars))
        cold = await _read_by_turns(clients, plan)
        figures = _sizes(plan, clients, cold)
        return [*figures, *await _layouts(plan, large)]


async def _fill(stage: Stage, minutes: int, symbols: int, tables: Sequence[str]) -> _Filled:
    """Minute by minute the bars of all symbols, into each table by turns."""
    rows, fresh_from = minutes * symbols, max(0, minutes - FRESH_MINUTES) * symbols
    seconds, counted = dict.fromkeys(tables, 0.0), 0
    async with hookfill(stage.home, "api"), stage.connection() as connection:  # which migrates the database and makes the owner
        if len(tables) > 1:
            await _make_layouts(connection, minutes)
        for start in range(0, fresh_from, CHUNK_ROWS):
            end = min(start + CHUNK_ROWS, fresh_from)
            for table in tables:
                seconds[table] += await _insert(connection, table, start, end, symbols)
            counted += end - start
        for table in tables:
            await connection.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
            await _insert(connection, table, fresh_from, rows, symbols)
        await connection.execute("CHECKPOINT")
    return _Filled(stage, symbols, {table: counted / spent for table, spent in seconds.items()})


async def _make_layouts(connection: asyncpg.Connection, minutes: int) -> None:
    """The tables to compare with: one without the values in its index, and one in parts, each of a chart's length of time."""
    await connection.execute(_BARE)
    await connection.execute(_DIVIDED)
    step = timedelta(minutes=-(-minutes // BARS_PER_CHART))
    for number in range(BARS_PER_CHART):
        begins_at = FIRST_BAR + number * step
        await connection.execute(_PART.format(DIVIDED, number, begins_at.isoformat(), (begins_at + step).isoformat()))


async def _insert(connection: asyncpg.Connection, table: str, start: int, end: int, symbols: int) -> float:
    """Insert the rows of these numbers; returns the seconds that it took."""
    began = time.perf_counter()
    await connection.execute(_FILL.format(table), start, end, symbols, FIRST_BAR)
    return time.perf_counter() - began


async def _read_by_turns(clients: Sequence[_Client], plan: Plan) -> list[float]:
    """Read from the small and the large table by turns; returns the latencies of the large one's first reads, in seconds."""
    for client in clients:
        await asyncio.to_thread(client.read, plan.chart_reads)
    cold = clients[-1].latencies
    for client in clients:
        client.latencies = []
    for _ in range(plan.rounds * plan.chart_reads):
        for client in clients:
            await asyncio.to_thread(client.read, 1)
    return cold


def _sizes(plan: Plan, clients: Sequence[_Client], cold: Sequence[float]) -> list[Figure]:
    small, large = (client.latencies for client in clients)
    details = latency_details(large, "large_") | latency_details(small, "small_") | latency_details(cold, "large_first_reads_")
    title = f"reading {plan.chart_bars:,} bars of a symbol among {plan.chart_rows:,} over HTTP"
    reference = f"among {plan.chart_bars * SMALL_SYMBOLS:,}"
    slowest = [1000 * quantile(times, 0.99) for times in (large, small)]
    usual = [1 / median(times) for times in (large, small)]
    return [
        Figure(NAME, f"{title}, p99", slowest[0], "ms", reference, slowest[1], most_value=MOST_MS, details=details),
        Figure(NAME, f"{title}, at the median", usual[0], "/s", reference, usual[1], least_ratio=1 / MOST_OF_SMALL),
    ]


async def _layouts(plan: Plan, large: _Filled) -> list[Figure]:
    """The same bars read by the same statement and inserted: as it is, without the values in the index, and in parts by time."""
    chance, spent = random.Random(11), {table: list[float]() for table in (TABLE, BARE, DIVIDED)}
    async with large.stage.connection() as connection:
        for _ in range(plan.chart_reads):
            for table, times in spent.items():
                symbol = f"S{chance.randrange(large.symbols):05d}"
                # The second time counts: the charts over HTTP have brought pages of one of the tables into memory already.
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
