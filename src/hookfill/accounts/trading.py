"""Trading accounts as their owners handle them: money put in and taken out, the equity curve, names and limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.kernel.errors import HookfillError
from hookfill.kernel.ids import new_id
from hookfill.kernel.money import ZERO, plain
from hookfill.postgres.sql import load

SQL = load(__package__, "trading.sql")
MOST_CASH = Decimal(10) ** 14
"""What may be put into an account over its life, less what was taken out, in its currency."""


def equity_minute(at: datetime) -> datetime:
    """The minute of the equity curve to which a moment belongs: its beginning."""
    return at.replace(second=0, microsecond=0)


async def record_equity(
    connection: asyncpg.Connection, account_id: UUID, at: datetime, equity: Decimal, balance: Decimal, cash: Decimal
) -> None:
    """Put a point on an account's equity curve: one a minute, the last one that was told stands.

    Args:
        connection: in the transaction that changed the account, so that the curve shows what was committed.
        account_id: whose; the caller holds its lock.
        at: the moment as of which these are the figures (UTC).
        equity: cash and what the open positions are worth at their marks, in the account's currency, as are the others.
        balance: starting cash and everything realised.
        cash: what is left after paying for positions at full notional.
    """
    await connection.execute(SQL.record_equity.sql, account_id, equity_minute(at), equity, balance, cash)


async def equity_points(
    connection: asyncpg.Connection, account_id: UUID, *, since: datetime | None, until: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """The newest points of an account's equity curve within a span (both ends included, UTC), oldest first."""
    rows = await connection.fetch(SQL.equity_points.sql, account_id, since, until, limit)
    return [dict(row) for row in reversed(rows)]


async def lock_own_account(connection: asyncpg.Connection, account_id: UUID) -> Mapping[str, Any] | None:
    """The account's row under its lock, which the transaction keeps; None when it is not there for whoever asks."""
    row: Mapping[str, Any] | None = await connection.fetchrow(SQL.lock_own_account.sql, account_id)
    return row


@dataclass(frozen=True, slots=True)
class Movement:
    """Money put in or taken out; ``is_repeat`` says that it was stored before and nothing was changed now.

    ``cash`` and ``balance`` are the account's after it; of a repeat, as they are now.
    """

    movement_id: UUID
    kind: str
    amount: Decimal
    note: str | None
    created_at: datetime
    cash: Decimal
    balance: Decimal
    is_repeat: bool = False


class CashRefused(HookfillError):
    """Money can't be put in or taken out; the text says why and what to do."""


def movement_id(account_id: UUID, key: str | None) -> UUID:
    """A movement's id: a new one, or, with the sender's key, the one that belongs to it."""
    if key is None:
        return new_id()
    return UUID(bytes=sha256(account_id.bytes + key.encode()).digest()[:16], version=5)  # an id by name


def check_movement(account: Mapping[str, Any], change: Decimal, free: Decimal) -> None:
    """Whether so much may be put in (positive) or taken out.

    Args:
        account: its row.
        free: what may be taken out: neither unrealised profit nor what open positions need.

    Raises:
        CashRefused: it may not.
    """
    if account["kind"] != "paper":
        raise CashRefused("The money of this account lies with its broker, who tells what there is: move it there.")
    if -change > free:
        raise CashRefused(f"Only {plain(max(free, ZERO))} {account['currency']} are free: close positions or take out less.")
    if account["starting_cash"] + change >= MOST_CASH:
        raise CashRefused(f"An account can't hold more than {plain(MOST_CASH)}: put in less.")


async def move_cash(
    connection: asyncpg.Connection, account_id: UUID, identity: UUID, change: Decimal, note: str | None
) -> Movement:
    """Put money into an account whose lock is held (``change`` positive) or take it out, once for one identity.

    Capital, cash, balance and the balance at midnight move by the same amount, so that what was realised, today's loss included,
    stays what it was.

    Raises:
        CashRefused: another movement has this identity.
    """
    kind, amount = ("deposit" if change > 0 else "withdrawal"), abs(change)
    created_at = await connection.fetchval(SQL.add_movement.sql, account_id, identity, kind, amount, note)
    if created_at is not None:
        after = await connection.fetchrow(SQL.move_cash.sql, change, account_id)
        return Movement(identity, kind, amount, note, created_at, after["cash"], after["balance"])
    known = await connection.fetchrow(SQL.movement.sql, account_id, identity)
    if (known["kind"], known["amount"]) != (kind, amount):
        raise CashRefused("This Idempotency-Key stands for another movement already: send a new key.")
    now = await connection.fetchrow(SQL.lock_own_account.sql, account_id)
    return Movement(identity, kind, amount, known["note"], known["created_at"], now["cash"], now["balance"], is_repeat=True)


async def is_moved(connection: asyncpg.Connection, account_id: UUID, identity: UUID) -> bool:
    """Whether there is a movement of this identity already."""
    return await connection.fetchrow(SQL.movement.sql, account_id, identity) is not None


async def account_extras(connection: asyncpg.Connection, account_id: UUID) -> dict[str, Any]:
    """What an account has beside its figures: its connection, capital, symbol map and the limits that were set for it."""
    row = await connection.fetchrow(SQL.account_extras.sql, account_id)
    return {**row, "own_limits": {name: Decimal(str(value)) for name, value in row["own_limits"].items()}}


async def movements(connection: asyncpg.Connection, account_id: UUID, *, limit: int, offset: int) -> list[dict[str, Any]]:
    """What was put into an account and taken out, newest first."""
    return [dict(row) for row in await connection.fetch(SQL.movements.sql, account_id, limit, offset)]


async def change_account(connection: asyncpg.Connection, account_id: UUID, given: Mapping[str, Any]) -> None:
    """Change an account whose lock is held.

    Args:
        given: of ``name``, ``time_zone``, ``limits`` (by name; None goes back to the default), ``symbol_map`` and ``costs`` (both
            as a whole).
    """
    row = await connection.fetchrow(SQL.lock_own_account.sql, account_id)
    limits = {**row["limits"], **given.get("limits", {})}
    await connection.execute(
        SQL.set_account.sql,
        given.get("name", row["name"]),
        given.get("time_zone", row["time_zone"]),
        {name: value for name, value in limits.items() if value is not None},
        given.get("symbol_map", row["symbol_map"]),
        given.get("costs", row["costs"]),
        account_id,
    )
