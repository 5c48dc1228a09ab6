"""Senders that mean harm: too much, too slow, lying. They are refused early, memory stays flat, good alerts are answered."""

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from hookfill.accounts.store import NewStrategy
from hookfill.postgres.model import Database
from support.database import new_strategy, query, wait_until
from support.http import PREFIX, Answer, raw_connection, read_answer, request_bytes
from support.server import CANDLES_KEY, Server

HEADER_SECONDS = BODY_SECONDS = 0.7
MEBIBYTE = 1 << 20
MEMORY_BOUND = 40 * MEBIBYTE
GOOD = b'{"symbol":"EURUSD","action":"buy"}'
KEY = f"X-API-KEY: {CANDLES_KEY}"
Kept = Callable[[], tuple[Any, ...]]


@pytest.fixture(scope="module")
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose patience for headers and bodies is short."""
    guard = "hookfill.edge.guard."
    constants = {guard + "HEADER_SECONDS": HEADER_SECONDS, guard + "BODY_SECONDS": BODY_SECONDS, guard + "CHECK_SECONDS": 0.1}
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url, role="api", constants=constants) as server:
        for path in ("/webhook", "/api/v1/candles"):  # the first large body makes room that is kept
            httpx.post(server.url + path, content=b"x" * 60_000, headers={"X-API-KEY": CANDLES_KEY}, trust_env=False)
        yield server


@pytest.fixture(params=["tradingview", "signed", "candles"])
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(strategy: NewStrategy, door: str) -> str:
    return {"tradingview": PREFIX + strategy.secret, "signed": "/webhook", "candles": "/api/v1/candles"}[door]


@pytest.fixture(autouse=True)
def witness(served: Server, module_database: Database) -> Iterator[None]:
    """Good alerts all the while, each answered 200 and none waiting long; afterwards the server's memory is what it was."""
    strategy = new_strategy(module_database)
    statuses: list[int] = []
    slowest: list[float] = [0.0]
    ended = threading.Event()
    before = served.memory_bytes()
    most: list[int] = [before]

    def send_good_alerts() -> None:
        with httpx.Client(base_url=served.url, timeout=10, trust_env=False) as client:
            while not (statuses and ended.wait(0.02)):
                started = time.monotonic()
                statuses.append(client.post(PREFIX + strategy.secret, content=GOOD).status_code)
                slowest[0] = max(slowest[0], time.monotonic() - started)
                most[0] = max(most[0], served.memory_bytes())

    thread = threading.Thread(target=send_good_alerts)
    thread.start()
    yield
    ended.set()
    thread.join()
    assert statuses
    assert set(statuses) == {200}
    assert slowest[0] < 3
    assert most[0] - before < MEMORY_BOUND, f"{(most[0] - before) / MEBIBYTE:.0f} MiB more"


def refused(door: str, answer: Answer | None) -> None:
    """The answer to a body that was not read whole: 200 from the door that never says otherwise, else 413 or 400."""
    assert answer is not None
    assert answer.status in {"tradingview": {200}, "signed": {400, 413}, "candles": {400, 413}}[door]


@pytest.fixture
def kept(module_database: Database, door: str, strategy: NewStrategy) -> Kept:
    """State, reason and length of the newest message that this test's door has kept."""
    statement = "SELECT state, reason, length(body) FROM messages WHERE door = %s AND (account_id = %s OR door <> 'tradingview')"

    def newest() -> tuple[Any, ...]:
        rows = query(module_database.url, statement + " ORDER BY message_id DESC LIMIT 1", door, strategy.account_id)
        return rows[0] if rows else ("none", None, 0)

    return newest


def flood(connection: socket.socket, chunk: bytes, seconds: float = 3.0) -> int:
    """Send a chunk again and again until the server hangs up (or time is over); returns the bytes sent."""
    sent = 0
    give_up = time.monotonic() + seconds
    connection.settimeout(seconds)
    with contextlib.suppress(OSError):
        while time.monotonic() < give_up:
            sent += connection.send(chunk)
    return sent


def test_a_gigabyte_announced_is_refused_before_it_is_sent(served: Server, kept: Kept, door: str, path: str) -> None:
    with raw_connection(served.port) as connection:
        connection.sendall(request_bytes(path, b"", [KEY], length=1 << 30))
        refused(door, read_answer(connection))
        assert connection.recv(1) == b""  # and the connection is closed
    assert kept() == ("refused", "body_too_large", 0)


