"""Migrated databases that a test run uses again and again: emptying one costs a tenth of making and dropping one."""

import contextlib
import itertools
import os
from collections.abc import Iterator

import psycopg
from psycopg import sql

from hookfill.postgres import database as databases
from hookfill.postgres.model import Database, ServerInfo

_numbers = itertools.count(1)
_TABLES = """
SELECT quote_ident(nspname) || '.' || quote_ident(relname), oid_
FROM (SELECT n.nspname, c.relname, c.oid AS oid_ FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND c.oid >= 16384 AND n.nspname NOT IN ('pg_toast', 'information_schema')) found
ORDER BY oid_
"""
_OTHERS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_SCHEMA = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
    SELECT concat_ws(' ', 'class', oid, relname, relkind, relacl, relrowsecurity, relforcerowsecurity, relowner, reloptions) AS line
    FROM pg_class WHERE oid >= 16384
    UNION ALL
    SELECT concat_ws(' ', 'column', attrelid, attnum, attname, atttypid, attnotnull, attacl, attstattarget, attisdropped)
    FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT concat_ws(' ', 'default', oid, xmin) FROM pg_attrdef
    UNION ALL SELECT concat_ws(' ', 'function', oid, xmin) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'constraint', oid, xmin) FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'trigger', oid, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', 'policy', oid, xmin) FROM pg_policy
    UNION ALL SELECT concat_ws(' ', 'schema', oid, xmin) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT concat_ws(' ', 'type', oid) FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'extension', oid, xmin) FROM pg_extension
    UNION ALL SELECT concat_ws(' ', 'invalid index', indexrelid) FROM pg_index WHERE NOT indisvalid
    UNION ALL SELECT concat_ws(' ', 'setting', setrole, setconfig) FROM pg_db_role_setting s
              JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = current_database()
    UNION ALL SELECT concat_ws(' ', 'database', datacl, datallowconn) FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT concat_ws(' ', 'statistics', starelid, staattnum) FROM pg_statistic WHERE starelid >= 16384
) lines
"""
"""Whatever a test may change that is not a row; what ANALYZE found counts as well, since plans depend on it."""


_USED_SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE last_value IS NOT NULL ORDER BY 1"
MOST_DELETED_BYTES = 256 * 1024


class Shelf:
    """The databases of one worker process. One that a test gives back with its schema changed is dropped."""

    def __init__(self, administration: psycopg.Connection, postgres: ServerInfo, template: str) -> None:
        self._administration = administration
        self._postgres = postgres
        self._template = template
        self._ready: list[_Kept] = []

    @contextlib.contextmanager
    def lend(self) -> Iterator[Database]:
        """A database as the template is, to be used by one test or one module."""
        kept = self._ready.pop() if self._ready else _Kept(self._make())
        try:
            yield kept.database
        finally:
            if kept.is_empty_again():
                self._ready.append(kept)
            else:
                drop(self._administration, kept.database)

    def clear(self) -> None:
        """Drop them all."""
        while self._ready:
            drop(self._administration, self._ready.pop().database)

    def _make(self) -> Database:
        return make(self._administration, self._postgres, self._template)


def make(administration: psycopg.Connection, postgres: ServerInfo, template: str) -> Database:
    """A new database, a copy of a template."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    names = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    administration.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy").format(**names))
    return databases.embedded(postgres, name)


def drop(administration: psycopg.Connection, database: Database) -> None:
    """Drop a database, even if somebody is still connected."""
    name = sql.Identifier(database.connect_arguments["database"])
    administration.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(name=name))


class _Kept:
    """A database and what it was like when it was made."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with psycopg.connect(database.url, autocommit=True) as connection:
            self._schema = connection.execute(_SCHEMA).fetchone()
            self._tables = [name for name, _ in connection.execute(_TABLES)]
            self._sequences = _used_sequences(connection)
            self._rows = {name: _content(connection, name) for name in self._filled(connection)}

    def is_empty_again(self) -> bool:
        """Disconnect everybody and remove all rows that tests have added; False if more than rows has changed."""
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            connection.execute(_OTHERS)
            if connection.execute(_SCHEMA).fetchone() != self._schema:
                return False
            added = [name for name in self._filled(connection) if name not in self._rows]
            if added:
                _empty(connection, added)
            for name in _used_sequences(connection) - self._sequences:
                connection.execute(f"ALTER SEQUENCE {name} RESTART")
            return all(_content(connection, name) == rows for name, rows in self._rows.items())

    def _filled(self, connection: psycopg.Connection) -> list[str]:
        """The tables that have rows."""
        looks = (f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in self._tables)
        return [name for (name,) in connection.execute(" UNION ALL ".join(looks))]


def _empty(connection: psycopg.Connection, tables: list[str]) -> None:
    """Remove all rows. To delete a few takes a thirtieth of what new files for a table and its indexes take."""
    connection.execute("SET session_replication_role = replica")  # some tables refuse to be emptied
    sizes = {name: connection.execute("SELECT pg_relation_size(%s::regclass)", (name,)).fetchone() for name in tables}
    large = [name for name, size in sizes.items() if size is not None and size[0] > MOST_DELETED_BYTES]
    if large:
        connection.execute(f"TRUNCATE {', '.join(large)} CASCADE")
    with connection.transaction():
        for name in tables:
            connection.execute(f"DELETE FROM {name}")


def _used_sequences(connection: psycopg.Connection) -> set[str]:
    return {name for (name,) in connection.execute(_USED_SEQUENCES)}


def _content(connection: psycopg.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall()
