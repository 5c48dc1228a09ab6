"""Turns at something that serves only a few at a time, and may turn out to be away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from hookfill.postgres.pool import DATABASE_ERRORS


class Turns:
    """So many at a time, the others one after the other; whoever finds the database away sends all home that wait for it."""

    def __init__(self, count: int) -> None:
        """All are free."""
        self._free = asyncio.Semaphore(count)
        self._waits: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[None]:
        """Wait for a turn, and have it.

        Args:
            seconds: how long to wait at most.

        Raises:
            TimeoutError: it did not come in time, or another has found out that there is nothing to wait for.
        """
        async with asyncio.timeout(seconds) as wait:
            self._waits.add(wait)
            try:
                await self._free.acquire()
            finally:
                self._waits.discard(wait)
        try:
            yield
        finally:
            self._free.release()

    @contextmanager
    def finding_out(self) -> Iterator[None]:
        """What is done within shows whether the database is there: if not, nobody waits only to find out the same once more."""
        try:
            yield
        except DATABASE_ERRORS:
            self._send_home()
            raise

    def _send_home(self) -> None:
        now = asyncio.get_running_loop().time()
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(now)
        self._waits.clear()  # to say it twice would be to say it later: after the turn that is just given back
