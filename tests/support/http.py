"""Senders: one raw HTTP/1.1 connection for asyncio, and raw sockets for bytes that no client library would send."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "/api/v1/webhooks/tv/"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes


def request_bytes(path: str, body: bytes, headers: Iterable[str] = (), *, length: int | None = None, method: str = "POST") -> bytes:
    """A request; ``length`` lies about the body's length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Sender:
    """A keep-alive connection that is opened again after it broke."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, *headers: str, timeout_seconds: float = 30.0) -> Answer:
        """Send and read the answer.

        Raises:
            OSError, EOFError: no answer came; the message may or may not have arrived.
            TimeoutError: not within the time.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self.port)
                reader, writer = self._streams
                writer.write(request_bytes(path, body, headers))
                return await self._read(reader)
        except (OSError, EOFError, TimeoutError):
            self.close()
            raise

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        return Answer(status, body)

    def close(self) -> None:
        """Drop the connection."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


@contextlib.contextmanager
def raw_connection(port: int, timeout_seconds: float = 20.0):
    """A plain TCP connection to the server."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds) as connection:
        yield connection


def read_answer(connection: socket.socket) -> Answer | None:
    """One answer; None when the server closed the connection (or reset it) without one."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return None
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += connection.recv(65536)
    except ConnectionError:
        return None
    return Answer(int(head.split(b" ", 2)[1]), body)


def exchange(port: int, data: bytes, timeout_seconds: float = 20.0) -> Answer | None:
    """Send raw bytes over a connection of their own and read one answer."""
    with raw_connection(port, timeout_seconds) as connection:
        with contextlib.suppress(ConnectionError):  # the server may refuse while we still send
            connection.sendall(data)
        return read_answer(connection)
