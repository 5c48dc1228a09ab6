"""The little server that the halves of the fake Alpaca are mounted in: HTTP and websockets on a port of its own."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import uvicorn

from support.bell import Bell

KEY, SECRET = "canary-alpaca-key-id", "canary-alpaca-secret"


class Mount(Protocol):
    """A half of the fake: an ASGI application for the paths that begin with one of its prefixes."""

    prefixes: Sequence[str]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def stop(self) -> None:
        """End what hangs."""


END_SECONDS = 2.0
"""How long requests in hand are waited for at the end."""


class _Web(uvicorn.Server):
    """It ends the moment it is told to: uvicorn's own looks ten times a second whether it shall, and pauses before it does."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._bell = Bell()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """It runs beside the main thread, which keeps its signals."""
        yield

    def end(self) -> None:
        """To be called from another thread."""
        self.should_exit = True
        self._bell.ring()

    async def main_loop(self) -> None:
        await self._bell.until(lambda: self.should_exit, "the end", None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=END_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                while self.server_state.connections:  # noqa: ASYNC110 - the loop only has to turn
                    await asyncio.sleep(0)


@contextmanager
def serving(*mounts: Mount) -> Iterator[str]:
    """The URL under which the mounts are served."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        for mount in mounts:
            if any(scope["path"].startswith(prefix) for prefix in mount.prefixes):
                return await mount(scope, receive, send)
        return await answer(send, 404, b'{"message":"endpoint not found."}')

    # Named as TCP, so that asyncio sets TCP_NODELAY: else the second half of each answer waits 40 ms for the first one's receipt.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(application, lifespan="off", log_config=None, access_log=False, ws="websockets-sansio")
    web = _Web(config)
    thread = threading.Thread(target=lambda: asyncio.run(web.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for mount in mounts:
            mount.stop()
        web.end()
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
