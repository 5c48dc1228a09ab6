"""Candles per second over HTTP against a raw binary ``COPY`` of such rows into the same table."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median

import orjson

from benchmarks import cpu
from benchmarks.figures import BenchmarkError, Figure, latency_details
from benchmarks.load import Load, Outcome, Prebuilt
from benchmarks.plan import Plan
from benchmarks.stage import CANDLES_KEY, Running, Stage, hookfill, open_stage

NAME = "candles"
CONNECTIONS = 4
LEAST_OF_COPY = 0.5
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


async def run(plan: Plan) -> list[Figure]:
    """HTTP and COPY by turns, with new rows every time."""
    sent: list[Outcome] = []
    copied: list[_Copied] = []
    async with open_stage() as stage, hookfill(stage.home, "all") as server:
        for number in range(plan.rounds + 1):
            first = 2 * number * plan.batches
            batches = [batch(first + index, plan.batch_rows) for index in range(2 * plan.batches)]
            copied.append(await _copy(stage, batches[: plan.batches]))
            sent.append(await _send(stage, server, batches[plan.batches :]))
    sent, copied = sent[1:], copied[1:]  # the first round warms up
    rates = sorted(plan.batches * plan.batch_rows / max(outcome.latencies) for outcome in sent)
    middle = sorted(copied, key=lambda done: done.per_second)[len(copied) // 2]
    details = latency_details([latency for outcome in sent for latency in outcome.latencies], "all_due_at_once_")
    details |= sent[-1].cpu | {f"copy_{name}": value for name, value in middle.cpu.items()}
    title = f"candles in batches of {plan.batch_rows:,} over HTTP, {CONNECTIONS} connections"
    reference = median(done.per_second for done in copied)
    return [Figure(NAME, title, median(rates), "rows/s", "binary COPY", reference, LEAST_OF_COPY, details=details)]


async def _copy(stage: Stage, batches: Sequence[Sequence[Row]]) -> _Copied:
    watched = {"postgres": stage.postgres.pid}
    async with stage.connection() as connection:
        before, began = cpu.seconds(watched) | {"client": time.process_time()}, time.perf_counter()
        for rows in batches:
            await connection.copy_records_to_table("market_data_candles", records=rows, columns=COLUMNS)
        elapsed = time.perf_counter() - began
        used = cpu.cores(before, cpu.seconds(watched) | {"client": time.process_time()}, elapsed)
    return _Copied(sum(map(len, batches)) / elapsed, used)


async def _send(stage: Stage, server: Running, batches: Sequence[Sequence[Row]]) -> Outcome:
    before = await _stored(stage)
    requests = Prebuilt(tuple(request(rows) for rows in batches))
    load = Load(server.port, requests, CONNECTIONS, 201, server.watched(stage), rate=math.inf, count=len(batches))
    outcome = await stage.send(load)
    stored = await _stored(stage) - before
    if stored != sum(map(len, batches)):
        raise BenchmarkError(f"{sum(map(len, batches))} candles were accepted, but {stored} are stored.")
    return outcome


async def _stored(stage: Stage) -> int:
    async with stage.connection() as connection:
        return await connection.fetchval("SELECT count(*) FROM market_data_candles")
