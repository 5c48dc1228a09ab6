"""Sends each request to its door; what is no door's goes to the API."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from hookfill.edge import candles, http, indicator_export, signed, telemetry, tradingview
from hookfill.edge.cors import with_cors
from hookfill.edge.heads import Heads
from hookfill.edge.http import Answer, Receive, Request, Scope, Send
from hookfill.edge.intake import AlertDoor, Doors
from hookfill.edge.outbox import Outbox
from hookfill.kernel.clock import utc_now

_TRADINGVIEW = AlertDoor(tradingview.handle)
_ALERT_DOORS = {
    signed.PATH: AlertDoor(signed.handle),
    telemetry.PATH: AlertDoor(telemetry.handle),
    indicator_export.PATH: AlertDoor(indicator_export.handle, indicator_export.LIMIT),
}
Handler = Callable[[Doors, Scope, Receive, Send], Awaitable[None]]
_LOG = structlog.get_logger("hookfill.edge")


class Router:
    """The ASGI application: doors first, because they are the hot path, then everything else.

    Attributes:
        heads: of the alerts that came.
        outbox: their answers.
    """

    def __init__(self, doors: Doors, rest: http.Application, cors_origins: str = "") -> None:
        """Serve ``doors``, and ``rest`` (an ASGI application) for every other request.

        Args:
            doors: what the doors work with.
            rest: the API.
            cors_origins: the origins whose pages may call everything but the alert doors, which only machines call.
        """
        self.heads = Heads()
        self.outbox = Outbox()
        self._doors = doors
        self._rest = rest
        self._for_pages = with_cors(self._serve, cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event."""
        door = alert_door(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if door is None:
            await self._for_pages(scope, receive, send)
            return
        request = await http.read_request(scope, receive, door.limit)
        answered: asyncio.Future[tuple[int, bytes, http.Headers]] = asyncio.get_running_loop().create_future()
        self.open(door, request, lambda *answer: answered.set_result(answer))
        await http.respond(send, *await answered)

    def open(self, door: AlertDoor, request: Request, answer: Answer) -> None:
        """Let an alert door serve a request; should it fail by a defect of ours, the sender is told to send again."""
        try:
            door.handle(self._doors, request, answer)
        except Exception as error:
            _log_failure(door.handle.__module__, error)
            answer(503, http.UNAVAILABLE, http.RETRY)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = _other_door(scope)
        if handler is None:
            await self._rest(scope, receive, send)
            return
        try:
            await handler(self._doors, scope, receive, send)
        except Exception as error:
            _log_failure(handler.__module__, error)
            await http.respond(send, 503, http.UNAVAILABLE, http.RETRY)


def _log_failure(door: str, error: Exception) -> None:
    """The path may hold a secret: it is not logged. 503 and not 500 goes with it, so that the answer says what to do."""
    _LOG.error("door_failed", door=door, error=type(error).__name__, exc_info=error)


def alert_door(path: str) -> AlertDoor | None:
    """The door that takes alerts posted to a path."""
    if path.startswith(tradingview.PREFIX):
        return _TRADINGVIEW
    return _ALERT_DOORS.get(path)


def _other_door(scope: Scope) -> Handler | None:
    if scope["type"] != "http":
        return None
    return {("POST", candles.PATH): candles.handle, ("GET", "/webhook/test"): _answer_test}.get((scope["method"], scope["path"]))


async def _answer_test(_doors: Doors, scope: Scope, _receive: Receive, send: Send) -> None:
    now = utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    await http.respond_json(send, 200, {"status": "ok", "message": "Webhook endpoint is ready", "timestamp": now})
