"""How long an alert takes until its paper fill, at a steady rate that leaves the installation room."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import orjson

from benchmarks.figures import BenchmarkError, Figure, latency_details, quantile
from benchmarks.load import Load
from benchmarks.plan import Plan
from benchmarks.reference import commits_at
from benchmarks.stage import Running, Stage, create_strategies, hookfill, open_stage, trades, wait_until_decided
from hookfill.accounts.store import NewStrategy

NAME = "latency"
CONNECTIONS = 32
REFERENCE_CONNECTIONS = 8
LONGER = 5
"""Latencies are taken for so many times a throughput measurement's time."""
AIMS_MS = {"p50": (0.5, 15.0), "p99": (0.99, 60.0)}
WATCHED_ACCOUNTS = 5
WATCH_EVERY_SECONDS = 0.002

DECIDED = """
SELECT messages.body, messages.account_id, messages.as_of, signals.status, signals.error_message, signals.resolved_at
FROM messages JOIN signals USING (account_id, message_id)
WHERE messages.received_at >= $1
"""
SEEN = "SELECT account_id, timeline_at FROM accounts WHERE account_id = ANY ($1)"


@dataclass(slots=True)
class _Samples:
    """Latencies in seconds, each from an alert's scheduled time, of all rounds together."""

    acknowledged: list[float] = field(default_factory=list)
    filled: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    committed: list[float] = field(default_factory=list)
    lateness: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


async def run(plan: Plan) -> list[Figure]:
    """Alerts and bare commits at the same rate, by turns."""
    async with open_stage() as stage, hookfill(stage.home, "all") as server:
        course = _Course(stage, server, await create_strategies(stage, plan.latency_accounts), plan.latency_rate)
        pairs = 2 * plan.latency_accounts  # as many as open and close a position in each account
        await course.measure(pairs)
        samples = course.samples = _Samples()
        for _ in range(plan.rounds):
            bare = await commits_at(stage, REFERENCE_CONNECTIONS, plan.latency_rate, plan.seconds * LONGER)
            samples.committed += bare.latencies
            await course.measure(max(1, round(plan.seconds * LONGER * plan.latency_rate / pairs)) * pairs)
    return _figures(plan, samples)


@dataclass(slots=True)
class _Course:
    stage: Stage
    server: Running
    strategies: Sequence[NewStrategy]
    rate: float
    samples: _Samples = field(default_factory=_Samples)
    next_number: int = 0

    async def measure(self, count: int) -> None:
        """Send ``count`` alerts on schedule, and collect when each was answered, filled and visible."""
        requests = trades(self.strategies, self.next_number)
        watched = self.server.watched(self.stage)
        load = Load(self.server.port, requests, CONNECTIONS, 200, watched, rate=self.rate, count=count)
        seen: dict[tuple[UUID, datetime | None], float] = {}
        watching = asyncio.create_task(self._watch(seen))
        outcome = await self.stage.send(load)
        await wait_until_decided(self.stage)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        self.samples.acknowledged += outcome.latencies
        self.samples.lateness = max(self.samples.lateness, outcome.lateness)
        self.samples.cpu = outcome.cpu
        await self._collect(outcome.started_at, count, seen)
        self.next_number += count

    async def _watch(self, seen: dict[tuple[UUID, datetime | None], float]) -> None:
        """A reader beside the stream: when it first sees each moment that an account has been decided up to."""
        accounts = [made.account_id for made in self.strategies[:WATCHED_ACCOUNTS]]
        async with self.stage.connection() as connection:
            while True:
                for account_id, timeline_at in await connection.fetch(SEEN, accounts):
                    seen.setdefault((account_id, timeline_at), time.time())
                await asyncio.sleep(WATCH_EVERY_SECONDS)

    async def _collect(self, started_at: float, count: int, seen: dict[tuple[UUID, datetime | None], float]) -> None:
        async with self.stage.connection() as connection:
            rows = await connection.fetch(DECIDED, datetime.fromtimestamp(started_at, UTC))
        executed = [row for row in rows if row["status"] == "executed"]
        if len(executed) != count:
            others = {row["error_message"] for row in rows if row["status"] != "executed"}
            raise BenchmarkError(f"{count} alerts were sent, but {len(executed)} filled. {others or ''}")
        for row in executed:
            number = int(orjson.loads(row["body"])["id"].rpartition("-")[2])
            due = started_at + (number - self.next_number) / self.rate
            self.samples.filled.append(row["resolved_at"].timestamp() - due)
            seen_at = seen.get((row["account_id"], row["as_of"]))
            if seen_at is not None:
                self.samples.visible.append(seen_at - due)


def _figures(plan: Plan, samples: _Samples) -> list[Figure]:
    details = latency_details(samples.acknowledged, "acknowledged_") | latency_details(samples.visible or [0.0], "visible_")
    details |= {"fills": len(samples.filled), "sender_late_max_ms": round(1000 * samples.lateness, 2)} | samples.cpu
    figures = []
    for name, (share, most) in AIMS_MS.items():
        value, reference = (1000 * quantile(values, share) for values in (samples.filled, samples.committed))
        title = f"alert to paper fill at {plan.latency_rate:g}/s, {name}"
        figures.append(
            Figure(NAME, title, value, "ms", f"pgbench at that rate, {name}", reference, most_value=most, details=details)
        )
        details = {}
    return figures
