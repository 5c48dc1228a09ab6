"""What every door does with HTTP: read a bounded body, keep the headers worth keeping, answer JSON.

``edge.guard`` bounds how long a body may take.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

import orjson

from hookfill.kernel.clock import utc_now
from hookfill.kernel.errors import HookfillError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEPT_HEADERS = frozenset(
    {b"user-agent", b"x-forwarded-for", b"x-real-ip", b"x-request-id", b"content-length", b"content-encoding"}
)
Headers = tuple[tuple[bytes, bytes], ...]
Answer = Callable[[int, bytes, Headers], None]
"""How an alert door answers: status, JSON body, further headers; called once, as soon as the answer is known."""
SIMULATED_TIME_HEADER = b"x-hookfill-time"


class BodyTooLarge(HookfillError):
    """The sender announces or delivers more than the door accepts."""


class BodyIncomplete(HookfillError):
    """The sender went away, or was cut off for taking too long; ``received`` is what did arrive."""

    def __init__(self, text: str, received: bytes) -> None:
        super().__init__(text)
        self.received = received


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored of a request's headers.

    Attributes:
        headers: JSON text of those worth keeping and of the client's address.
        content_type: the Content-Type as sent (never trusted).
    """

    headers: str
    content_type: str | None


def kept_of(headers: Mapping[bytes, bytes], client: tuple[str, int] | None) -> Kept:
    """What is worth storing of headers (names in lower case) and of whom they came from (address and port)."""
    kept = {name.decode(): value.decode("latin-1")[:500] for name, value in headers.items() if name in _KEPT_HEADERS}
    if client is not None:
        kept["client"] = client[0]
    content_type = headers.get(b"content-type")
    return Kept(orjson.dumps(kept).decode(), None if content_type is None else content_type.decode("latin-1")[:200])


@dataclass(slots=True)
class Request:
    """One request with its body read.

    ``refusal`` is set when the body could not be read whole; ``body`` then holds what was kept of it. ``query`` is what
    stands behind the path's question mark.
    """

    path: str
    headers: dict[bytes, bytes]
    kept: Kept
    body: bytes
    received_at: datetime
    refusal: HookfillError | None = None
    query: bytes = b""


async def read_request(scope: Scope, receive: Receive, limit: int, keep: int | None = None) -> Request:
    """Read the body up to ``limit`` bytes; a problem is kept in ``Request.refusal``.

    Args:
        keep: how many of its bytes are kept, the first ones; None: all.
    """
    received_at = utc_now()
    headers = dict(scope["headers"])
    body = b""
    refusal: HookfillError | None = None
    try:
        body = await _read_body(headers, receive, limit, limit if keep is None else keep)
    except BodyTooLarge as error:
        refusal = error
    except BodyIncomplete as error:
        body, refusal = error.received, error
    kept = kept_of(headers, scope.get("client"))
    return Request(scope["path"], headers, kept, body, received_at, refusal, scope.get("query_string", b""))


async def _read_body(headers: dict[bytes, bytes], receive: Receive, limit: int, keep: int) -> bytes:
    if announced_bytes(headers) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes: send less in one message.")
    kept = BytesIO()  # which gives its bytes away without copying them
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyIncomplete("The sender went away or was too slow: send the message again.", kept.getvalue())
        chunk: bytes = message.get("body", b"")
        if not size and not message.get("more_body") and len(chunk) <= min(keep, limit):
            return chunk
        kept.write(chunk[: max(0, keep - size)])
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"The body is larger than {limit} bytes: send less in one message.")
        if not message.get("more_body"):
            return kept.getvalue()


def announced_bytes(headers: Mapping[bytes, bytes]) -> int:
    """How large the body is to be; 0 if its sender does not say."""
    announced = headers.get(b"content-length", b"0")
    return int(announced[:20]) if announced.isdigit() else 0


async def respond(send: Send, status: int, content: bytes, headers: Headers = ()) -> None:
    """Answer with a JSON body; a sender that is gone by now gets none."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(content)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})


async def respond_json(send: Send, status: int, content: object, headers: Headers = ()) -> None:
    """Answer with a value as JSON."""
    await respond(send, status, to_json(content), headers)


def to_json(content: object) -> bytes:
    """A value as JSON."""
    return orjson.dumps(content, default=str)


CLOSE = ((b"connection", b"close"),)
"""Sent with a refusal that leaves part of the body unread."""
UNAVAILABLE = b'{"detail":"The message could not be stored: send it again."}'
RETRY = ((b"retry-after", b"5"),)
