"""The feature flags in memory: what works by them reads them there, without asking the database.

NOTIFY on ``hookfill_flags`` refreshes the board, and a poll behind it does within a second. While the database is away, what is
known stays in force.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import asyncpg
import structlog

from hookfill.accounts.flags import SQL
from hookfill.postgres.pool import DATABASE_ERRORS

POLL_SECONDS = 0.75
LOAD_SECONDS = 5.0
RETRY_SECONDS = 0.5
CHANNEL = "hookfill_flags"
_LOG = structlog.get_logger("hookfill.accounts")

Understood = TypeVar("Understood")


class FlagBoard(Generic[Understood]):
    """One process's flags, kept fresh by ``run``."""

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], understand: Callable[[Mapping[str, bool]], Understood]
    ) -> None:
        """Read through a connection of its own; until the first ``load`` nothing is set.

        Args:
            understand: makes the flags' value of what is stored, by name.
        """
        self._connect = connect
        self._understand = understand
        self._stored: Mapping[str, bool] = {}
        self._flags = understand({})
        self._changed = asyncio.Event()
        self._connection: asyncpg.Connection | None = None

    @property
    def flags(self) -> Understood:
        """As they were last read."""
        return self._flags

    async def load(self) -> None:
        """Read the flags.

        Raises:
            OSError, asyncpg.PostgresError, TimeoutError: the database does not answer.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
            await self._connection.add_listener(CHANNEL, lambda *_: self._changed.set())
        stored = {row["name"]: row["is_enabled"] for row in await self._connection.fetch(SQL.stored_flags.sql)}
        if stored != self._stored:
            self._stored, self._flags = stored, self._understand(stored)
            _LOG.info("flags_changed", enabled=sorted(name for name, is_enabled in stored.items() if is_enabled))

    async def run(self) -> None:
        """Keep the board fresh until cancelled."""
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass  # the poll behind the notification
            self._changed.clear()
            try:
                async with asyncio.timeout(LOAD_SECONDS):
                    await self.load()
            except DATABASE_ERRORS as error:
                _LOG.warning("flags_not_refreshed", error=f"{type(error).__name__}: {error}")
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            with contextlib.suppress(*DATABASE_ERRORS):
                await self._connection.close(timeout=1.0)  # cuts it, if the database does not answer
            self._connection = None


@contextlib.asynccontextmanager
async def open_board(
    connect: Callable[[], Awaitable[asyncpg.Connection]], understand: Callable[[Mapping[str, bool]], Understood]
) -> AsyncIterator[FlagBoard[Understood]]:
    """A board that has been read and is kept fresh as long as the context lasts.

    Raises:
        OSError, asyncpg.PostgresError, TimeoutError: the database does not answer at the beginning.
    """
    board = FlagBoard(connect, understand)
    await board.load()
    refreshing = asyncio.create_task(board.run())
    try:
        yield board
    finally:
        refreshing.cancel()
        await asyncio.gather(refreshing, return_exceptions=True)
        await board.close()
