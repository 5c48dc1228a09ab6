"""Hookfill on a PostgreSQL whose roles others made: as a plain owner, as a servant, and where an administrator is needed.

The server is this module's own, because roles belong to a whole server.
"""

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest

from hookfill.accounts.store import bootstrap
from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres import server
from hookfill.postgres.audit import audit_tenancy, tenancy_faults
from hookfill.postgres.database import external
from hookfill.postgres.migrate import MigrationError, check_schema, migrate
from hookfill.postgres.model import Database, ServerInfo
from hookfill.postgres.pool import connect
from support.cli import Cli
from support.database import new_strategy, query, wait_for_value
from support.homes import own_home
from support.http import PREFIX
from support.server import OWNER_TOKEN, Server, StartFailed

PASSWORD = "canary-database-password-0c77"
_numbers = itertools.count(1)


class Host:
    """A PostgreSQL server and its administrator."""

    def __init__(self, info: ServerInfo) -> None:
        self.info = info

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Do what only an administrator may."""
        with psycopg.connect(self.info.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def role(self, name: str, *grants: str, options: str = "") -> None:
        """A role that may log in."""
        self.run(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {options}", *(f"GRANT {grant} TO {name}" for grant in grants))

    def database(self, owner: str, *statements: str) -> str:
        """A new database of an owner's, after the administrator ran some statements in it."""
        name = f"managed_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} OWNER {owner}")
        self.run(*statements, database=name)
        return name

    def copied(self, owner: str, original: Database) -> str:
        """A new database of an owner's that is what another one is now."""
        name = f"managed_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {name_of(original)} STRATEGY file_copy")
        return name

    def as_role(self, role: str, database: str) -> Database:
        """How that role reaches that database."""
        place = f"host={quote(self.info.host, safe='')}&port={self.info.port}"
        return external(f"postgresql://{role}:{PASSWORD}@/{database}?{place}")


def name_of(database: Database) -> str:
    """What the server calls it."""
    return database.url.partition("@/")[2].partition("?")[0]


@pytest.fixture(scope="module")
def empty_host() -> Iterator[Host]:
    """A server without any role of ours; where it can be reached whoever runs the tests, as root a user of its own."""
    with own_home("hookfill-roles-", in_memory=True) as home:
        yield Host(server.ensure_running(home))


@pytest.fixture(scope="module")
def host(empty_host: Host) -> Host:
    """The same, as a managed host hands it over: the roles are there, and a plain one that may become them."""
    test_roles_that_are_missing(empty_host)
    empty_host.role("plain", "authenticated")
    return empty_host


def test_roles_that_are_missing(empty_host: Host) -> None:
    """Before all others: they need the roles that this one ends with."""
    known = query(empty_host.info.url("postgres"), "SELECT rolname FROM pg_roles WHERE rolname = 'nobody_special'")
    if known:
        return
    empty_host.role("nobody_special")
    name = empty_host.database("nobody_special")
    with pytest.raises(MigrationError) as refused:
        _migrate(empty_host.as_role("nobody_special", name))
    assert "CREATE ROLE authenticated NOLOGIN; GRANT authenticated TO nobody_special;" in str(refused.value)
    assert "Report this" not in str(refused.value)
    # One that may make roles makes them, and may then become them.
    empty_host.role("maker", options="CREATEROLE")
    made = empty_host.as_role("maker", empty_host.database("maker"))
    _migrate(made)
    _check(made)


@pytest.fixture(scope="module")
def migrated(host: Host) -> Database:
    """A database as its owner's migrations left it, to be copied: to copy it takes a tenth of migrating another one."""
    database = host.as_role("plain", host.database("plain"))
    _migrate(database)
    return database


def _migrate(database: Database) -> None:
    asyncio.run(migrate(database))


def _check(database: Database) -> None:
    """What every start asks."""

    async def check() -> None:
        connection = await connect(database, name="test")
        try:
            await check_schema(connection)
            await audit_tenancy(connection)
        finally:
            await connection.close()

    asyncio.run(check())


async def _faults(database: Database) -> str:
    connection = await connect(database, name="test")
    try:
        return " ".join(await tenancy_faults(connection))
    finally:
        await connection.close()


def _use(database: Database, home: Path) -> None:
    """An alert comes in, the desk decides it, the API shows it: all by a process that knows this way to the database only."""
    with Server(home, database_url=database.url) as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        strategy = new_strategy(database)
        alert = {"symbol": "BTCUSDT", "action": "buy", "volume": 0.01, "price": 64000}
        assert client.post(PREFIX + strategy.secret, json=alert).status_code == 200
        wait_for_value(database.url, "executed", "SELECT status FROM signals WHERE strategy_id = %s", strategy.strategy_id)
        headers = {"Authorization": f"Bearer {OWNER_TOKEN}"}
        for path in ("/api/v1/signals", "/api/v1/orders", "/api/v1/positions", "/api/v1/accounts"):
            answer = client.get(path, headers=headers)
            assert (answer.status_code, bool(answer.json())) == (200, True), path
        assert client.get("/api/v1/signals").status_code == 401