def test_a_gigabyte_sent_regardless_is_not_taken_in(served: Server, door: str, path: str) -> None:
    with raw_connection(served.port) as connection:
        connection.sendall(request_bytes(path, b"", [KEY], length=1 << 30))
        assert flood(connection, b"x" * MEBIBYTE) < 64 * MEBIBYTE


def test_an_absurd_length_is_refused(served: Server, path: str) -> None:
    for length in ("9" * 400, "-1", "1e3", "0x10", " 5 5"):
        with raw_connection(served.port) as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\nHost: t\r\n{KEY}\r\nContent-Length: {length}\r\n\r\n".encode())
            answer = read_answer(connection)
        assert answer is None or answer.status in {200, 400, 413}


def test_chunks_beyond_the_limit_are_refused(served: Server, kept: Kept, door: str, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\n{KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw_connection(served.port) as connection:
        connection.sendall(head.encode())
        sent = flood(connection, b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    assert sent < 64 * MEBIBYTE
    state, reason, _ = kept()
    assert (state, reason) == ("refused", "body_too_large")


def test_chunked_bodies_within_the_limit_are_read(served: Server, strategy: NewStrategy, module_database: Database) -> None:
    chunks = b"".join(f"{len(part):x};ext=1\r\n".encode() + part + b"\r\n" for part in (GOOD[:5], GOOD[5:])) + b"0\r\n\r\n"
    with raw_connection(served.port) as connection:
        head = f"POST {PREFIX}{strategy.secret} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + chunks)
        answer = read_answer(connection)
    assert answer is not None
    assert answer.status == 200
    rows = query(module_database.url, "SELECT body FROM messages WHERE account_id = %s", strategy.account_id)
    assert [bytes(row[0]) for row in rows] == [GOOD]


@pytest.mark.parametrize(
    "more",
    [b"X-T: " + b"y" * 1000 + b"\r\n", b"X-T: 1\r\n", b"y"],
    ids=["long trailers", "short trailers", "one endless trailer"],
)
def test_endless_trailers_after_a_chunked_body_are_cut_off(served: Server, path: str, more: bytes) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\n{KEY}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\nX-0: "
    with raw_connection(served.port) as connection:
        connection.sendall(head.encode() + (b"\r\n" if b":" in more else b""))
        assert flood(connection, more * (MEBIBYTE // len(more))) < 16 * MEBIBYTE


def test_an_endless_chunk_extension_is_cut_off(served: Server, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\n{KEY}\r\nTransfer-Encoding: chunked\r\n\r\n2;x="
    with raw_connection(served.port) as connection:
        connection.sendall(head.encode())
        assert flood(connection, b"y" * MEBIBYTE) < 16 * MEBIBYTE


def test_less_than_announced_is_kept_as_incomplete(served: Server, kept: Kept, door: str, path: str) -> None:
    with raw_connection(served.port) as connection:
        connection.sendall(request_bytes(path, GOOD, [KEY], length=len(GOOD) + 10))
        started = time.monotonic()
        assert read_answer(connection) is None
        assert time.monotonic() - started < BODY_SECONDS + 2
    wait_until(lambda: kept() == ("refused", "body_incomplete", len(GOOD)), "it is kept")


def test_a_sender_that_leaves_in_the_middle_is_kept_as_incomplete(served: Server, kept: Kept, door: str, path: str) -> None:
    half = GOOD[: len(GOOD) // 2 + len(door) % 3]
    with raw_connection(served.port) as connection:
        connection.sendall(request_bytes(path, half, [KEY], length=len(GOOD)))
    wait_until(lambda: kept() == ("refused", "body_incomplete", len(half)), "the half is kept")


def test_more_than_announced_is_no_second_message(served: Server, strategy: NewStrategy, module_database: Database) -> None:
    with raw_connection(served.port) as connection:
        connection.sendall(request_bytes(PREFIX + strategy.secret, GOOD + b"GARBAGE" * 10, length=len(GOOD)))
        answer = read_answer(connection)
    assert answer is not None
    assert answer.status in {200, 400}  # 400 where what follows was seen before the first was answered
    text = "SELECT body FROM messages WHERE account_id = %s"
    # Who is answered 400 for the rest may hear of it before the message itself is on disk.
    wait_until(lambda: query(module_database.url, text, strategy.account_id) == [(GOOD,)], "it is kept, and nothing else")


def test_two_lengths_at_once_are_refused(served: Server, strategy: NewStrategy, module_database: Database) -> None:
    heads = [
        "Content-Length: 5\r\nContent-Length: 34\r\n",
        "Content-Length: 34\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ]
    for head in heads:
        with raw_connection(served.port) as connection:
            connection.sendall(f"POST {PREFIX}{strategy.secret} HTTP/1.1\r\nHost: t\r\n{head}\r\n".encode() + GOOD)
            answer = read_answer(connection)
            assert answer is None or answer.status == 400
    assert query(module_database.url, "SELECT 1 FROM signals WHERE account_id = %s", strategy.account_id) == []


def test_a_gzip_bomb_is_kept_as_the_bytes_it_is(served: Server, kept: Kept, door: str, path: str) -> None:
    bomb = gzip.compress(b" " * (40 * MEBIBYTE))
    assert len(bomb) < 64 * 1024
    with raw_connection(served.port) as connection:
        connection.sendall(request_bytes(path, bomb, [KEY, "Content-Encoding: gzip"]))
        answer = read_answer(connection)
    assert answer is not None
    assert answer.status in {200, 400, 422}
    assert kept()[::2] == ("malformed", len(bomb))


def test_slow_headers_are_cut_off(served: Server, path: str) -> None:
    with raw_connection(served.port) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n".encode())
        started = time.monotonic()
        connection.settimeout(HEADER_SECONDS / 5)
        with contextlib.suppress(OSError):
            while time.monotonic() - started < HEADER_SECONDS + 5:
                connection.sendall(b"X-Slow: 1\r\n")
                with contextlib.suppress(TimeoutError):
                    assert connection.recv(1) == b""
                    break
        assert time.monotonic() - started < HEADER_SECONDS + 3


def test_a_connection_that_says_nothing_is_closed(served: Server) -> None:
    with raw_connection(served.port) as connection:
        connection.settimeout(HEADER_SECONDS + 5)
        assert connection.recv(1) == b""


def test_a_quiet_keep_alive_connection_may_stay_but_its_next_request_must_not_drip(served: Server, strategy: NewStrategy) -> None:
    request = request_bytes(PREFIX + strategy.secret, GOOD)
    with raw_connection(served.port) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert read_answer(connection) == Answer(200, b'{"status":"ok"}')
            connection.settimeout(HEADER_SECONDS * 1.5)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.sendall(request[:20])
        connection.settimeout(HEADER_SECONDS + 5)
        assert connection.recv(1) == b""


def test_slow_bodies_are_cut_off(served: Server, kept: Kept, door: str, path: str) -> None:
    with raw_connection(served.port) as connection:
        connection.sendall(request_bytes(path, b"", [KEY], length=60_000))
        started = time.monotonic()
        connection.settimeout(BODY_SECONDS / 5)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < BODY_SECONDS + 5:
                connection.sendall(b" ")
                sent += 1
                with contextlib.suppress(TimeoutError):
                    assert connection.recv(1) == b""
                    break
        assert time.monotonic() - started < BODY_SECONDS + 3
    wait_until(lambda: kept()[1] == "body_incomplete", "what arrived is kept")
    assert 0 < kept()[2] <= sent


@pytest.mark.parametrize("line", [b"X: " + b"y" * MEBIBYTE, b"X-A: 1\r\n" * 10_000, b"x" * MEBIBYTE], ids=["value", "many", "name"])
def test_a_flood_of_headers_is_cut_off(served: Server, path: str, line: bytes) -> None:
    with raw_connection(served.port) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: t\r\n".encode())
        assert flood(connection, line) < 16 * MEBIBYTE


def test_an_endless_path_is_cut_off(served: Server) -> None:
    with raw_connection(served.port) as connection:
        connection.sendall(b"POST /webhook?")
        assert flood(connection, b"x" * 65536) < 16 * MEBIBYTE


def test_many_idle_and_dripping_connections_at_once(served: Server, path: str) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(raw_connection(served.port)) for _ in range(300)]
        for number, connection in enumerate(connections):
            connection.sendall(request_bytes(path, b"", [KEY], length=60_000)[: None if number % 2 else 30])
        started = time.monotonic()
        for connection in connections:
            while connection.recv(65536):
                pass
        assert time.monotonic() - started < HEADER_SECONDS + BODY_SECONDS + 5
