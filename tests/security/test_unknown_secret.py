"""An unknown webhook secret is answered like a known one, in word and time, and leaves nothing behind (contract A, point 1).

Time is compared within one run on one connection: what tells an unknown secret from a known one must not be more than what tells
two known ones apart. No clock's absolute value matters.
"""

import bisect
import random
import secrets
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import count

import psycopg
import pytest
from psycopg import sql

from hookfill.postgres.model import Database
from support.database import new_strategy, wait_for_value
from support.http import PREFIX, request_bytes
from support.server import Server

ROUNDS = 300
WARM_UP = 40
PAUSE_SECONDS = 0.002
"""Between two requests: the server finishes what one leaves to do before the next comes."""
LEAST_DISTANCE = 0.18
"""A probability of superiority within 0.5 ± this is no difference: so much two known secrets differ on a busy machine."""
SHUFFLES = 400
BODIES = [
    b'{"symbol":"BTCUSDT","action":"buy","volume":0.01,"price":64000,"id":"timing-%d"}',
    b"buy BTCUSDT 0.01 id=timing-%d",
    b'{"symbol":"BTCUSDT","token":"canary-timing-%d"',
]
_numbers = count(1)


class Line:
    """One kept-alive connection; each request is timed from its last byte sent to its answer's first bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, secret: str, body: bytes) -> tuple[float, bytes]:
        """Send; how long the answer took in seconds, and the whole of it."""
        request = request_bytes(PREFIX + secret, body, ["Content-Type: application/json"])
        started = time.perf_counter()
        self._socket.sendall(request)
        answer = self._socket.recv(65536)
        seconds = time.perf_counter() - started
        while not answer.endswith(b"}"):  # what goes the long way comes in two parts
            answer += self._socket.recv(65536)
        return seconds, answer

    def close(self) -> None:
        """End."""
        self._socket.close()


@pytest.fixture(scope="module")
def server(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url, HOOKFILL_LOG_LEVEL="debug") as server:
        yield server


def decided(database: Database) -> None:
    """Wait until nothing is left to do of what one test has sent: the next one finds the server at rest."""
    wait_for_value(database.url, 0, "SELECT count(*) FROM signals WHERE status = 'pending'")


def never_seen() -> str:
    """A secret as long as ours that nobody has."""
    return secrets.token_urlsafe(32)


def rows(database: Database) -> dict[str, int]:
    """How many rows each table holds."""
    with psycopg.connect(database.url) as connection:
        tables = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        assert len(tables) > 25
        return {
            table: connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()[0]
            for table in tables
        }


def test_it_leaves_nothing_behind(server: Server, module_database: Database) -> None:
    known = new_strategy(module_database, limits={"max_open_positions": "0"}).secret
    line = Line(server.port)
    answers = {line.post(known, BODIES[0] % next(_numbers))[1]}
    decided(module_database)
    before, log = rows(module_database), server.output()
    unknown = [never_seen() for _ in range(20)]
    odd = [
        "x",
        "..%2f",
        "a/b",
        "x" * 3000,
        f"{known}x",
        known[:-1],
        known.swapcase(),
        "%00",
        "?x=1",
    ]
    for secret in [*unknown, *unknown, *odd]:
        for body in (*(body % next(_numbers) if b"%d" in body else body for body in BODIES), b"", b"\x00\xff"):
            answers.add(line.post(secret, body)[1])
    line.close()
    assert len(answers) == 1  # status, headers and body, byte for byte
    assert rows(module_database) == before
    assert server.output() == log


def superiority(ones: Sequence[float], others: Sequence[float]) -> float:
    """How probably one of the first takes longer than one of the others (Mann-Whitney's U as a share); 0.5: no difference."""
    ordered = sorted(others)
    wins = sum(bisect.bisect_left(ordered, one) + bisect.bisect_right(ordered, one) for one in ones)
    return wins / (2 * len(ones) * len(others))


def chance(ones: Sequence[float], others: Sequence[float], dice: random.Random) -> float:
    """What the distance from 0.5 hardly ever exceeds when which is which is only a name, pair by pair (a permutation test)."""
    distances = []
    for _ in range(SHUFFLES):
        swapped = [pair if dice.random() < 0.5 else pair[::-1] for pair in zip(ones, others, strict=True)]
        distances.append(abs(superiority([pair[0] for pair in swapped], [pair[1] for pair in swapped]) - 0.5))
    return sorted(distances)[round(0.999 * SHUFFLES) - 1]


@pytest.mark.parametrize("body", BODIES, ids=["json", "text", "malformed"])
def test_it_takes_as_long(server: Server, module_database: Database, body: bytes) -> None:
    known = [new_strategy(module_database, limits={"max_open_positions": "0"}).secret for _ in range(2)]
    dice = random.Random(7)
    took: dict[str, list[float]] = {"known": [], "other": [], "unknown": []}
    line = Line(server.port)
    for round_ in range(WARM_UP + ROUNDS):
        turns = [("known", known[0]), ("other", known[1]), ("unknown", never_seen())]
        dice.shuffle(turns)
        for kind, secret in turns:
            seconds, _ = line.post(secret, body % next(_numbers))
            if round_ >= WARM_UP:
                took[kind].append(seconds)
            time.sleep(PAUSE_SECONDS)
    line.close()
    decided(module_database)
    null = abs(superiority(took["known"], took["other"]) - 0.5)
    bound = max(LEAST_DISTANCE, 2 * null, chance(took["known"], took["other"], dice))
    seen = max((superiority(took[kind], took["unknown"]) - 0.5 for kind in ("known", "other")), key=abs)
    medians = {kind: round(1e6 * statistics.median(values)) for kind, values in took.items()}
    assert abs(seen) <= bound, f"unknown secrets are told apart: {seen:+.3f} against {bound:.3f}; medians in µs: {medians}"


def test_the_test_tells_a_difference() -> None:
    """A tenth of a millisecond more on half a millisecond with a spread of a fifth would be found."""
    dice = random.Random(3)
    known, other, unknown = ([dice.gauss(base, 100) for _ in range(ROUNDS)] for base in (500, 500, 600))
    assert abs(superiority(known, other) - 0.5) < LEAST_DISTANCE < abs(superiority(known, unknown) - 0.5)
    assert chance(known, other, dice) < abs(superiority(known, unknown) - 0.5)
