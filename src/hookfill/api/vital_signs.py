"""What ``/health`` and ``/metrics`` know of this process, and how they ask the database: briefly, and without failing."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import asyncpg

from hookfill.api.answers import UNREACHABLE
from hookfill.inbox.tally import Tally
from hookfill.ops.heart import ALIVE_SECONDS, Fares
from hookfill.ops.metrics import PoolUse
from hookfill.ops.vitals import Vitals, look

DESK = "desk"
"""The worker without which nothing is decided and no stop is watched."""


@dataclass(frozen=True, slots=True)
class Process:
    """What the server tells of itself.

    Attributes:
        tally: what its doors took in.
        is_spooling, spooled_bytes: how its spool is.
        pools: its connections, by what they are for.
        metrics_token: what ``/metrics`` asks for; None: nothing.
        started: when it started, by the monotonic clock.
    """

    tally: Tally = field(default_factory=Tally)
    is_spooling: Callable[[], bool] = lambda: False
    spooled_bytes: Callable[[], int] = lambda: 0
    pools: Mapping[str, asyncpg.Pool] = field(default_factory=dict)
    metrics_token: str | None = field(default=None, repr=False)
    started: float = field(default_factory=time.monotonic)

    @property
    def uptime_seconds(self) -> float:
        """How long it has been up."""
        return round(time.monotonic() - self.started, 3)

    def pool_use(self) -> dict[str, PoolUse]:
        """How its pools are used now."""
        return {
            name: PoolUse(pool.get_size() - pool.get_idle_size(), pool.get_idle_size(), pool.get_max_size())
            for name, pool in self.pools.items()
        }


async def ask_database(pool: asyncpg.Pool, seconds: float, uptime_seconds: float) -> Vitals | None:
    """What the database knows; None when it does not answer in time."""
    try:
        async with asyncio.timeout(seconds), pool.acquire() as connection:
            return _missing_desk(await look(connection), uptime_seconds)
    except UNREACHABLE:
        return None


def _missing_desk(vitals: Vitals, uptime_seconds: float) -> Vitals:
    """Tell of the desk though nobody runs it: a worker that ended properly is not heard of, and one that comes up not yet."""
    if uptime_seconds <= ALIVE_SECONDS or any(worker.name == DESK for worker in vitals.workers):
        return vitals
    missing = Fares(DESK, "silent", 0, None, 0, uptime_seconds)
    return replace(vitals, workers=tuple(sorted((*vitals.workers, missing), key=lambda worker: worker.name)))
