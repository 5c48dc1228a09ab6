"""Webhook secrets in memory: who is told of a change, what is asked once, and what happens while the database is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import asyncpg
import pytest

from hookfill.accounts import secret_cache, store, strategies
from hookfill.accounts.secret_cache import Destination, SecretCache
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.database import wait_until_async

Make = Callable[[], Awaitable[store.NewStrategy]]


@pytest.fixture
async def make(connection: asyncpg.Connection) -> Make:
    owner = await store.bootstrap(connection, "token")
    return partial(store.create_strategy, connection, await store.default_account(connection, owner), "Breakout")


@pytest.fixture
async def cache(make: Make, database: Database) -> AsyncIterator[SecretCache]:
    cache = SecretCache(partial(connect, database, name="secrets"))
    await cache.load()
    yield cache
    await cache.close()


async def kept_fresh(cache: SecretCache, condition: Callable[[], object]) -> None:
    """Run the cache until something holds."""
    task = asyncio.create_task(cache.run())
    try:
        await wait_until_async(condition, "the cache knows")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def leads_to(made: store.NewStrategy) -> Destination:
    return Destination(made.account_id, made.strategy_id)


async def revoke(connection: asyncpg.Connection, made: store.NewStrategy) -> None:
    await connection.execute("DELETE FROM webhook_secrets WHERE strategy_id = $1", made.strategy_id)
    await connection.execute(store.SQL.announce_secrets.sql)


async def test_it_knows_what_was_there_and_the_signed_door(cache, make, connection) -> None:
    made = await make()
    assert cache.get(made.secret) is None
    await cache.load()
    assert cache.get(made.secret) == leads_to(made)
    door = await connection.fetchrow(store.SQL.signed_door.sql)
    assert cache.signed_door == Destination(**door)


async def test_before_it_is_loaded_it_says_so(database) -> None:
    with pytest.raises(RuntimeError, match="before it was loaded"):
        _ = SecretCache(partial(connect, database, name="secrets")).signed_door


async def test_a_notification_brings_a_new_secret_and_takes_a_revoked_one(
    cache, make, connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_poll_seconds", 3600.0)
    made = await make()
    await kept_fresh(cache, lambda: cache.get(made.secret))
    await revoke(connection, made)
    await kept_fresh(cache, lambda: cache.get(made.secret) is None)
    assert await cache.find(made.secret) is None


async def test_the_expiry_finds_what_no_notification_told(cache, make, connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_poll_seconds", 0.05)
    made = await make()
    await cache.load()
    await connection.execute("UPDATE webhook_secrets SET secret_sha256 = $1", store.hash_secret("another"))  # nobody is told
    await kept_fresh(cache, lambda: cache.get("another") and cache.get(made.secret) is None)
    await connection.execute("UPDATE webhook_secrets SET expires_at = now()")
    await kept_fresh(cache, lambda: cache.get("another") is None)


async def test_a_secret_made_this_moment_is_looked_up(cache, make) -> None:
    made = await make()
    assert await cache.find(made.secret) == leads_to(made)
    assert cache.get(made.secret) == leads_to(made)


async def test_an_unknown_secret_is_asked_for_once(cache, make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = asyncpg.Connection.fetchrow

    def fetchrow(self, query, *arguments, **options):
        asked.append(arguments)
        return original(self, query, *arguments, **options)

    monkeypatch.setattr(asyncpg.Connection, "fetchrow", fetchrow)
    assert [await cache.find("guess") for _ in range(5)] == [None] * 5
    assert len(asked) == 1
    monkeypatch.setattr(secret_cache, "_UNKNOWN_KEPT", 3)
    for number in range(20):
        await cache.find(f"guess {number}")
    assert len(cache._unknown) <= 3


async def test_a_secret_guessed_before_it_was_made_is_found_after_the_notification(cache, make) -> None:
    cache._unknown.add(store.hash_secret("x"))
    made = await make()
    cache._unknown.add(store.hash_secret(made.secret))
    assert await cache.find(made.secret) is None
    await kept_fresh(cache, lambda: cache.get(made.secret))
    assert cache._unknown == set()


async def test_while_the_database_is_away_what_is_known_stays(cache, make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_poll_seconds", 0.05)
    monkeypatch.setattr(cache, "_retry_seconds", 0.05)
    made = await make()
    await cache.load()

    async def away() -> asyncpg.Connection:
        raise ConnectionRefusedError

    back, cache._connect = cache._connect, away
    cache._connection.terminate()
    task = asyncio.create_task(cache.run())
    try:
        await wait_until_async(lambda: cache._connection is None, "it has noticed")
        assert cache.get(made.secret) == leads_to(made)
        with pytest.raises(ConnectionError):
            await cache.find("unknown to memory")
        cache._connect = back
        other = await make()
        await wait_until_async(lambda: cache.get(other.secret), "it is back")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_look_up_is_bounded_also_while_another_hangs(cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender gives up after three seconds: an answer must come before, whatever the database does."""
    monkeypatch.setattr(secret_cache, "LOOKUP_SECONDS", 0.05)
    async with cache._lookup:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache.find("anything"), 20)
    assert await cache.find("anything") is None


async def rotated(connection: asyncpg.Connection, made: store.NewStrategy, overlap_seconds: int) -> str:
    owner = await store.owner_id(connection)
    secret = await strategies.rotate_secret(connection, owner, made.strategy_id, overlap_seconds)
    assert secret is not None
    return secret


async def test_a_rotated_secret_leads_there_until_its_overlap_is_over_and_not_a_moment_longer(
    cache, make, connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make()
    new = await rotated(connection, made, 3600)
    begun = time.monotonic()
    await cache.load()  # nothing is told or loaded after this
    clock = [begun]
    monkeypatch.setattr(secret_cache.time, "monotonic", lambda: clock[0])
    assert cache.get(made.secret) == cache.get(new) == leads_to(made)
    clock[0] = begun + 3590
    assert cache.get(made.secret) == leads_to(made)
    clock[0] = begun + 3601
    assert cache.get(made.secret) is None
    assert cache.get(new) == leads_to(made)


async def test_a_secret_whose_end_was_learnt_by_a_look_up_ends_as_well(
    cache, make, connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make()
    await rotated(connection, made, 60)
    assert await cache.find(made.secret) == leads_to(made)
    assert cache.get(made.secret) == leads_to(made)
    later = time.monotonic() + 61
    monkeypatch.setattr(secret_cache.time, "monotonic", lambda: later)
    assert cache.get(made.secret) is None


async def test_without_an_overlap_the_old_secret_ends_at_once(cache, make, connection) -> None:
    made = await make()
    new = await rotated(connection, made, 0)
    assert await cache.find(made.secret) is None
    assert await cache.find(new) == leads_to(made)
    await cache.load()
    assert cache.get(made.secret) is None
    assert await connection.fetchval("SELECT count(*) FROM webhook_secrets") == 1


async def test_an_end_is_never_put_off_by_rotating_again(cache, make, connection) -> None:
    made = await make()
    second = await rotated(connection, made, 60)
    third = await rotated(connection, made, 3600)
    left = dict(await connection.fetch("SELECT secret_sha256, extract(epoch FROM expires_at - now()) FROM webhook_secrets"))
    assert left[store.hash_secret(made.secret)] <= 60 < left[store.hash_secret(second)] <= 3600
    assert left[store.hash_secret(third)] is None
