"""The load generator: raw HTTP/1.1 over kept-alive connections, cheap enough not to be what is measured.

It runs in a process of its own. A *closed* loop keeps one request in flight on every connection. An *open* loop sends at scheduled
times whatever the server does, and counts each latency from the scheduled time, so that a stalled server can't hide the requests
that it kept from being sent ("coordinated omission").
"""

import asyncio
import gc
import hashlib
import hmac
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from benchmarks import cpu
from benchmarks.figures import BenchmarkError

WARM_UP_SECONDS = 0.5
ANSWER_SECONDS = 60.0
LEAST_SLEEP_SECONDS = 0.001
"""The open loop wakes no more often, so that it leaves the processor to what is measured; it is late by as much at most."""
AHEAD_PER_SECOND = 20_000
MOST_AHEAD = 200_000
"""Requests of a closed loop that are made before it begins: the cores are shared with what is measured."""
LEAD_SECONDS = 0.05
"""An open loop's schedule begins this long after all connections are open."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Numbered requests, each different from all others.

    Attributes:
        paths: taken in turn; bodies: templates with one ``%d`` for the number; each path gets them in turn.
        hmac_secret: signs the body as the signed door asks for.
    """

    paths: tuple[str, ...]
    bodies: tuple[str, ...]
    hmac_secret: str | None = None
    first_number: int = 0

    def make(self, index: int) -> bytes:
        """The raw bytes of one request."""
        path = self.paths[index % len(self.paths)]
        body = (self.bodies[index // len(self.paths) % len(self.bodies)] % (self.first_number + index)).encode()
        signature = ""
        if self.hmac_secret is not None:
            signature = f"x-webhook-signature: {hmac.digest(self.hmac_secret.encode(), body, hashlib.sha256).hex()}\r\n"
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{signature}content-length: {len(body)}"
        )
        return head.encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Prebuilt:
    """Requests that are too costly to make on the way."""

    requests: tuple[bytes, ...]

    def make(self, index: int) -> bytes:
        """The raw bytes of one request."""
        return self.requests[index]


@dataclass(frozen=True, slots=True)
class Load:
    """What to send where.

    Attributes:
        seconds: a closed loop lasts this long; an open one sends ``count`` requests at ``rate`` per second (infinite: all of
            them are due at once, and are sent as connections get free).
        status: the only status that an answer may have.
        watched: processes whose processor time is read at the beginning and at the end.
    """

    port: int
    requests: Requests | Prebuilt
    connections: int
    status: int
    watched: cpu.Watched
    seconds: float = 0.0
    rate: float = 0.0
    count: int = 0


@dataclass(slots=True)
class Outcome:
    """What happened.

    Attributes:
        sent: requests sent in all, every one of them answered with the expected status.
        latencies: of those inside the measured time, in seconds.
        per_second: answers per second of the measured time.
        started_at: wall time of an open loop's first scheduled request.
        lateness: how late the generator itself was at worst, in seconds (open loop; part of the latencies).
        cpu: cores in use on average; ``client`` is the generator.
    """

    sent: int = 0
    latencies: list[float] = field(default_factory=list)
    per_second: float = 0.0
    started_at: float = 0.0
    lateness: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


class _Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request in flight."""

    def __init__(self, answered: Callable[["_Connection", bytes], None], lost: Callable[[Exception | None], None]) -> None:
        self._answered, self._lost = answered, lost
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: bytes, since: float) -> None:
        self.since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        if head >= 0 and len(data) >= head + 4 + _content_length(data, head):
            self._buffer = b""
            self._answered(self, data[9:12])
        else:
            self._buffer = data

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(exc)

    def close(self) -> None:
        self._transport.close()


def _content_length(data: bytes, head: int) -> int:
    start = data.find(b"content-length: ", 0, head) + 16
    return int(data[start : data.find(b"\r", start, head + 1)])


class _Run(ABC):
    """What both kinds of loop share: connections, answers, and the end."""

    def __init__(self, load: Load) -> None:
        self.load, self.outcome = load, Outcome()
        self.statuses: Counter[bytes] = Counter()
        self.in_flight = 0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connections: list[_Connection] = []

    async def open(self) -> list[_Connection]:
        loop = asyncio.get_running_loop()
        for _ in range(self.load.connections):
            _, connection = await loop.create_connection(
                lambda: _Connection(self._answered, self._lost), "127.0.0.1", self.load.port
            )
            self._connections.append(connection)
        return self._connections

    def send(self, connection: _Connection, request: bytes, since: float) -> None:
        self.in_flight += 1
        self.outcome.sent += 1
        connection.send(request, since)

    def _answered(self, connection: _Connection, status: bytes) -> None:
        self.in_flight -= 1
        self.statuses[status] += 1
        self.on_answer(connection, time.perf_counter())

    @abstractmethod
    def on_answer(self, connection: _Connection, now: float) -> None:
        """An answer has come."""

    def _lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(BenchmarkError(f"The server closed a connection: {error}"))

    def end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    async def wait(self) -> None:
        """Wait for the last answer."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._ended

    def finish(self) -> Outcome:
        """Close, and look at the statuses."""
        for connection in self._connections:
            connection.close()
        if set(self.statuses) != {str(self.load.status).encode()}:
            raise BenchmarkError(f"Every answer should have had status {self.load.status}; they had {dict(self.statuses)}.")
        return self.outcome


class _ClosedLoop(_Run):
    _next = 0
    _is_measuring = _is_over = False

    async def run(self) -> Outcome:
        most = min(int(AHEAD_PER_SECOND * (self.load.seconds + WARM_UP_SECONDS)), MOST_AHEAD)
        self._ahead = [self.load.requests.make(index) for index in range(most)]
        gc.freeze()  # the collector would look through them again and again
        for connection in await self.open():
            self._send_next(connection, time.perf_counter())
        await asyncio.sleep(WARM_UP_SECONDS)
        meter = _Meter(self.load.watched)
        self._is_measuring = True
        await asyncio.sleep(self.load.seconds)
        self._is_measuring = False
        self._is_over = True
        self.outcome.cpu, elapsed = meter.read()
        self.outcome.per_second = len(self.outcome.latencies) / elapsed
        await self.wait()
        return self.finish()

    def _send_next(self, connection: _Connection, now: float) -> None:
        index = self._next
        self.send(connection, self._ahead[index] if index < len(self._ahead) else self.load.requests.make(index), now)
        self._next += 1

    def on_answer(self, connection: _Connection, now: float) -> None:
        if self._is_measuring:
            self.outcome.latencies.append(now - connection.since)
        if not self._is_over:
            self._send_next(connection, time.perf_counter())
        elif not self.in_flight:
            self.end()


class _OpenLoop(_Run):
    async def run(self) -> Outcome:
        load = self.load
        requests = [load.requests.make(index) for index in range(load.count)]
        self._idle = deque(await self.open())
        self._overdue: deque[tuple[bytes, float]] = deque()
        start = time.perf_counter() + LEAD_SECONDS
        self.outcome.started_at = time.time() + LEAD_SECONDS
        meter = _Meter(load.watched)
        for index, request in enumerate(requests):
            due = start + index / load.rate
            await _wait_until(due)
            if index % 16 == 0:
                await asyncio.sleep(0)  # a schedule that is behind must not keep answers from being read
            self.outcome.lateness = max(self.outcome.lateness, time.perf_counter() - due)
            self._send_or_queue(request, due)
        await self.wait()
        self.outcome.cpu, elapsed = meter.read()
        self.outcome.per_second = load.count / elapsed
        return self.finish()

    def _send_or_queue(self, request: bytes, due: float) -> None:
        if self._idle:
            self.send(self._idle.popleft(), request, due)
        else:
            self._overdue.append((request, due))

    def on_answer(self, connection: _Connection, now: float) -> None:
        self.outcome.latencies.append(now - connection.since)
        if self._overdue:
            self.send(connection, *self._overdue.popleft())
            return
        self._idle.append(connection)
        if len(self.outcome.latencies) == self.load.count:
            self.end()


async def _wait_until(due: float) -> None:
    while True:
        delay = due - time.perf_counter()
        if delay <= 0:
            return
        await asyncio.sleep(max(delay, LEAST_SLEEP_SECONDS))


class _Meter:
    """Processor time from its making to its reading."""

    def __init__(self, watched: cpu.Watched) -> None:
        self._watched = watched
        self._before = cpu.seconds(watched) | {"client": time.process_time()}
        self._start = time.perf_counter()

    def read(self) -> tuple[dict[str, float], float]:
        elapsed = time.perf_counter() - self._start
        after = cpu.seconds(self._watched) | {"client": time.process_time()}
        return cpu.cores(self._before, after, elapsed), elapsed


async def _run(load: Load) -> Outcome:
    return await (_OpenLoop(load) if load.count else _ClosedLoop(load)).run()


def run(load: Load) -> Outcome:
    """Send a load from this process and say what happened.

    Raises:
        BenchmarkError: an answer with another status than the expected one, or a lost connection.
    """
    return uvloop.run(_run(load))