def test_a_plain_owner_migrates_and_serves(host: Host, tmp_path: Path) -> None:
    database = host.as_role("plain", host.database("plain"))
    _use(database, tmp_path)
    assert query(database.url, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user") == [(False,)]


def test_a_role_that_only_serves(host: Host, migrated: Database, tmp_path: Path) -> None:
    name = host.copied("plain", migrated)
    host.role("servant", "service_role", "authenticated")
    _use(host.as_role("servant", name), tmp_path)


async def test_a_role_that_neither_migrated_nor_serves(host: Host, migrated: Database) -> None:
    name = host.copied("plain", migrated)
    host.role("stranger")
    database = host.as_role("stranger", name)
    with pytest.raises(ConfigurationError, match="GRANT service_role, authenticated TO stranger"):
        await migrate(database)
    host.run("GRANT service_role TO stranger")
    assert await _faults(database) == (
        "stranger may not become the role authenticated: an administrator has to run `GRANT authenticated TO stranger`."
    )
    host.run("GRANT authenticated TO stranger")
    assert await _faults(database) == ""


async def test_an_owner_who_may_not_become_the_role_is_told_what_is_missing(host: Host) -> None:
    host.role("outsider")
    database = host.as_role("outsider", host.database("outsider"))
    with pytest.raises(MigrationError, match=r"An administrator has to run: GRANT authenticated TO outsider;$"):
        await migrate(database)
    host.run("GRANT authenticated TO outsider")
    assert await migrate(database)
    assert await _faults(database) == ""


def test_serve_says_it_as_one_line(host: Host, tmp_path: Path) -> None:
    host.role("newcomer")
    database = host.as_role("newcomer", host.database("newcomer"))
    with (
        pytest.raises(StartFailed, match="GRANT authenticated TO newcomer") as refused,
        Server(tmp_path, database_url=database.url),
    ):
        raise AssertionError
    assert "Traceback" not in str(refused.value)
    assert PASSWORD not in str(refused.value)


FAULTS: Mapping[str, tuple[str, str, str]] = {
    "not forced": (
        "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE orders FORCE ROW LEVEL SECURITY",
        "run `ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`",
    ),
    "switched off": (
        "ALTER TABLE agents DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE agents ENABLE ROW LEVEL SECURITY",
        "run `ALTER TABLE agents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`",
    ),
    "stands above": (
        "ALTER ROLE authenticated BYPASSRLS",
        "ALTER ROLE authenticated NOBYPASSRLS",
        "run `ALTER ROLE authenticated NOSUPERUSER NOBYPASSRLS`",
    ),
    "serves": ("GRANT service_role TO authenticated", "REVOKE service_role FROM authenticated", "run `REVOKE service_role FROM"),
    "owns": ("ALTER TABLE gate OWNER TO authenticated", "ALTER TABLE gate OWNER TO plain", "run `ALTER TABLE gate OWNER TO plain`"),
    "opened": (
        "CREATE POLICY oops ON accounts TO authenticated USING (true)",
        "DROP POLICY oops ON accounts",
        "Row-level security shows 1 accounts to nobody",
    ),
    "taken away": (
        "REVOKE ALL ON accounts FROM authenticated",
        "GRANT SELECT, INSERT, UPDATE ON accounts TO authenticated",
        "lacks its privileges (permission denied for table accounts)",
    ),
    "hidden": (
        "CREATE SCHEMA plain AUTHORIZATION plain; ALTER TABLE accounts SET SCHEMA plain",
        "ALTER TABLE plain.accounts SET SCHEMA public; DROP SCHEMA plain",
        "ALTER ROLE plain SET search_path = plain",
    ),
}


@pytest.fixture(scope="module")
def sound(host: Host, migrated: Database) -> Database:
    """A database in use."""
    database = host.as_role("plain", host.copied("plain", migrated))

    async def begin() -> None:
        connection = await connect(database, name="test")
        await bootstrap(connection, "canary-owner")
        await connection.close()

    asyncio.run(begin())
    return database


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_found_with_what_mends_it(host: Host, sound: Database, fault: str) -> None:
    breaks, mends, says = FAULTS[fault]
    name = name_of(sound)
    assert await _faults(sound) == ""
    host.run(breaks, database=name)
    try:
        assert says in await _faults(sound)
    finally:
        host.run(mends, database=name)
    assert await _faults(sound) == ""


def test_doctor_and_serve_refuse_an_open_table(host: Host, migrated: Database, tmp_path: Path) -> None:
    database = host.as_role("plain", host.copied("plain", migrated))
    query(database.url, "ALTER TABLE fills NO FORCE ROW LEVEL SECURITY")
    told = {check["name"]: check for check in json.loads(Cli(tmp_path, database).run("doctor", "--json").stdout)["checks"]}
    assert told["row-level security"]["level"] == "failure"
    assert "ALTER TABLE fills" in told["row-level security"]["says"]
    with pytest.raises(StartFailed, match="ALTER TABLE fills"), Server(tmp_path, database_url=database.url):
        raise AssertionError


GRANTS = """
SELECT relname, coalesce(attname, ''), grantee::regrole::text, privilege_type
FROM pg_class
LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attacl IS NOT NULL
CROSS JOIN LATERAL aclexplode(coalesce(attacl, relacl))
WHERE relnamespace = 'public'::regnamespace AND grantee::regrole::text IN ('authenticated', 'anon', '-')
UNION
SELECT relname, '', grantee::regrole::text, privilege_type
FROM pg_class CROSS JOIN LATERAL aclexplode(relacl)
WHERE relnamespace = 'public'::regnamespace AND grantee::regrole::text IN ('authenticated', 'anon', '-')
ORDER BY 1, 2, 3, 4
"""


async def test_what_a_host_gives_by_default_is_taken_back(host: Host, migrated: Database) -> None:
    """Supabase gives every new table whole to its web API's roles: password hashes would be there to read."""
    host.run("CREATE ROLE anon NOLOGIN")
    generous = host.as_role("plain", host.database("plain"))
    for kind in ("TABLES", "SEQUENCES"):
        query(generous.url, f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON {kind} TO anon, authenticated, service_role")
    await migrate(generous)
    expected = query(migrated.url, GRANTS)
    assert ("users", "email", "authenticated", "SELECT") in expected
    assert query(generous.url, GRANTS) == expected
    assert {row[2] for row in expected} == {"authenticated"}
