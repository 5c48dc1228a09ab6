"""Bodies that can't be read, on every door: never a 5xx, all of them kept as they came, the unreadable ones quarantined."""

import asyncio
from collections.abc import Sequence

import pytest

from hookfill.accounts.store import NewStrategy
from hookfill.postgres.model import Database
from support.bad_bodies import BAD_JSON, ODD, random_bodies
from support.database import query
from support.http import PREFIX, Answer, Sender
from support.server import CANDLES_KEY, Server

SEED = 20260302
PATHS = {
    "signed": "/webhook",
    "candles": "/api/v1/candles",
    "telemetry": "/api/automated-signals/webhook",
    "indicator_export": "/api/indicator-export",
}
DOORS = ("tradingview", *PATHS)


@pytest.fixture
def path(strategy: NewStrategy, door: str) -> str:
    return PATHS.get(door, PREFIX + strategy.secret)


def send_all(server: Server, path: str, bodies: Sequence[bytes]) -> list[Answer]:
    """Send bodies over eight connections; the answers in the bodies' order."""
    answers: list[Answer | None] = [None] * len(bodies)
    waiting = list(enumerate(bodies))[::-1]

    async def send_some() -> None:
        sender = Sender(server.port)
        while waiting:
            place, body = waiting.pop()
            answers[place] = await sender.post(path, body, f"X-API-KEY: {CANDLES_KEY}")
        sender.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(send_some() for _ in range(8)))

    asyncio.run(all_of_them())
    return [answer for answer in answers if answer is not None]


def kept_of(database: Database, door: str) -> list[tuple[bytes, str]]:
    rows = query(database.url, "SELECT body, state FROM messages WHERE door = %s ORDER BY message_id", door)
    return [(bytes(body), state) for body, state in rows]


@pytest.fixture
def served(open_server: Server) -> Server:
    """Without a secret on the signed door: every body is examined."""
    return open_server


@pytest.fixture(scope="module")
def open_server(module_database: Database, tmp_path_factory: pytest.TempPathFactory):
    with Server(tmp_path_factory.mktemp("open"), database_url=module_database.url, role="api") as server:
        yield server


@pytest.mark.parametrize("door", DOORS)
def test_the_corpus_of_malformed_bodies(served: Server, module_database: Database, door: str, path: str) -> None:
    before = len(kept_of(module_database, door))
    answers = send_all(served, path, list(BAD_JSON.values()))
    wanted = {"tradingview": 200, "candles": 422}.get(door, 400)
    assert {name: answer.status for name, answer in zip(BAD_JSON, answers, strict=True)} == dict.fromkeys(BAD_JSON, wanted)
    kept = kept_of(module_database, door)[before:]
    assert sorted(body for body, _ in kept) == sorted(BAD_JSON.values())
    names = {body: name for name, body in BAD_JSON.items()}
    assert {names[body]: state for body, state in kept} == dict.fromkeys(BAD_JSON, "malformed")


@pytest.mark.parametrize("door", DOORS)
def test_odd_bodies_are_kept_whatever_becomes_of_them(served: Server, module_database: Database, door: str, path: str) -> None:
    before = len(kept_of(module_database, door))
    answers = send_all(served, path, list(ODD.values()))
    statuses = {name: answer.status for name, answer in zip(ODD, answers, strict=True)}
    assert {name: status for name, status in statuses.items() if status >= 500} == {}
    assert door != "tradingview" or set(statuses.values()) == {200}
    kept = kept_of(module_database, door)[before:]
    assert sorted(body for body, _ in kept) == sorted(ODD.values())


@pytest.mark.parametrize("door", DOORS)
def test_a_thousand_random_bodies(served: Server, module_database: Database, door: str, path: str) -> None:
    print("seed", SEED)
    bodies = random_bodies(SEED, 1_000)
    before = len(kept_of(module_database, door))
    answers = send_all(served, path, bodies)
    assert [answer.status for answer in answers if answer.status >= 500] == []
    kept = kept_of(module_database, door)[before:]
    assert len(kept) == len(bodies)
    assert sorted(body for body, _ in kept) == sorted(bodies)


def test_after_all_that_the_server_has_no_traceback_to_show(served: Server) -> None:
    assert "Traceback" not in served.output()
    assert "unstorable" not in served.output()
