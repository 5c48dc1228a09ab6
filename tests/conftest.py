"""Fixtures that every room's tests share: one embedded PostgreSQL per test run, one empty migrated database per test.

The test server keeps fsync on, so that tests see what users get. That makes new databases dear, so they are used again.
"""

import asyncio
import fcntl
import gc
import getpass
import os
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
from psycopg import sql

from hookfill.postgres import database as databases
from hookfill.postgres import migrate, server
from hookfill.postgres.model import Database, ServerInfo
from hookfill.postgres.pool import connect, open_pool
from support.homes import own_home, remove_home
from support.house import House, open_house
from support.server import LIVE
from support.shelf import Shelf, drop, make

TEMPLATE = "migrated"
_SHOWN_LOG = 20_000


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more process than there are cores, at most five: while one waits for a server, another computes."""
    return min(5, (os.cpu_count() or 1) + 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make chaos` and `make fuzz` give these options."""
    parser.addoption("--chaos-long", action="store_true", help="run the survival tests in their long form (minutes)")
    parser.addoption(
        "--fuzz-examples",
        type=int,
        help="try so many random inputs on every route of the API, and lives of a ledger, not a few fixed ones",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and collected tests stay: the collector need not look through them while they come, nor ever after."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failing test what the servers that it runs have said."""
    report = yield
    if report.failed:
        for server_process in LIVE:
            log = server_process.output()[-_SHOWN_LOG:]
            report.sections.append((f"hookfill serve, process {server_process.pid}", log))
    return report


@pytest.fixture(scope="session")
def postgres(testrun_uid: str) -> Iterator[ServerInfo]:
    """The one server of this test run, shared by all its workers. The last worker removes it.

    It lies directly under the system's temporary folder, where it can be reached whoever runs the tests.
    """
    root = Path(tempfile.gettempdir()) / f"hookfill-tests-{getpass.getuser()}"
    root.mkdir(mode=0o755, exist_ok=True)
    for left_over in root.glob("*.users"):
        _remove_unused(left_over)
    users = root / f"{testrun_uid}.users"
    with users.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield server.ensure_running(users.with_suffix(""))
    _remove_unused(users)


def _remove_unused(users: Path) -> None:
    """Remove a test run's server, unless one of its workers still lives (it then shares the lock on the run's file)."""
    with users.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        remove_home(users.with_suffix(""))
        users.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def administration(postgres: ServerInfo) -> Iterator[psycopg.Connection]:
    """A connection that makes and drops the tests' databases, with the migrated template ready to be copied."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        known = connection.execute("SELECT datallowconn FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        if known is None or known[0]:
            asyncio.run(migrate.migrate(databases.embedded(postgres, TEMPLATE)))
            # Nobody may be connected to a template while it is copied, autovacuum included.
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(TEMPLATE)))
        connection.execute("SELECT pg_advisory_unlock(1)")
        yield connection


@pytest.fixture(scope="session")
def shelf(administration: psycopg.Connection, postgres: ServerInfo) -> Iterator[Shelf]:
    """The migrated databases of this worker process."""
    shelf = Shelf(administration, postgres, TEMPLATE)
    yield shelf
    shelf.clear()


@pytest.fixture
def database(shelf: Shelf) -> Iterator[Database]:
    """A migrated, empty database of this test's own."""
    with shelf.lend() as database:
        yield database


@pytest.fixture(scope="module")
def module_database(shelf: Shelf) -> Iterator[Database]:
    """The same for all tests of a module, which share a server process on it and use accounts of their own."""
    with shelf.lend() as database:
        yield database


@pytest.fixture
def unmigrated_database(administration: psycopg.Connection, postgres: ServerInfo) -> Iterator[Database]:
    """A fresh database without any table."""
    database = make(administration, postgres, "template0")
    yield database
    drop(administration, database)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """A pool on this test's database, with the settings of production."""
    pool = await open_pool(database, name="test", min_size=1, max_size=10)
    yield pool
    await asyncio.wait_for(pool.close(), timeout=30)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """One connection to this test's database, with the settings of production."""
    connection = await connect(database, name="test")
    yield connection
    await connection.close()


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Doors, desk and API in this process, on simulated time."""
    async with open_house(database, tmp_path) as house:
        yield house


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home folder of this test's own; a server that was started in it is removed afterwards."""
    with own_home("hookfill home ") as home:
        yield home
