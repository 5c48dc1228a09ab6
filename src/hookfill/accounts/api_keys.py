"""API keys for programs: random, stored as SHA-256, with scopes; and those that may push candles, in memory."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.store import hash_secret
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.ids import new_id
from hookfill.postgres.sql import load

SQL = load(__package__, "people.sql")

MARK = "hf_"
"""How every key begins: it is recognised where it leaked."""
SCOPES = ("read", "trade", "candles")
MOST_KEYS = 100
"""In force, per user."""
FRESH_SECONDS = 10.0
"""How long a key that was taken back may still push candles."""
PAUSE_SECONDS = 0.25
"""Between two looks into the database for keys that memory does not know: guessers can't make more of them."""
TOUCH_SECONDS = 60.0


class TooManyKeys(HookfillError):
    """The user has as many keys as one may have."""


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key just made; ``key`` is shown this once."""

    stored: dict[str, Any]
    key: str = field(repr=False)


async def create_api_key(connection: asyncpg.Connection, user_id: UUID, label: str, scopes: Sequence[str]) -> NewApiKey:
    """A new key of a user's (run in the user's view).

    Raises:
        TooManyKeys: revoke one first.
    """
    if await connection.fetchval(SQL.count_api_keys.sql, user_id) >= MOST_KEYS:
        raise TooManyKeys(f"There are {MOST_KEYS} API keys in force: revoke one with DELETE /api/v1/api-keys/{{key_id}} first.")
    prefix = MARK + secrets.token_hex(4)
    key = f"{prefix}_{secrets.token_urlsafe(32)}"
    ordered = [scope for scope in SCOPES if scope in scopes]
    stored = await connection.fetchrow(SQL.add_api_key.sql, new_id(), user_id, label, prefix, hash_secret(key), ordered)
    return NewApiKey(dict(stored), key)


async def list_api_keys(connection: asyncpg.Connection, user_id: UUID, limit: int, offset: int) -> list[dict[str, Any]]:
    """A user's keys, newest first, those taken back included (run in the user's view)."""
    return [dict(row) for row in await connection.fetch(SQL.list_api_keys.sql, user_id, limit, offset)]


async def revoke_api_key(connection: asyncpg.Connection, user_id: UUID, key_id: UUID) -> bool:
    """Take a key back; False when there is none of that id in force (run in the user's view)."""
    return await connection.fetchval(SQL.revoke_api_key.sql, user_id, key_id) is not None


class CandleKeys:
    """The API keys that may push candles, in memory: there are few, so all are read at once and an unknown one costs nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Empty until the first key is shown."""
        self._clock = clock
        self._known: frozenset[bytes] = frozenset()
        self._read_at = float("-inf")
        self._touched: dict[bytes, float] = {}
        self._reading = asyncio.Lock()

    async def has(self, pool: asyncpg.Pool, key: str, timeout_seconds: float) -> bool:
        """Whether a key may push candles.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: it can't be told now.
        """
        if not key.startswith(MARK):
            return False
        digest = hash_secret(key)
        if self._age() >= (FRESH_SECONDS if digest in self._known else PAUSE_SECONDS):
            async with asyncio.timeout(timeout_seconds):
                await self._read(pool, PAUSE_SECONDS)
        if digest not in self._known:
            return False
        await self._touch(pool, digest, timeout_seconds)
        return True

    def _age(self) -> float:
        return self._clock() - self._read_at

    async def _read(self, pool: asyncpg.Pool, least_age: float) -> None:
        async with self._reading:
            if self._age() < least_age:
                return  # another request has just read them
            rows = await pool.fetch(SQL.candle_keys.sql)
            self._known = frozenset(row["key_sha256"] for row in rows)
            self._touched = {digest: at for digest, at in self._touched.items() if digest in self._known}
            self._read_at = self._clock()

    async def _touch(self, pool: asyncpg.Pool, digest: bytes, timeout_seconds: float) -> None:
        now = self._clock()
        if now - self._touched.get(digest, float("-inf")) >= TOUCH_SECONDS:
            self._touched[digest] = now
            async with asyncio.timeout(timeout_seconds):
                await pool.execute(SQL.touch_api_key.sql, digest)
