"""yoyo, made to apply a migration and to record it in one transaction of one connection.

As it comes, yoyo applies a migration on a second connection and records it afterwards on the first, guards itself with a lock row
that a killed process leaves behind, and tries at every start whether DDL is transactional. That is replaced here; reading and
splitting the files, their order, and the tables that record them stay yoyo's.
"""

from typing import Any

import psycopg
from yoyo import internalmigrations, read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI

from hookfill.postgres.migrate import FOLDER, TABLE, MigrationError

SHIPPED = f"package:{__package__}:{FOLDER}"
ADVISORY_LOCK = int.from_bytes(b"hookfill")
"""One key per database for whoever migrates it."""
TURN_TIMEOUT_SECONDS = 600
"""How long to wait for another server that is migrating."""
NEEDS_A_PERSON = "HF001"
"""SQLSTATE of what a migration says when the database holds something that only its owner can decide about."""


class Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo has no types
    """yoyo's psycopg backend on one given connection, whose session holds the advisory lock."""

    log_table = "hookfill_migration_log"
    version_table = "hookfill_migration_version"
    _internal_schema_updated: bool = False

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._given = connection
        super().__init__(DatabaseURI("postgresql", None, None, None, None, None, {}), TABLE)

    def connect(self, dburi: object) -> psycopg.Connection[Any]:
        """The given connection, made by libpq from the whole URL."""
        del dburi
        return self._given

    def ensure_internal_schema_updated(self) -> None:
        """Make yoyo's own tables, without yoyo's lock row."""
        if not self._internal_schema_updated and internalmigrations.needs_upgrading(self):
            internalmigrations.upgrade(self)
        self._internal_schema_updated = True

    def apply_one(self, migration: Any, force: bool = False, mark: bool = True) -> None:
        """Apply and record a migration: both or none."""
        with self.transaction():
            migration.process_steps(self, "apply", force=force)
            if mark:
                self.mark_one(migration, log=False)


def apply_pending(url: str, lock_timeout_seconds: float, source: str = SHIPPED) -> list[str]:
    """Apply what the database lacks, in order, when it is our turn; return the ids.

    Args:
        url: a libpq URL.
        lock_timeout_seconds: how long a statement may wait for a lock.
        source: where yoyo finds the files: a folder, or ``package:NAME:FOLDER``.

    Raises:
        MigrationError: a migration failed, or another server did not finish its own migration.
    """
    with psycopg.connect(url, autocommit=True, prepare_threshold=None, application_name="hookfill migrate") as connection:
        _take_turn(connection)
        _set(connection, "lock_timeout", f"{round(lock_timeout_seconds * 1000)}ms")
        backend = Backend(connection)
        backend.ensure_internal_schema_updated()
        todo = list(backend.to_apply(read_migrations(source)))
        for migration in todo:
            _apply_one(backend, migration)
        return [migration.id for migration in todo]


def _take_turn(connection: psycopg.Connection[Any]) -> None:
    _set(connection, "lock_timeout", f"{TURN_TIMEOUT_SECONDS}s")
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
    except psycopg.errors.LockNotAvailable as error:
        message = (
            f"Another server has been migrating this database for {TURN_TIMEOUT_SECONDS} s. Wait for it, or end it, then try again."
        )
        raise MigrationError(message) from error


def _set(connection: psycopg.Connection[Any], name: str, value: str) -> None:
    connection.execute("SELECT set_config(%s, %s, false)", [name, value])


def _apply_one(backend: Backend, migration: Any) -> None:
    try:
        backend.apply_one(migration)
    except psycopg.errors.LockNotAvailable as error:
        message = f"Migration {migration.id} waited too long for a table that others use; nothing of it was applied. "
        raise MigrationError(message + "Stop the other Hookfill processes, or try again at a quieter time.") from error
    except psycopg.errors.InsufficientPrivilege as error:
        told = error.diag
        message = f"Migration {migration.id} needs more privileges; nothing of it was applied: {told.message_primary}."
        run = (
            f" An administrator has to run: {told.message_hint}" if told.message_hint else " Migrate as the owner of the database."
        )
        raise MigrationError(message + run) from error
    except psycopg.Error as error:
        if error.sqlstate == NEEDS_A_PERSON:
            told = error.diag
            message = (
                f"Migration {migration.id} was not applied, and nothing was changed: {told.message_primary}. {told.message_hint}"
            )
            raise MigrationError(message) from error
        message = f"Migration {migration.id} failed; nothing of it was applied. PostgreSQL says: {error}"
        raise MigrationError(
            message + "\nReport this with the text above; the previous version of Hookfill still works."
        ) from error
