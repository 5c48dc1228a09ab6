"""Under which operating-system user the embedded server runs, and what that user can reach.

PostgreSQL refuses to run as root. When Hookfill itself is root, the server runs as a dedicated user without privileges; otherwise
it runs as the user who runs Hookfill. Permissions of folders that we did not make are never changed.
"""

import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookfill.kernel.errors import ConfigurationError

if sys.platform != "win32":
    import pwd

logger = logging.getLogger(__name__)

DEDICATED_USER = "hookfill"
FALLBACK_USER = "nobody"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The operating-system user that the server runs as, when it is not the one that runs Hookfill."""

    name: str
    uid: int
    gid: int


def is_root() -> bool:
    """Whether this process is root (never so on Windows, where PostgreSQL drops an administrator's rights by itself)."""
    return sys.platform != "win32" and os.geteuid() == 0


def owner_of(path: Path) -> ServerUser | None:
    """The user who owns a path, None on Windows and when this process is that user."""
    if sys.platform == "win32":
        return None
    status = path.stat()
    if status.st_uid == os.geteuid():
        return None
    try:
        name = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        name = f"uid {status.st_uid}"
    return ServerUser(name, status.st_uid, status.st_gid)


def dedicated_user() -> ServerUser | None:
    """The user for a new server: None for "whoever runs Hookfill", a user without privileges when that is root.

    Raises:
        ConfigurationError: as root, when there is no such user and none can be made.
    """
    if sys.platform == "win32" or not is_root():
        return None
    user = _look_up(DEDICATED_USER)
    if user is None and _create_user():
        user = _look_up(DEDICATED_USER)
    if user is None:
        user = _look_up(FALLBACK_USER)
        if user is not None:
            logger.warning(
                "the user %r can't be created; the embedded PostgreSQL runs as %r, which other services may use as well",
                DEDICATED_USER,
                FALLBACK_USER,
            )
    if user is None or user.uid == 0:
        message = (
            f"PostgreSQL must not run as root. Create a system user named {DEDICATED_USER!r}, run Hookfill as an ordinary user, "
        )
        raise ConfigurationError(message + "or set DATABASE_URL.")
    return user


def _look_up(name: str) -> ServerUser | None:
    if sys.platform == "win32":
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return ServerUser(name, entry.pw_uid, entry.pw_gid)


def _create_user() -> bool:
    """Try the system's own tool (shadow's useradd, else BusyBox's adduser); a lost race with another process is no failure."""
    shell = shutil.which("nologin") or "/bin/false"
    attempts = (
        ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", shell, DEDICATED_USER),
        ("adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", shell, DEDICATED_USER),
    )
    for program, *arguments in attempts:
        path = shutil.which(program)
        if path is None:
            continue
        subprocess.run([path, *arguments], check=False, capture_output=True)  # noqa: S603 - a fixed command
        if _look_up(DEDICATED_USER) is not None:
            return True
    return False


def run_as(user: ServerUser | None) -> dict[str, Any]:
    """Keyword arguments for ``subprocess`` that drop to the user for good, with a clean environment."""
    if sys.platform == "win32":
        return {"env": {key: value for key, value in os.environ.items() if not key.upper().startswith("PG")}}
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C", "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}
    arguments: dict[str, Any] = {"env": environment, "umask": 0o077}
    if user is not None:
        arguments |= {"user": user.uid, "group": user.gid, "extra_groups": []}
    return arguments


def can_enter(user: ServerUser | None, folder: Path) -> bool:
    """Whether the user can reach a folder through all its parents. Tried, not computed: ACLs and mounts count too."""
    if user is None:
        return True
    command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    return _succeeds(command, user)


def can_run(user: ServerUser | None, program: Path) -> bool:
    """Whether the user can execute a program of PostgreSQL's, together with the libraries that it loads."""
    return _succeeds([str(program), "--version"], user)


def _succeeds(command: list[str], user: ServerUser | None) -> bool:
    try:
        done = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, cwd="/", **run_as(user))  # noqa: S603 - built by this room
    except OSError:
        return False
    return done.returncode == 0


def give_to(user: ServerUser | None, path: Path) -> None:
    """Make the user the owner of a path that we have just made."""
    if user is not None and sys.platform != "win32":
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
