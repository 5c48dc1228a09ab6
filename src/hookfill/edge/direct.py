"""The alert doors without ASGI: most of what an acknowledgement costs the server's one thread would be the way through it.

A plain alert (a POST to an alert door with a Content-Length of at most 64 KiB) goes from the parser straight to its door, and the
door's answer straight to the socket: no task, no queue of events, one packet. Everything else, and whatever is pipelined behind a
request in flight, takes uvicorn's ordinary way to the same doors. An alert whose head came before (``edge.heads``) does not even go
through the parser.
"""

from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from hookfill.edge.guard import GuardedProtocol
from hookfill.edge.heads import Head, Heads
from hookfill.edge.http import BodyIncomplete, Headers, Kept, Request, kept_of
from hookfill.edge.intake import AlertDoor
from hookfill.edge.router import Router, alert_door
from hookfill.kernel.clock import utc_now

MOST = HIGH_WATER_LIMIT
"""The largest body that comes this way, in bytes: beyond, uvicorn stops reading until somebody asks for more."""
_ANSWER = b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"


class _Told:
    """Stands where ASGI would be told that something came in: an alert's door is handed the whole."""

    def set(self) -> None:
        """Nobody waits."""


_TOLD = _Told()


class _AlertCycle:
    """One alert from its headers to its answer; to uvicorn's protocol it is a request like any other.

    ``kept``: what is stored of the headers. ``keep_alive``: the connection stays open after the answer.
    """

    __slots__ = (
        "body",
        "disconnected",
        "door",
        "headers",
        "keep_alive",
        "kept",
        "more_body",
        "path",
        "protocol",
        "response_complete",
    )
    message_event = _TOLD

    def __init__(
        self,
        protocol: "DoorProtocol",
        door: AlertDoor,
        path: str,
        headers: dict[bytes, bytes],
        kept: Kept,
        *,
        keep_alive: bool = True,
    ) -> None:
        self.protocol, self.door, self.path, self.headers, self.kept = protocol, door, path, headers, kept
        self.body = b""
        self.keep_alive = keep_alive
        self.more_body = True
        self.disconnected = False
        self.response_complete = False

    def hand_over(self, refusal: BodyIncomplete | None = None) -> None:
        """The request is in, or as much of it as ever will be."""
        request = Request(self.path, self.headers, self.kept, self.body, utc_now(), refusal)
        self.protocol.router.open(self.door, request, self.answer)

    def answer(self, status: int, content: bytes, headers: Headers) -> None:
        """The answer is known; until it is written the request counts as open."""
        self.protocol.router.outbox.put(self._write, status, content, headers)

    def _write(self, status: int, content: bytes, headers: Headers) -> None:
        """Write the whole answer as one packet."""
        protocol, transport = self.protocol, self.protocol.transport
        self.response_complete = True
        if transport.is_closing():
            return  # nobody is there to be told
        further = b"".join(b"%b: %b\r\n" % header for header in headers)
        if not self.keep_alive:
            further += b"connection: close\r\n"
        transport.write(_ANSWER % (STATUS_LINE[status], len(content), further, content))
        if not self.keep_alive:
            transport.close()
        if protocol.pipeline:
            protocol.on_response_complete()
        else:
            protocol.server_state.total_requests += 1
            protocol.now_idle()


class DoorProtocol(GuardedProtocol):
    """The HTTP protocol of the server: bounded, and with a short way to the alert doors."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.router: Router = self.config.app  # type: ignore[assignment]  # what the server is made for
        self._heads: Heads = self.router.heads
        self._is_between = True
        self._piece: bytes | None = None
        self._last_head: Head | None = None
        self._kept = Kept("{}", None)

    def data_received(self, data: bytes) -> None:
        """Take an alert whose head is known; let the parser read everything else."""
        if self._is_between and (self.cycle is None or self.cycle.response_complete):
            known = self._heads.find(data)
            if known is not None:
                self._take(*known)
                return
            self._piece = data
        super().data_received(data)
        self._piece = None

    def _take(self, head: Head, headers: dict[bytes, bytes], body: bytes) -> None:
        """What the parser's calls would come to for this request."""
        self._unset_keepalive_if_required()
        self._deadline = None
        if head is not self._last_head:  # of one sender it is hardly ever another
            self._last_head, self._kept = head, kept_of(head.headers, self.client)
        cycle = _AlertCycle(self, head.door, head.path, headers, self._kept)
        cycle.body, cycle.more_body = body, False
        self.cycle = cycle  # type: ignore[assignment]  # see its description
        cycle.hand_over()

    def on_message_begin(self) -> None:
        """A request begins, and is not complete until the parser says so."""
        self._is_between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take an alert out of uvicorn's hands; leave everything else there."""
        door = self._plain_alert()
        if door is None:
            super().on_headers_complete()
            return
        self.body_awaited()
        keep_alive = self.parser.should_keep_alive()
        headers = dict(self.headers)
        kept = kept_of(headers, self.client)
        cycle = _AlertCycle(self, door, self.url.decode("ascii"), headers, kept, keep_alive=keep_alive)
        self.cycle = cycle  # type: ignore[assignment]  # see its description

    def _plain_alert(self) -> AlertDoor | None:
        if self.parser.get_method() != b"POST" or self.expect_100_continue or self.pipeline:
            return None
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        if not self.url.isascii() or b"%" in self.url or b"?" in self.url or b"#" in self.url:
            return None
        door = alert_door(self.url.decode("ascii"))
        if door is None or self.parser.get_http_version() != "1.1":
            return None
        # httptools refuses a length that is no number or stands beside chunks, and hands on no more than was announced.
        for name, value in self.headers:
            if name == b"content-length":
                return door if len(value) <= 6 and int(value) <= MOST else None
        return None

    def on_message_complete(self) -> None:
        """The request is in."""
        super().on_message_complete()
        self._is_between = True
        cycle: object = self.cycle
        if type(cycle) is _AlertCycle:
            if self._piece is not None and cycle.keep_alive:
                self._heads.remember(self._piece, cycle.door, cycle.path, self.headers, cycle.body)
            cycle.hand_over()

    def connection_lost(self, exc: Exception | None) -> None:
        """An alert that was cut off in the middle is kept as far as it came."""
        cycle: object = self.cycle
        super().connection_lost(exc)
        if type(cycle) is _AlertCycle and cycle.more_body:
            cycle.more_body = False
            cycle.hand_over(BodyIncomplete("The sender went away or was too slow: send the message again.", cycle.body))
