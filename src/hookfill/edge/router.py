"""Sends each request to its door; what is no door's goes to the API."""

from collections.abc import Awaitable, Callable

import structlog

from hookfill.edge import candles, http, signed, tradingview
from hookfill.edge.http import Receive, Scope, Send
from hookfill.edge.intake import Doors
from hookfill.kernel.clock import utc_now

Handler = Callable[[Doors, Scope, Receive, Send], Awaitable[None]]
_LOG = structlog.get_logger("hookfill.edge")


class Router:
    """The ASGI application: doors first, because they are the hot path, then everything else."""

    def __init__(self, doors: Doors, rest: http.Application) -> None:
        """Serve ``doors``, and ``rest`` (an ASGI application) for every other request."""
        self._doors = doors
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event."""
        handler = _door_of(scope)
        if handler is None:
            await self._rest(scope, receive, send)
            return
        try:
            await handler(self._doors, scope, receive, send)
        except Exception as error:
            # The path may hold a secret: it is not logged. 503 and not 500, so that the answer says what to do: send again.
            _LOG.exception("door_failed", door=handler.__module__, error=type(error).__name__)
            await http.respond(send, 503, http.UNAVAILABLE, http.RETRY)


def _door_of(scope: Scope) -> Handler | None:
    if scope["type"] != "http":
        return None
    path, method = scope["path"], scope["method"]
    if method == "POST":
        if path.startswith(tradingview.PREFIX):
            return tradingview.handle
        return {signed.PATH: signed.handle, candles.PATH: candles.handle}.get(path)
    if method == "GET" and path == "/webhook/test":
        return _answer_test
    return None


async def _answer_test(_doors: Doors, _scope: Scope, _receive: Receive, send: Send) -> None:
    now = utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    await http.respond_json(send, 200, {"status": "ok", "message": "Webhook endpoint is ready", "timestamp": now})
