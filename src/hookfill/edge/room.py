"""Room in memory for what is large."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """So many bytes may be held at the same time; whoever needs more than is free waits, and is served in turn."""

    def __init__(self, size: int) -> None:
        """All is free.

        Args:
            size: how many bytes there are.
        """
        self._size = self._free = size
        self._first = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self, size: int, seconds: float) -> AsyncIterator[None]:
        """Wait for so many bytes, and have them.

        Args:
            size: how many; more than there are is all of them.
            seconds: how long to wait at most.

        Raises:
            TimeoutError: they did not become free in time.
        """
        size = min(size, self._size)
        async with asyncio.timeout(seconds), self._first:
            while self._free < size:
                self._freed.clear()
                await self._freed.wait()
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._freed.set()
