"""A server that may lose what it has acknowledged is refused."""

from pathlib import Path

import asyncpg
import pytest

from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres import config, server
from hookfill.postgres.audit import audit_durability
from hookfill.postgres.database import embedded
from hookfill.postgres.pool import _when_ready, connect

GOOD = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "server_version_num": "150004",
    "server_encoding": "UTF8",
}


class Settings:
    """Answers like a connection to a server with these settings."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings

    async def fetch(self, statement: str, names: list[str]) -> list[dict[str, str]]:
        assert "pg_settings" in statement
        return [{"name": name, "setting": self.settings[name]} for name in names]


async def test_the_embedded_server_passes(connection: asyncpg.Connection) -> None:
    await audit_durability(connection)


async def test_a_sessions_own_setting_counts(connection: asyncpg.Connection) -> None:
    await connection.execute("SET synchronous_commit = off")
    with pytest.raises(ConfigurationError, match="synchronous_commit is off"):
        await audit_durability(connection)
    await audit_durability(connection, allow_unsafe=True)


async def test_an_embedded_server_whose_overrides_are_unsafe_is_refused(home: Path) -> None:
    info = server.ensure_running(home)
    server.stop(home)
    (info.data_dir / config.OVERRIDES_CONF).write_text("fsync = off\nfull_page_writes = off\n", encoding="utf-8")
    connection = await connect(embedded(server.ensure_running(home)), name="test")
    with pytest.raises(ConfigurationError, match="fsync, full_page_writes is off"):
        await audit_durability(connection)
    await connection.close()


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("fsync", "off", "fsync is off"),
        ("full_page_writes", "off", "full_page_writes is off"),
        ("synchronous_commit", "off", "synchronous_commit is off"),
        ("server_version_num", "149999", "PostgreSQL 14; Hookfill needs 15"),
        ("server_encoding", "SQL_ASCII", "encoding is SQL_ASCII"),
    ],
)
async def test_what_is_refused(name: str, value: str, refusal: str) -> None:
    with pytest.raises(ConfigurationError, match=refusal):
        await audit_durability(Settings({**GOOD, name: value}))


@pytest.mark.parametrize("value", ["on", "local", "remote_write", "remote_apply"])
async def test_every_mode_that_flushes_before_it_answers_is_accepted(value: str) -> None:
    await audit_durability(Settings({**GOOD, "synchronous_commit": value}))


@pytest.mark.parametrize("name", ["server_version_num", "server_encoding"])
async def test_allowing_unsafe_settings_allows_nothing_else(name: str) -> None:
    with pytest.raises(ConfigurationError):
        await audit_durability(Settings({**GOOD, name: "140000"}), allow_unsafe=True)


@pytest.mark.parametrize(("patience_seconds", "fails"), [(60.0, False), (-1.0, True)])
async def test_a_server_that_is_recovering_is_waited_for_but_not_for_ever(patience_seconds: float, fails: bool) -> None:
    answers = [asyncpg.CannotConnectNowError("the database system is starting up"), None]

    async def attempt() -> str:
        if error := answers.pop(0):
            raise error
        return "connected"

    if fails:
        with pytest.raises(asyncpg.CannotConnectNowError):
            await _when_ready(attempt, patience_seconds)
    else:
        assert await _when_ready(attempt, patience_seconds) == "connected"
