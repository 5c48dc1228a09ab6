"""Broker connections: where a user's strategies trade, each with a trading account of its own.

Every function works for one user: what belongs to somebody else is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.strategies import SQL as STRATEGIES
from hookfill.accounts.strategies import InUse
from hookfill.accounts.vault import Vault
from hookfill.kernel.ids import new_id
from hookfill.postgres.sql import load

SQL = load(__package__, "connections.sql")


@dataclass(frozen=True, slots=True)
class NewConnection:
    """A connection to be made, with its account.

    Attributes:
        kind: ``paper``, ``mt5`` or ``alpaca``.
        credentials: by name; they are encrypted before they are stored.
        cash: what the account starts with, in its currency; zero where the broker tells it.
        symbol_map: our symbols to the broker's; the key ``*`` is a suffix for all others.
        is_live: at Alpaca: real money, not Alpaca's own paper trading.
    """

    kind: str
    label: str
    currency: str
    time_zone: str
    cash: Decimal
    credentials: Mapping[str, str] = field(default_factory=dict)
    symbol_map: Mapping[str, str] = field(default_factory=dict)
    is_live: bool = False


async def create(connection: asyncpg.Connection, user_id: UUID, vault: Vault, wanted: NewConnection) -> tuple[UUID, UUID]:
    """A new connection and its account: their ids."""
    broker_connection_id, account_id = new_id(), new_id()
    async with connection.transaction():
        await connection.execute(
            SQL.create_trading_account.sql,
            account_id,
            user_id,
            wanted.label,
            wanted.kind,
            wanted.currency,
            wanted.time_zone,
            wanted.cash,
            dict(wanted.symbol_map),
            wanted.is_live,
        )
        closed, names = _closed(vault, wanted.credentials)
        await connection.execute(
            SQL.create_connection.sql, broker_connection_id, user_id, account_id, wanted.kind, wanted.label, closed, names
        )
    return broker_connection_id, account_id


async def list_connections(
    connection: asyncpg.Connection,
    user_id: UUID,
    *,
    limit: int = 500,
    offset: int = 0,
    broker_connection_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """A user's connections, newest first: which credentials are set, never what they are."""
    rows = await connection.fetch(SQL.list_connections.sql, user_id, broker_connection_id, limit, offset)
    return [{"id": row["broker_connection_id"], **row} for row in rows]


async def get_connection(connection: asyncpg.Connection, user_id: UUID, broker_connection_id: UUID) -> dict[str, Any] | None:
    """One of a user's connections, as ``list_connections`` gives it; None when there is none of that id."""
    found = await list_connections(connection, user_id, limit=1, broker_connection_id=broker_connection_id)
    return found[0] if found else None


async def change(
    connection: asyncpg.Connection, user_id: UUID, vault: Vault, broker_connection_id: UUID, given: Mapping[str, Any]
) -> bool:
    """Change a connection; False when the user has none of that id.

    Args:
        given: of ``label``, ``credentials`` (all of them take the old ones' place; None forgets them) and ``symbol_map``.
    """
    async with connection.transaction():
        row = await connection.fetchrow(SQL.lock_connection.sql, user_id, broker_connection_id)
        if row is None:
            return False
        if "label" in given:
            await connection.execute(SQL.set_label.sql, given["label"], broker_connection_id)
            await connection.execute(SQL.rename_account.sql, given["label"], row["account_id"], row["label"])
        if "credentials" in given:
            closed, names = _closed(vault, given["credentials"] or {})
            await connection.execute(SQL.set_credentials.sql, closed, names, broker_connection_id)
        if "symbol_map" in given:
            await connection.execute(SQL.set_symbol_map.sql, dict(given["symbol_map"] or {}), row["account_id"])
    return True


async def delete(connection: asyncpg.Connection, user_id: UUID, broker_connection_id: UUID) -> bool:
    """Delete a connection with its credentials and agents; False when the user has none of that id.

    Its account stays with all that was traded on it.

    Raises:
        InUse: a strategy trades there, a position is open, or an order is under way.
    """
    async with connection.transaction():
        row = await connection.fetchrow(SQL.lock_connection.sql, user_id, broker_connection_id)
        if row is None:
            return False
        await connection.execute(STRATEGIES.lock_account.sql, row["account_id"])
        uses = await connection.fetchrow(SQL.what_uses_an_account.sql, row["account_id"])
        if uses["orders"]:
            raise InUse(f"{uses['orders']} order(s) are under way at the broker: wait until they are filled or have expired.")
        if uses["positions"]:
            raise InUse(f"{uses['positions']} position(s) are open: close them first, by an alert such as `close EURUSD`.")
        if uses["strategies"]:
            raise InUse(f"{uses['strategies']} strategies trade there: delete them first (DELETE /api/v1/strategies/ID).")
        await connection.execute(SQL.delete_connection.sql, broker_connection_id)
    return True


def _closed(vault: Vault, credentials: Mapping[str, str]) -> tuple[bytes | None, list[str]]:
    return (vault.close(credentials) if credentials else None), sorted(credentials)
