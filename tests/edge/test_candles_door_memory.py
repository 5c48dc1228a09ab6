"""How much memory the candles door takes for the largest bodies: stored or refused, whatever is in them, and many at once."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
import psutil
import pytest

from hookfill.postgres.model import Database
from support.database import query, value
from support.server import CANDLES_KEY, Server

PATH = "/api/v1/candles"
MIB = 1 << 20
LARGEST = 8 * MIB
GROWTH = 40 * MIB
"""For one body; as many at once may take hardly more."""
GROWTH_AT_ONCE = 70 * MIB
KEPT = 24 * MIB
"""What may stay behind when all are answered."""
FIRST = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())


@pytest.fixture
def served(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A new one for each test: memory that one has grown by is there for the next."""
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url, role="api") as server:
        yield server


@pytest.fixture
def client(served: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=60, trust_env=False) as client:
        push(client, entries([bar("WARM", 0)]))
        yield client


@pytest.fixture
def symbol() -> str:
    return f"C{uuid.uuid4().hex[:12]}".upper()


def push(client: httpx.Client, body: bytes, key: str = CANDLES_KEY) -> int:
    return client.post(PATH, content=body, headers={"X-API-KEY": key}).status_code


def bar(symbol: str, number: int, **changes: object) -> dict[str, Any]:
    """A minute bar; prices come again, as they do in a market."""
    price = round(1.0 + number % 5_000 / 1e5, 5)
    fields = {"symbol": symbol, "timeframe": "M1", "timestamp": FIRST + 60 * number, "open": price, "high": 2.2, "low": 1.0}
    return fields | {"close": round(price + 0.1, 5), "volume": 91} | changes


def entries(bars: list[dict[str, Any]]) -> bytes:
    return json.dumps({"candles": bars}, separators=(",", ":")).encode()


@cache
def most_bars(changes: frozenset[tuple[str, object]]) -> bytes:
    """As many bars as are allowed, of a symbol that is to be replaced."""
    return entries([bar("SYMBOL", number, **dict(changes)) for number in range(50_000)])


def largest(symbol: str, **changes: object) -> bytes:
    """As many bars as are allowed, filled up with spaces to the last byte."""
    body = most_bars(frozenset(changes.items())).replace(b"SYMBOL", symbol.encode())
    return body.replace(b"[", b"[" + b" " * (LARGEST - len(body)), 1)


def filled(begin: bytes, repeated: bytes, end: bytes) -> bytes:
    return begin + repeated * ((LARGEST - len(begin) - len(end)) // len(repeated)) + end


def growth(served: Server, work: Callable[[], None]) -> int:
    """By how many bytes the server grows at most while it works."""
    process = psutil.Process(served.pid)  # made once: to make it takes longer than to look at its memory
    before = most = served.memory_bytes()
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.002):
            most = max(most, process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        work()
    finally:
        done.set()
        watching.join()
    return max(most, served.memory_bytes()) - before


SOUND = {"short way": {}, "long way": {"note": "😀"}}
FAULTY = {"volume": -1}


@pytest.mark.parametrize("way", SOUND)
def test_the_largest_body_is_not_held_many_times(
    client: httpx.Client, served: Server, module_database: Database, symbol: str, way: str
) -> None:
    body = largest(symbol, **SOUND[way])
    answers: list[int] = []
    grown = growth(served, lambda: answers.append(push(client, body)))
    assert answers == [201]
    assert value(module_database.url, "SELECT count(*) FROM market_data_candles WHERE symbol = %s", symbol) == 50_000
    assert grown < GROWTH, f"{grown / MIB:.1f} MiB"


REFUSED: dict[str, Callable[[], bytes]] = {
    "every bar at fault": lambda: largest("FAULTY", **FAULTY),
    "no JSON in the end": lambda: largest("FAULTY")[:-1] + b"]",
    "bars without end": lambda: filled(b'{"candles":[{}', b",{}", b"]}"),
    "a long text": lambda: filled(b'{"candles":[{"symbol":"', "€".encode(), b'"}]}'),
    "a long number": lambda: filled(b'{"candles":[{"open":', b"9", b"}]}"),
    "deeply nested": lambda: filled(b'{"candles":[', b"[", b"]}"),
    "lists in a bar": lambda: filled(b'{"candles":[{"x":[0', b",[]", b"]}]}"),
    "members beside": lambda: filled(b'{"x":[0', b",{}", b'],"candles":[]}'),
    "a list alone": lambda: filled(b"[0", b",[]", b"]"),
    "secrets to hide": lambda: filled(b'{"candles":[{"token":"x"}', b',{"token":"abc"}', b"]}"),
    "spaces": lambda: b" " * LARGEST,
}


def test_nor_is_one_that_is_refused(client: httpx.Client, served: Server, module_database: Database) -> None:
    """One server for all of them: whatever one leaves behind counts too."""
    answers: list[int] = []

    def send() -> None:
        for make in REFUSED.values():
            body = make()
            assert LARGEST - 20 < len(body) <= LARGEST
            answers.append(push(client, body))

    before = served.memory_bytes()
    grown = growth(served, send)
    assert answers == [422] * len(REFUSED)
    assert value(module_database.url, "SELECT count(*) FROM market_data_candles WHERE symbol = 'FAULTY'") == 0
    kept = query(module_database.url, "SELECT length(body) FROM messages WHERE state = 'malformed'")
    assert [round(length / 100) for (length,) in kept] == [round(MIB / 100)] * len(REFUSED)  # a secret that is cut off is masked
    assert grown < GROWTH, f"{grown / MIB:.1f} MiB"
    assert served.memory_bytes() - before < KEPT


@pytest.mark.parametrize(("changes", "status"), [({}, 201), (FAULTY, 422)], ids=["sound", "faulty"])
def test_many_at_once_wait_for_each_other(
    client: httpx.Client, served: Server, symbol: str, changes: dict[str, Any], status: int
) -> None:
    """Whoever must wait for too long is told to come again."""
    body = largest(symbol, **changes)
    with ThreadPoolExecutor(5) as senders:
        answers: list[int] = []
        grown = growth(served, lambda: answers.extend(senders.map(lambda _: push(client, body), range(5))))
    assert status in answers
    assert set(answers) <= {status, 503}
    assert grown < GROWTH_AT_ONCE, f"{grown / MIB:.1f} MiB"


def test_strangers_take_no_memory(client: httpx.Client, served: Server, module_database: Database, symbol: str) -> None:
    body = largest(symbol)
    with ThreadPoolExecutor(6) as senders:
        answers: list[int] = []
        grown = growth(served, lambda: answers.extend(senders.map(lambda _: push(client, body, "wrong"), range(6))))
    assert answers == [401] * 6
    kept = query(module_database.url, "SELECT length(body) FROM messages WHERE reason = 'api_key_invalid'")
    assert kept == [(65_536,)] * 6
    assert grown < 8 * MIB, f"{grown / MIB:.1f} MiB"
