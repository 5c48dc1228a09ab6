"""What a process keeps in memory as the database has it: read again when NOTIFY says so, and now and then anyway."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from hookfill.postgres.pool import DATABASE_ERRORS

LOAD_SECONDS = 5.0
_LOG = structlog.get_logger("hookfill.postgres")


class Refreshed(ABC):
    """Keeps itself fresh by ``run``; while the database is away, what is known stays in force."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        name: str,
        channel: str,
        *,
        poll_seconds: float,
        retry_seconds: float,
    ) -> None:
        """Read through a connection of its own.

        Args:
            name: what it is, in logs ("flags").
            channel: what tells that it has changed.
            poll_seconds: how long it is trusted when nothing is told.
            retry_seconds: how long it waits for a database that is away.
        """
        self._connect = connect
        self._name, self._channel = name, channel
        self._poll_seconds, self._retry_seconds = poll_seconds, retry_seconds
        self._changed = asyncio.Event()
        self._connection: asyncpg.Connection | None = None

    @abstractmethod
    async def load(self) -> None:
        """Read it.

        Raises:
            OSError, asyncpg.PostgresError, TimeoutError: the database does not answer.
        """

    async def _connected(self) -> asyncpg.Connection:
        """The connection, which listens."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
            await self._connection.add_listener(self._channel, lambda *_: self._changed.set())
        return self._connection

    async def run(self) -> None:
        """Keep it fresh until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._changed.wait()
            except TimeoutError:
                pass  # the poll behind the notification
            self._changed.clear()
            try:
                async with asyncio.timeout(LOAD_SECONDS):
                    await self.load()
            except DATABASE_ERRORS as error:
                _LOG.warning(f"{self._name}_not_refreshed", error=f"{type(error).__name__}: {error}")
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                await asyncio.sleep(self._retry_seconds)
                self._changed.set()

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            with contextlib.suppress(*DATABASE_ERRORS):
                await self._connection.close(timeout=1.0)  # cuts it, if the database does not answer
            self._connection = None
