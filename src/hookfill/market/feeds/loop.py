"""Keeps fetching: one process of an installation, whichever holds the lock; the others wait to take its place."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import asyncpg
import structlog

from hookfill.kernel.clock import utc_now
from hookfill.market.feeds.fetch import Fetcher
from hookfill.market.feeds.port import MarketFeed
from hookfill.market.feeds.watching import SQL
from hookfill.market.sessions_aside import load_sessions_aside
from hookfill.ops.pulse import Pulse
from hookfill.postgres.pool import DATABASE_ERRORS

LEADER_LOCK = int.from_bytes(b"hookfeed")
"""One key per database for whoever fetches."""
PRICES_SECONDS = 1.0
CHAINS_SECONDS = 5.0
WAITING_SECONDS = 5.0
"""How often who does not fetch looks whether it should."""
_LOG = structlog.get_logger("hookfill.feed")


class FeedLoop:
    """Fetches until it is stopped."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        feed: MarketFeed,
        close: Callable[[], None],
        *,
        quote_seconds: float,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Store through ``pool``, hold the lock on a connection made by ``connect``, and end the feed by ``close``.

        Args:
            quote_seconds: how often newest prices are asked for; 0: never.
        """
        self._connect = connect
        self._close = close
        self._stopped = asyncio.Event()
        self.pulse = Pulse("feed")
        self._new_fetcher = partial(Fetcher, pool, feed, quote_seconds, now, self.pulse)

    def stop(self) -> None:
        """End ``run``, and whatever it waits for."""
        self._stopped.set()
        self._close()

    async def run(self) -> None:
        """Fetch until stopped; a database or a feed that is away is waited for."""
        await load_sessions_aside()
        while not self._stopped.is_set():
            try:
                connection = await self._connect()
                try:
                    await self._lead(connection)
                finally:
                    if not connection.is_closed():
                        await connection.close(timeout=WAITING_SECONDS)
            except DATABASE_ERRORS as error:
                _LOG.warning("waits_for_database", error=f"{type(error).__name__}: {error}")
                self.pulse.failed(error)
            await self._pause(WAITING_SECONDS)

    async def _lead(self, connection: asyncpg.Connection) -> None:
        """Fetch while the lock is ours, which it is while its connection lives."""
        while not await connection.fetchval(SQL.try_to_lead.sql, LEADER_LOCK):
            self.pulse.succeeded()  # somebody else fetches
            await self._pause(WAITING_SECONDS)
            if self._stopped.is_set():
                return
        fetcher = self._new_fetcher()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(fetcher, fetcher.prices, PRICES_SECONDS, connection))
            group.create_task(self._repeat(fetcher, fetcher.chains, CHAINS_SECONDS, connection))

    async def _repeat(
        self, fetcher: Fetcher, work: Callable[[], Awaitable[None]], seconds: float, leading: asyncpg.Connection
    ) -> None:
        while not self._stopped.is_set() and not leading.is_closed():
            try:
                await work()
                if not fetcher.troubles.has_errors:
                    self.pulse.succeeded()
            except DATABASE_ERRORS as error:
                self.pulse.failed(error)
                _LOG.warning("waits_for_database", error=f"{type(error).__name__}: {error}")
            except Exception as error:
                self.pulse.failed(error)
                _LOG.exception("fetching_failed")
            await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
