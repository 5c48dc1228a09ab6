"""What both processes of a server do when they start, whichever half of Hookfill they then load: a database that can be used."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import asyncpg
import structlog

from hookfill.accounts.store import bootstrap
from hookfill.home import Home
from hookfill.postgres.audit import audit_durability, audit_tenancy
from hookfill.postgres.database import resolve
from hookfill.postgres.migrate import check_schema, migrate
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from hookfill.settings import Settings

CLOSE_SECONDS = 2.0
_LOG = structlog.get_logger("hookfill.starting")


async def prepare(settings: Settings, home: Home) -> Database:
    """A database that is there, migrated, safe and has an owner.

    Raises:
        ConfigurationError: a setting, the database's own settings or its schema forbid to start.
    """
    settings.check()
    for note in settings.notes:
        _LOG.warning("setting_not_used", note=note)
    database = await asyncio.to_thread(resolve, settings.database_url, home.folder)
    await migrate(database)
    connection = await connect(database, name="start")
    try:
        await check_schema(connection)
        await audit_durability(connection, allow_unsafe=settings.allow_unsafe_database)
        await audit_tenancy(connection)
        await bootstrap(connection, home.owner_token(settings), max_hold_days=settings.max_hold_days)
    finally:
        await connection.close()
    return database


@dataclass(frozen=True, slots=True)
class Listening:
    """The server is up: where, and as which process.

    Attributes:
        has_owner: somebody has registered.
        setup_token: what the first to register must bring; None: nothing, or somebody has registered.
    """

    url: str
    pid: int
    has_owner: bool = True
    setup_token: str | None = field(default=None, repr=False)


async def close_pool(pool: asyncpg.Pool) -> None:
    """Close a pool; a database that does not answer is not waited for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()  # terminates its connections when it is interrupted
