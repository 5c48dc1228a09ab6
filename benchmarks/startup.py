"""Start-up time on a fresh home and on one that is there, and the memory that an idle installation holds."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.reference import textbook
from benchmarks.stage import fresh_home, hookfill, open_stage
from hookfill.postgres import server

NAME = "startup"
SETTLE_SECONDS = 2.0
MEBIBYTE = 1024 * 1024


@dataclass(slots=True)
class _Starts:
    """Seconds of each start: until requests are answered, until the worker is there too, and of PostgreSQL alone."""

    title: str
    answered: list[float] = field(default_factory=list)
    complete: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    async def hookfill(self, home: Path) -> None:
        async with hookfill(home, "all") as running:
            self.answered.append(running.answered_in_seconds)
            self.complete.append(running.complete_in_seconds)

    async def postgres(self, home: Path) -> None:
        began = time.perf_counter()
        await asyncio.to_thread(server.ensure_running, home)
        self.bare.append(time.perf_counter() - began)
        await asyncio.to_thread(server.stop, home)

    def figure(self) -> Figure:
        details = {"with_worker_s": round(median(self.complete), 3), "worst_s": round(max(self.answered), 3)}
        return Figure(NAME, self.title, median(self.answered), "s", "its PostgreSQL alone", median(self.bare), details=details)


async def run(plan: Plan) -> list[Figure]:
    """Hookfill's starts against those of its PostgreSQL alone, by turns; its memory against the textbook application's."""
    fresh, again = _Starts("start on a fresh home"), _Starts("start on an existing home")
    for _ in range(plan.rounds):
        with fresh_home() as home:
            await fresh.postgres(home)
            await again.postgres(home)
        with fresh_home() as home:
            await fresh.hookfill(home)
            await again.hookfill(home)
    return [fresh.figure(), again.figure(), await _memory(plan)]


async def _memory(plan: Plan) -> Figure:
    async with open_stage() as stage:
        async with hookfill(stage.home, "all") as running:
            await asyncio.sleep(SETTLE_SECONDS if plan.rounds > 1 else 0)
            watched = running.watched(stage).items()
            details = {name: _mebibytes(pid, family=name == "postgres") for name, pid in watched}
        async with textbook(stage) as other:
            reference = _mebibytes(other.process.pid, family=False)
    total = sum(size for size, _ in details.values())
    named = {
        f"{name}_{kind}_MiB": round(size, 1)
        for name, sizes in details.items()
        for kind, size in zip(("pss", "rss"), sizes, strict=True)
    }
    return Figure(NAME, "memory at rest, all processes", total, "MiB", "textbook's process alone", reference[0], details=named)


def _mebibytes(pid: int, *, family: bool) -> tuple[float, float]:
    """Memory with shared pages divided among those who share them (where the system tells, else without), and resident memory."""
    parent = psutil.Process(pid)
    used = [process.memory_full_info() for process in ([parent, *parent.children(recursive=True)] if family else [parent])]
    proportional = sum(getattr(memory, "pss", memory.rss) for memory in used)
    return proportional / MEBIBYTE, sum(memory.rss for memory in used) / MEBIBYTE
