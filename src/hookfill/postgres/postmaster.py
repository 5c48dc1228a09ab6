"""Is our server running? Reading ``postmaster.pid`` without believing it.

After ``kill -9`` of everything the file still names a process: dead, a zombie, or by now somebody else's. PostgreSQL itself refuses
to start while that process id is alive, so a stale file is removed here, but only once no process of that data folder is left.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from hookfill.kernel.errors import HookfillError

if sys.platform != "win32":
    import fcntl

POLL_SECONDS = 0.02
ORPHAN_PATIENCE_SECONDS = 5.0


class ServerStartError(HookfillError):
    """The embedded server can't be started, or does not become ready."""


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live postmaster of ours, from its ``postmaster.pid``."""

    pid: int
    port: int
    socket_folder: str
    listen_address: str
    status: str
    """``starting``, ``ready``, ``standby`` or ``stopping``; empty in the first moments."""

    @property
    def socket(self) -> Path | None:
        """The path of its Unix socket, None when it listens on TCP only."""
        return Path(self.socket_folder) / f".s.PGSQL.{self.port}" if self.socket_folder else None


def find(data: Path) -> Postmaster | None:
    """The postmaster that runs on this data folder now, or None."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if not _is_postgres_on(pid, data):
        return None
    lines += [""] * (8 - len(lines))
    port = int(lines[3]) if lines[3].strip().isdigit() else 0
    return Postmaster(pid, port, lines[4].strip(), lines[5].strip(), status=lines[7].strip())


def _is_postgres_on(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
            return False
        return _works_in(process, data)
    except psutil.Error:
        return False


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether the process's working folder is the data folder, as it is for every process of a PostgreSQL server."""
    folder = process.cwd()
    return bool(folder) and Path(folder).exists() and Path(folder).samefile(data)


@contextlib.contextmanager
def claim(data: Path, in_use: Path) -> Iterator[tuple[int, ...]]:
    """Make a data folder without a running postmaster startable, and claim it for the server that is about to start.

    What a killed postmaster leaves (its children, its lock file) is ended and removed. The claim is a lock on an open file; the
    server inherits it, so that the lock lives exactly as long as any of its processes. This is seen where process ids are not: from
    another container that shares the folder. The caller holds the home's lock.

    Yields:
        The file descriptors that the server has to inherit (none on Windows, which has no such locks).

    Raises:
        ServerStartError: a server that can't be seen from here works on the data folder.
    """
    _end_orphans(data)
    with in_use.open("w") as file:
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"Another PostgreSQL works on {data}, perhaps in another container. "
                raise ServerStartError(message + "Run this command there, or stop the other one first.") from None
        with contextlib.suppress(FileNotFoundError):
            (data / "postmaster.pid").unlink()
        yield () if sys.platform == "win32" else (file.fileno(),)


def _orphans(data: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("postgres") and process.status() != psutil.STATUS_ZOMBIE and _works_in(process, data):
                yield process


def _end_orphans(data: Path) -> None:
    """Wait for a dead postmaster's children, which leave by themselves unless busy; then end them, as a crash would."""
    give_up = time.monotonic() + ORPHAN_PATIENCE_SECONDS
    while orphans := list(_orphans(data)):
        if time.monotonic() > give_up:
            for process in orphans:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(orphans, timeout=ORPHAN_PATIENCE_SECONDS)
            return
        time.sleep(POLL_SECONDS)


def settle(data: Path, timeout_seconds: float) -> Postmaster | None:
    """Wait while a live postmaster starts or recovers; None if it ended instead.

    Raises:
        ServerStartError: it is still not ready after the time-out.
    """
    give_up = time.monotonic() + timeout_seconds
    while (postmaster := find(data)) is not None and postmaster.status != "ready":
        if time.monotonic() > give_up:
            message = (
                f"The embedded PostgreSQL (process {postmaster.pid}) is not ready after {timeout_seconds:.0f} s; it may still be "
            )
            raise ServerStartError(message + f"recovering. Look into the logs beside {data}, then try again.")
        time.sleep(POLL_SECONDS)
    return postmaster


def kill(pid: int, timeout_seconds: float) -> None:
    """End a postmaster that does not listen, as a crash would; its children follow by themselves."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.kill()
        give_up = time.monotonic() + timeout_seconds
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < give_up:
            time.sleep(POLL_SECONDS)
