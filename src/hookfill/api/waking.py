"""Wakes agents that wait for a job: one LISTEN connection and one poll for all of them together.

A waiting agent costs an ``asyncio.Event`` and no database connection. NOTIFY ``hookfill_jobs`` (its payload: the account) wakes at
once; one query every second or two for all waiting accounts is the truth behind it.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from uuid import UUID

import asyncpg
import structlog

from hookfill.brokers.mt5.store import accounts_with_jobs
from hookfill.postgres.pool import DATABASE_ERRORS

CHANNEL = "hookfill_jobs"
POLL_SECONDS = (1.0, 2.0)
"""Bounds of the pause between two polls; drawn anew each time, so that several servers do not ask in step."""
RELISTEN_SECONDS = 1.0
ACQUIRE_SECONDS = 2.0
Connect = Callable[[], Awaitable[asyncpg.Connection]]
_LOG = structlog.get_logger("hookfill.api")


class Waking:
    """The waiting agents of this process, by account."""

    def __init__(self, pool: asyncpg.Pool, connect: Connect | None = None) -> None:
        """Poll through ``pool``; listen through a connection made by ``connect`` (None: the poll alone wakes)."""
        self._pool = pool
        self._connect = connect
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self._has_waiting = asyncio.Event()
        self._is_stopping = False

    @property
    def is_stopping(self) -> bool:
        """Whether the server ends: nobody shall wait any more."""
        return self._is_stopping

    @property
    def accounts(self) -> frozenset[UUID]:
        """The accounts whose agents wait now."""
        return frozenset(self._waiting)

    def stop(self) -> None:
        """End every wait at once, and all that would begin."""
        self._is_stopping = True
        self.wake(self.accounts)

    def wake(self, account_ids: Iterable[UUID]) -> None:
        """There may be jobs for these accounts' agents."""
        for account_id in account_ids:
            for event in self._waiting.get(account_id, ()):
                event.set()

    @contextlib.contextmanager
    def waiter(self, account_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when there may be a job for the account.

        Enter it before looking for one: what comes between the look and the wait is not missed.
        """
        event = asyncio.Event()
        self._waiting.setdefault(account_id, set()).add(event)
        self._has_waiting.set()
        if self._is_stopping:
            event.set()
        try:
            yield event
        finally:
            events = self._waiting[account_id]
            events.discard(event)
            if not events:
                del self._waiting[account_id]
            if not self._waiting:
                self._has_waiting.clear()

    async def run(self) -> None:
        """Wake until cancelled; a database that is away is waited for."""
        tasks = [asyncio.create_task(self._poll())]
        if self._connect is not None:
            tasks.append(asyncio.create_task(self._listen(self._connect)))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            await self._has_waiting.wait()
            await asyncio.sleep(random.uniform(*POLL_SECONDS))
            if not self._waiting:
                continue
            try:
                async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                    self.wake(await accounts_with_jobs(connection, self.accounts))
            except DATABASE_ERRORS as error:
                _LOG.warning("jobs_poll_failed", error=f"{type(error).__name__}: {error}")

    async def _listen(self, connect: Connect) -> None:
        """Keep a LISTEN connection; while it is away, the poll wakes."""
        while True:
            try:
                connection = await connect()
                gone = asyncio.Event()
                connection.add_termination_listener(lambda *_, gone=gone: gone.set())
                try:
                    await connection.add_listener(CHANNEL, self._notified)
                    await gone.wait()
                finally:
                    if not connection.is_closed():
                        connection.terminate()
            except DATABASE_ERRORS as error:
                _LOG.warning("jobs_not_listening", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(RELISTEN_SECONDS)

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        with contextlib.suppress(ValueError):  # whatever else somebody sends on the channel
            self.wake((UUID(payload),))
