"""What the rest of the house knows about the database: where it is and how to reach it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A running embedded server.

    Attributes:
        host: folder of the Unix socket, or ``127.0.0.1`` on Windows.
        port: port, which is also part of the socket's name.
        user: the database superuser, which owns everything of Hookfill's.
        password: its password (SCRAM-SHA-256 is asked for on every connection).
        database: the database that holds Hookfill's tables.
        data_dir: PostgreSQL's data folder.
        pid: process id of the postmaster.
        started: whether this very call started the server (and so should stop it when leaving).
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    data_dir: Path
    pid: int
    started: bool

    def url(self, database: str | None = None) -> str:
        """A libpq URL (with the password) of one of the server's databases, Hookfill's own by default."""
        user, password, name = (quote(part, safe="") for part in (self.user, self.password, database or self.database))
        if self.host.startswith("/"):
            return f"postgresql://{user}:{password}@/{name}?host={quote(self.host, safe='')}&port={self.port}"
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{name}?sslmode=disable"


@dataclass(frozen=True, slots=True)
class Database:
    """One database to work with: embedded or the one that DATABASE_URL names.

    Attributes:
        connect_arguments: keyword arguments for ``asyncpg.connect`` and ``asyncpg.create_pool``.
        url: the same place as a libpq URL, for the migration tool and for PostgreSQL's own programs.
        is_embedded: whether Hookfill runs the server itself.
        server: the embedded server, else None.
    """

    connect_arguments: Mapping[str, Any] = field(repr=False)
    url: str = field(repr=False)
    is_embedded: bool
    server: ServerInfo | None = None
