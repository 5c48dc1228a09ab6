"""A loop that finds accounts with work and does it: woken by NOTIFY, with a poll as the truth behind it.

Each account's work is one call, which takes the account's own lock in a transaction of its own. Several loops, in one process or
many, share the work through these locks; what is locked elsewhere is skipped and found again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from uuid import UUID

import asyncpg
import structlog

from hookfill.ops.pulse import Pulse
from hookfill.postgres.pool import DATABASE_ERRORS

POLL_SECONDS = 1.0
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What is raised when the database is away: everything is tried again, and nobody is blamed for it."""

Find = Callable[[asyncpg.Connection], Awaitable[set[UUID]]]
"""Candidates: the accounts with work, found without locks."""
Work = Callable[[asyncpg.Connection, UUID], Awaitable[bool]]
"""Do some of an account's work in transactions of its own; False: there was none, or somebody else does it."""


class Loop:
    """Does the accounts' work until it is stopped."""

    def __init__(
        self,
        name: str,
        pool: asyncpg.Pool,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        channel: str | Mapping[str, Callable[[], None]],
        find: Find,
        work: Work,
        *,
        poll_seconds: float = POLL_SECONDS,
        concurrency: int = 1,
        look_at_all: Callable[[], None] = lambda: None,
    ) -> None:
        """Work through ``pool`` and listen through a connection made by ``connect``.

        Args:
            name: what the loop is for, in logs ("journal").
            channel: what wakes it; or several, with what to do when one of them speaks.
            find, work: what to do.
            poll_seconds: how often it looks for work of itself, and how long it waits for a database that is away.
            concurrency: accounts worked on at the same time; the pool must have as many connections.
            look_at_all: called before the poll looks, and when something failed: work that was found before may be there again.
        """
        self._pool = pool
        self._connect = connect
        self._channels = {channel: self.wake} if isinstance(channel, str) else channel
        self._find = find
        self._work = work
        self._poll_seconds = poll_seconds
        self._slots = asyncio.Semaphore(concurrency)
        self._look_at_all = look_at_all
        self._wake = asyncio.Event()
        self._stopping = False
        self._log = structlog.get_logger(f"hookfill.{name}")
        self.pulse = Pulse(name)
        self._failure: BaseException | None = None

    def wake(self) -> None:
        """There may be work."""
        self._wake.set()

    def note_failure(self, error: BaseException) -> None:
        """Something in this round failed that ``work`` does not raise; the round then counts as failed."""
        self._failure = error

    def stop(self) -> None:
        """End ``run`` after the work in hand."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until stopped; a database that is away is waited for."""
        listening = asyncio.create_task(self._listen())
        try:
            while not self._stopping:
                self._wake.clear()
                await self._round()
                await self._wait()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _round(self) -> None:
        """Do what there is to do, and note how it went."""
        self._failure = None
        try:
            await self.work_off()
        except UNREACHABLE as error:
            self._log.warning("waits_for_database", error=f"{type(error).__name__}: {error}")
            self._failure = error
        except asyncpg.PostgresError as error:
            self._log.error("work_not_found", error=f"{type(error).__name__}: {error}")
            self._failure = error
        if self._failure is None:
            self.pulse.succeeded()
        else:
            self.pulse.failed(self._failure)

    async def _wait(self) -> None:
        """Until it is woken, or time for the poll."""
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._wake.wait()
        except TimeoutError:
            self._look_at_all()

    async def work_off(self) -> int:
        """Do all the work that is there now; returns how many calls did something.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: the database is away, or work can't be looked for.
        """
        done = 0
        try:
            while not self._stopping:
                async with self._pool.acquire() as connection:
                    accounts = await self._find(connection)
                results = await _all(self._in_slot(account_id) for account_id in accounts)
                if not any(results):
                    return done
                done += sum(results)
        except Exception:
            self._look_at_all()
            raise
        return done

    async def _in_slot(self, account_id: UUID) -> bool:
        """One account's work; a failure that is its own is logged, and the others go on."""
        async with self._slots:
            if self._stopping:
                return False
            try:
                async with self._pool.acquire() as connection:
                    return await self._work(connection, account_id)
            except UNREACHABLE:
                raise
            except Exception as error:
                self._log.error("account_failed", account_id=str(account_id), error=f"{type(error).__name__}: {error}")
                self._failure = error
                self._look_at_all()
                return False

    async def _listen(self) -> None:
        """Keep a LISTEN connection; when it dies, work is found by the poll until it is back."""
        while True:
            try:
                connection = await self._connect()
                gone = asyncio.Event()
                connection.add_termination_listener(lambda *_, gone=gone: gone.set())
                try:
                    for channel, heard in self._channels.items():
                        await connection.add_listener(channel, lambda *_, heard=heard: heard())
                    await gone.wait()
                finally:
                    if not connection.is_closed():
                        await connection.close(timeout=self._poll_seconds)
            except DATABASE_ERRORS as error:
                self._log.warning("not_listening", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(self._poll_seconds)


async def _all(works: Iterable[Awaitable[bool]]) -> list[bool]:
    """The results of all, or the first failure when all have come to an end."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
