"""Feature flags in the database: which were ever set, to what, by whom and when. What they do is their rooms' affair."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.postgres.sql import load

SQL = load(__package__, "flags.sql")


@dataclass(frozen=True, slots=True)
class StoredFlag:
    """A flag that was set.

    Attributes:
        changed_by: the user who set it as it is; None: a command on the installation's own machine.
        changed_at: since when it is as it is, UTC.
    """

    name: str
    is_enabled: bool
    changed_by: UUID | None
    changed_at: datetime


async def stored_flags(connection: asyncpg.Connection) -> dict[str, StoredFlag]:
    """All flags that were ever set, by name; the others are off."""
    return {row["name"]: _flag(row) for row in await connection.fetch(SQL.stored_flags.sql)}


async def set_flag(connection: asyncpg.Connection, name: str, changed_by: UUID | None, *, is_enabled: bool) -> StoredFlag:
    """Switch a flag for the whole installation; every process follows within a second. As the installation, not as a user.

    Args:
        name: of a flag that some room knows (nobody looks here whether there is one).
    """
    return _flag(await connection.fetchrow(SQL.set_flag.sql, name, is_enabled, changed_by))


def _flag(row: Mapping[str, Any]) -> StoredFlag:
    return StoredFlag(row["name"], row["is_enabled"], row["changed_by"], row["changed_at"])
