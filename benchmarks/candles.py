"""Candles per second over HTTP, new and known ones, against a raw binary ``COPY`` of such rows; and what alerts notice of it."""

import asyncio
import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing import get_context
from statistics import median

import orjson

from benchmarks import cpu
from benchmarks.figures import BenchmarkError, Figure, latency_details, quantile
from benchmarks.load import Load, Outcome, Prebuilt
from benchmarks.load import run as run_load
from benchmarks.plan import Plan
from benchmarks.stage import CANDLES_KEY, Running, Stage, create_strategies, hookfill, open_stage, trades

NAME = "candles"
CONNECTIONS = 4
LEAST_OF_COPY = 0.7
LEAST_OF_NEW = 1.0
MOST_ALERT_P99_MS = 200.0
ALERT_CONNECTIONS = 8
COLUMNS = ("symbol", "timeframe", "timestamp", "open", "high", "low", "close", "volume")
FIRST_BAR = datetime(2020, 1, 1, tzinfo=UTC)
PIP = Decimal("0.0001")

Row = tuple[str, str, datetime, Decimal, Decimal, Decimal, Decimal, int]


def batch(number: int, rows: int) -> list[Row]:
    """A batch of minute bars of a symbol of its own."""
    made: list[Row] = []
    for minute in range(rows):
        opening = Decimal("1.08350") + minute % 97 * PIP
        closing = opening + (minute % 7 - 3) * PIP
        high, low = max(opening, closing) + PIP, min(opening, closing) - PIP
        made.append((f"BATCH{number}", "M1", FIRST_BAR + timedelta(minutes=minute), opening, high, low, closing, minute % 500))
    return made


def request(rows: Sequence[Row]) -> bytes:
    """The same as an HTTP request."""
    candles = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    body = orjson.dumps({"candles": candles}, default=float, option=orjson.OPT_UTC_Z)
    head = f"POST /api/v1/candles HTTP/1.1\r\nhost: localhost\r\nx-api-key: {CANDLES_KEY}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


@dataclass(frozen=True, slots=True)
class _Copied:
    per_second: float
    cpu: dict[str, float]


@dataclass(slots=True)
class _Course:
    copied: list[_Copied] = field(default_factory=list)
    new: list[Outcome] = field(default_factory=list)
    known: list[Outcome] = field(default_factory=list)


async def run(plan: Plan) -> list[Figure]:
    """COPY, HTTP with new rows, and HTTP with the same rows again, by turns; then new rows while alerts come in."""
    course = _Course()
    async with open_stage() as stage, hookfill(stage.home, "all") as server:
        for number in range(plan.rounds + 1):
            first = 2 * number * plan.batches
            batches = [batch(first + index, plan.batch_rows) for index in range(2 * plan.batches)]
            course.copied.append(await _copy(stage, batches[: plan.batches]))
            requests = Prebuilt(tuple(request(rows) for rows in batches[plan.batches :]))
            course.new.append(await _send(stage, server, requests, plan.batches * plan.batch_rows))
            course.known.append(await _send(stage, server, requests, 0))
        last = _alerts_meanwhile(plan, stage, server, 2 * (plan.rounds + 1) * plan.batches)
        return [*_figures(plan, course), await last]


def _figures(plan: Plan, course: _Course) -> list[Figure]:
    rows = plan.batches * plan.batch_rows
    copied, new, known = course.copied[1:], course.new[1:], course.known[1:]  # the first round warms up
    middle = sorted(copied, key=lambda done: done.per_second)[len(copied) // 2]
    details = latency_details([latency for outcome in new for latency in outcome.latencies], "all_due_at_once_")
    details |= new[-1].cpu | {f"copy_{name}": value for name, value in middle.cpu.items()}
    title = f"candles in batches of {plan.batch_rows:,} over HTTP, {CONNECTIONS} connections"
    reference = median(done.per_second for done in copied)
    fresh, again = (median(rows / max(outcome.latencies) for outcome in outcomes) for outcomes in (new, known))
    return [
        Figure(NAME, title, fresh, "rows/s", "binary COPY", reference, LEAST_OF_COPY, details=details),
        Figure(NAME, "the same candles again", again, "rows/s", "new candles", fresh, LEAST_OF_NEW, details=known[-1].cpu),
    ]


async def _alerts_meanwhile(plan: Plan, stage: Stage, server: Running, first: int) -> Figure:
    """Acknowledgements at a steady rate, alone and while candles come in as fast as they can."""
    strategies = await create_strategies(stage, plan.latency_accounts)
    watched, count = server.watched(stage), max(1, round(plan.latency_rate * plan.seconds))

    def alerts(number: int) -> Load:
        requests = trades(strategies, number * count)
        return Load(server.port, requests, ALERT_CONNECTIONS, 200, watched, rate=plan.latency_rate, count=count)

    alone = await stage.send(alerts(0))
    requests = Prebuilt(tuple(request(batch(first + index, plan.batch_rows)) for index in range(plan.batches * plan.rounds)))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as second:
        pushing = asyncio.get_running_loop().run_in_executor(second, run_load, _pushing(stage, server, requests))
        latencies: list[float] = []
        number = 1
        while not pushing.done():
            latencies += (await stage.send(alerts(number))).latencies
            number += 1
        await pushing
    alone_ms, value = (1000 * quantile(found, 0.99) for found in (alone.latencies, latencies))
    title = f"acknowledgement p99 at {plan.latency_rate:g}/s while candles come in"
    details = latency_details(latencies) | {"alerts": len(latencies)}
    return Figure(NAME, title, value, "ms", "without candles", alone_ms, most_value=MOST_ALERT_P99_MS, details=details)


def _pushing(stage: Stage, server: Running, requests: Prebuilt) -> Load:
    count = len(requests.requests)
    return Load(server.port, requests, CONNECTIONS, 201, server.watched(stage), rate=math.inf, count=count)


async def _copy(stage: Stage, batches: Sequence[Sequence[Row]]) -> _Copied:
    watched = {"postgres": stage.postgres.pid}
    async with stage.connection() as connection:
        before, began = cpu.seconds(watched) | {"client": time.process_time()}, time.perf_counter()
        for rows in batches:
            await connection.copy_records_to_table("market_data_candles", records=rows, columns=COLUMNS)
        elapsed = time.perf_counter() - began
        used = cpu.cores(before, cpu.seconds(watched) | {"client": time.process_time()}, elapsed)
    return _Copied(sum(map(len, batches)) / elapsed, used)


async def _send(stage: Stage, server: Running, requests: Prebuilt, expected: int) -> Outcome:
    before = await _stored(stage)
    outcome = await stage.send(_pushing(stage, server, requests))
    stored = await _stored(stage) - before
    if stored != expected:
        raise BenchmarkError(f"{expected} new candles were accepted, but {stored} more are stored.")
    return outcome


async def _stored(stage: Stage) -> int:
    async with stage.connection() as connection:
        return await connection.fetchval("SELECT count(*) FROM market_data_candles")
