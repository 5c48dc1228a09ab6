"""A chart's 5,000 bars over HTTP, in a large table and in a small one.

The bars of all symbols arrive minute by minute, so that those of one symbol lie far apart in the table. The last 90 minutes are not
vacuumed yet, as it is between two rounds of autovacuum.
"""

import asyncio
import http.client
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

import asyncpg
import orjson

from benchmarks.figures import BenchmarkError, Figure, latency_details, quantile
from benchmarks.plan import Plan
from benchmarks.stage import Running, Stage, hookfill, open_stage

NAME = "charts"
MOST_MS = 30.0
MOST_OF_SMALL = 1.2
SMALL_SYMBOLS = 40
BARS_PER_CHART = 4
"""How many charts' worth of bars each symbol of the large table has."""
FRESH_MINUTES = 90
CHUNK_ROWS = 50_000
TABLE = "market_data_candles"
FIRST_BAR = datetime(2020, 1, 1, tzinfo=UTC)
_FILL = """
    INSERT INTO {} (symbol, timeframe, timestamp, open, high, low, close, volume)
    SELECT 'S' || lpad((n % $3)::text, 5, '0'), 'M1', $4::timestamptz + n / $3 * interval '1 minute',
           round(1.0800 + n % 97 * 0.0001, 5), round(1.0902 + n % 97 * 0.0001, 5), round(1.0702 + n % 97 * 0.0001, 5),
           round(1.0801 + n % 91 * 0.0001, 5), n % 500
    FROM generate_series($1::bigint, $2::bigint - 1) AS n
    ON CONFLICT (symbol, timeframe, timestamp) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """A stage with its table."""

    stage: Stage
    symbols: int
    inserted_per_second: dict[str, float]


class _Client:
    """Reads charts, one after the other, over one connection."""

    def __init__(self, filled: Filled, server: Running, bars: int) -> None:
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
    """The two sizes by turns."""
    async with AsyncExitStack() as stack:
        small = await fill(await stack.enter_async_context(open_stage()), plan.chart_bars, SMALL_SYMBOLS, [TABLE])
        minutes, symbols = size_of(plan)
        large = await fill(await stack.enter_async_context(open_stage()), minutes, symbols, [TABLE])
        clients = []
        for filled in (small, large):
            server = await stack.enter_async_context(hookfill(filled.stage.home, "api"))
            clients.append(_Client(filled, server, plan.chart_bars))
        cold = await _read_by_turns(clients, plan)
        return _sizes(plan, clients, cold)


def size_of(plan: Plan) -> tuple[int, int]:
    """The large table's minutes and symbols."""
    minutes = BARS_PER_CHART * plan.chart_bars
    return minutes, max(1, plan.chart_rows // minutes)


async def fill(
    stage: Stage,
    minutes: int,
    symbols: int,
    tables: Sequence[str],
    prepare: Callable[[asyncpg.Connection], Awaitable[None]] | None = None,
) -> Filled:
    """Minute by minute the bars of all symbols, into each table by turns."""
    rows, fresh_from = minutes * symbols, max(0, minutes - FRESH_MINUTES) * symbols
    seconds, counted = dict.fromkeys(tables, 0.0), 0
    async with hookfill(stage.home, "api"), stage.connection() as connection:  # which migrates the database and makes the owner
        if prepare is not None:
            await prepare(connection)
        for start in range(0, fresh_from, CHUNK_ROWS):
            end = min(start + CHUNK_ROWS, fresh_from)
            for table in tables:
                seconds[table] += await _insert(connection, table, start, end, symbols)
            counted += end - start
        for table in tables:
            await connection.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
            await _insert(connection, table, fresh_from, rows, symbols)
        await connection.execute("CHECKPOINT")
    return Filled(stage, symbols, {table: counted / spent for table, spent in seconds.items()})


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
