"""Row-level security, straight in SQL: whatever a route forgets, the database does not show or change what is another's."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect, open_pool
from hookfill.postgres.tenancy import ROLE, TENANT_TABLES, as_user
from support.rows import OWNERS, Person, insert, insert_everywhere, owner_column

TABLES = sorted(TENANT_TABLES)
HIDDEN = [
    ("users", "password_hash"),
    ("users", "token_sha256"),
    ("users", "external_subject"),
    ("api_keys", "key_sha256"),
    ("agents", "key_sha256"),
    ("invitations", "token_sha256"),
    ("refresh_tokens", "token_sha256"),
    ("broker_connections", "credentials"),
]
FOUND = """
SELECT DISTINCT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attname = ANY ($1) AND NOT attisdropped
"""
REFUSED = (asyncpg.InsufficientPrivilegeError,)
ALICE, BOB = Person(), Person()


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Database:
    """Two people, each with a row in every table."""

    async def fill() -> None:
        connection = await connect(module_database, name="test")
        try:
            for person in (ALICE, BOB):
                await insert_everywhere(connection, TENANT_TABLES, person)
        finally:
            await connection.close()

    asyncio.run(fill())
    return module_database


@pytest.fixture
async def inside(filled: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that is rolled back."""
    connection = await connect(filled, name="test")
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def become(connection: asyncpg.Connection, user_id: UUID | str | None) -> None:
    """Be a person, or with None the bare role."""
    await connection.execute(f"SET LOCAL ROLE {ROLE}")
    if user_id is not None:
        await connection.execute("SELECT set_config('hookfill.user_id', $1, true)", str(user_id))


