"""Webhook secrets in memory, by their SHA-256: the doors look them up without asking the database.

NOTIFY on ``hookfill_secrets`` refreshes the cache, and so does a short expiry behind it. A secret that is not in memory is looked
up once more in the database, so that an alert sent the instant after its strategy was created is not lost. One that was rotated
ends by the database's clock: what counts is how much time it has left, not what this machine's clock says.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from hookfill.accounts.store import SQL, hash_secret
from hookfill.postgres.pool import DATABASE_ERRORS
from hookfill.postgres.refreshed import Refreshed

EXPIRY_SECONDS = 10.0
RETRY_SECONDS = 1.0
LOOKUP_SECONDS = 1.0
"""How long a sender with a secret that memory does not know waits, also for a look-up or refresh that is under way."""
CHANNEL = "hookfill_secrets"
_UNKNOWN_KEPT = 10_000
_LOG = structlog.get_logger("hookfill.accounts")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an alert goes."""

    account_id: UUID
    strategy_id: UUID


def _ends(secrets: Iterable[tuple[bytes, float | None]], asked_at: float) -> dict[bytes, float]:
    """When secrets end, on this process's monotonic clock; those without an end are left out."""
    return {key: asked_at + seconds_left for key, seconds_left in secrets if seconds_left is not None}


def _destination(row: Mapping[str, UUID]) -> Destination:
    """Plain UUIDs: asyncpg's own kind takes the slow way into every batch's JSON."""
    return Destination(UUID(int=row["account_id"].int), UUID(int=row["strategy_id"].int))


class SecretCache(Refreshed):
    """Secrets and the signed door's destination, kept fresh by ``run``."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        """Read through a connection of its own."""
        super().__init__(connect, "secrets", CHANNEL, poll_seconds=EXPIRY_SECONDS, retry_seconds=RETRY_SECONDS)
        self._known: dict[bytes, Destination] = {}
        self._ends: dict[bytes, float] = {}
        self._unknown: set[bytes] = set()
        self._signed_door: Destination | None = None
        self._lookup = asyncio.Lock()

    @property
    def signed_door(self) -> Destination:
        """The strategy behind ``POST /webhook``; it also owns what comes through doors that name no strategy."""
        if self._signed_door is None:
            raise RuntimeError("The secret cache was used before it was loaded.")
        return self._signed_door

    def get(self, secret: str) -> Destination | None:
        """Where a secret leads, as far as memory knows."""
        key = hash_secret(secret)
        return None if self._is_over(key) else self._known.get(key)

    def _is_over(self, key: bytes) -> bool:
        return bool(self._ends) and time.monotonic() >= self._ends.get(key, float("inf"))

    async def find(self, secret: str) -> Destination | None:
        """Where a secret leads, asking the database once about one that memory does not know.

        Raises:
            OSError, asyncpg.PostgresError, TimeoutError: it can't be told now.
        """
        key = hash_secret(secret)
        if key in self._unknown:
            return None
        try:
            async with asyncio.timeout(LOOKUP_SECONDS), self._lookup:
                if self._connection is None or self._connection.is_closed():
                    raise ConnectionError("The database is not connected.")
                asked_at = time.monotonic()
                row = await self._connection.fetchrow(SQL.secret_by_hash.sql, key)
        except DATABASE_ERRORS:
            self._changed.set()  # connect anew now, not at the next expiry
            raise
        if row is not None:
            self._ends |= _ends([(key, row["seconds_left"])], asked_at)
            return self._known.setdefault(key, _destination(row))
        if len(self._unknown) >= _UNKNOWN_KEPT:
            self._unknown.clear()
        self._unknown.add(key)
        return None

    async def load(self) -> None:
        """Read all secrets in force."""
        async with self._lookup:
            connection = await self._connected()
            asked_at = time.monotonic()
            rows = await connection.fetch(SQL.all_secrets.sql)
            door = await connection.fetchrow(SQL.signed_door.sql)
        self._known = {row["secret_sha256"]: _destination(row) for row in rows}
        self._ends = _ends([(row["secret_sha256"], row["seconds_left"]) for row in rows], asked_at)
        self._unknown.clear()
        self._signed_door = _destination(door) if door is not None else None
