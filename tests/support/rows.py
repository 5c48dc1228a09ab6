"""A row of each table for one person, made from the catalogue: a new table gets one too, as far as its columns' types tell."""

from datetime import UTC, date, datetime
from secrets import token_bytes
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.kernel.ids import new_id

COLUMNS = """
SELECT attname AS name, format_type(atttypid, atttypmod) AS type
FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND (attnotnull AND NOT atthasdef OR attname = ANY ($2))
ORDER BY attnum
"""
OWNERS = ("account_id", "user_id", "invited_by")
"""The columns that say whose a row is, the more exact one first."""
VALUES: dict[str, Any] = {
    "role": "user",
    "kind": "paper",
    "cash_movements.kind": "deposit",
    "currency": "USD",
    "engine": "direct",
    "job_type": "get_account",
    "jobs.status": "pending",
    "positions.status": "closed",
    "scope": "account",
    "side": "buy",
    "order_type": "market",
    "purpose": "entry",
    "scopes": ["read"],
    "shadow_positions.side": "long",
    "variant": "A",
}
"""What a column's CHECK asks for."""
ORDER = ("users", "accounts", "broker_connections")
"""Tables that others refer to."""


class Person:
    """One person's ids."""

    def __init__(self) -> None:
        self.user_id = new_id()
        self.account_id = new_id()
        self.broker_connection_id = new_id()

    def owner(self, column: str) -> UUID:
        """What stands in a column that says whose a row is."""
        return self.account_id if column == "account_id" else self.user_id


def value_for(table: str, column: str, kind: str, person: Person) -> Any:
    """A value that the column takes."""
    if column in OWNERS:
        return person.owner(column)
    if column == "broker_connection_id":
        return person.broker_connection_id
    known = VALUES.get(f"{table}.{column}", VALUES.get(column))
    if known is not None:
        return known
    made = {
        "uuid": new_id(),
        "text": new_id().hex,
        "bytea": token_bytes(32),
        "jsonb": {},
        "boolean": False,
        "date": date(2026, 3, 2),
        "timestamp with time zone": datetime(2026, 3, 2, tzinfo=UTC),
        "text[]": ["x"],
    }
    return made.get(kind, 1)


async def insert(connection: asyncpg.Connection, table: str, person: Person, **changes: Any) -> None:
    """Insert a person's row, with some values given."""
    columns = await connection.fetch(COLUMNS, table, list(OWNERS))
    row = {name: value_for(table, name, kind, person) for name, kind in columns} | changes
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())


async def insert_everywhere(connection: asyncpg.Connection, tables: frozenset[str], person: Person) -> None:
    """A row of the person's in each of the tables."""
    for table in (*ORDER, *sorted(tables.difference(ORDER))):
        await insert(connection, table, person)


async def owner_column(connection: asyncpg.Connection, table: str) -> str:
    """The column that says whose a row is."""
    names = {
        row["attname"] for row in await connection.fetch("SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass", table)
    }
    return next(name for name in OWNERS if name in names)