async def attempt(connection: asyncpg.Connection, statement: str, *values: object) -> int | None:
    """How many rows a statement touched, None when it was refused; what it did is undone."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        return int((await connection.execute(statement, *values)).split()[-1])
    except REFUSED:
        return None
    finally:
        await savepoint.rollback()


async def readable(connection: asyncpg.Connection, table: str) -> bool:
    """Whether people may look at anything of a table."""
    return bool(await connection.fetchval("SELECT has_any_column_privilege($1, $2, 'SELECT')", ROLE, table))


async def test_every_table_with_tenant_data_is_known(connection: asyncpg.Connection) -> None:
    found = {row["relname"] for row in await connection.fetch(FOUND, list(OWNERS))}
    assert found == TENANT_TABLES  # a new table needs policies, and its name in postgres/tenancy.py


@pytest.mark.parametrize("table", TABLES)
async def test_it_is_forced_and_not_the_roles_own(connection: asyncpg.Connection, table: str) -> None:
    row = await connection.fetchrow(
        "SELECT relrowsecurity, relforcerowsecurity, relowner::regrole::text AS owner FROM pg_class WHERE oid = $1::regclass", table
    )
    assert (row["relrowsecurity"], row["relforcerowsecurity"]) == (True, True)
    assert row["owner"] != ROLE


@pytest.mark.parametrize("user_id", [None, "", str(UUID(int=7))], ids=["unset", "empty", "nobody"])
@pytest.mark.parametrize("table", TABLES)
async def test_without_a_user_there_are_no_rows(inside: asyncpg.Connection, table: str, user_id: str | None) -> None:
    may_read = await readable(inside, table)
    await become(inside, user_id)
    if not may_read:
        assert await attempt(inside, f"SELECT FROM {table}") is None
        return
    assert await inside.fetchval(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize("table", TABLES)
async def test_a_person_sees_their_own_rows_only(inside: asyncpg.Connection, table: str) -> None:
    column = await owner_column(inside, table)
    assert await inside.fetchval(f"SELECT count(*) FROM {table}") == 2
    may_read = await readable(inside, table)
    await become(inside, ALICE.user_id)
    if not may_read:
        assert table in {"gate", "refresh_tokens"}
        return
    rows = await inside.fetch(f"SELECT {column} FROM {table}")
    assert [row[0] for row in rows] == [ALICE.owner(column)]


@pytest.mark.parametrize("table", TABLES)
async def test_nothing_can_be_put_in_for_another(inside: asyncpg.Connection, table: str) -> None:
    await become(inside, ALICE.user_id)
    stranger = Person()
    stranger.user_id, stranger.account_id = BOB.user_id, BOB.account_id
    stranger.broker_connection_id = ALICE.broker_connection_id
    with pytest.raises(REFUSED):
        await insert(inside, table, stranger)


@pytest.mark.parametrize("table", ["agents", "broker_connections"])
async def test_nothing_of_ones_own_can_stand_at_anothers_account(inside: asyncpg.Connection, table: str) -> None:
    await inside.execute("DELETE FROM agents")
    await inside.execute("DELETE FROM broker_connections WHERE user_id = $1", BOB.user_id)  # its account has no connection now
    await become(inside, ALICE.user_id)
    with pytest.raises(REFUSED, match="row-level security"):
        await insert(
            inside, table, ALICE, account_id=BOB.account_id, **({} if table == "agents" else {"broker_connection_id": new_id()})
        )


@pytest.mark.parametrize("table", TABLES)
async def test_nothing_of_anothers_can_be_changed(inside: asyncpg.Connection, table: str) -> None:
    column = await owner_column(inside, table)
    granted = await inside.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
        " AND has_column_privilege($2, attrelid, attnum, 'UPDATE') AND has_column_privilege($2, attrelid, attnum, 'SELECT')",
        table,
        ROLE,
    )
    before = await inside.fetchval(f"SELECT {table}::text FROM {table} WHERE {column} = $1", BOB.owner(column))
    await become(inside, ALICE.user_id)
    assert await attempt(inside, f"TRUNCATE {table} CASCADE") is None
    assert await attempt(inside, f"DELETE FROM {table}") in {1, None}
    assert await attempt(inside, f"DELETE FROM {table} WHERE {column} = $1", BOB.owner(column)) in {0, None}
    for (name,) in granted:
        assert await attempt(inside, f"UPDATE {table} SET {name} = {name}") == 1
        assert await attempt(inside, f"UPDATE {table} SET {name} = {name} WHERE {column} = $1", BOB.owner(column)) == 0
    given = "user_id" if table == "accounts" else column
    assert await attempt(inside, f"UPDATE {table} SET {given} = $1", BOB.owner(given)) is None  # giving one's own away
    await inside.execute("RESET ROLE")
    assert await inside.fetchval(f"SELECT {table}::text FROM {table} WHERE {column} = $1", BOB.owner(column)) == before


@pytest.mark.parametrize(("table", "column"), HIDDEN)
async def test_secrets_are_not_even_shown_to_their_owner(inside: asyncpg.Connection, table: str, column: str) -> None:
    await become(inside, ALICE.user_id)
    assert await attempt(inside, f"SELECT {column} FROM {table}") is None
    assert await attempt(inside, f"SELECT * FROM {table}") is None


async def test_the_role_has_no_power_of_its_own(connection: asyncpg.Connection) -> None:
    role = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", ROLE)
    names = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication", "rolcanlogin")
    assert [name for name in names if role[name]] == []
    assert await connection.fetch("SELECT relname FROM pg_class WHERE relowner = $1", role["oid"]) == []
    assert await connection.fetch("SELECT roleid::regrole FROM pg_auth_members WHERE member = $1", role["oid"]) == []
    assert await connection.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", ROLE) is False


@pytest.mark.parametrize("view", ["tv_strategies", "tv_signals"])
async def test_views_obey(inside: asyncpg.Connection, view: str) -> None:
    assert await inside.fetchval(f"SELECT count(*) FROM {view}") == 2
    await become(inside, None)
    assert await inside.fetchval(f"SELECT count(*) FROM {view}") == 0
    await become(inside, ALICE.user_id)
    assert [row["user_id"] for row in await inside.fetch(f"SELECT user_id FROM {view}")] == [ALICE.user_id]


@pytest.mark.parametrize("user_id", ["x", "1; RESET ROLE", "' OR true --", f"{UUID(int=1)} "])
async def test_a_malformed_user_id_is_refused(inside: asyncpg.Connection, user_id: str) -> None:
    await become(inside, user_id)
    if user_id.strip() == str(UUID(int=1)):  # PostgreSQL's own reading of a UUID is exact, too
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await inside.fetch("SELECT user_id FROM users")
        return
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await inside.fetch("SELECT account_id FROM accounts")


async def test_as_user_takes_ids_only(filled: Database) -> None:
    connection = await connect(filled, name="test")
    try:
        with pytest.raises(ValueError, match="UUID"):
            async with as_user(connection, "x' OR true --"):  # type: ignore[arg-type]  # what must not be
                raise AssertionError
        await assert_is_itself(connection)
    finally:
        await connection.close()


async def assert_is_itself(connection: asyncpg.Connection) -> None:
    """The connection is the installation again, with nobody's id left behind."""
    row = await connection.fetchrow("SELECT current_user = session_user AS own, current_setting('hookfill.user_id', true) AS id")
    assert row["own"]
    assert row["id"] in {None, ""}
    assert await connection.fetchval("SELECT count(*) FROM accounts") == 2


