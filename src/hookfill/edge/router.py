"""Sends each request to its door; what is no door's goes to the API."""

from collections.abc import Awaitable, Callable

import structlog

from hookfill.edge import candles, http, signed, tradingview
from hookfill.edge.cors import with_cors
from hookfill.edge.http import Receive, Scope, Send
from hookfill.edge.intake import Doors
from hookfill.kernel.clock import utc_now

Handler = Callable[[Doors, Scope, Receive, Send], Awaitable[None]]
_ALERT_DOORS: tuple[Handler, ...] = (tradingview.handle, signed.handle)
_LOG = structlog.get_logger("hookfill.edge")


class Router:
    """The ASGI application: doors first, because they are the hot path, then everything else."""

    def __init__(self, doors: Doors, rest: http.Application, cors_origins: str = "") -> None:
        """Serve ``doors``, and ``rest`` (an ASGI application) for every other request.

        Args:
            doors: what the doors work with.
            rest: the API.
            cors_origins: the origins whose pages may call everything but the alert doors, which only machines call.
        """
        self._doors = doors
        self._rest = rest
        self._for_pages = with_cors(self._serve, cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event."""
        handler = _door_of(scope)
        if handler in _ALERT_DOORS:
            await self._open(handler, scope, receive, send)
        else:
            scope.pop(http.ANSWER, None)  # the short way would pass by CORS
            await self._for_pages(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = _door_of(scope)
        if handler is None:
            await self._rest(scope, receive, send)
        else:
            await self._open(handler, scope, receive, send)

    async def _open(self, handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await handler(self._doors, scope, receive, send)
        except Exception as error:
            # The path may hold a secret: it is not logged. 503 and not 500, so that the answer says what to do: send again.
            _LOG.exception("door_failed", door=handler.__module__, error=type(error).__name__)
            await http.respond(scope, send, 503, http.UNAVAILABLE, http.RETRY)


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


async def _answer_test(_doors: Doors, scope: Scope, _receive: Receive, send: Send) -> None:
    now = utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    await http.respond_json(scope, send, 200, {"status": "ok", "message": "Webhook endpoint is ready", "timestamp": now})
