"""Recognising a caller reads by index, however many people there are; and people are made whole or not at all."""

import asyncio

import asyncpg
import pytest

from hookfill.accounts import sessions, users
from hookfill.accounts.store import bootstrap
from hookfill.kernel.ids import NIL
from support.plans import explain

PEOPLE = users.SQL


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        ("caller_of_token", [b"x"]),
        ("caller_of_user", [NIL]),
        ("caller_of_subject", ["x"]),
        ("login_of_email", ["x"]),
        ("lock_session", [b"x"]),
        ("use_refresh_token", [b"x"]),
        ("revoke_family", [NIL]),
        ("forget_old_refresh_tokens", [NIL]),
        ("accept_invitation", [b"x", "x"]),
    ],
)
async def test_people_are_found_by_index(connection: asyncpg.Connection, statement: str, arguments: list[object]) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plans = await explain(connection, getattr(PEOPLE, statement).sql, *arguments)
    for plan in plans:
        assert not plan.read_whole(), plan
        assert plan.indexes, plan


async def test_a_user_without_an_account_is_never_left_behind(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bootstrap(connection, "token")

    async def fail(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(users, "create_account", fail)
    with pytest.raises(ConnectionError):
        await users.create_user(connection, "ada@example.com", None)
    with pytest.raises(ConnectionError):
        await users.user_of_subject(connection, "subject", "Ada", None, may_create=True)
    assert await connection.fetchval("SELECT count(*) FROM users") == 1


async def test_the_first_start_gives_the_owner_settings_once(connection: asyncpg.Connection) -> None:
    owner = await bootstrap(connection, "token")
    await connection.execute("UPDATE user_settings SET max_spread = 7")
    assert await bootstrap(connection, "token") == owner
    assert await connection.fetchval("SELECT max_spread FROM user_settings WHERE user_id = $1", owner) == 7
    await connection.execute("DELETE FROM user_settings")  # as it is with an owner from before there were settings
    await bootstrap(connection, "token")
    assert await connection.fetchval("SELECT user_id FROM user_settings") == owner


async def test_a_session_is_one_users(connection: asyncpg.Connection) -> None:
    owner = await bootstrap(connection, "token")
    token = await sessions.open_session(connection, owner)
    renewed = await sessions.renew_session(connection, token)
    assert renewed is not None
    assert renewed[0] == owner
    await sessions.close_session(connection, "unknown")
    await sessions.close_session(connection, renewed[1])
    assert await sessions.renew_session(connection, renewed[1]) is None


async def test_a_thief_cant_renew_while_the_family_is_revoked(pool: asyncpg.Pool) -> None:
    """A renewal that is under way when an old token comes a second time must not survive it."""
    async with pool.acquire() as first, pool.acquire() as second, pool.acquire() as watching:
        old = await sessions.open_session(first, await bootstrap(first, "token"))
        _, latest = await sessions.renew_session(first, old) or (None, "")
        renewal = first.transaction()
        await renewal.start()
        assert await sessions.renew_session(first, latest) is not None
        reuse = asyncio.create_task(sessions.renew_session(second, old))
        waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock')"
        while not await watching.fetchval(waits, second.get_server_pid()):
            assert not reuse.done()
        await renewal.commit()
        assert await reuse is None
        assert await watching.fetchval("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL") == 0
