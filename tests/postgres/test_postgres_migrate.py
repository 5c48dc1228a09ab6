"""Migrations: all or nothing, one at a time, in order, and never on a schema that this version does not know."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres import binaries, migrate
from hookfill.postgres.migrate import MigrationError
from hookfill.postgres.migration_backend import apply_pending
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect

SHIPPED = Path(migrate.__file__).parent / migrate.FOLDER
SLEEP = "DO $$ BEGIN PERFORM pg_sleep(60); END; $$;\n"


def dump(database: Database) -> list[str]:
    """The schema without the tables that record migrations."""
    command = [
        binaries.program(binaries.wheel_folder(), "pg_dump"),
        "--schema-only",
        "--restrict-key=x",
        "--exclude-table=hookfill_migration*",
    ]
    done = subprocess.run([*command, database.url], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def write(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(text, encoding="utf-8")
    return str(folder)


async def tables(database: Database) -> set[str]:
    connection = await connect(database, name="test")
    try:
        rows = await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        return {row["relname"] for row in rows}
    finally:
        await connection.close()


def test_the_shipped_files_are_numbered_without_gaps() -> None:
    names = migrate.known()
    assert names == [path.stem for path in sorted(SHIPPED.glob("*.sql"))]
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+", name) for name in names)


async def test_a_new_database_gets_everything_once(unmigrated_database: Database) -> None:
    assert await migrate.pending(unmigrated_database) == migrate.known()
    assert await migrate.migrate(unmigrated_database) == migrate.known()
    assert await migrate.pending(unmigrated_database) == []
    assert await migrate.migrate(unmigrated_database) == []
    connection = await connect(unmigrated_database, name="test")
    await migrate.check_schema(connection)
    assert await migrate.applied(connection) == migrate.known()
    await connection.close()


async def test_fresh_equals_migrated_step_by_step(database: Database, unmigrated_database: Database, tmp_path: Path) -> None:
    for path in sorted(SHIPPED.glob("*.sql")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        assert apply_pending(unmigrated_database.url, 5, str(tmp_path)) == [path.stem]
    assert dump(unmigrated_database) == dump(database)


async def test_the_files_mean_the_same_to_postgresql_as_to_the_tool(database: Database, unmigrated_database: Database) -> None:
    connection = await connect(unmigrated_database, name="test")
    for path in sorted(SHIPPED.glob("*.sql")):
        await connection.execute(path.read_text(encoding="utf-8"))  # whole, without being split into statements
    await connection.close()
    assert dump(unmigrated_database) == dump(database)


async def test_servers_that_start_at_once_migrate_once(unmigrated_database: Database) -> None:
    results = await asyncio.gather(*(migrate.migrate(unmigrated_database) for _ in range(4)))
    assert sorted(results) == [[], [], [], migrate.known()]


async def test_a_failed_migration_leaves_nothing_and_the_ones_before_it_stay(unmigrated_database: Database, tmp_path: Path) -> None:
    source = write(tmp_path, m0001_good="CREATE TABLE good ();", m0002_bad="CREATE TABLE half ();\nCREATE TABLE good ();")
    with pytest.raises(MigrationError, match=r"0002_bad failed; nothing of it was applied.*already exists"):
        apply_pending(unmigrated_database.url, 5, source)
    present = await tables(unmigrated_database)
    assert "good" in present
    assert "half" not in present
    write(tmp_path, m0002_bad="CREATE TABLE half ();")
    assert apply_pending(unmigrated_database.url, 5, source) == ["0002_bad"]


async def test_one_that_is_killed_in_the_middle_can_be_done_again(unmigrated_database: Database, tmp_path: Path) -> None:
    source = write(tmp_path, m0001_slow=f"CREATE TABLE half ();\n{SLEEP}")
    working = asyncio.create_task(asyncio.to_thread(apply_pending, unmigrated_database.url, 5, source))
    connection = await connect(unmigrated_database, name="test")
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    while not await connection.fetch(kill):
        pass
    await connection.close()
    with pytest.raises(MigrationError, match="0001_slow failed"):
        await working
    assert "half" not in await tables(unmigrated_database)
    write(tmp_path, m0001_slow="CREATE TABLE half ();")
    assert apply_pending(unmigrated_database.url, 5, source) == ["0001_slow"]


async def test_a_migration_does_not_queue_behind_a_long_transaction(
    database: Database, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    source = write(tmp_path, m9000_alter="CREATE TABLE half ();\nALTER TABLE quotes ADD COLUMN late text;")
    async with connection.transaction():
        await connection.fetch("SELECT * FROM quotes")
        with pytest.raises(MigrationError, match="waited too long"):
            await asyncio.to_thread(apply_pending, database.url, 0.05, source)
    assert "half" not in await tables(database)
    assert apply_pending(database.url, 0.05, source) == ["9000_alter"]


async def test_a_schema_of_the_future_is_refused(database: Database, connection: asyncpg.Connection) -> None:
    await connection.execute("INSERT INTO hookfill_migration VALUES ('hash', '9999_future', now())")
    for refused in (migrate.check_schema(connection), migrate.pending(database), migrate.migrate(database)):
        with pytest.raises(ConfigurationError, match=r"newer Hookfill \(it has 9999_future"):
            await refused


async def test_a_schema_of_the_past_is_refused(unmigrated_database: Database) -> None:
    connection = await connect(unmigrated_database, name="test")
    with pytest.raises(ConfigurationError, match=rf"lacks {len(migrate.known())} migration.*0001_spine.*hookfill migrate"):
        await migrate.check_schema(connection)
    await connection.close()


def test_the_tool_is_not_even_imported_when_there_is_nothing_to_do(database: Database) -> None:
    program = "import asyncio, sys; from hookfill.postgres import database, migrate; "
    program += "done = asyncio.run(migrate.migrate(database.external(sys.argv[1]))); "
    program += "print(done, [name for name in ('yoyo', 'psycopg', 'sqlparse') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program, database.url], check=True, capture_output=True, text=True)
    assert done.stdout == "[] []\n"
