"""What the candles door does with bars it knows, with a database that fails, with many senders at once; as whom it stores."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from hookfill.postgres.model import Database, ServerInfo
from support.database import query, value
from support.proxy import Proxy
from support.server import CANDLES_KEY, Server

PATH = "/api/v1/candles"
START = datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.fixture
def symbol() -> str:
    return f"C{uuid.uuid4().hex[:12]}".upper()


def bar(symbol: str, minute: int = 0, close: str = "1.15", **changes: object) -> dict[str, Any]:
    at = (START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
    fields: dict[str, object] = {"symbol": symbol, "timeframe": "M5", "timestamp": at, "open": 1.1, "high": 1.2, "low": 1.0}
    return fields | {"close": float(close), "volume": 100} | changes


def push(client: httpx.Client, *bars: dict[str, Any], key: str = CANDLES_KEY, **beside: object) -> httpx.Response:
    return client.post(PATH, content=json.dumps({"candles": bars} | beside), headers={"X-API-KEY": key})


def counts(answer: httpx.Response) -> tuple[int, int, int]:
    assert answer.status_code == 201, answer.text
    found = answer.json()
    return found["records_added"], found["records_conflicting"], found["records_revised"]


def closes(database: Database, symbol: str) -> list[Decimal]:
    statement = "SELECT close FROM market_data_candles WHERE symbol = %s ORDER BY timeframe, timestamp"
    return [close for (close,) in query(database.url, statement, symbol)]


def quote(database: Database, symbol: str) -> tuple[Any, ...]:
    (found,) = query(database.url, "SELECT price, quoted_at FROM quotes WHERE symbol = %s", symbol)
    return found


ODD = {"note": "goes the long way"}


@pytest.mark.parametrize("beside", [{}, ODD], ids=["short way", "long way"])
def test_only_the_last_bar_is_revised(client: httpx.Client, module_database: Database, symbol: str, beside: dict[str, Any]) -> None:
    push(client, bar(symbol, 0), bar(symbol, 5), **beside)
    assert counts(push(client, bar(symbol, 0, "1.01"), bar(symbol, 5, "1.05"), revise=True, **beside)) == (0, 1, 1)
    assert closes(module_database, symbol) == [Decimal("1.15"), Decimal("1.05")]
    assert quote(module_database, symbol) == (Decimal("1.05"), START + timedelta(minutes=10))
    # The same again changes nothing, and without the word nothing is replaced.
    assert counts(push(client, bar(symbol, 5, "1.05"), revise=True, **beside)) == (0, 0, 0)
    assert counts(push(client, bar(symbol, 5, "1.06"), **beside)) == (0, 1, 0)
    assert counts(push(client, bar(symbol, 5, "1.06"), revise=False, **beside)) == (0, 1, 0)
    assert quote(module_database, symbol)[0] == Decimal("1.05")
    # A newer bar in the same batch makes the one before it an older one.
    assert counts(push(client, bar(symbol, 5, "1.07"), bar(symbol, 10), revise=True, **beside)) == (1, 1, 0)
    assert closes(module_database, symbol) == [Decimal("1.15"), Decimal("1.05"), Decimal("1.15")]


def test_a_single_candle_may_be_revised(client: httpx.Client, module_database: Database, symbol: str) -> None:
    other = f"{symbol}B"
    push(client, bar(symbol), bar(other), bar(symbol, timeframe="H1"))
    answer = push(
        client, bar(symbol, 0, "1.01", revise=True), bar(other, 0, "1.01"), bar(symbol, 0, "1.02", timeframe="H1", revise=False)
    )
    assert counts(answer) == (0, 2, 1)
    assert closes(module_database, symbol) == [Decimal("1.15"), Decimal("1.01")]
    assert closes(module_database, other) == [Decimal("1.15")]
    assert quote(module_database, other)[0] == Decimal("1.15")


def test_revised_twice_in_one_batch_the_last_word_counts(client: httpx.Client, module_database: Database, symbol: str) -> None:
    assert counts(push(client, bar(symbol, 0, "1.11"), bar(symbol, 0, "1.12"), revise=True)) == (1, 0, 1)
    assert closes(module_database, symbol) == [Decimal("1.12")]


@pytest.mark.parametrize("word", ["yes", 1, [], "true"])
def test_revise_is_yes_or_no(client: httpx.Client, module_database: Database, symbol: str, word: object) -> None:
    answer = push(client, bar(symbol), revise=word)
    assert [detail["loc"] for detail in answer.json()["detail"]] == [["body", "revise"]]
    answer = push(client, bar(symbol), bar(symbol, 5, revise=word))
    assert [detail["loc"] for detail in answer.json()["detail"]] == [["body", "candles", 1, "revise"]]
    assert closes(module_database, symbol) == []


@pytest.mark.parametrize(
    ("timeframe", "sent", "opened"),
    [
        ("M1", "2026-01-05T10:07:31Z", "10:07"),
        ("5", "2026-01-05T10:07:31.5Z", "10:05"),
        ("15m", "2026-01-05T10:07:31Z", "10:00"),
        ("1h", "2026-01-05T14:30:59Z", "14:30"),
        ("D1", "2026-01-05T22:00:00+00:00", "22:00"),
        ("M5", 1767607651, "10:05"),
        ("M5", 1767607651999, "10:05"),
    ],
)
def test_times_become_the_bars_opening(
    client: httpx.Client, module_database: Database, symbol: str, timeframe: str, sent: object, opened: str
) -> None:
    assert counts(push(client, bar(symbol, timeframe=timeframe, timestamp=sent))) == (1, 0, 0)
    stored = value(module_database.url, "SELECT timestamp FROM market_data_candles WHERE symbol = %s", symbol)
    assert stored == datetime.fromisoformat(f"2026-01-05T{opened}:00+00:00")


def test_malformed_json_is_told_and_kept(client: httpx.Client, module_database: Database) -> None:
    for body in (b"", b"{", b'{"candles":[', b'{"candles":[{"open":NaN}]}', b"\xff\xfe", b'{"candles":[],"candles":[]}'):
        answer = client.post(PATH, content=body, headers={"X-API-KEY": CANDLES_KEY})
        assert answer.status_code == 422
        assert [(detail["loc"], detail["type"]) for detail in answer.json()["detail"]] == [(["body"], "json_invalid")]
        kept = query(
            module_database.url, "SELECT reason, body FROM messages WHERE door = 'candles' ORDER BY message_id DESC LIMIT 1"
        )
        assert [(reason, bytes(found)) for reason, found in kept] == [("json_invalid", body)]


@contextmanager
def guarded(database: Database, condition: str) -> Iterator[None]:
    """Let the candles' table refuse rows; the last of a batch too, when the others are in."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        body = f"BEGIN IF {condition} THEN RAISE 'canary-refused by % %', current_user, NEW.close; END IF; RETURN NEW; END"
        connection.execute(f"CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON market_data_candles FOR EACH ROW EXECUTE FUNCTION refuse_row()"
        )
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION refuse_row CASCADE")


