"""Bring a database's schema to this version: ordered plain SQL files, applied by yoyo (see docs/decisions/0003).

A migration ``migrations/NNNN_name.sql`` is one transaction together with the row that records it, so that a killed process leaves
either both or none. Servers that start at once take turns through an advisory lock of PostgreSQL's, which ends with its holder's
connection. Nothing of yoyo is loaded when there is nothing to do.
"""

import asyncio
from importlib import resources

import asyncpg

from hookfill.kernel.errors import ConfigurationError, HookfillError
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from hookfill.postgres.tenancy import ROLE, SERVICE_ROLE

FOLDER = "migrations"
TABLE = "hookfill_migration"
LOCK_TIMEOUT_SECONDS = 5.0


class MigrationError(HookfillError):
    """A migration could not be applied; the database is as it was before that migration."""


def known() -> list[str]:
    """The ids of all migrations that this version of Hookfill knows, in order (``0001_spine``, …)."""
    folder = resources.files(__package__).joinpath(FOLDER)
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))


async def applied(connection: asyncpg.Connection) -> list[str]:
    """The ids of the migrations that the database has had, in order; empty for a new database.

    Raises:
        ConfigurationError: this role may not look: it neither migrated the database nor is a member of service_role.
    """
    if await connection.fetchval("SELECT to_regclass($1)", TABLE) is None:
        return []
    try:
        rows = await connection.fetch(f"SELECT migration_id FROM {TABLE} ORDER BY migration_id")  # noqa: S608 - a constant
    except asyncpg.InsufficientPrivilegeError as error:
        me = await connection.fetchval("SELECT quote_ident(current_user)")
        message = f"{me} may not use this database, which another role migrated: an administrator has to run "
        raise ConfigurationError(f"{message}`GRANT {SERVICE_ROLE}, {ROLE} TO {me}`.") from error
    return [row["migration_id"] for row in rows]


async def pending(database: Database) -> list[str]:
    """The ids of the migrations that the database still needs, in order.

    Raises:
        ConfigurationError: the database was migrated by a newer Hookfill.
    """
    connection = await connect(database, name="migrate")
    try:
        return await _missing(connection)
    finally:
        await connection.close()


async def check_schema(connection: asyncpg.Connection) -> None:
    """Make sure that the database has exactly the schema that this version works with.

    Raises:
        ConfigurationError: migrations are missing, or the database was migrated by a newer Hookfill.
    """
    missing = await _missing(connection)
    if missing:
        raise ConfigurationError(f"The database lacks {len(missing)} migration(s), first {missing[0]}. Run `hookfill migrate`.")


async def migrate(database: Database, *, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> list[str]:
    """Apply what is missing, in order, and return the ids that this call applied. Safe to call from several servers at once.

    Args:
        database: the database; its user must own the schema.
        lock_timeout_seconds: how long a statement may wait for a table that others use, before the migration is rolled back.

    Raises:
        ConfigurationError: the database was migrated by a newer Hookfill.
        MigrationError: a migration failed or could not get its locks.
    """
    if not await pending(database):
        return []
    done = await asyncio.to_thread(_apply, database.url, lock_timeout_seconds)
    await pending(database)  # another, newer Hookfill may have had its turn before us
    return done


async def _missing(connection: asyncpg.Connection) -> list[str]:
    ours, theirs = known(), set(await applied(connection))
    unknown = sorted(theirs.difference(ours))
    if unknown:
        message = f"This database was migrated by a newer Hookfill (it has {unknown[-1]}, which this version does not know). "
        raise ConfigurationError(message + "Upgrade Hookfill, or restore a backup from before the upgrade.")
    return [name for name in ours if name not in theirs]


def _apply(url: str, lock_timeout_seconds: float) -> list[str]:
    from hookfill.postgres.migration_backend import apply_pending  # noqa: PLC0415 - yoyo is slow to import and seldom needed

    return apply_pending(url, lock_timeout_seconds)
