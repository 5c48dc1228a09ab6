"""The embedded PostgreSQL: a real server from a wheel, started on first use, found again afterwards.

The postmaster is a daemon of its own: it survives the process that started it, and every process of the same home uses it. A lock
file makes starting and stopping happen one at a time; the kernel releases it when its holder dies, however it dies.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import fasteners

from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres import config, postmaster
from hookfill.postgres.binaries import major_version, program, reachable_folder
from hookfill.postgres.model import ServerInfo
from hookfill.postgres.places import (
    PORT,
    RECORD,
    Places,
    find_places,
    folder_of,
    password,
    recorded_cluster,
    remove_socket_folder,
    socket_folder,
)
from hookfill.postgres.postmaster import Postmaster, ServerStartError
from hookfill.postgres.privileges import give_to, owner_of, run_as

USER = "hookfill"
DATABASE = "hookfill"
START_TIMEOUT_SECONDS = 300
STOP_TIMEOUT_SECONDS = 60
_STAGING = "data.new-"

_threads = threading.Lock()
"""File locks of one process do not exclude its own threads."""


def ensure_running(home: Path) -> ServerInfo:
    """The embedded server of a home, created, started or recovered as needed. Blocks; call it in a thread from asyncio.

    Args:
        home: Hookfill's home folder; may be long, hold spaces, and be unreachable for the server's own user.

    Raises:
        ConfigurationError: the home can't be used, or holds the data of another PostgreSQL major version.
        ServerStartError: the server does not start or does not become ready; the text names the log.
    """
    with _locked(home):
        places = find_places(home)
        running = _find_usable(places)
        if running is not None:
            return _info(places, running, started=False)
        return _info(places, _start(places), started=True)


def find_running(home: Path) -> ServerInfo | None:
    """The home's server if it runs and is ready; starts nothing and changes nothing."""
    if not (home / "postgres" / RECORD).exists():
        return None
    places = find_places(home)
    running = postmaster.find(places.data)
    return _info(places, running, started=False) if running is not None and running.status == "ready" else None


def is_ready(home: Path) -> bool:
    """Whether the home's server runs and is ready: ``find_running`` for who asks again and again, since it starts no process."""
    folder = folder_of(home)
    cluster = recorded_cluster(folder)
    running = postmaster.find(Places(folder, cluster, None).data) if cluster is not None else None
    return running is not None and running.status == "ready"


def stop(home: Path) -> bool:
    """Shut the home's server down fast and cleanly, whoever uses it. Returns whether it was running."""
    with _locked(home):
        places = find_places(home)
        running = postmaster.find(places.data)
        if running is None:
            return False
        _stop(places, running)
        return True


def stop_if_unused(home: Path) -> bool:
    """Shut the home's server down unless somebody is connected to it. Returns whether it was stopped.

    Call it after your own connections are closed.
    """
    with _locked(home):
        places = find_places(home)
        running = postmaster.find(places.data)
        if running is None or _has_clients(_info(places, running, started=False)):
            return False
        _stop(places, running)
        return True


