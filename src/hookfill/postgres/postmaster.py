"""Is our server running? Reading ``postmaster.pid`` without believing it.

After ``kill -9`` of everything the file still names a process: dead, a zombie, or by now somebody else's. PostgreSQL itself refuses
to start while that process id is alive, so a stale file is removed here, but only once no process of that data folder is left.
"""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from hookfill.kernel.errors import HookfillError

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
    is_ready: bool

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
    return Postmaster(pid, port, lines[4].strip(), lines[5].strip(), is_ready=lines[7].strip() == "ready")


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


def clear_stale(data: Path) -> None:
    """Make a data folder without a running postmaster startable.

    What a killed postmaster leaves (its children, its lock file) is ended and removed. The caller holds the home's lock.
    """
    _end_orphans(data)
    with contextlib.suppress(FileNotFoundError):
        (data / "postmaster.pid").unlink()


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


def wait_until_ready(data: Path, timeout_seconds: float) -> Postmaster:
    """Wait while a live postmaster starts or recovers.

    Raises:
        ServerStartError: it ended instead, or is still not ready after the time-out.
    """
    give_up = time.monotonic() + timeout_seconds
    while (postmaster := find(data)) is not None:
        if postmaster.is_ready:
            return postmaster
        if time.monotonic() > give_up:
            message = (
                f"The embedded PostgreSQL (process {postmaster.pid}) is not ready after {timeout_seconds:.0f} s; it may still be "
            )
            raise ServerStartError(message + f"recovering. Look into the logs beside {data}, then try again.")
        time.sleep(POLL_SECONDS)
    raise ServerStartError(f"The embedded PostgreSQL ended while starting. Look into start.log and log/ beside {data}.")


def end(pid: int, timeout_seconds: float) -> None:
    """Shut a postmaster down fast (clients are cut, everything is written), by force if it does not listen."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.send_signal(signal.SIGINT)
        if not _wait_until_dead(process, timeout_seconds):
            process.kill()
            _wait_until_dead(process, timeout_seconds)


def _wait_until_dead(process: psutil.Process, timeout_seconds: float) -> bool:
    """Wait for the end of a process that is not our child; one that only waits to be reaped has ended."""
    give_up = time.monotonic() + timeout_seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > give_up:
            return False
        time.sleep(POLL_SECONDS)
    return True
