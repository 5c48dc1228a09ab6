"""Which database is used, and how much memory the embedded one takes."""

from pathlib import Path

import pytest

from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres import config, server
from hookfill.postgres.database import external, resolve


def test_resolve_takes_the_url_or_the_homes_own_server(home: Path) -> None:
    database = resolve("postgres://me:secret@db.example:6432/trading?sslmode=require&channel_binding=require", home)
    assert not database.is_embedded
    assert database.connect_arguments == {"dsn": "postgresql://me:secret@db.example:6432/trading?sslmode=require"}
    assert database.url == "postgresql://me:secret@db.example:6432/trading?sslmode=require&channel_binding=require"
    assert "secret" not in repr(database)
    assert not any(home.iterdir())
    assert resolve("", home).is_embedded
    assert resolve(None, home).server == server.ensure_running(home)


@pytest.mark.parametrize("url", ["mysql://a@b/c", "trading", "postgresql:", "postgresql://"])
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL must look like"):
        external(url)


@pytest.mark.parametrize(("gibibytes", "expected_mib"), [(0.0625, 32), (0.5, 128), (1, 256), (64, 256)])
def test_shared_buffers_are_modest(gibibytes: float, expected_mib: int) -> None:
    assert config.shared_buffers_mib(int(gibibytes * 1024**3)) == expected_mib
