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
from hookfill.postgres.refreshed import Refreshed

POLL_SECONDS = 0.75
RETRY_SECONDS = 0.5
CHANNEL = "hookfill_flags"
_LOG = structlog.get_logger("hookfill.accounts")

Understood = TypeVar("Understood")


class FlagBoard(Refreshed, Generic[Understood]):
    """One process's flags, kept fresh by ``run``."""

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], understand: Callable[[Mapping[str, bool]], Understood]
    ) -> None:
        """Read through a connection of its own; until the first ``load`` nothing is set.

        Args:
            understand: makes the flags' value of what is stored, by name.
        """
        super().__init__(connect, "flags", CHANNEL, poll_seconds=POLL_SECONDS, retry_seconds=RETRY_SECONDS)
        self._understand = understand
        self._stored: Mapping[str, bool] = {}
        self._flags = understand({})

    @property
    def flags(self) -> Understood:
        """As they were last read."""
        return self._flags

    async def load(self) -> None:
        """Read the flags.

        Raises:
            OSError, asyncpg.PostgresError, TimeoutError: the database does not answer.
        """
        connection = await self._connected()
        stored = {row["name"]: row["is_enabled"] for row in await connection.fetch(SQL.stored_flags.sql)}
        if stored != self._stored:
            self._stored, self._flags = stored, self._understand(stored)
            _LOG.info("flags_changed", enabled=sorted(name for name, is_enabled in stored.items() if is_enabled))


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
