"""Connections come with the settings that the house relies on."""

import contextlib
import re
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

import hookfill
from hookfill.postgres import sql
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect, open_pool


async def test_a_connection_is_named_speaks_utc_and_is_cut_when_it_idles_in_a_transaction(connection: asyncpg.Connection) -> None:
    names = ["application_name", "TimeZone", "idle_in_transaction_session_timeout", "lock_timeout"]
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])", names)
    settings = {row["name"]: row["setting"] for row in rows}
    assert settings == {
        "application_name": "hookfill test",
        "TimeZone": "UTC",
        "idle_in_transaction_session_timeout": "30000",
        "lock_timeout": "0",
    }


async def test_every_connection_of_a_pool_has_them_after_it_was_used_before(database: Database) -> None:
    pool = await open_pool(database, name="desk", min_size=1, max_size=1, lock_timeout_seconds=0.25)
    try:
        for _ in range(2):
            async with pool.acquire() as connection:
                assert await connection.fetchval("SHOW lock_timeout") == "250ms"
                assert await connection.fetchval("SHOW timezone") == "UTC"
                assert await connection.fetchval("SELECT $1::jsonb", {"a": 1}) == {"a": 1}
    finally:
        await pool.close()


@pytest.mark.parametrize("value", [{"a": [1, None, True, "ü\\\"'"]}, [], "text", 7, None, {"nested": {"deep": [{}]}}])
async def test_jsonb_and_json_come_back_as_they_went(connection: asyncpg.Connection, value: object) -> None:
    if value is not None:
        assert await connection.fetchval("SELECT $1::jsonb", value) == value
        assert await connection.fetchval("SELECT $1::json", value) == value
    assert await connection.fetchval("SELECT ($1::jsonb)->'value'", {"value": value}) == value


async def test_jsonb_arrays_and_money_as_text(connection: asyncpg.Connection) -> None:
    assert await connection.fetchval("SELECT $1::jsonb[]", [{"price": Decimal("1.10")}, {}]) == [{"price": "1.10"}, {}]


async def test_what_json_can_not_hold_is_refused(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.DataError, match="object"):
        await connection.fetchval("SELECT $1::jsonb", {"value": object()})


async def test_a_statement_does_not_wait_longer_than_the_lock_timeout(database: Database, connection: asyncpg.Connection) -> None:
    waiting = await connect(database, name="waiting", lock_timeout_seconds=0.05)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE quotes IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await waiting.fetch("SELECT * FROM quotes")
    finally:
        await waiting.close()


async def test_named_statements_run_by_name_and_by_their_text(
    connection: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "a_room"
    package.mkdir()
    (package / "__init__.py").touch()
    statement = "SELECT :second::int - :first::int AS difference, ':first' AS quoted, :second::int AS again;"
    (package / "queries.sql").write_text(f"-- name: subtract(first, second)^\n-- What is left.\n{statement}\n", encoding="utf-8")
    queries = sql.load("a_room")
    by_name = await queries.subtract(connection, first=2, second=9)
    by_text = await connection.fetchrow(queries.subtract.sql, 9, 2)
    assert tuple(by_name) == tuple(by_text) == (7, ":first", 9)
    assert queries.subtract.__doc__ == "What is left."
    assert queries.available_queries == ["subtract"]
    with pytest.raises(AttributeError, match=r"no statement 'divide'.*subtract"):
        _ = queries.divide


async def test_a_connection_comes_back_as_it_was_before_whatever_happened_to_its_transaction(database: Database) -> None:
    pool = await open_pool(database, name="api", min_size=1, max_size=1)
    become = "SELECT set_config('role', 'authenticated', true), set_config('lock_timeout', '7ms', true), pg_advisory_xact_lock(5)"
    asked = """SELECT current_user <> 'authenticated', current_setting('lock_timeout'), pg_backend_pid(),
                      (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"""
    try:
        async with pool.acquire() as connection:
            before = tuple(await connection.fetchrow(asked))
            async with connection.transaction():
                await connection.execute(become)
        async with pool.acquire() as connection:
            assert tuple(await connection.fetchrow(asked)) == before
            with contextlib.suppress(ZeroDivisionError):
                async with connection.transaction():
                    await connection.execute(become)
                    raise ZeroDivisionError
        async with pool.acquire() as connection:
            assert tuple(await connection.fetchrow(asked)) == before
            await connection.execute("BEGIN")
            await connection.execute(become)
        async with pool.acquire() as connection:
            assert tuple(await connection.fetchrow(asked)) == before
    finally:
        await pool.close()


OF_A_SESSION = re.compile(
    r"\A\s*(?:SET|RESET|LISTEN|UNLISTEN|DISCARD|PREPARE|DECLARE)\b|set_config\([^()]*,\s*false"
    r"|pg_(?:try_)?advisory_(?:un)?lock(?:_shared)?\(|\bCREATE\s+(?:LOCAL\s+)?TEMP",
    re.IGNORECASE,
)
ON_A_CONNECTION_OF_THEIR_OWN = {
    "brokers/alpaca/queries.sql take_lock",
    "brokers/alpaca/queries.sql drop_lock",
    "inbox/queries.sql skip_flush",
    "market/feeds/watch.sql try_to_lead",
}


def test_no_statement_changes_more_than_its_transaction() -> None:
    root = Path(hookfill.__file__).parent
    found = set()
    for file in root.rglob("*.sql"):
        if "migrations" not in file.parts:
            for statement in file.read_text(encoding="utf-8").split("-- name: ")[1:]:
                name, _, text = statement.partition("\n")
                if OF_A_SESSION.search(re.sub(r"--.*", "", text)):
                    found.add(f"{file.relative_to(root).as_posix()} {name.rstrip('^$!*<').split('(')[0]}")
    assert found == ON_A_CONNECTION_OF_THEIR_OWN
