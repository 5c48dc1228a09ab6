"""Sessions at Alpaca in the database: who trades an account now, what it has in hand, and how its orders stand.

A session is as alive as the connection that holds the account's advisory lock: when the process dies, PostgreSQL ends both, and
another process may take over at once. All of it is done as the installation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import asyncpg

from hookfill.brokers.mt5.model import LEASE
from hookfill.brokers.port import OrderState
from hookfill.kernel.money import ZERO
from hookfill.postgres.sql import load

SQL = load(__package__)
NO_SESSION = "no worker process trades the account at Alpaca just now"
NOT_COMPARED = "its positions at Alpaca have not been compared with the books yet"
_IN_FLIGHT = ["submitting", "unknown", "working", "partially_filled"]


@dataclass(frozen=True, slots=True)
class Connection:
    """An account at Alpaca that is to be traded; ``credentials`` are encrypted, None when there are none."""

    account_id: UUID
    user_id: UUID
    label: str
    credentials: bytes | None
    is_live: bool
    symbol_map: dict[str, str]
    is_owner: bool


async def connections(connection: asyncpg.Connection) -> dict[UUID, Connection]:
    """All accounts that are to be traded."""
    return {row["account_id"]: Connection(**row) for row in await connection.fetch(SQL.connections.sql)}


async def entries_refused(connection: asyncpg.Connection, account_id: UUID) -> str | None:
    """Why no entry may be sent to an account at Alpaca now; None when one may."""
    row = await connection.fetchrow(SQL.standing.sql, account_id)
    if row is None:
        return NO_SESSION
    if row["is_alive"] and row["is_reconciled"]:
        return None
    note: str | None = row["note"]
    return note or (NOT_COMPARED if row["is_alive"] else NO_SESSION)


async def take(holding: asyncpg.Connection, account_id: UUID, session_id: UUID) -> bool:
    """Begin a session on the connection that holds its lock; False when another process trades the account."""
    if not await holding.fetchval(SQL.take_lock.sql, account_id):
        return False
    await holding.execute(SQL.begin_session.sql, account_id, session_id)
    return True


async def drop(holding: asyncpg.Connection, account_id: UUID) -> None:
    """End a session's lock."""
    await holding.execute(SQL.drop_lock.sql, account_id)


async def note_no_session(connection: asyncpg.Connection, account_id: UUID, note: str) -> None:
    """Say why an account is not traded."""
    await connection.execute(SQL.note_no_session.sql, account_id, note)


async def note_told(connection: asyncpg.Connection, account_id: UUID, session_id: UUID, *, agrees: bool, note: str | None) -> None:
    """Alpaca was asked and has answered; ``agrees``: broker and books hold the same."""
    await connection.execute(SQL.note_told.sql, note, agrees, account_id, session_id)


async def note_failure(connection: asyncpg.Connection, account_id: UUID, session_id: UUID, note: str) -> int:
    """Alpaca could not be asked; returns how often in a row."""
    return await connection.fetchval(SQL.note_failure.sql, note, account_id, session_id) or 0


async def extend(connection: asyncpg.Connection, account_id: UUID, session_id: UUID, job_ids: Iterable[UUID]) -> set[UUID]:
    """Keep the leases of the jobs that a session is at; those whose order shall not fill any further."""
    rows = await connection.fetch(SQL.extend_leases.sql, LEASE, account_id, list(job_ids), session_id)
    return {row["job_id"] for row in rows}


async def order_of(connection: asyncpg.Connection, account_id: UUID, job_id: UUID) -> UUID | None:
    """The order that a job carries out."""
    found: UUID | None = await connection.fetchval(SQL.order_of_job.sql, account_id, job_id)
    return found


async def guards_of(connection: asyncpg.Connection, account_id: UUID, order_id: UUID | None) -> Sequence[str]:
    """The broker's ids of the guarded entries that made the position which an order leaves."""
    position_id = await connection.fetchval(SQL.position_of.sql, account_id, order_id)
    if position_id is None:
        return ()
    return [row["broker_order_id"] for row in await connection.fetch(SQL.guards_of.sql, account_id, position_id)]


async def bought_for(connection: asyncpg.Connection, account_id: UUID, order_id: UUID | None) -> Decimal:
    """How much was bought in all for the position which an order leaves."""
    bought: Decimal = await connection.fetchval(SQL.bought_for.sql, account_id, order_id)
    return bought


async def held(connection: asyncpg.Connection, account_id: UUID) -> list[asyncpg.Record]:
    """``strategy_id``, ``symbol``, ``quantity`` and ``bought`` of all open positions."""
    rows: list[asyncpg.Record] = await connection.fetch(SQL.held.sql, account_id)
    return rows


async def guarded_entries(connection: asyncpg.Connection, account_id: UUID) -> list[asyncpg.Record]:
    """``broker_order_id``, ``strategy_id`` and ``symbol`` of the guarded entries of all open positions."""
    rows: list[asyncpg.Record] = await connection.fetch(SQL.guarded_entries.sql, account_id)
    return rows


async def ended_unfilled(connection: asyncpg.Connection, account_id: UUID) -> dict[str, str]:
    """The symbol by client order id of recent orders that ended here with nothing filled."""
    return {row["client_order_id"]: row["symbol"] for row in await connection.fetch(SQL.ended_unfilled.sql, account_id)}


async def unknown_orders(connection: asyncpg.Connection, account_id: UUID) -> set[str]:
    """The client order ids of orders of which nobody knows what came."""
    return {row["client_order_id"] for row in await connection.fetch(SQL.unknown_orders.sql, account_id)}


async def mark_unknown(connection: asyncpg.Connection, account_id: UUID, order_id: UUID | None, text: str) -> None:
    """Nobody knows what came of an order."""
    await connection.execute(SQL.note_order.sql, "unknown", None, text, account_id, order_id, ["submitting"])


async def mark_working(connection: asyncpg.Connection, account_id: UUID, order_id: UUID | None, state: OrderState) -> None:
    """An order is at the broker and not over."""
    status = "partially_filled" if state.filled > ZERO else "working"
    await connection.execute(SQL.note_order.sql, status, state.broker_order_id, None, account_id, order_id, _IN_FLIGHT)
