"""The embedded PostgreSQL: a real server from a wheel, started on first use, found again afterwards.

The postmaster is a daemon of its own: it survives the process that started it, and every process of the same home uses it. A lock
file makes starting and stopping happen one at a time; the kernel releases it when its holder dies, however it dies.
"""

import contextlib
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
from hookfill.postgres.places import PORT, Places, find_places, folder_of, password, read_record, socket_folder
from hookfill.postgres.postmaster import Postmaster, ServerStartError
from hookfill.postgres.privileges import give_to, owner_of, run_as

USER = "hookfill"
DATABASE = "hookfill"
START_TIMEOUT_SECONDS = 300
STOP_TIMEOUT_SECONDS = 60.0
_STAGING = "data.new"

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


def stop(home: Path) -> bool:
    """Shut the home's server down fast and cleanly, whoever uses it. Returns whether it was running."""
    with _locked(home):
        running = _find(home)
        if running is None:
            return False
        postmaster.end(running.pid, STOP_TIMEOUT_SECONDS)
        return True


def stop_if_unused(home: Path) -> bool:
    """Shut the home's server down unless somebody is connected to it. Returns whether it was stopped.

    Call it after your own connections are closed.
    """
    with _locked(home):
        running = _find(home)
        if running is None or _clients(home, running) > 0:
            return False
        postmaster.end(running.pid, STOP_TIMEOUT_SECONDS)
        return True


def remove(home: Path) -> None:
    """Stop the home's server and delete its data for good, wherever it is kept. For throw-away homes."""
    stop(home)
    with _locked(home):
        places = find_places(home)
        shutil.rmtree(places.cluster)
        if sys.platform != "win32":
            shutil.rmtree(socket_folder(places), ignore_errors=True)
        places.record.unlink()


def find_running(home: Path) -> ServerInfo | None:
    """The home's server if it runs and is ready; starts nothing and changes nothing."""
    running = _find(home) if (home / "postgres" / "place.json").exists() else None
    return _info(find_places(home), running, started=False) if running is not None and running.is_ready else None


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


def _find(home: Path) -> Postmaster | None:
    cluster = read_record(folder_of(home)).get("cluster")
    return postmaster.find(Path(cluster) / "data") if cluster is not None else None


def _find_usable(places: Places) -> Postmaster | None:
    """A running server that can be connected to; one whose socket was swept away is stopped first."""
    running = postmaster.find(places.data)
    if running is None:
        return None
    if not running.is_ready:
        running = postmaster.wait_until_ready(places.data, START_TIMEOUT_SECONDS)
    if running.socket is None or running.socket.exists():
        return running
    postmaster.end(running.pid, STOP_TIMEOUT_SECONDS)
    return None


def _start(places: Places) -> Postmaster:
    binaries = reachable_folder(places.user)
    if not places.data.is_dir():
        _create(places, binaries)
    _refuse_other_version(places)
    postmaster.clear_stale(places.data)
    _write_settings(places)
    command = [str(program(binaries, "pg_ctl")), "start", "-D", ".", "-l", "../start.log", "-w", "-t", str(START_TIMEOUT_SECONDS)]
    # Run inside the data folder: pg_ctl hands paths to a shell, and a home may hold any character.
    with places.start_log.open("wb"):
        give_to(places.user, places.start_log)
    done = _run(command, places, cwd=places.data)
    if done.returncode != 0:
        raise ServerStartError(_explain(places, "The embedded PostgreSQL did not start."))
    return postmaster.wait_until_ready(places.data, START_TIMEOUT_SECONDS)


def _create(places: Places, binaries: Path) -> None:
    """Make the data folder beside its final place and rename it: half of one is never taken for a whole."""
    staging = places.cluster / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    secret = places.cluster / "initial-password"
    secret.touch(mode=0o600)
    try:
        secret.write_text(password(places.folder), encoding="ascii")
        give_to(places.user, secret)
        command = [str(program(binaries, "initdb")), "-D", _STAGING, "-U", USER, "--pwfile", secret.name]
        command += [
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        command += ["--data-checksums", "--no-instructions"]
        if _run(command, places, cwd=places.cluster, log=places.start_log).returncode != 0:
            raise ServerStartError(_explain(places, "The embedded PostgreSQL's data folder can't be made."))
    finally:
        secret.unlink()
    with (staging / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(config.INCLUDES)
    single = [str(program(binaries, "postgres")), "--single", "-D", _STAGING, "-c", "log_checkpoints=off", "postgres"]
    statement = f"CREATE DATABASE {DATABASE}\n"
    (staging / config.HOOKFILL_CONF).touch()
    give_to(places.user, staging / config.HOOKFILL_CONF)
    if _run(single, places, cwd=places.cluster, log=places.start_log, text=statement).returncode != 0:
        raise ServerStartError(_explain(places, "The embedded PostgreSQL's database can't be made."))
    staging.rename(places.data)


def _refuse_other_version(places: Places) -> None:
    stored = (places.data / "PG_VERSION").read_text(encoding="ascii").strip()
    if stored != str(major_version()):
        message = f"The data in {places.data} was written by PostgreSQL {stored}, and this Hookfill brings {major_version()}. "
        message += "Take a dump with the Hookfill that wrote it and load it into a new home"
        raise ConfigurationError(message + " (see `hookfill backup --help`), or set another HOOKFILL_HOME.")


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
    command: list[str], places: Places, *, cwd: Path, log: Path | None = None, text: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run one of PostgreSQL's programs as the server's user. Output goes to a file: a daemon would keep a pipe open for ever."""
    arguments = run_as(places.user)
    if text:
        arguments.pop("stdin", None)
        arguments["input"] = text.encode()
    try:
        with log.open("ab") if log is not None else contextlib.nullcontext(subprocess.DEVNULL) as output:
            return subprocess.run(command, check=False, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, **arguments)  # noqa: S603
    except PermissionError as error:
        name = places.user.name if places.user is not None else "you"
        message = f"PostgreSQL can't be run as {name}: {error.strerror}. Run Hookfill as an ordinary user, or set DATABASE_URL."
        raise ConfigurationError(message) from error


def _explain(places: Places, what: str) -> str:
    """What happened, with the last lines of the start log, and where to read on."""
    try:
        tail = places.start_log.read_text(encoding="utf-8", errors="replace").strip()[-1000:]
    except FileNotFoundError:
        tail = ""
    return f"{what} Look into {places.start_log} and {places.cluster / 'log'}.\n{tail}".rstrip()


def _info(places: Places, running: Postmaster, *, started: bool) -> ServerInfo:
    return ServerInfo(
        host=running.socket_folder or running.listen_address,
        port=running.port,
        user=USER,
        password=password(places.folder),
        database=DATABASE,
        data_dir=places.data,
        pid=running.pid,
        started=started,
    )


def _clients(home: Path, running: Postmaster) -> int:
    """How many clients are connected, besides this question."""
    import psycopg  # noqa: PLC0415 - not needed on the way up

    info = _info(find_places(home), running, started=False)
    with psycopg.connect(info.url("postgres"), connect_timeout=5) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(row[0]) if row is not None else 0