async def fine(_connection: asyncpg.Connection) -> None:
    """A request that works."""


async def failing(connection: asyncpg.Connection) -> None:
    """A request whose statement fails."""
    await connection.execute("SELECT 1/0")


async def refused(connection: asyncpg.Connection) -> None:
    """A request that asks for what it may not."""
    await connection.execute("SELECT password_hash FROM users")


async def cancelled(connection: asyncpg.Connection) -> None:
    """A request whose caller went away in the middle of a statement."""
    asyncio.get_running_loop().call_later(0.05, asyncio.current_task().cancel)
    await connection.execute("SELECT pg_sleep(30)")


async def too_slow(connection: asyncpg.Connection) -> None:
    """A request whose statement takes longer than it may."""
    await connection.execute("SELECT pg_sleep(30)", timeout=0.05)


@pytest.mark.parametrize("request_", [fine, failing, refused, cancelled, too_slow])
async def test_a_pooled_connection_is_itself_again(filled: Database, request_) -> None:
    pool = await open_pool(filled, name="test", min_size=1, max_size=1)

    async def serve() -> None:
        async with pool.acquire() as connection, as_user(connection, ALICE.user_id):
            assert await connection.fetchval("SELECT count(*) FROM accounts") == 1
            await request_(connection)

    try:
        ended = await asyncio.gather(asyncio.create_task(serve()), return_exceptions=True)
        assert (ended == [None]) is (request_ is fine)
        async with pool.acquire() as connection:
            await assert_is_itself(connection)
    finally:
        await pool.close()


async def test_requests_side_by_side_do_not_mix(filled: Database) -> None:
    pool = await open_pool(filled, name="test", min_size=1, max_size=3)

    async def look(person: Person) -> list[UUID]:
        async with pool.acquire() as connection, as_user(connection, person.user_id):
            await asyncio.sleep(0)
            return [row[0] for row in await connection.fetch("SELECT account_id FROM accounts")]

    try:
        people = [ALICE, BOB, ALICE, BOB, BOB] * 10
        assert await asyncio.gather(*map(look, people)) == [[person.account_id] for person in people]
    finally:
        await pool.close()


@pytest.mark.parametrize("outer", ["transaction", "person"])
async def test_a_person_is_never_nested(filled: Database, outer: str) -> None:
    connection = await connect(filled, name="test")
    try:
        async with connection.transaction() if outer == "transaction" else as_user(connection, BOB.user_id):
            with pytest.raises(RuntimeError, match="outermost"):
                async with as_user(connection, ALICE.user_id):
                    raise AssertionError
        await assert_is_itself(connection)
    finally:
        await connection.close()


async def test_a_request_that_is_refused_changes_nothing(filled: Database) -> None:
    connection = await connect(filled, name="test")

    async def ask() -> None:
        async with as_user(connection, ALICE.user_id):
            await connection.execute("UPDATE strategies SET name = 'mine'")
            await connection.execute("DELETE FROM users")

    try:
        with pytest.raises(REFUSED):
            await ask()
        assert await connection.fetchval("SELECT count(*) FROM strategies WHERE name = 'mine'") == 0
    finally:
        await connection.close()
