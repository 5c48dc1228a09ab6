"""A TCP proxy between Hookfill and PostgreSQL that can go silent, cut connections, or cut them after a commit was sent."""

import asyncio
import contextlib
from typing import Self

from hookfill.postgres.model import Database, ServerInfo


class Proxy:
    """Forwards bytes until told otherwise. Use as an asynchronous context manager, in the loop of the test."""

    def __init__(self, server: ServerInfo) -> None:
        self._server = server
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._swallowing = False
        self.swallowed = asyncio.Event()
        """Set when an answer of PostgreSQL's was swallowed: what the client had sent has been carried out."""
        self._refusing = False
        self._transports: set[asyncio.WriteTransport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0

    def database(self, name: str) -> Database:
        """The database as it is reached through the proxy."""
        arguments = {"host": "127.0.0.1", "port": self.port, "user": self._server.user, "password": self._server.password}
        arguments |= {"database": name, "ssl": False}
        return Database(connect_arguments=arguments, url=self.url(name), is_embedded=False)

    def url(self, name: str) -> str:
        """The same as a URL, for a server process."""
        return f"postgresql://{self._server.user}:{self._server.password}@127.0.0.1:{self.port}/{name}?sslmode=disable"

    def black_hole(self) -> None:
        """From now on connections are accepted and kept, and nothing goes through."""
        self._flowing.clear()

    def abandon(self) -> None:
        """Every connection that there is goes silent for good, as when a host vanishes; new ones are served."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def refuse(self) -> None:
        """Cut all connections, and every new one at once."""
        self._refusing = True
        self.cut()

    def cut(self) -> None:
        """Cut all connections; new ones are welcome."""
        for transport in list(self._transports):
            transport.abort()

    def swallow_next_answer(self) -> None:
        """Let requests through, and cut the connection instead of handing PostgreSQL's next answer on."""
        self.swallowed.clear()
        self._swallowing = True

    def restore(self) -> None:
        """Forward again. What a black hole held back goes through too."""
        self._refusing = self._swallowing = False
        self._flowing.set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._forward(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refusing:
            writer.transport.abort()
            return
        there, back = await asyncio.open_unix_connection(f"{self._server.host}/.s.PGSQL.{self._server.port}")
        ends = (writer.transport, back.transport)
        self._transports.update(ends)
        flowing = self._flowing
        pumps = [
            asyncio.create_task(self._pump(reader, back, flowing)),
            asyncio.create_task(self._pump(there, writer, flowing, answers=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for transport in ends:
                transport.abort()
            self._transports.difference_update(ends)
            await asyncio.sleep(0)  # let the aborted sockets close: a backend must not wait for its client until it times out

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, flowing: asyncio.Event, *, answers: bool = False
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                await flowing.wait()
                if answers and self._swallowing:
                    self._swallowing = False
                    self.swallowed.set()
                    return
                sink.write(data)
                await sink.drain()
