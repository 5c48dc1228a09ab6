"""Users, accounts, strategies and secrets on PostgreSQL: every statement, and the first start."""

import asyncio
from decimal import Decimal
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts import store, strategies
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.ids import new_id
from hookfill.postgres.pool import connect


async def count(connection: asyncpg.Connection, table: str) -> int:
    return await connection.fetchval(f"SELECT count(*) FROM {table}")


async def in_force(connection: asyncpg.Connection) -> set[UUID]:
    return {row["strategy_id"] for row in await connection.fetch(store.SQL.all_secrets.sql)}


async def test_the_first_start_makes_owner_account_and_signed_door_once(connection) -> None:
    owner = await store.bootstrap(connection, "first token")
    again = await store.bootstrap(connection, "second token")
    assert owner == again == await store.owner_id(connection)
    assert [await count(connection, table) for table in ("users", "accounts", "strategies", "webhook_secrets")] == [1, 1, 1, 0]
    account = (await store.accounts_of_user(connection, owner))[0]
    assert account["account_id"] == await store.default_account(connection, owner)
    assert (account["cash"], account["balance"], account["starting_cash"]) == (Decimal(100_000),) * 3
    assert (account["currency"], account["time_zone"], account["kind"]) == ("USD", "UTC", "paper")
    door = await connection.fetchrow(store.SQL.signed_door.sql)
    strategy = (await strategies.list_strategies(connection, owner))[0]
    assert (door["account_id"], door["strategy_id"]) == (account["account_id"], strategy["strategy_id"])
    assert (strategy["engine"], strategy["is_signed_door"], strategy["is_enabled"]) == ("ab", True, True)
    assert await store.user_of_token(connection, "first token") is None
    assert await store.user_of_token(connection, "second token") == owner


async def test_servers_that_start_at_once_make_one_owner(database) -> None:
    connections = await asyncio.gather(*(connect(database, name="start") for _ in range(6)))
    try:
        owners = await asyncio.gather(*(store.bootstrap(one, "the token") for one in connections))
        assert len(set(owners)) == 1
        assert [await count(connections[0], table) for table in ("users", "accounts", "strategies")] == [1, 1, 1]
    finally:
        await asyncio.gather(*(one.close() for one in connections))


async def test_a_first_start_that_dies_half_way_leaves_nothing(connection, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(*_, **__):
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(store, "create_account", dies)
        with pytest.raises(ConnectionResetError):
            await store.bootstrap(connection, "token")
    assert await count(connection, "users") == 0
    with pytest.raises(ConfigurationError, match="hookfill serve"):
        await store.owner_id(connection)
    await store.bootstrap(connection, "token")
    assert await count(connection, "accounts") == 1


async def test_accounts(connection) -> None:
    owner = await store.bootstrap(connection, "token")
    second = await store.create_account(
        connection, owner, "Second", cash=Decimal("5000.50"), currency="EUR", time_zone="Asia/Tokyo", limits={"max_exposure": "7"}
    )
    rows = await store.accounts_of_user(connection, owner)
    assert [row["is_default"] for row in rows] == [True, False]
    assert rows[1]["account_id"] == second == await store.account_by_name(connection, owner, "Second")
    assert await store.account_by_name(connection, owner, "Third") is None
    assert await store.account_by_name(connection, new_id(), "Second") is None
    found = {name: rows[1][name] for name in ("cash", "currency", "time_zone", "limits", "day_realized", "timeline_at")}
    assert found == {
        "cash": Decimal("5000.50"), "currency": "EUR", "time_zone": "Asia/Tokyo", "limits": {"max_exposure": "7"},
        "day_realized": Decimal(0), "timeline_at": None,
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="IANA"):
        await store.create_account(connection, owner, "Third", time_zone="Mars/Olympus")
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.create_account(connection, owner, "Another default", is_default=True)


async def test_strategies_and_their_secrets(connection) -> None:
    owner = await store.bootstrap(connection, "token")
    account_id = await store.default_account(connection, owner)
    made = await store.create_strategy(
        connection, account_id, "Breakout", engine="rules", settings={"sizing": {"quantity": Decimal(2)}}, allowed_pairs=["EURUSD"],
        risk_override_pct=Decimal("1.5"),
    )  # fmt: skip
    plain = await store.create_strategy(connection, account_id, "Plain")
    assert made.secret != plain.secret
    assert len(made.secret) >= 40
    stored = await connection.fetch("SELECT * FROM webhook_secrets")
    assert all(made.secret not in str(value) for row in stored for value in row)
    row = await connection.fetchrow(store.SQL.secret_by_hash.sql, store.hash_secret(made.secret))
    assert (row["account_id"], row["strategy_id"]) == (account_id, made.strategy_id)
    assert await connection.fetchrow(store.SQL.secret_by_hash.sql, store.hash_secret("no such secret")) is None
    assert await in_force(connection) == {made.strategy_id, plain.strategy_id}
    await connection.execute("UPDATE webhook_secrets SET expires_at = now() WHERE strategy_id = $1", made.strategy_id)
    assert await in_force(connection) == {plain.strategy_id}
    assert await connection.fetchrow(store.SQL.secret_by_hash.sql, store.hash_secret(made.secret)) is None
    listed = (await strategies.list_strategies(connection, owner))[::-1]
    assert [one["name"] for one in listed] == ["Signed webhook", "Breakout", "Plain"]
    assert (listed[1]["allowed_pairs"], listed[1]["risk_override_pct"]) == (["EURUSD"], Decimal("1.5"))
    assert listed[1]["settings"] == {"sizing": {"quantity": Decimal(2)}}
    assert [one["signals"] for one in listed] == [0, 0, 0]
    assert await strategies.list_strategies(connection, new_id()) == []


async def test_signals_are_counted_per_strategy(connection) -> None:
    owner = await store.bootstrap(connection, "token")
    account_id = await store.default_account(connection, owner)
    made = await store.create_strategy(connection, account_id, "Breakout")
    for _ in range(3):
        await connection.execute(
            """INSERT INTO signals (account_id, signal_id, message_id, strategy_id, door, source, alert, status, as_of, created_at)
               VALUES ($1, $2, $2, $3, 'tradingview', 'live', '{}', 'executed', now(), now())""",
            account_id, new_id(), made.strategy_id,
        )  # fmt: skip
    assert [one["signals"] for one in await strategies.list_strategies(connection, owner)] == [3, 0]


async def test_a_new_strategy_is_announced(database, connection) -> None:
    owner = await store.bootstrap(connection, "token")
    account_id = await store.default_account(connection, owner)
    heard = asyncio.Event()
    listener = await connect(database, name="listener")
    try:
        await listener.add_listener("hookfill_secrets", lambda *_: heard.set())
        make = partial(store.create_strategy, connection, account_id)
        await make("Breakout")
        await asyncio.wait_for(heard.wait(), 30)
    finally:
        await listener.close()
