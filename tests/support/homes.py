"""Throw-away homes for servers with a PostgreSQL of their own."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hookfill.postgres import server

MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 * 1024**3
"""A home with its cluster takes a fiftieth of it."""


@contextlib.contextmanager
def own_home(prefix: str, *, in_memory: bool = False) -> Iterator[Path]:
    """An empty home that another user can reach; a server that was started in it is removed afterwards.

    Args:
        prefix: what its name begins with.
        in_memory: keep it in memory where that can be had. For tests of how servers start and end, which make many clusters; what
            is killed are processes, never the machine, so that it makes no difference whether their files are on a disk.
    """
    home = Path(tempfile.mkdtemp(prefix=prefix, dir=_memory() if in_memory else None))
    home.chmod(0o755)
    try:
        yield home
    finally:
        remove_home(home)


def copy_home(home: Path, target: Path) -> None:
    """Copy a home whose server does not run."""
    subprocess.run(["cp", "-a", f"{home}/.", str(target)], check=True)


def remove_home(home: Path) -> None:
    """Stop a home's server, if it has one, and delete the home."""
    if (home / "postgres" / "place.json").exists():
        server.remove(home)
    shutil.rmtree(home, ignore_errors=True)


def _memory() -> Path | None:
    """A file system in memory that has room and runs programs; containers often have a small one."""
    if sys.platform == "win32" or not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK | os.X_OK):
        return None
    status = os.statvfs(MEMORY)
    return MEMORY if status.f_bavail * status.f_frsize > ROOM_BYTES and not status.f_flag & os.ST_NOEXEC else None
