"""A test database that is used again is as empty as a new one, whatever the test before it has left."""

import psycopg
import pytest

from hookfill.postgres.model import Database, ServerInfo
from support.shelf import Shelf

HALT = """INSERT INTO halts (account_id, halt_id, scope, reduce_only, reason)
          VALUES (gen_random_uuid(), gen_random_uuid(), 'account', true, 'test')"""
CHANGES = {
    "a table more": "CREATE TABLE more (number int)",
    "a column more": "ALTER TABLE signals ADD COLUMN more text",
    "an index less": "DROP INDEX halts_in_force",
    "a right more": "GRANT SELECT ON signals TO PUBLIC",
    "no row security": "ALTER TABLE jobs DISABLE ROW LEVEL SECURITY",
    "a default less": "ALTER TABLE halts ALTER COLUMN created_at DROP DEFAULT",
    "statistics": f"{HALT}; ANALYZE halts",
    "a table without rows that it came with": "DELETE FROM {seeded}",
}


@pytest.fixture
def own(administration: psycopg.Connection, postgres: ServerInfo) -> Shelf:
    return Shelf(administration, postgres, "migrated")


def contents(database: Database) -> dict[str, int]:
    """How many rows each table has."""
    with psycopg.connect(database.url) as connection:
        names = connection.execute("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid >= 16384").fetchall()
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for (name,) in names}


def run(database: Database, statement: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(statement)


def test_rows_are_gone_and_connections_are_cut(own: Shelf) -> None:
    try:
        with own.lend() as first:
            new = contents(first)
            run(first, HALT)
            assert contents(first) == new | {"halts": 1}
            left = psycopg.connect(first.url)
            left.execute(HALT)  # in a transaction that nobody ends
        with own.lend() as second:
            assert second.url == first.url
            assert contents(second) == new
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
        left.close()
    finally:
        own.clear()


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_a_database_that_has_changed_is_not_used_again(own: Shelf, statement: str) -> None:
    try:
        with own.lend() as first:
            new = contents(first)
            seeded = next(name for name, count in new.items() if count)
            run(first, statement.replace("{seeded}", seeded))
        with own.lend() as second:
            assert second.url != first.url
            assert contents(second) == new
        with pytest.raises(psycopg.OperationalError):
            run(first, "SELECT 1")
    finally:
        own.clear()
