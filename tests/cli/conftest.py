"""The command line on an installation that has been started once."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from hookfill.accounts.store import bootstrap
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.cli import OWNER_TOKEN, Cli


@pytest.fixture
def cli(tmp_path: Path, database: Database) -> Iterator[Cli]:
    """An installation of the test's own."""
    yield from _installation(tmp_path, database)


@pytest.fixture(scope="module")
def module_cli(tmp_path_factory: pytest.TempPathFactory, module_database: Database) -> Iterator[Cli]:
    """One that the tests of a module share."""
    yield from _installation(tmp_path_factory.mktemp("module"), module_database)


def _installation(folder: Path, database: Database) -> Iterator[Cli]:
    """Commands set logging up for this process; that is undone afterwards."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    asyncio.run(_first_start(database))
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield Cli(home, database)
    structlog.reset_defaults()
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


async def _first_start(database: Database) -> None:
    connection = await connect(database, name="test")
    try:
        await bootstrap(connection, OWNER_TOKEN)
    finally:
        await connection.close()