def remove(home: Path) -> None:
    """Stop the home's server and delete its data for good, wherever it is kept. For throw-away homes."""
    stop(home)
    with _locked(home):
        places = find_places(home)
        if sys.platform != "win32":  # what a server that was killed has left
            remove_socket_folder(socket_folder(places), places.user)
        shutil.rmtree(places.cluster)
        for name in (RECORD, "password"):
            (places.folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the home's lock; it waits as long as another process's start may take."""
    folder = folder_of(home)
    path = folder / "lock"
    patience_seconds = START_TIMEOUT_SECONDS + STOP_TIMEOUT_SECONDS
    if not _threads.acquire(timeout=patience_seconds):
        raise ServerStartError(f"The database in {folder} is still being started or stopped. Try again in a minute.")
    try:
        lock = fasteners.InterProcessLock(path)
        if not lock.acquire(timeout=patience_seconds, delay=0.01, max_delay=0.05):
            raise ServerStartError(
                f"Another process holds {path}: the database is still being started or stopped. Try again in a minute."
            )
        try:
            give_to(owner_of(folder), path)
            yield
        finally:
            lock.release()
    finally:
        _threads.release()


def _find_usable(places: Places) -> Postmaster | None:
    """A running server that can be connected to. One that is leaving, or whose socket was swept away, is stopped first."""
    running = postmaster.find(places.data)
    if running is not None and running.status != "stopping":
        running = postmaster.settle(places.data, START_TIMEOUT_SECONDS)
    if running is None:
        return None
    if running.status == "ready" and (running.socket is None or running.socket.exists()):
        return running
    _stop(places, running)
    return None


def _start(places: Places) -> Postmaster:
    binaries = reachable_folder(places.user)
    if not places.data.is_dir():
        _create(places, binaries)
    _refuse_other_version(places)
    # Run inside the data folder: pg_ctl hands paths to a shell, and a home may hold any character.
    command = [str(program(binaries, "pg_ctl")), "start", "-D", ".", "-l", f"../{places.start_log.name}"]
    command += ["-w", "-t", str(START_TIMEOUT_SECONDS)]
    with postmaster.claim(places.data, places.in_use) as inherited:
        _write_settings(places)
        _run(command, places, cwd=places.data, inherited=inherited)
    running = postmaster.settle(places.data, START_TIMEOUT_SECONDS)
    if running is None:
        raise ServerStartError(_explain(places, "The embedded PostgreSQL did not start."))
    return running


def _stop(places: Places, running: Postmaster) -> None:
    """Cut the clients, write everything, leave; by force if that takes too long."""
    command = [str(program(reachable_folder(places.user), "pg_ctl")), "stop", "-D", ".", "-m", "fast", "-w"]
    done = _run([*command, "-t", str(STOP_TIMEOUT_SECONDS)], places, cwd=places.data)
    if done.returncode != 0:
        postmaster.kill(running.pid, STOP_TIMEOUT_SECONDS)
    remove_socket_folder(Path(running.socket_folder), places.user)


def _create(places: Places, binaries: Path) -> None:
    """Make the data folder beside its final place and rename it: half of one is never taken for a whole.

    The staging folder's name is new every time, because the initdb of a killed attempt may still be at work in the old one.
    """
    for left_over in places.cluster.glob(f"{_STAGING}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    staging = places.cluster / f"{_STAGING}{secrets.token_hex(4)}"
    secret = places.cluster / "initial-password"
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    try:
        secret.write_text(password(places), encoding="utf-8")
        give_to(places.user, secret)
        command = [str(program(binaries, "initdb")), "-D", staging.name, "-U", USER, "--pwfile", secret.name]
        command += [
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        # Iterations slow down whoever guesses a password. Nobody guesses 256 random bits, and every connection would pay for them.
        command += ["--data-checksums", "--no-instructions", "--set=scram_iterations=1"]
        if _run(command, places, cwd=places.cluster).returncode != 0:
            raise ServerStartError(_explain(places, "The embedded PostgreSQL's data folder can't be made."))
    finally:
        secret.unlink()
    command = [str(program(binaries, "postgres")), "--single", "-D", staging.name, "postgres"]
    if _run(command, places, cwd=places.cluster, text=f"CREATE DATABASE {DATABASE}\n").returncode != 0:
        raise ServerStartError(_explain(places, "The embedded PostgreSQL's database can't be made."))
    with (staging / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(config.INCLUDES)
        file.flush()
        os.fsync(file.fileno())
    staging.rename(places.data)


def _refuse_other_version(places: Places) -> None:
    stored = (places.data / "PG_VERSION").read_text(encoding="utf-8").strip()
    if stored != str(major_version()):
        message = f"The data in {places.data} was written by PostgreSQL {stored}, and this Hookfill brings {major_version()}. "
        message += "Dump it with the Hookfill that wrote it (pg_dump) and load the dump into a new home, "
        raise ConfigurationError(message + "or set another HOOKFILL_HOME.")


def _write_settings(places: Places) -> None:
    """Write ``hookfill.conf`` and clear the socket folder of what a killed server left there."""
    if sys.platform == "win32":
        where = {"listen_addresses": "127.0.0.1", "port": str(_free_port()), "unix_socket_directories": ""}
    else:
        folder = socket_folder(places)
        for leftover in folder.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)
        where = {"listen_addresses": "", "port": str(PORT), "unix_socket_directories": str(folder)}
    path = places.data / config.HOOKFILL_CONF
    path.write_text(config.render({**where, "log_directory": "../log"}), encoding="utf-8")
    give_to(places.user, path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(
    command: list[str], places: Places, *, cwd: Path, text: str = "", inherited: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run one of PostgreSQL's programs as the server's user; what it says is added to the start log.

    Its output goes to a file, because a daemon that it leaves behind would keep a pipe open for ever.
    """
    arguments = run_as(places.user)
    if text:
        arguments["input"] = text.encode()
    else:
        arguments["stdin"] = subprocess.DEVNULL
    if inherited:
        arguments["pass_fds"] = inherited
    try:
        with places.start_log.open("ab") as log:
            give_to(places.user, places.start_log)
            return subprocess.run(command, check=False, cwd=cwd, stdout=log, stderr=log, **arguments)  # noqa: S603 - built here
    except PermissionError as error:
        name = places.user.name if places.user is not None else "you"
        message = f"PostgreSQL can't be run as {name}: {error.strerror}. Run Hookfill as an ordinary user, or set DATABASE_URL."
        raise ConfigurationError(message) from error


def _explain(places: Places, what: str) -> str:
    """What happened, with the last lines of the start log, and where to read on."""
    tail = places.start_log.read_text(encoding="utf-8", errors="replace").strip()[-1000:]
    return f"{what} Look into {places.start_log} and {places.cluster / 'log'}.\n{tail}"


def _info(places: Places, running: Postmaster, *, started: bool) -> ServerInfo:
    return ServerInfo(
        host=running.socket_folder or running.listen_address,
        port=running.port,
        user=USER,
        password=password(places),
        database=DATABASE,
        data_dir=places.data,
        pid=running.pid,
        started=started,
    )


def _has_clients(info: ServerInfo) -> bool:
    """Whether anybody is connected besides this question; a server that can't be asked counts as used."""
    import psycopg  # noqa: PLC0415 - not needed on the way up

    statement = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())"
    try:
        with psycopg.connect(info.url("postgres"), connect_timeout=5) as connection:
            row = connection.execute(statement).fetchone()
    except psycopg.Error:
        return True
    return row is None or bool(row[0])
