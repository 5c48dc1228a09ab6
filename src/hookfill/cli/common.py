"""What the commands share: options, settings, the connection, printing, and how errors are told."""

import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer
from typer.core import TyperGroup

from hookfill.kernel.errors import ConfigurationError, HookfillError

if TYPE_CHECKING:
    import asyncpg

    from hookfill.home import Home
    from hookfill.postgres.model import Database
    from hookfill.settings import Settings

T = TypeVar("T")

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Hookfill's folder; default: HOOKFILL_HOME, else your user data folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


class NotReachable(HookfillError):
    """The database that the settings name does not answer, or lets nobody in."""


class Group(TyperGroup):
    """The root of the commands: an expected error is one line on standard error and exit code 1, not a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; with HOOKFILL_DEBUG=1 errors keep their traceback."""
        try:
            return super().invoke(ctx)
        except HookfillError as error:
            if os.environ.get("HOOKFILL_DEBUG") == "1":
                raise
            from hookfill.cli.show import print_error

            print_error(str(error))
            raise typer.Exit(1) from error


def read_settings(home: Path | None = None, **given: object) -> "Settings":
    """The settings of the environment, with what the command line gives instead by the settings' names (None: nothing given).

    Raises:
        ConfigurationError: a value can't be used; the text never quotes it, since it may be a secret.
    """
    from pydantic import ValidationError

    from hookfill.settings import Settings

    values: dict[str, Any] = {
        f"HOOKFILL_{name.upper()}": value for name, value in {"home": home, **given}.items() if value is not None
    }
    try:
        return Settings(**values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError(f"A setting can't be used ({problems}): mend the environment variable or option.") from None


def start_logging(settings: "Settings") -> None:
    """Set this process's logging up."""
    from hookfill.ops.logs import configure

    configure(settings.log_level.value, is_terminal=sys.stderr.isatty())


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with: the settings, the home, its database and a connection to it, and who is asking (the owner)."""

    settings: "Settings"
    home: "Home"
    database: "Database"
    connection: "asyncpg.Connection"
    user_id: UUID


@asynccontextmanager
async def session(home_folder: Path | None) -> AsyncIterator[Session]:
    """Connect to the home's database; an embedded server that had to be started for it is stopped afterwards.

    A database without any table is made ready as ``serve`` would do it; an older one is left to ``migrate``.

    Raises:
        ConfigurationError: the settings, the home or the schema can't be used.
        NotReachable: the database does not answer.
    """
    from hookfill.accounts.store import owner_id
    from hookfill.home import Home
    from hookfill.postgres.migrate import applied, check_schema

    settings = read_settings(home_folder)
    home = Home.at(settings.home)
    async with open_database(settings, home) as (database, connection):
        if not await applied(connection):
            from hookfill.starting import prepare

            start_logging(settings)
            await prepare(settings, home)
        await check_schema(connection)
        yield Session(settings, home, database, connection, await owner_id(connection))


@asynccontextmanager
async def open_database(settings: "Settings", home: "Home") -> "AsyncIterator[tuple[Database, asyncpg.Connection]]":
    """The home's database, whatever its schema, and a connection to it.

    Raises:
        NotReachable: the database does not answer.
    """
    import asyncio

    import asyncpg

    from hookfill.postgres import server
    from hookfill.postgres.database import resolve
    from hookfill.postgres.pool import connect

    database = await asyncio.to_thread(resolve, settings.database_url, home.folder)
    try:
        try:
            connection = await connect(database, name="command")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise NotReachable(
                f"The database can't be used ({type(error).__name__}: {error}): check DATABASE_URL and whether the server runs."
            ) from error
        try:
            yield database, connection
        finally:
            await connection.close()
    finally:
        if database.server is not None and database.server.started:
            await asyncio.to_thread(server.stop_if_unused, home.folder)


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine."""
    import asyncio

    return asyncio.run(main)
