"""Several statements that see the same state of the database."""

import asyncpg


def snapshot(connection: asyncpg.Connection) -> asyncpg.transaction.Transaction:
    """A transaction, to be used with ``async with``, in which nothing that others commit meanwhile is seen; it only reads.

    Inside another transaction it is a part of that one, and sees what that one sees.
    """
    if connection.is_in_transaction():
        return connection.transaction()
    return connection.transaction(isolation="repeatable_read", readonly=True)
