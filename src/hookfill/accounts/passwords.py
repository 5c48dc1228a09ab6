"""Passwords: Argon2id (RFC 9106), hashed in a thread and one at a time, so that no request and no alert waits for it.

Parameters: RFC 9106's second choice (64 MiB, 3 passes), with one lane instead of four: a hash then takes one core, not all.
"""

import asyncio
import secrets
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hookfill.kernel.errors import HookfillError

T = TypeVar("T")

LEAST_LENGTH = 8
GREATEST_LENGTH = 256
MOST_WAITING = 32
"""Requests that wait for their turn to hash; one more is told to come again."""
AT_ONCE = 1


class TooBusy(HookfillError):
    """More passwords are to be checked than this server can; try again in a moment."""


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self, *, passes: int = 3, memory_kib: int = 64 * 1024) -> None:
        """Use these costs for new hashes; tests use small ones."""
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobody = _hash_of_nothing(passes, memory_kib)

    async def hash(self, password: str) -> str:
        """What is stored of a password.

        Raises:
            TooBusy: too many wait already.
        """
        return await self._in_turn(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; without a stored one (no such user) the same work is done for nothing.

        Raises:
            TooBusy: too many wait already.
        """
        return (
            await self._in_turn(lambda: self._matches(self._nobody if stored is None else stored, password)) and stored is not None
        )

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other costs than new ones are."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _normal(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise TooBusy("More passwords are to be checked than this server can: try again in a moment.")
        self._waiting += 1
        try:
            async with self._turn:
                # Shielded: a thread can't be stopped, and its turn is not over before it ends.
                return await asyncio.shield(asyncio.to_thread(work))
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    """The same characters whichever way a keyboard composes them (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _hash_of_nothing(passes: int, memory_kib: int) -> str:
    """A hash that no password has, and that costs as much to check as a real one."""
    salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${digest}"
