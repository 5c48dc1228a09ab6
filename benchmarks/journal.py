"""Reading a large journal over HTTP while it changes: a page of trades, one trade with its events, and the statistics of all.

Before each read an event is sent, so that no read finds the journal as the one before it did.
"""

import asyncio
import http.client
import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.figures import BenchmarkError, Figure, latency_details, quantile
from benchmarks.journal_data import OPEN_TRADES, fill_journal
from benchmarks.plan import Plan
from benchmarks.stage import Running, Stage, hookfill, open_stage
from hookfill.edge.telemetry import PATH

NAME = "journal"
MOST_MS = 50.0
BASE = "/api/automated-signals"
HEALTH = "/health"
WARM_UP_READS = 5
POLL_PACKED_SECONDS = 0.1
_DIRTY = "SELECT EXISTS (SELECT FROM journal_days WHERE is_dirty)"
_DEFAULT_ACCOUNT = "SELECT account_id FROM accounts WHERE is_default"


class _Client:
    """Sends an event, then reads, over one connection."""

    def __init__(self, stage: Stage, server: Running, open_trades: Sequence[str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        token = (stage.home / "owner-token").read_text(encoding="utf-8").strip()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._open_trades, self._sent = open_trades, 0

    def read(self, path: str) -> tuple[float, Any]:
        """How long the answer took until its last byte, in seconds, and the answer."""
        self._send()
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        elapsed = time.perf_counter() - began
        if answer.status != 200:
            raise BenchmarkError(f"{path} was answered {answer.status}: {body[:200]!r}")
        return elapsed, json.loads(body)

    def _send(self) -> None:
        self._sent += 1
        moved = {"type": "MFE_UPDATE", "signal_id": self._open_trades[self._sent % len(self._open_trades)]}
        moved |= {"be_mfe": self._sent / 1000, "no_be_mfe": self._sent / 1000, "timestamp": datetime.now(UTC).isoformat()}
        self._connection.request("POST", PATH, body=json.dumps(moved))
        answer = self._connection.getresponse()
        if answer.status != 200:
            raise BenchmarkError(f"Telemetry was answered {answer.status}: {answer.read()!r}")
        answer.read()


async def run(plan: Plan) -> list[Figure]:
    """Fill a journal, then read all kinds by turns."""
    async with open_stage() as stage:
        async with hookfill(stage.home, "api"), stage.connection() as connection:  # which migrates the database and makes the owner
            account_id = await connection.fetchval(_DEFAULT_ACCOUNT)
            names = await fill_journal(connection, account_id, plan.journal_trades, plan.journal_events_each)
        async with hookfill(stage.home, "all") as server, stage.connection() as connection:
            while await connection.fetchval(_DIRTY):  # noqa: ASYNC110  # it is another process that packs
                await asyncio.sleep(POLL_PACKED_SECONDS)
            client = _Client(stage, server, names[-OPEN_TRADES:])
            return await asyncio.to_thread(_measure, plan, client, names)


def _measure(plan: Plan, client: _Client, names: Sequence[str]) -> list[Figure]:
    chance = random.Random(5)
    latencies: dict[str, list[float]] = {
        "a page of trades": [],
        "one trade and its events": [],
        "statistics of all trades": [],
        HEALTH: [],
    }
    for number in range(-WARM_UP_READS, plan.journal_reads):
        paths = (f"{BASE}/trades?limit=50", f"{BASE}/trades/{chance.choice(names)}", f"{BASE}/stats", HEALTH)
        for times, path in zip(latencies.values(), paths, strict=True):
            elapsed, answer = client.read(path)
            if path.endswith("/stats") and answer["figures"]["trades"] != len(names):
                raise BenchmarkError(f"{answer['figures']['trades']} trades were counted instead of {len(names)}.")
            if number >= 0:
                times.append(elapsed)
    reference = latencies.pop(HEALTH)
    size = f"of {len(names):,} trades and {len(names) * plan.journal_events_each:,} events, an event before each read, p99"
    return [
        Figure(
            NAME,
            f"{name} {size}",
            1000 * quantile(times, 0.99),
            "ms",
            f"GET {HEALTH}, p99",
            1000 * quantile(reference, 0.99),
            most_value=MOST_MS,
            details=latency_details(times) | latency_details(reference, "health_"),
        )
        for name, times in latencies.items()
    ]
