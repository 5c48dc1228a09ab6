"""The little server that the halves of the fake Alpaca are mounted in: HTTP and websockets on a port of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import uvicorn

KEY, SECRET = "canary-alpaca-key-id", "canary-alpaca-secret"


class Mount(Protocol):
    """A half of the fake: an ASGI application for the paths that begin with one of its prefixes."""

    prefixes: Sequence[str]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def stop(self) -> None:
        """End what hangs."""


class _Web(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """It runs beside the main thread, which keeps its signals."""
        yield


@contextmanager
def serving(*mounts: Mount) -> Iterator[str]:
    """The URL under which the mounts are served."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        for mount in mounts:
            if any(scope["path"].startswith(prefix) for prefix in mount.prefixes):
                return await mount(scope, receive, send)
        return await answer(send, 404, b'{"message":"endpoint not found."}')

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2, ws="websockets-sansio"
    )
    web = _Web(config)
    thread = threading.Thread(target=lambda: asyncio.run(web.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for mount in mounts:
            mount.stop()
        web.should_exit = True
        thread.join(10)
        listener.close()


async def answer(send: Any, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """A whole answer in JSON."""
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), length, *headers]}
    )
    await send({"type": "http.response.body", "body": body})


def is_authorised(scope: Any) -> bool:
    """Whether a request came with the fake's keys."""
    headers = dict(scope["headers"])
    return (headers.get(b"apca-api-key-id"), headers.get(b"apca-api-secret-key")) == (KEY.encode(), SECRET.encode())
