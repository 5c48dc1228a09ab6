"""Tells the operator: one JSON document by POST to a URL of the operator's own (``HOOKFILL_NOTIFY_URL``).

The name is looked up here, and the connection goes to exactly the address that was judged: private addresses are refused unless
that is allowed, redirects are not followed, and no proxy of the environment is used. What is told holds no secret; the URL, which
may be one itself, is never logged.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from hookfill.kernel import exact_json
from hookfill.kernel.errors import ConfigurationError, HookfillError

SECONDS = 5.0
"""For one try, from looking the name up to the answer."""
PAUSES = (0.5, 2.0)
"""Seconds between the tries of one telling."""
_PORTS = {"http": 80, "https": 443}
Lookup = Callable[[str, int], Awaitable[list[str]]]
"""From a host's name and a port to its addresses."""


class NotNotified(HookfillError):
    """The operator could not be told; the text says why, without the URL."""


async def look_up(host: str, port: int) -> list[str]:
    """A host's addresses by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Notifier:
    """Sends to one URL."""

    def __init__(
        self,
        url: str,
        *,
        allow_private: bool = False,
        lookup: Lookup = look_up,
        seconds: float = SECONDS,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        """Send to ``url``, with a further try after each of the ``pauses``.

        Args:
            allow_private: the receiver may stand in a private network or on this machine.
            lookup: finds a host's addresses.
            seconds: for one try.
        """
        self._parts = check_url(url)
        self._allow_private = allow_private
        self._lookup = lookup
        self._seconds = seconds
        self._pauses = pauses

    @property
    def longest_seconds(self) -> float:
        """How long one telling may take, tries and pauses together."""
        return self._seconds * (len(self._pauses) + 1) + sum(self._pauses)

    async def send(self, told: Mapping[str, Any]) -> None:
        """Tell.

        Raises:
            NotNotified: no try succeeded.
        """
        content = exact_json.dumps(told)
        trouble = await self._try(content)
        for pause in self._pauses:
            if trouble is None:
                return
            await asyncio.sleep(pause)
            trouble = await self._try(content)
        if trouble is not None:
            raise NotNotified(f"HOOKFILL_NOTIFY_URL did not take the notification: {trouble}.")

    async def _try(self, content: bytes) -> str | None:
        """What kept it from being taken; None: it was."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._post(content)
        except NotNotified as error:
            return str(error)
        except Exception as error:  # whatever a foreign server, its certificate or the resolver may cause
            return type(error).__name__
        return None

    async def _post(self, content: bytes) -> None:
        import httpx  # noqa: PLC0415 - takes a while to load, and few processes ever tell

        parts = self._parts
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        address = await self._address(host, port)
        netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        request = httpx.Request(
            "POST",
            parts._replace(netloc=netloc, fragment="").geturl(),
            content=content,
            headers={"Host": parts.netloc.rpartition("@")[2], "Content-Type": "application/json", "User-Agent": "hookfill"},
            extensions={"sni_hostname": host, "timeout": httpx.Timeout(self._seconds).as_dict()},
        )
        # The request names an address: a name and a password of the URL are handed over beside it.
        login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
            answer = await client.send(request, auth=login, stream=True)  # what it says is not read, however long it is
            await answer.aclose()
        if not answer.is_success:
            raise NotNotified(f"it answered {answer.status_code}")

    async def _address(self, host: str, port: int) -> str:
        """The address to connect to: none of the host's may be private, unless that is allowed."""
        addresses = await self._lookup(host, port)
        if not addresses:
            raise NotNotified("its host has no address")
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise NotNotified("its address is private; HOOKFILL_NOTIFY_PRIVATE=true allows that")
        return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet; one that carries an IPv4 address inside is judged by that."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def check_url(url: str) -> Any:
    """A URL that can be told to, in its parts.

    Raises:
        ConfigurationError: it can't be one; the text does not quote it.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError("HOOKFILL_NOTIFY_URL can't be used: it must be a URL such as https://hooks.example/T000.")
    return parts
