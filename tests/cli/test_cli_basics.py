"""How the command line behaves, whatever the command: help, errors, environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hookfill.cli.common import read_settings
from hookfill.cli.main import app
from hookfill.kernel.errors import ConfigurationError
from hookfill.settings import Settings

COMMANDS = [
    "serve",
    "demo",
    "status",
    "story",
    "messages",
    "send",
    "resume",
    "token",
    "migrate",
    "doctor",
    "accounts",
    "strategies",
    "import",
    "agent",
]
HEAVY = [
    "uvicorn",
    "fastapi",
    "asyncpg",
    "pydantic",
    "structlog",
    "httpx",
    "rich.table",
    "numpy",
    "pandas",
    "talib",
]


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines() if line.strip()}
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "--tied" not in result.stdout


def test_help_loads_neither_web_server_nor_database() -> None:
    program = (
        "import sys\n"
        "from hookfill.cli.main import app\n"
        "try:\n    app(['--help'])\n"
        "except SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "hookfill", "--help"], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout


def test_an_expected_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": "mysql://nowhere", "HOOKFILL_HOME": str(tmp_path)}
    result = CliRunner().invoke(app, ["status"], env=environment)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "DATABASE_URL must look like" in result.stderr
    assert "Traceback" not in result.stderr


def test_debugging_keeps_the_traceback(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": "mysql://nowhere", "HOOKFILL_HOME": str(tmp_path), "HOOKFILL_DEBUG": "1"}
    assert isinstance(CliRunner().invoke(app, ["status"], env=environment).exception, ConfigurationError)


def test_a_database_that_is_not_there_is_an_expected_error(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": "postgresql://someone:canary-5512@127.0.0.1:1/nothing", "HOOKFILL_HOME": str(tmp_path)}
    result = CliRunner().invoke(app, ["status"], env=environment)
    assert result.exit_code == 1
    assert "The database can't be used" in result.stderr
    assert "canary-5512" not in result.output


@pytest.mark.parametrize("name", ["HOME", "HOST", "PORT", "MODE", "TIME"])
def test_settings_are_read_by_their_own_names_only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(f"HOOKFILL_{name}", raising=False)
    monkeypatch.setenv(name, "/somebody/elses")
    assert getattr(read_settings(), name.lower()) != "/somebody/elses"
    assert str(read_settings().home) != "/somebody/elses"


def test_the_command_line_counts_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOOKFILL_PORT", "1")
    monkeypatch.setenv("HOOKFILL_HOST", "0.0.0.0")
    settings = read_settings(tmp_path, port=0)
    assert (settings.home, settings.port, settings.host) == (tmp_path, 0, "0.0.0.0")


def test_a_setting_that_cannot_be_used_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKFILL_PORT", "canary-77")
    with pytest.raises(ConfigurationError, match="HOOKFILL_PORT") as raised:
        read_settings()
    assert "canary-77" not in str(raised.value)


def test_the_log_level_is_read_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKFILL_LOG_LEVEL", "WARNING")
    assert read_settings().log_level.value == "warning"
    monkeypatch.setenv("HOOKFILL_LOG_LEVEL", "loud")
    with pytest.raises(ConfigurationError, match="HOOKFILL_LOG_LEVEL"):
        read_settings()


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:canary-5512@db/name")
    monkeypatch.setenv("HMAC_SECRET", "canary-5512")
    monkeypatch.setenv("MT5_API_KEY", "canary-5512")
    monkeypatch.setenv("HOOKFILL_OWNER_TOKEN", "canary-5512")
    assert "canary-5512" not in repr(Settings())
