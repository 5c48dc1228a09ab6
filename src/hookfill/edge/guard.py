"""HTTP connections with bounds: headers and bodies must arrive in time, and headers in size.

uvicorn bounds neither with its httptools parser, so a sender that drips its request could hold connections for ever, and one that
never ends its headers could fill the memory. The size of bodies is bounded by the doors (``edge.http``).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
BODY_SECONDS = 30.0
"""From the last header to the end of the body; TradingView itself gives up after 3 s, a large batch of candles may take a while."""
HEADER_BYTES = 64 * 1024
"""Also what may come beside a body, on top of as much again as the body itself: chunk sizes, their extensions, trailers."""
CHECK_SECONDS = 1.0
"""How often a connection looks at its clock: one timer each, re-armed, instead of two for every request."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that closes connections whose request is too slow or whose headers are too large."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._beside_body = 0
        self._in_headers = True
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        """Start the clock for the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + HEADER_SECONDS
        self._check()

    def data_received(self, data: bytes) -> None:
        """Count bytes that are no body."""
        self._beside_body += len(data)
        super().data_received(data)
        if self._beside_body > HEADER_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins: its headers are awaited."""
        super().on_message_begin()
        self._in_headers = True
        self._beside_body = 0
        self._deadline = self.loop.time() + HEADER_SECONDS

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers, which nobody reads, are dropped."""
        if self._in_headers:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Part of the body is in; the door bounds how much of it there may be."""
        self._beside_body -= 2 * len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Headers are in."""
        self.body_awaited()
        super().on_headers_complete()

    def body_awaited(self) -> None:
        """Start the clock for the body."""
        self._in_headers = False
        self._deadline = self.loop.time() + BODY_SECONDS

    def now_idle(self) -> None:
        """Start the clock for the next request on a kept connection: one deadline, where uvicorn makes a timer for each answer."""
        self._deadline = self.loop.time() + self.timeout_keep_alive

    def on_message_complete(self) -> None:
        """The request is in: from here on the answer is ours to give, and uvicorn watches idle connections."""
        self._deadline = None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def _check(self) -> None:
        if self._deadline is not None and self.loop.time() > self._deadline:
            self._timer = None
            self.transport.close()
        else:
            self._timer = self.loop.call_later(CHECK_SECONDS, self._check)
