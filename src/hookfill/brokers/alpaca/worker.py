"""Trades all accounts at Alpaca that no other process trades: finds them, holds them, and keeps a session for each.

An account is held by an advisory lock on one connection of this process, so that two processes never trade it at the same time, and
the next one takes over the moment that connection ends.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import structlog

from hookfill.accounts.vault import CredentialsUnreadable, Vault
from hookfill.brokers.alpaca import store
from hookfill.kernel.ids import new_id
from hookfill.ops.alarms import clear_alarms, raise_alarm
from hookfill.ops.loop import POLL_SECONDS, UNREACHABLE, Loop
from hookfill.ops.pulse import Pulse

if TYPE_CHECKING:
    from hookfill.brokers.alpaca.session import Session

JOBS_CHANNEL = "hookfill_jobs"
NOT_TRADED = "alpaca_not_traded"
CREDENTIALS_MISSING = (
    'The connection has no key and secret: PATCH /api/v1/broker-connections/ID with credentials {"key": …, "secret": …}.'
)
CREDENTIALS_LOCKED = (
    "The connection's credentials were encrypted with another key: set HOOKFILL_CREDENTIALS_KEY to that one, or enter them again."
)
LIVE_REFUSED = (
    "The connection trades real money, and this installation is not set up to: set APP_MODE=LIVE and ALPACA_LIVE_CONFIRMATION to "
    "the sentence that the settings' reference names, and start the server again."
)
_LOG = structlog.get_logger("hookfill.alpaca")


@dataclass(frozen=True, slots=True)
class Places:
    """Where Alpaca is.

    Attributes:
        paper_url, live_url: of its trading APIs.
        trades_live: real money may be traded.
    """

    paper_url: str
    live_url: str
    trades_live: bool = False


class AlpacaWorker:
    """Keeps a session for each account at Alpaca until it is stopped."""

    def __init__(
        self, pool: asyncpg.Pool, connect: Callable[[], Awaitable[asyncpg.Connection]], vault: Vault, places: Places
    ) -> None:
        """Work through ``pool``; ``connect`` makes the connections that listen and that hold accounts."""
        self._pool, self._connect, self._vault, self._places = pool, connect, vault, places
        self._loop = Loop("alpaca", pool, connect, JOBS_CHANNEL, self._find, self._keep, poll_seconds=POLL_SECONDS)
        self._holding: asyncpg.Connection | None = None
        self._found: dict[UUID, store.Connection] = {}
        self._sessions: dict[UUID, Session] = {}
        self._running: dict[UUID, asyncio.Task[None]] = {}

    @property
    def pulse(self) -> Pulse:
        """How its looking for accounts and jobs fares."""
        return self._loop.pulse

    def stop(self) -> None:
        """End ``run`` after the work in hand, if that ends soon."""
        self._loop.stop()
        for session in self._sessions.values():
            session.stop()

    async def run(self) -> None:
        """Work until stopped; a database that is away is waited for."""
        try:
            await self._loop.run()
        finally:
            await self._end_all()
            if self._holding is not None:
                self._holding.terminate()

    async def _find(self, connection: asyncpg.Connection) -> set[UUID]:
        """The accounts to look after; sessions of those that are gone, or have other credentials now, are ended."""
        self._found = await store.connections(connection)
        if self._holding is not None and self._holding.is_closed():  # and with it all that it held
            await self._end_all()
            self._holding = None
        for account_id, session in list(self._sessions.items()):
            if self._running[account_id].done() or self._found.get(account_id) != session.found:
                await self._end(account_id)
        return set(self._found)

    async def _keep(self, connection: asyncpg.Connection, account_id: UUID) -> bool:
        """See that an account has its session, and wake it."""
        session, found = self._sessions.get(account_id), self._found.get(account_id)
        if session is not None:
            session.wake()
        elif found is not None:
            await self._try(connection, found)
        return False

    async def _try(self, connection: asyncpg.Connection, found: store.Connection) -> None:
        keys, refusal = self._keys(found)
        if keys is None:
            await store.note_no_session(connection, found.account_id, refusal)
            if await raise_alarm(connection, found.account_id, NOT_TRADED, "connection", refusal):
                _LOG.warning("account_not_traded", account_id=str(found.account_id), why=refusal)
            return
        if self._holding is None:
            self._holding = await self._connect()
        session_id = new_id()
        if not await store.take(self._holding, found.account_id, session_id):
            return
        await clear_alarms(connection, found.account_id, NOT_TRADED, [])
        # Loaded here: what speaks HTTP with Alpaca costs time and memory that only who trades there should pay.
        from hookfill.brokers.alpaca.session import Session  # noqa: PLC0415

        session = Session(self._pool, found, session_id, keys)
        self._sessions[found.account_id] = session
        self._running[found.account_id] = asyncio.create_task(session.run())
        _LOG.info("account_traded", account_id=str(found.account_id), live=found.is_live)

    def _keys(self, found: store.Connection) -> tuple[tuple[str, str, str] | None, str]:
        """Key, secret and URL; or why the account can't be traded."""
        if found.is_live and not self._places.trades_live:
            return None, LIVE_REFUSED
        try:
            given: Mapping[str, str] = {} if found.credentials is None else self._vault.open(found.credentials)
        except CredentialsUnreadable:
            return None, CREDENTIALS_LOCKED
        key, secret = given.get("key") or given.get("key_id"), given.get("secret") or given.get("secret_key")
        if not key or not secret:
            return None, CREDENTIALS_MISSING
        return (key, secret, self._places.live_url if found.is_live else self._places.paper_url), ""

    async def _end(self, account_id: UUID) -> None:
        """End an account's session and let go of it."""
        session, running = self._sessions.pop(account_id), self._running.pop(account_id)
        session.stop()
        await asyncio.wait([running])
        if not running.cancelled() and running.exception() is not None:
            _LOG.error("session_failed", account_id=str(account_id), error=repr(running.exception()))
        if self._holding is not None and not self._holding.is_closed():
            with contextlib.suppress(*UNREACHABLE):
                await store.drop(self._holding, account_id)

    async def _end_all(self) -> None:
        for session in self._sessions.values():
            session.stop()
        for account_id in list(self._sessions):
            await self._end(account_id)
