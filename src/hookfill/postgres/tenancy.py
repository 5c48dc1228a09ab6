"""One person's view of the database: an unprivileged role and the person's id, for one transaction only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

_BECOME = "SELECT set_config('role', 'authenticated', true), set_config('hookfill.user_id', $1, true)"


@asynccontextmanager
async def as_user(connection: asyncpg.Connection, user_id: UUID) -> AsyncIterator[None]:
    """Within it, the connection is in a transaction that sees and changes only what is this user's (row-level security).

    It commits at the end, or rolls back when something is raised; either way the connection is itself again.

    Raises:
        asyncpg.InsufficientPrivilegeError: from a statement that a person's request must never make.
    """
    async with connection.transaction():
        await connection.execute(_BECOME, str(user_id))
        yield
