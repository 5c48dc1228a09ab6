"""Sends each request to its door; what is no door's goes to the API."""

from hookfill.edge import candles, http, signed, tradingview
from hookfill.edge.http import Receive, Scope, Send
from hookfill.edge.intake import Doors
from hookfill.kernel.clock import utc_now


class Router:
    """The ASGI application: doors first, because they are the hot path, then everything else."""

    def __init__(self, doors: Doors, rest: http.Application) -> None:
        """Serve ``doors``, and ``rest`` (an ASGI application) for every other request."""
        self._doors = doors
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if method == "POST":
            if path.startswith(tradingview.PREFIX):
                await tradingview.handle(self._doors, scope, receive, send)
                return
            if path == signed.PATH:
                await signed.handle(self._doors, scope, receive, send)
                return
            if path == candles.PATH:
                await candles.handle(self._doors, scope, receive, send)
                return
        elif method == "GET" and path == "/webhook/test":
            now = utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            await http.respond_json(send, 200, {"status": "ok", "message": "Webhook endpoint is ready", "timestamp": now})
            return
        await self._rest(scope, receive, send)
