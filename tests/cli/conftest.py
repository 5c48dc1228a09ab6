"""The command line on an installation that has been started once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfill.accounts.store import bootstrap
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.cli import OWNER_TOKEN, Cli, logging_undone


@pytest.fixture
def cli(tmp_path: Path, database: Database) -> Iterator[Cli]:
    """An installation of the test's own."""
    yield from _installation(tmp_path, database)


@pytest.fixture(scope="module")
def module_cli(tmp_path_factory: pytest.TempPathFactory, module_database: Database) -> Iterator[Cli]:
    """One that the tests of a module share."""
    yield from _installation(tmp_path_factory.mktemp("module"), module_database)


def _installation(folder: Path, database: Database) -> Iterator[Cli]:
    home = folder / "home"
    home.mkdir(mode=0o700)
    asyncio.run(_first_start(database))
    with logging_undone():
        yield Cli(home, database)


async def _first_start(database: Database) -> None:
    connection = await connect(database, name="test")
    try:
        await bootstrap(connection, OWNER_TOKEN)
    finally:
        await connection.close()
