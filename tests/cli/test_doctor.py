"""``hookfill doctor``: each thing that can be wrong with an installation, found and told."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookfill.postgres.model import Database
from support.cli import Cli
from support.database import query


def checks(cli: Cli, **environment: str) -> dict[str, dict[str, Any]]:
    """What doctor finds, by check; the exit code must say whether anything failed."""
    import json

    result = cli.run("doctor", "--json", **environment)
    found = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert result.exit_code == int(any(check["level"] == "failure" for check in found.values()))
    return found


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def free(cli: Cli) -> None:
    """Ask for any free port, whatever else runs on this machine."""
    cli.environment["HOOKFILL_PORT"] = "0"


def test_a_sound_installation(cli: Cli) -> None:
    free(cli)
    found = checks(cli)
    assert {check["level"] for check in found.values()} == {"ok"}
    assert set(found) == {
        "configuration",
        "secret files",
        "signed webhook",
        "port",
        "disk",
        "spool",
        "council",
        "database",
        "clock",
        "schema",
        "row-level security",
        "worker",
    }
    text = cli.text("doctor")
    assert "keeps what it acknowledges" in text


@pytest.mark.parametrize(
    ("environment", "check", "level", "says"),
    [
        ({"HOOKFILL_MODE": "production"}, "configuration", "failure", "needs HMAC_SECRET"),
        ({"HOOKFILL_MODE": "production", "HMAC_SECRET": "changeme"}, "configuration", "failure", "placeholder"),
        ({"HMAC_SECRET": "changeme"}, "configuration", "warning", "HMAC_SECRET"),
        ({"HOOKFILL_HOST": "0.0.0.0"}, "signed webhook", "warning", "HMAC_SECRET"),
        ({"HOOKFILL_BASE_URL": "https://alerts.example"}, "signed webhook", "warning", "HMAC_SECRET"),
        ({"HOOKFILL_HOST": "0.0.0.0", "HMAC_SECRET": "canary-hmac-secret-0019"}, "signed webhook", "ok", "signature"),
        ({"DATABASE_URL": "postgresql://x:y@127.0.0.1:1/z"}, "database", "failure", "DATABASE_URL"),
    ],
)
def test_configuration(cli: Cli, environment: dict[str, str], check: str, level: str, says: str) -> None:
    free(cli)
    found = checks(cli, **environment)
    assert found[check]["level"] == level
    assert says in found[check]["says"]


def test_settings_that_cannot_be_read_end_it(cli: Cli) -> None:
    found = checks(cli, HOOKFILL_PORT="many")
    assert list(found) == ["configuration"]
    assert "HOOKFILL_PORT" in found["configuration"]["says"]


def test_an_occupied_port(cli: Cli, port: socket.socket) -> None:
    found = checks(cli, HOOKFILL_PORT=str(port.getsockname()[1]))
    assert found["port"]["level"] == "failure"
    assert "HOOKFILL_PORT" in found["port"]["says"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no file modes on Windows")
def test_secret_files_that_others_may_read(cli: Cli) -> None:
    free(cli)
    cli.text("token", "--candles")
    assert checks(cli)["secret files"]["level"] == "ok"
    (cli.home / "candles-key").chmod(0o644)
    found = checks(cli)["secret files"]
    assert found["level"] == "failure"
    assert str(cli.home / "candles-key") in found["says"]


def test_a_spool_that_waits(cli: Cli) -> None:
    free(cli)
    (cli.home / "spool").mkdir()
    (cli.home / "spool" / "1.batch").write_text("[]")
    assert checks(cli)["spool"]["level"] == "warning"


def test_an_empty_database_is_no_failure(cli: Cli, unmigrated_database: Database) -> None:
    free(cli)
    found = checks(cli, DATABASE_URL=unmigrated_database.url)
    assert found["schema"]["level"] == "warning"
    assert query(unmigrated_database.url, "SELECT to_regclass('accounts')") == [(None,)]


def test_a_schema_of_a_newer_version(cli: Cli) -> None:
    free(cli)
    query(
        cli.database.url,
        "INSERT INTO hookfill_migration (migration_hash, migration_id, applied_at_utc) VALUES ('x', '9999_future', now())",
    )
    found = checks(cli)
    assert found["schema"]["level"] == "failure"
    assert "newer Hookfill" in found["schema"]["says"]


def test_an_unsafe_database(cli: Cli) -> None:
    free(cli)
    name = query(cli.database.url, "SELECT current_database()")[0][0]
    query(cli.database.url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    found = checks(cli)
    assert found["database"]["level"] == "failure"
    assert "synchronous_commit" in found["database"]["says"]
    assert checks(cli, HOOKFILL_ALLOW_UNSAFE_DATABASE="1")["database"]["level"] == "warning"


def test_a_folder_that_is_no_home(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert checks(cli, HOOKFILL_HOME=str(file))["configuration"]["level"] == "failure"
