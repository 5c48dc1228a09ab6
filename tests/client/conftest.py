"""A scripted server for both clients: no network, no waiting, and a clock that only the script and the pauses move."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from hookfill.client import AsyncClient, Client

URL = "https://hookfill.test"
TOKEN = "canary-token-4f1d8c22"
CANDLES_KEY = "canary-candles-key-9b3e7d10"
Outcome = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class Scripted:
    """What is asked is answered by the script, in order; its last outcome answers everything after it."""

    kind: str
    script: list[Outcome] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    now: float = 1_000.0
    takes_seconds: float = 0.0
    oversleeps_seconds: float = 0.0

    def ask(self, method: str, *arguments: Any, token: str | None = TOKEN, **options: Any) -> Any:
        """Call a method of a client that knows the token and the candles' key; lists are read to their end."""
        settings: dict[str, Any] = {"token": token, "candles_key": CANDLES_KEY, "clock": lambda: self.now}
        settings |= {"retries": options.pop("retries", None), "transport": httpx.MockTransport(self._handle)}
        if self.kind == "blocking":
            with Client(URL, sleep=self._sleep, **settings) as client:
                found = getattr(client, method)(*arguments, **options)
                return list(found) if inspect.isgenerator(found) else found
        return asyncio.run(self._ask_awaiting(settings, method, arguments, options))

    async def _ask_awaiting(self, settings: dict[str, Any], method: str, arguments: Any, options: dict[str, Any]) -> Any:
        async with AsyncClient(URL, sleep=self._sleep_awaiting, **settings) as client:
            found = getattr(client, method)(*arguments, **options)
            return [item async for item in found] if inspect.isasyncgen(found) else await found

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.began.append(self.now)
        self.now += self.takes_seconds
        outcome = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(outcome, Exception):
            raise outcome
        if not isinstance(outcome, httpx.Response):
            return outcome(request)
        return httpx.Response(outcome.status_code, headers=outcome.headers, content=outcome.content)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds + self.oversleeps_seconds

    async def _sleep_awaiting(self, seconds: float) -> None:
        self._sleep(seconds)


@pytest.fixture(params=["blocking", "awaiting"])
def scripted(request: pytest.FixtureRequest) -> Scripted:
    """A script for each of the two clients."""
    return Scripted(request.param)
