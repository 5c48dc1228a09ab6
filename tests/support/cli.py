"""The command line in this process, on a database and a home of the test's own."""

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import structlog
from click.testing import Result
from typer.testing import CliRunner

from hookfill.cli.main import app
from hookfill.postgres.model import Database
from support.server import Server

OWNER_TOKEN = "canary-owner-token-4b8f2a6c1d"
_OWN = ("HOOKFILL_", "DATABASE_URL", "HMAC_SECRET", "MT5_API_KEY", "BASE_URL", "JWT_SECRET", "SUPABASE_", "REGISTRATION")


@contextlib.contextmanager
def logging_undone() -> Iterator[None]:
    """Commands set logging up for this process; that is undone afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:], root.level = before
        logging.captureWarnings(False)


class Cli:
    """``hookfill`` with the environment of one installation."""

    def __init__(self, home: Path, database: Database) -> None:
        self.home = home
        self.database = database
        self.environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith(_OWN)}
        self.environment |= {"DATABASE_URL": database.url, "HOOKFILL_HOME": str(home), "HOOKFILL_OWNER_TOKEN": OWNER_TOKEN}

    @classmethod
    @contextlib.contextmanager
    def beside(cls, server: Server, database: Database) -> Iterator[Self]:
        """The command line of a running server's installation."""
        cli = cls(server.home, database)
        cli.environment |= {name: text for name, text in server.environment.items() if name.startswith(_OWN)}
        with logging_undone():
            yield cli

    def run(self, *arguments: object, **environment: str) -> Result:
        """Run a command, whatever comes of it; an unexpected exception fails the test."""
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={**self.environment, **environment})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def text(self, *arguments: object, **environment: str) -> str:
        """What a command that succeeds prints."""
        result = self.run(*arguments, **environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: object, **environment: str) -> Any:
        """The same with ``--json``, read; numbers with a fraction are Decimal."""
        return json.loads(self.text(*arguments, "--json", **environment), parse_float=Decimal)

    def error(self, *arguments: object, **environment: str) -> str:
        """What a command that fails says: one line on standard error."""
        result = self.run(*arguments, **environment)
        assert result.exit_code == 1, result.output
        assert "Traceback" not in result.output
        assert result.stdout == ""
        assert result.stderr.strip().count("\n") == 0
        return result.stderr

    def process(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run a command as a process of its own, which nobody can answer."""
        given = {name: text for name, text in self.environment.items() if text is not None}
        kept = {name: text for name, text in os.environ.items() if name not in self.environment}
        command = [sys.executable, "-m", "hookfill", *map(str, arguments)]
        done = subprocess.run(command, env=kept | given, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert "Traceback" not in done.stderr, done.stderr
        return done
