"""The public keys of a foreign token issuer (JWKS, RFC 7517), from a file or a URL, kept in memory."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import structlog

from hookfill.kernel.errors import HookfillError

FRESH_SECONDS = 600.0
"""How long keys are used before they are read anew: so long may one count that its issuer took back."""
PAUSE_SECONDS = 60.0
"""Between two readings, whatever ids strangers' tokens name."""
FETCH_SECONDS = 5.0
MOST_BYTES = 256 * 1024
LEAST_RSA_BITS = 2048
_LOG = structlog.get_logger("hookfill.accounts")


class KeysUnavailable(HookfillError):
    """The issuer's keys have never been read and can't be now."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and the one algorithm that it is for, which follows from the kind of key."""

    key: Any
    algorithm: str


async def fetch(source: str) -> bytes:
    """What stands in a file or behind a URL.

    Raises:
        OSError, httpx.HTTPError, ValueError: it can't be read, or is too large.
    """
    if not source.startswith(("http://", "https://")):
        return await asyncio.to_thread(_read_file, Path(source))
    async with httpx.AsyncClient(timeout=FETCH_SECONDS) as client, client.stream("GET", source) as answer:
        answer.raise_for_status()
        content = b""
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > MOST_BYTES:
                raise ValueError(f"the key set is larger than {MOST_BYTES} bytes")
        return content


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"the key set is larger than {MOST_BYTES} bytes")
    return content


def read_key_set(content: bytes) -> dict[str, PublicKey]:
    """The usable keys by their ids: RSA (from 2,048 bits) for RS256 and P-256 for ES256; all others are left out.

    Raises:
        ValueError: this is no key set.
    """
    found = json.loads(content)
    entries = found.get("keys") if isinstance(found, dict) else None
    if entries is None:
        raise ValueError("there are no `keys` in it")
    usable = {}
    for entry in entries if isinstance(entries, list) else ():
        key = _public_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            usable[str(entry.get("kid", ""))] = key
    return usable


def _public_key(entry: dict[str, Any]) -> PublicKey | None:
    algorithm = {("RSA", "None"): "RS256", ("EC", "P-256"): "ES256"}.get((str(entry.get("kty")), str(entry.get("crv"))))
    if algorithm is None or entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    try:
        key = jwt.PyJWK(entry, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if algorithm == "RS256" and key.key_size < LEAST_RSA_BITS:
        return None
    return PublicKey(key, algorithm)


class KeySet:
    """An issuer's keys, read when they are first needed, when they grow old, and when a token names one that is not among them."""

    def __init__(
        self,
        source: str,
        *,
        fetch: Callable[[str], Awaitable[bytes]] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read from a file or URL."""
        self._source = source
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, PublicKey] | None = None
        self._read_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    async def find(self, kid: str) -> PublicKey | None:
        """The key of an id.

        Raises:
            KeysUnavailable: no keys could be read so far.
        """
        if self._is_due(kid):
            async with self._reading:
                if self._is_due(kid):
                    await self._read()
        if self._keys is None:
            raise KeysUnavailable("The keys of the token's issuer can't be read now: try again in a minute.")
        return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        now = self._clock()
        is_wanting = self._keys is None or kid not in self._keys or now - self._read_at >= FRESH_SECONDS
        return is_wanting and now - self._tried_at >= PAUSE_SECONDS

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = read_key_set(await self._fetch(self._source))
            self._read_at = self._clock()
        except (OSError, TimeoutError, httpx.HTTPError, ValueError, RecursionError) as error:
            # What is known stays in force, as everywhere when a source is away for a while.
            _LOG.warning("issuer_keys_not_read", error=f"{type(error).__name__}: {error}")
        finally:
            self._tried_at = self._clock()  # not earlier: who comes meanwhile waits for the outcome
