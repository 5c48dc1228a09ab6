"""Who this agent is: its server, id and key, in a file that only its user may read."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import fasteners

from hookfill.kernel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Identity:
    """What pairing gave."""

    server: str
    agent_id: str
    agent_key: str

    def __post_init__(self) -> None:
        """Check what files may be named after.

        Raises:
            ConfigurationError: the id is none.
        """
        try:
            UUID(self.agent_id)
        except ValueError:
            raise ConfigurationError("The agent's id must be a UUID, as `hookfill agent pair` shows it.") from None

    def __repr__(self) -> str:
        """Without the key."""
        return f"Identity({self.server!r}, {self.agent_id!r})"


def save(path: Path, identity: Identity) -> None:
    """Write it so that nobody else can read it, and all of it or nothing.

    Raises:
        ConfigurationError: the folder can't be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(identity), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written ({error.strerror}): choose another place with --config.") from error


def load(path: Path) -> Identity:
    """Read it.

    Raises:
        ConfigurationError: the agent is not paired, or the file can't be read.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return Identity(str(given["server"]), str(given["agent_id"]), str(given["agent_key"]))
    except FileNotFoundError:
        raise ConfigurationError(f"This agent is not paired ({path} is missing): run `hookfill agent pair` first.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} can't be used ({type(error).__name__}): pair the agent anew.") from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file: two agents with one journal could both act.

    Raises:
        ConfigurationError: another process holds it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = fasteners.InterProcessLock(path)
    if not lock.acquire(blocking=False):
        raise ConfigurationError("This agent runs already on this machine: stop the other one first.")
    try:
        yield
    finally:
        lock.release()
