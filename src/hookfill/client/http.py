"""The two clients: HTTP, clocks and pauses under the calls."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from hookfill.client.calls import Calls
from hookfill.client.config import Config, base_address
from hookfill.client.drivers import Awaiting, Blocking
from hookfill.client.retries import Retries
from hookfill.client.steps import Answer, Exchange, NoAnswer, Reply, Step
from hookfill.kernel.clock import utc_now
from hookfill.kernel.steady import steady_seconds

TIMEOUT_SECONDS = 15.0
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before the first byte."""
_BEFORE_SENDING = ("send_request_headers.started", "send_request_body.started")


class _TooLateError(Exception):
    """The time in which the request could safely be sent ended while the connection was made."""


class _Check:
    """Asked by httpcore before it sends (its ``trace`` extension): no limit of time covers looking up names and connecting."""

    def __init__(self, not_after: float, clock: Callable[[], float]) -> None:
        self._not_after, self._clock = not_after, clock

    def blocking(self, event: str, _: object) -> None:
        """For the blocking client."""
        if event.endswith(_BEFORE_SENDING) and self._clock() >= self._not_after:
            raise _TooLateError

    async def awaiting(self, event: str, info: object) -> None:
        """For the awaiting one."""
        self.blocking(event, info)


def _arguments(exchange: Exchange) -> dict[str, Any]:
    """For httpx's ``request``. Of a secret path its log sees nothing: the path goes beside the address."""
    request = exchange.request
    url, extensions = request.url, {}
    if request.is_secret_path:
        parts = urlsplit(url)
        url, extensions = f"{parts.scheme}://{parts.netloc}/", {"target": parts.path.encode("ascii")}
    return {
        "method": request.method,
        "url": url,
        "content": request.content,
        "headers": dict(request.headers),
        "timeout": exchange.timeout_seconds,
        "extensions": extensions,
    }


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, dict(response.headers), response.content)


def _no_answer(error: Exception) -> NoAnswer:
    if isinstance(error, _TooLateError):
        return NoAnswer("it took too long to connect", may_have_arrived=False)
    return NoAnswer(type(error).__name__, may_have_arrived=not isinstance(error, _UNSENT))


def _config(
    base_url: str,
    token: str | None,
    api_key: str | None,
    candles_key: str | None,
    timeout_seconds: float,
    retries: Retries | None,
) -> Config:
    address = base_address(base_url, "base_url")
    return Config(address, token, api_key, candles_key, timeout_seconds, retries or Retries(), random.random)


class Client(Calls, Blocking):
    """Speaks to a Hookfill server and waits for its answers. Use it in a ``with`` block, or ``close`` it.

    Its methods are those of ``Calls``. Threads may share one.
    """

    def __init__(
        self,
        base_url: str = "http://localhost:8000",
        *,
        token: str | None = None,
        api_key: str | None = None,
        candles_key: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = steady_seconds,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare, don't connect.

        Args:
            base_url: the server's address.
            token: an access token, the owner's token (``hookfill token``) or an API key.
            api_key: an API key instead; for candles too, if it has that scope.
            candles_key: the key of the candles' door (the server's MT5_API_KEY).
            timeout_seconds: for each of connecting, sending and every part of an answer.
            retries: how often, and after what pauses, what may be tried again is.
            transport: for tests, and for connections with settings of their own.
            clock, sleep: for tests.

        Raises:
            InvalidArgument: one of them can't be used.
        """
        super().__init__(_config(base_url, token, api_key, candles_key, timeout_seconds, retries))
        self._http = httpx.Client(transport=transport, follow_redirects=False)
        self._clock, self._sleep = clock, sleep

    def perform(self, step: Step) -> Reply:
        """Carry out one step."""
        if isinstance(step, Exchange):
            outcome = self._exchange(step)
            return Reply(self._clock(), utc_now(), outcome)
        if step.seconds > 0:
            self._sleep(step.seconds)
        return Reply(self._clock(), utc_now())

    def _exchange(self, exchange: Exchange) -> Answer | NoAnswer:
        arguments = _arguments(exchange)
        if exchange.not_after is not None:
            arguments["extensions"]["trace"] = _Check(exchange.not_after, self._clock).blocking
        try:
            return _answer(self._http.request(**arguments))
        except (httpx.HTTPError, _TooLateError) as error:
            return _no_answer(error)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Nothing to do yet."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the connections."""
        self.close()


class AsyncClient(Calls, Awaiting):
    """The same for asyncio: its methods are awaited, its lists iterated with ``async for``. Use it in an ``async with`` block."""

    def __init__(
        self,
        base_url: str = "http://localhost:8000",
        *,
        token: str | None = None,
        api_key: str | None = None,
        candles_key: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = steady_seconds,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """As ``Client``."""
        super().__init__(_config(base_url, token, api_key, candles_key, timeout_seconds, retries))
        self._http = httpx.AsyncClient(transport=transport, follow_redirects=False)
        self._clock, self._sleep = clock, sleep

    async def perform(self, step: Step) -> Reply:
        """Carry out one step."""
        if isinstance(step, Exchange):
            outcome = await self._exchange(step)
            return Reply(self._clock(), utc_now(), outcome)
        if step.seconds > 0:
            await self._sleep(step.seconds)
        return Reply(self._clock(), utc_now())

    async def _exchange(self, exchange: Exchange) -> Answer | NoAnswer:
        arguments = _arguments(exchange)
        if exchange.not_after is not None:
            arguments["extensions"]["trace"] = _Check(exchange.not_after, self._clock).awaiting
        try:
            return _answer(await self._http.request(**arguments))
        except (httpx.HTTPError, _TooLateError) as error:
            return _no_answer(error)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Nothing to do yet."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close the connections."""
        await self.aclose()