@pytest.mark.parametrize("beside", [{}, ODD], ids=["short way", "long way"])
def test_a_batch_that_fails_halfway_is_rolled_back(
    client: httpx.Client, module_database: Database, symbol: str, beside: dict[str, Any]
) -> None:
    bars = [bar(symbol, 5 * number) for number in range(20)] + [bar(symbol, 100, "1.19")]
    with guarded(module_database, "NEW.close = 1.19"):
        answer = push(client, *bars, **beside)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "send them again" in answer.json()["detail"]
    assert "canary" not in answer.text
    assert closes(module_database, symbol) == []
    assert query(module_database.url, "SELECT 1 FROM quotes WHERE symbol = %s", symbol) == []
    assert counts(push(client, *bars, **beside)) == (21, 0, 0)


@pytest.mark.parametrize("beside", [{}, ODD], ids=["short way", "long way"])
def test_batches_are_stored_as_a_role_that_may_nothing_else(
    client: httpx.Client, module_database: Database, symbol: str, beside: dict[str, Any]
) -> None:
    with guarded(module_database, "current_user <> 'hookfill_candles'"):
        assert counts(push(client, bar(symbol), **beside)) == (1, 0, 0)
        assert counts(push(client, bar(symbol, 0, "1.1"), revise=True, **beside)) == (0, 0, 1)
    with psycopg.connect(module_database.url, autocommit=True) as connection:
        connection.execute("SET ROLE hookfill_candles")
        tables = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v', 'p')"
            " AND relnamespace = current_schema()::regnamespace"
            " AND (has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')"
            " OR has_any_column_privilege(oid, 'SELECT, INSERT, UPDATE'))"
        ).fetchall()
        assert sorted(name for (name,) in tables) == ["market_data_candles", "quotes"]
        for forbidden in (
            "DELETE FROM market_data_candles",
            "UPDATE market_data_candles SET symbol = ''",
            "SELECT * FROM accounts",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_people_may_read_candles_and_no_more(client: httpx.Client, module_database: Database, symbol: str) -> None:
    push(client, bar(symbol))
    with psycopg.connect(module_database.url, autocommit=True) as connection:
        connection.execute("SET ROLE authenticated")
        found = connection.execute("SELECT close FROM market_data_candles WHERE symbol = %s", [symbol]).fetchall()
        assert found == [(Decimal("1.15"),)]
        for forbidden in (
            "INSERT INTO market_data_candles (symbol, timeframe, timestamp, open) VALUES ('X', 'M1', now(), 1)",
            "UPDATE market_data_candles SET close = 2",
            "DELETE FROM market_data_candles",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_overlapping_batches_at_once_neither_double_nor_deadlock(
    client: httpx.Client, module_database: Database, symbol: str
) -> None:
    names = [symbol, f"{symbol}B"]
    bars = [bar(name, 5 * number) for number in range(400) for name in names]

    def send(number: int) -> tuple[int, int, int]:
        part = bars[50 * number : 50 * number + 400]
        beside = {"revise": True} if number % 3 else ODD
        return counts(push(client, *(part if number % 2 else part[::-1]), **beside))

    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(send, [*range(8), *range(8)]))
    stored = [
        count
        for name in names
        for count in query(module_database.url, "SELECT count(*) FROM market_data_candles WHERE symbol = %s", name)
    ]
    assert sum(added for added, _, _ in answers) == sum(count for (count,) in stored) == 750
    assert {answer[1:] for answer in answers} == {(0, 0)}


async def test_without_its_database_it_says_so_and_takes_the_batch_later(
    postgres: ServerInfo, database: Database, tmp_path: Path, symbol: str
) -> None:
    async with Proxy(postgres) as proxy:
        with_proxy = proxy.url(database.connect_arguments["database"])
        server = Server(tmp_path, database_url=with_proxy, role="api")
        try:
            await asyncio.to_thread(server.start)
            async with httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as client:
                request = {"content": json.dumps({"candles": [bar(symbol)]}), "headers": {"X-API-KEY": CANDLES_KEY}}
                proxy.refuse()
                answers = await asyncio.gather(*(client.post(PATH, **request) for _ in range(6)))
                assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "5")}
                proxy.restore()
                answer = await client.post(PATH, **request)
                assert counts(answer) == (1, 0, 0)
        finally:
            proxy.restore()
            await asyncio.to_thread(server.__exit__)
    assert closes(database, symbol) == [Decimal("1.15")]
