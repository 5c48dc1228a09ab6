"""The parts of an installation's health that need no database."""

from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hookfill.ops import health
from hookfill.ops.health import Level, check_clock, check_disk, check_port

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("database_seconds", "answer_seconds", "level"),
    [
        (0, 0, Level.OK),
        (1, 0, Level.OK),
        (1.01, 0, Level.WARNING),
        (-1, 0, Level.OK),
        (-1.01, 0, Level.WARNING),
        (1.5, 2, Level.OK),  # an answer that took 2 s says nothing about times in between
        (3.5, 2, Level.WARNING),
        (-600, 0, Level.WARNING),
    ],
)
def test_clocks(database_seconds: float, answer_seconds: float, level: Level) -> None:
    found = check_clock(NOW, NOW + timedelta(seconds=database_seconds), NOW + timedelta(seconds=answer_seconds))
    assert found.level is level


@pytest.mark.parametrize(
    ("free_bytes", "level"),
    [
        (health.COMFORTABLE_FREE_BYTES, Level.OK),
        (health.COMFORTABLE_FREE_BYTES - 1, Level.WARNING),
        (health.LEAST_FREE_BYTES, Level.WARNING),
        (health.LEAST_FREE_BYTES - 1, Level.FAILURE),
    ],
)
def test_disks(free_bytes: int, level: Level, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: Usage(0, 0, free_bytes))
    assert check_disk(tmp_path).level is level


def test_the_port_of_our_own_server_is_in_order() -> None:
    found = check_port("127.0.0.1", 1, "http://127.0.0.1:1")
    assert found.level is Level.OK
    assert "http://127.0.0.1:1" in found.says


def test_an_address_that_is_not_ours() -> None:
    assert check_port("192.0.2.1", 0, None).level is Level.FAILURE
