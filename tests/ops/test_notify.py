"""Telling the operator: retries, time-outs, no redirects, no private address, no secret in what is said about it."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hookfill.kernel.errors import ConfigurationError
from hookfill.ops.notify import Notifier, NotNotified, check_url, is_public

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
TOLD = {"event": "alarm", "kind": "x"}


@asynccontextmanager
async def receiver(*answers: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives these answers, one a request, and keeps what came; b'' lets the request hang."""
    came: list[bytes] = []
    left = list(answers)
    serving: list[asyncio.Task[None]] = []

    arrivals: asyncio.Queue[Any] = asyncio.Queue()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.ensure_future(serve(reader, writer)))
        arrivals.put_nowait(writer.get_extra_info("peername"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A sender that has had enough may leave at any point, even before its first byte.
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await answered(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        came.append(head + await reader.readexactly(length))
        answer = left.pop(0)
        if answer:
            writer.write(answer)
            await writer.drain()
        else:
            await reader.read()  # until the sender has had enough

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], came
    finally:
        # One more, and gone: connections are taken in turn, so with it every earlier one has been taken too.
        last = await asyncio.open_connection(*server.sockets[0].getsockname())
        address = last[1].get_extra_info("sockname")
        last[1].close()
        async with asyncio.timeout(30):
            while await arrivals.get() != address:
                pass
            await asyncio.gather(*serving)
        server.close()


def found(*addresses: str) -> Callable[[str, int], object]:
    async def lookup(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return lookup


def notifier(port: int, *, allow_private: bool = True, seconds: float = 20.0, lookup: object = None) -> Notifier:
    url = f"http://hooks.example:{port}/T000/secret-path?x=1"
    look = lookup or found("127.0.0.1")
    return Notifier(url, allow_private=allow_private, lookup=look, seconds=seconds, pauses=(0.0, 0.0))  # type: ignore[arg-type] - a double


async def test_it_is_told_by_post_as_json() -> None:
    async with receiver(OK) as (port, came):
        await notifier(port).send(TOLD)
    head, _, body = came[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /T000/secret-path?x=1 HTTP/1.1\r\n")
    assert f"host: hooks.example:{port}".encode() in head.lower()
    assert json.loads(body) == TOLD


async def test_a_name_and_password_in_the_url_are_sent() -> None:
    """As every client sends them; dropped without a word, each alarm would be refused with 401."""
    async with receiver(OK) as (port, came):
        url = f"http://me:p%40ss@hooks.example:{port}/T000"
        await Notifier(url, allow_private=True, lookup=found("127.0.0.1")).send(TOLD)  # type: ignore[arg-type] - a double
    head = came[0].partition(b"\r\n\r\n")[0]
    assert b"authorization: basic " + base64.b64encode(b"me:p@ss").lower() in head.lower()
    assert f"host: hooks.example:{port}".encode() in head.lower()


async def test_a_receiver_that_is_busy_is_tried_again() -> None:
    async with receiver(BUSY, BUSY, OK) as (port, came):
        await notifier(port).send(TOLD)
    assert len(came) == 3


@pytest.mark.parametrize(
    ("answer", "says"), [(BUSY, "answered 503"), (MOVED, "answered 302"), (b"nonsense\r\n\r\n", "RemoteProtocolError")]
)
async def test_one_that_never_takes_it_is_given_up(answer: bytes, says: str) -> None:
    async with receiver(answer, answer, answer) as (port, came):
        with pytest.raises(NotNotified, match=says) as refused:
            await notifier(port).send(TOLD)
    assert len(came) == 3
    assert "secret-path" not in str(refused.value)


async def test_one_that_does_not_answer_is_not_waited_for() -> None:
    async with receiver(b"", b"", b"") as (port, _):
        with pytest.raises(NotNotified, match="Timeout"):
            await notifier(port, seconds=0.05).send(TOLD)


async def test_a_private_address_is_refused_unless_it_is_allowed() -> None:
    async with receiver(OK) as (port, came):
        with pytest.raises(NotNotified, match="private"):
            await notifier(port, allow_private=False).send(TOLD)
        with pytest.raises(NotNotified, match="private"):
            await notifier(port, allow_private=False, lookup=found("93.184.216.34", "10.0.0.1")).send(TOLD)
        assert came == []


async def test_a_name_without_an_address() -> None:
    with pytest.raises(NotNotified, match="no address"):
        await notifier(1, lookup=found()).send(TOLD)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_what_is_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize(
    "url", ["", "ftp://x/secret", "https://", "https://x:99999/", "hooks.example/secret", "http://[::1/secret"]
)
def test_what_is_no_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_url(url)
    assert "secret" not in str(refused.value)
