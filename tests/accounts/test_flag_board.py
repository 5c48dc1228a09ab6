"""The flags in memory: told by NOTIFY, found by the poll, and in force while the database is away."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
import pytest

from hookfill.accounts import flag_board
from hookfill.accounts.flag_board import CHANNEL, FlagBoard, open_board
from hookfill.accounts.flags import set_flag, stored_flags
from hookfill.postgres import refreshed
from hookfill.postgres.model import Database, ServerInfo
from hookfill.postgres.pool import connect
from hookfill.postgres.tenancy import as_user
from support.database import wait_until_async
from support.proxy import Proxy

Board = FlagBoard[Mapping[str, bool]]


def as_is(stored: Mapping[str, bool]) -> Mapping[str, bool]:
    return dict(stored)


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Board]:
    async with open_board(partial(connect, database, name="flags", timeout_seconds=1.0), as_is) as board:
        yield board


async def test_what_is_stored_is_there_from_the_beginning(database: Database, connection: asyncpg.Connection) -> None:
    await set_flag(connection, "one", None, is_enabled=True)
    async with opened(database) as board:
        assert board.flags == {"one": True}


async def test_a_change_is_told(database: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flag_board, "POLL_SECONDS", 3_600.0)
    async with opened(database) as first, opened(database) as second:
        for is_enabled in (True, False, True):
            stored = await set_flag(connection, "one", None, is_enabled=is_enabled)
            assert stored.is_enabled is is_enabled
            for board in (first, second):
                await wait_until_async(lambda board=board, now=is_enabled: board.flags.get("one") is now, "the change")


async def test_a_change_that_nobody_tells_is_found(database: Database, connection: asyncpg.Connection) -> None:
    assert flag_board.POLL_SECONDS < 1
    async with opened(database) as board:
        await connection.execute("INSERT INTO feature_flags (name, is_enabled) VALUES ('one', true)")
        await wait_until_async(lambda: board.flags == {"one": True}, "the change")


@pytest.mark.parametrize("trouble", ["refuse", "cut", "abandon"])
async def test_what_is_known_stays_in_force_while_the_database_is_away(
    database: Database, connection: asyncpg.Connection, postgres: ServerInfo, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(refreshed, "LOAD_SECONDS", 0.5)
    await set_flag(connection, "one", None, is_enabled=True)
    async with Proxy(postgres) as proxy, opened(proxy.database(database.connect_arguments["database"])) as board:
        accepted = proxy.accepted
        getattr(proxy, trouble)()
        await set_flag(connection, "two", None, is_enabled=True)
        await wait_until_async(lambda: proxy.accepted > accepted, "it tries again")
        assert board.flags["one"] is True
        proxy.restore()
        await wait_until_async(lambda: board.flags == {"one": True, "two": True}, "it is back")


async def test_people_read_flags_and_write_none(database: Database, connection: asyncpg.Connection) -> None:
    await set_flag(connection, "one", None, is_enabled=True)
    nobody = "00000000-0000-0000-0000-00000000000f"
    async with as_user(connection, nobody):  # type: ignore[arg-type]
        assert set(await stored_flags(connection)) == {"one"}
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with as_user(connection, nobody):  # type: ignore[arg-type]
            await set_flag(connection, "one", None, is_enabled=False)


async def test_the_board_listens_where_the_statement_speaks(connection: asyncpg.Connection) -> None:
    heard = asyncio.Event()
    await connection.add_listener(CHANNEL, lambda *_: heard.set())
    await set_flag(connection, "one", None, is_enabled=False)
    await asyncio.wait_for(heard.wait(), 10)
    await connection.reset()
