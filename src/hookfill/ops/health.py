"""What can be wrong with an installation from outside: clock, port, disk, the modes of secret files."""

import shutil
import socket
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

GIBIBYTE = 1024**3
LEAST_FREE_BYTES = 100 * 1024**2
"""With less on its disk, PostgreSQL may stop at any moment."""
COMFORTABLE_FREE_BYTES = GIBIBYTE
MOST_SKEW_SECONDS = 1.0


class Level(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what to do about it if it is not in order."""

    name: str
    level: Level
    says: str


def check_clock(before: datetime, database: datetime, after: datetime) -> Check:
    """Whether the database's clock and ours agree.

    Args:
        before: our time just before the database was asked for its own, UTC.
        database: its answer.
        after: our time when the answer came.
    """
    skew = max(timedelta(0), before - database, database - after)
    says = f"this machine and the database differ by {skew.total_seconds():.3f} s"
    if skew.total_seconds() <= MOST_SKEW_SECONDS:
        return Check("clock", Level.OK, says)
    return Check("clock", Level.WARNING, f"{says}: let both follow a time server (chrony or systemd-timesyncd)")


def check_port(host: str, port: int, listening_url: str | None) -> Check:
    """Whether the address is free, or this home's server has it."""
    if listening_url is not None:
        return Check("port", Level.OK, f"this home's server listens at {listening_url}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return Check("port", Level.FAILURE, f"{host}:{port} can't be used ({reason}): set HOOKFILL_HOST or HOOKFILL_PORT")
    return Check("port", Level.OK, f"{host}:{port} is free")


def check_disk(folder: Path) -> Check:
    """Whether there is room where the home is."""
    free = shutil.disk_usage(folder).free
    says = f"{free / GIBIBYTE:.1f} GiB free at {folder}"
    if free >= COMFORTABLE_FREE_BYTES:
        return Check("disk", Level.OK, says)
    level = Level.WARNING if free >= LEAST_FREE_BYTES else Level.FAILURE
    return Check("disk", level, f"{says}: make room before the database has to stop")


def check_private(files: Iterable[Path]) -> Check:
    """Whether secret files can be read by their owner only."""
    if sys.platform == "win32":
        return Check("secret files", Level.OK, "kept in your own profile")
    there = [path for path in files if path.exists()]
    loose = [path for path in there if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if loose:
        names = " ".join(map(str, loose))
        return Check("secret files", Level.FAILURE, f"others may read {names}: chmod 600 {names}")
    return Check("secret files", Level.OK, "readable by their owner only" if there else "none yet")
