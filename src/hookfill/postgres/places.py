"""Where the embedded server keeps its things.

``HOME/postgres`` belongs to whoever runs Hookfill: the lock, the password and ``place.json``, which says where the rest is. The
*cluster* folder (data, logs) belongs to the server's user: ``HOME/postgres/cluster``, or, when root's home can't be reached by that
user, a folder under the system's own data folder. The socket lies in a short private folder, because a socket's path may have
about 100 bytes only.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hookfill.kernel.errors import ConfigurationError
from hookfill.postgres.binaries import system_folder
from hookfill.postgres.privileges import ServerUser, can_enter, dedicated_user, give_to, is_root, owner_of

PORT = 5432
RECORD = "place.json"
SOCKET_FOLDER_PREFIX = "hookfill-"
SOCKET_PATH_MAX = 100
DATA_PATH_MAX = 900
"""PostgreSQL keeps paths in 1,024 bytes and appends to them."""
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one home's server and the user it runs as (None: whoever runs Hookfill)."""

    folder: Path
    cluster: Path
    user: ServerUser | None

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.cluster / "data"

    @property
    def start_log(self) -> Path:
        """What the server says before its log collector runs."""
        return self.cluster / "start.log"

    @property
    def in_use(self) -> Path:
        """The file that a running server holds locked."""
        return self.cluster / "in-use"


def folder_of(home: Path) -> Path:
    """``HOME/postgres``, made if needed.

    Raises:
        ConfigurationError: it can't be made, or belongs to somebody else.
    """
    folder = Path(os.path.abspath(home)) / "postgres"  # noqa: PTH100 - resolve() would follow symlinks that may later move
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o755 if is_root() else 0o700, exist_ok=True)
    except OSError as error:
        message = f"The folder {folder} can't be made: {error.strerror}. Set HOOKFILL_HOME to a folder that you may write."
        raise ConfigurationError(message) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        message = f"The database in {folder} belongs to another user. Run Hookfill as that user, or set another HOOKFILL_HOME."
        raise ConfigurationError(message)
    return folder


def find_places(home: Path) -> Places:
    """Where this home's server lives, as recorded at its first start or as decided now.

    Raises:
        ConfigurationError: the recorded data folder is gone or belongs to somebody else, or no place can be made.
    """
    folder = folder_of(home)
    cluster = recorded_cluster(folder)
    if cluster is not None:
        return _recorded_places(folder, cluster)
    user = dedicated_user()
    inside = can_enter(user, folder)
    cluster = folder / "cluster" if inside else _system_cluster(folder)
    _refuse_long_path(cluster)
    cluster.mkdir(mode=0o700, exist_ok=True)
    give_to(user, cluster)
    if not inside:
        write_private(cluster / "home", f"{folder.parent}\n")  # for whoever wonders whose folder this is
    write_private(folder / RECORD, json.dumps({"cluster": cluster.name if inside else str(cluster)}))
    return Places(folder, cluster, user)


def recorded_cluster(folder: Path) -> Path | None:
    """The cluster folder that ``place.json`` names, None before the first start."""
    try:
        record: dict[str, str] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return folder / record["cluster"]


def _recorded_places(folder: Path, cluster: Path) -> Places:
    if not cluster.is_dir():
        message = f"The database of this home was kept in {cluster}, which is gone. Bring it back, "
        raise ConfigurationError(message + f"or remove {folder / RECORD} to begin with an empty database.")
    _refuse_long_path(cluster)
    user = owner_of(cluster)
    if user is not None and not is_root():
        message = f"The database in {cluster} belongs to the user {user.name!r}. Run Hookfill as root or as that user."
        raise ConfigurationError(message)
    if not can_enter(user, cluster):
        message = f"The database in {cluster} can't be reached by the user that it belongs to. "
        raise ConfigurationError(message + "Let that user pass through the folders above it (chmod o+x).")
    return Places(folder, cluster, user)


def _system_cluster(folder: Path) -> Path:
    """A folder outside of a home that the server's user can't reach; its name tells homes apart."""
    parent = system_folder()
    parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    return parent / f"{short_hash(folder)}-{secrets.token_hex(3)}"


def _refuse_long_path(cluster: Path) -> None:
    if len(os.fsencode(cluster)) > DATA_PATH_MAX:
        message = (
            f"The path {str(cluster)[:80]}… is longer than PostgreSQL can use ({DATA_PATH_MAX} bytes). Set a shorter HOOKFILL_HOME."
        )
        raise ConfigurationError(message)


def short_hash(path: Path) -> str:
    """Twelve hex digits that tell one path from another."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its folder's owner may read, durably, whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    staging = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        give_to(owner_of(path.parent), staging)
        staging.replace(path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def password(places: Places) -> str:
    """The password of the database's superuser: made once, kept in a file of mode 0600.

    Raises:
        ConfigurationError: the file is gone, but the database is not.
    """
    path = places.folder / "password"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if places.data.exists():
            message = f"The file {path} with the database's password is gone. Bring it back from a backup of this home."
            raise ConfigurationError(message) from None
        write_private(path, secrets.token_urlsafe(32))
        return path.read_text(encoding="utf-8")


def socket_folder(places: Places) -> Path:
    """A short folder that only the server's user can enter; made anew if a reboot swept it away."""
    for folder in _socket_folders(places):
        try:
            folder.mkdir(mode=0o700)
            give_to(places.user, folder)
        except FileExistsError:
            pass
        except OSError:
            continue
        if _is_private(folder, places.user):
            return folder
    # Somebody else holds our name in the shared folder: take one that nobody can guess.
    folder = Path(tempfile.mkdtemp(prefix=SOCKET_FOLDER_PREFIX, dir="/tmp"))
    give_to(places.user, folder)
    return folder


def remove_socket_folder(folder: Path, user: ServerUser | None) -> None:
    """Remove a folder that ``socket_folder`` made; any other is left alone."""
    if folder.name.startswith(SOCKET_FOLDER_PREFIX) and folder.exists() and _is_private(folder, user):
        shutil.rmtree(folder, ignore_errors=True)


def _socket_folders(places: Places) -> list[Path]:
    """In the user's own runtime folder or the system's, then in /tmp. None on Windows."""
    if sys.platform == "win32":
        return []
    own = "/run" if is_root() else os.environ.get("XDG_RUNTIME_DIR", "")
    parents = [Path(own)] if _PLAIN_PATH.fullmatch(own) and len(own) < SOCKET_PATH_MAX // 2 else []
    name = f"{SOCKET_FOLDER_PREFIX}{short_hash(places.cluster)}"
    return [parent / name for parent in (*parents, Path("/tmp"))]  # noqa: S108 - ownership and mode are checked before use


def _is_private(folder: Path, user: ServerUser | None) -> bool:
    """Whether it is a real folder of that user's, which nobody else can enter and that user can."""
    if sys.platform == "win32":
        return False
    status = folder.lstat()
    owner = os.geteuid() if user is None else user.uid
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o077 and can_enter(user, folder)
