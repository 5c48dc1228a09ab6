"""Strategies as their owners handle them: list, make, change, give a new secret, delete.

Every function works for one user: what belongs to somebody else is not there. The desk reads strategies when it decides, so a
change counts for the next alert that it decides; what concerns secrets is announced to the doors of all nodes.
"""

import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts import store
from hookfill.accounts.store import NewStrategy, hash_secret
from hookfill.kernel.errors import HookfillError
from hookfill.postgres.sql import load

SQL = load(__package__, "strategies.sql")
DEFAULT_OVERLAP_SECONDS = 86_400
MOST_OVERLAP_SECONDS = 30 * 86_400
_DELETIONS = (
    "cancel_entries",
    "delete_experiments",
    "delete_shadow_positions",
    "delete_shadow_orders",
    "delete_shadow_trades",
    "delete_decisions",
    "delete_signals",
    "delete_secrets",
    "lift_its_halts",
    "delete_strategy",
)
"""What is done to delete a strategy, in order."""
CHANGEABLE = ("name", "engine", "is_enabled", "risk_override_pct", "allowed_pairs")


class InUse(HookfillError):
    """It can't be deleted as long as something builds on it; the text says what to do first."""


async def list_strategies(
    connection: asyncpg.Connection, user_id: UUID, *, limit: int = 500, offset: int = 0, strategy_id: UUID | None = None
) -> list[dict[str, Any]]:
    """A user's strategies, newest first, each with its account and the numbers of its signals; never its secret."""
    rows = await connection.fetch(SQL.list_strategies.sql, user_id, strategy_id, limit, offset)
    ids = [row["strategy_id"] for row in rows]
    counts: dict[UUID, dict[str, int]] = {one: {} for one in ids}
    for row in await connection.fetch(SQL.signals_by_status.sql, list({row["account_id"] for row in rows}), ids):
        counts[row["strategy_id"]][row["status"]] = row["signals"]
    return [_strategy(row, counts[row["strategy_id"]]) for row in rows]


async def get_strategy(connection: asyncpg.Connection, user_id: UUID, strategy_id: UUID) -> dict[str, Any] | None:
    """One of a user's strategies, as ``list_strategies`` gives it; None when there is none of that id."""
    found = await list_strategies(connection, user_id, limit=1, strategy_id=strategy_id)
    return found[0] if found else None


def _strategy(row: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": row["strategy_id"],
        **row,
        "settings": _as_numbers(row["settings"]),
        "signals": sum(counts.values()),
        "signals_by_status": dict(counts),
    }


def _as_numbers(value: Any) -> Any:
    """Settings as they were sent: their amounts are stored as text, so that no digit is lost."""
    if isinstance(value, dict):
        return {name: _as_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_numbers(inner) for inner in value]
    if isinstance(value, str) and value.replace(".", "", 1).isdecimal() and value.isascii():
        return Decimal(value)
    return value


async def account_for(connection: asyncpg.Connection, user_id: UUID, broker_connection_id: UUID | None) -> UUID | None:
    """The account of a user's connection, or the user's default paper account, made when there is none.

    None: the user has no connection of that id.
    """
    if broker_connection_id is not None:
        found: UUID | None = await connection.fetchval(SQL.account_of_connection.sql, user_id, broker_connection_id)
        return found
    default: UUID | None = await store.default_account(connection, user_id)
    return default if default is not None else await store.create_account(connection, user_id, "Paper", is_default=True)


async def create(
    connection: asyncpg.Connection, account_id: UUID, name: str, *, is_enabled: bool = True, **columns: Any
) -> NewStrategy:
    """A new strategy with its own webhook secret.

    Args:
        account_id: one of the asking user's own (``account_for``).
        is_enabled: whether its alerts are traded from the start.
        columns: engine, settings, allowed_pairs, risk_override_pct, as ``store.create_strategy`` takes them.
    """
    async with connection.transaction():
        made = await store.create_strategy(connection, account_id, name, **columns)
        if not is_enabled:
            await store.set_enabled(connection, account_id, made.strategy_id, is_enabled=False)
    return made


async def change(
    connection: asyncpg.Connection,
    user_id: UUID,
    strategy_id: UUID,
    columns: Mapping[str, Any],
    sections: Mapping[str, Any] | None,
) -> bool:
    """Change a strategy; False when the user has none of that id.

    Args:
        columns: new values by name (of ``CHANGEABLE``); None clears an override.
        sections: settings sections that take the place of the ones of their names, None for one that goes back to its defaults;
            None instead of a mapping: all go back.
    """
    async with connection.transaction():
        account_id = await connection.fetchval(SQL.account_of_strategy.sql, user_id, strategy_id)
        row = await connection.fetchrow(SQL.lock_strategy.sql, account_id, strategy_id)
        if row is None:
            return False
        values = {name: columns.get(name, row[name]) for name in CHANGEABLE}
        merged = {} if sections is None else {**row["settings"], **sections}
        settings = {name: section for name, section in merged.items() if section is not None}
        await connection.execute(
            SQL.set_strategy.sql,
            values["name"],
            values["engine"],
            values["is_enabled"],
            values["risk_override_pct"],
            values["allowed_pairs"],
            settings,
            account_id,
            strategy_id,
        )
    return True


async def rotate_secret(
    connection: asyncpg.Connection, user_id: UUID, strategy_id: UUID, overlap_seconds: int = DEFAULT_OVERLAP_SECONDS
) -> str | None:
    """A new secret for a strategy; None when the user has none of that id.

    Args:
        overlap_seconds: how long the secrets in force until now still lead to it, 0 to 30 days.
    """
    async with connection.transaction():
        account_id = await connection.fetchval(SQL.account_of_strategy.sql, user_id, strategy_id)
        if await connection.fetchrow(SQL.lock_strategy.sql, account_id, strategy_id) is None:
            return None
        secret = secrets.token_urlsafe(32)
        await connection.execute(SQL.let_secrets_lapse.sql, overlap_seconds, account_id, strategy_id)
        await connection.execute(SQL.forget_lapsed_secrets.sql, account_id, strategy_id)
        await connection.execute(store.SQL.add_secret.sql, hash_secret(secret), account_id, strategy_id)
        await connection.execute(store.SQL.announce_secrets.sql)
    return secret


async def delete(connection: asyncpg.Connection, user_id: UUID, strategy_id: UUID) -> bool:
    """Delete a strategy with its secrets, signals and their decisions; False when the user has none of that id.

    Its messages, orders, fills and positions are the account's ledger and stay; an open position still leaves by the exit rules
    that it was opened with. What is still to be decided, or waits for an agent to begin it, is not traded any more; what an agent
    has begun is booked when its result comes.

    Raises:
        InUse: it is the strategy behind ``POST /webhook``, which the door needs.
    """
    async with connection.transaction():
        account_id = await connection.fetchval(SQL.account_of_strategy.sql, user_id, strategy_id)
        await connection.execute(SQL.lock_account.sql, account_id)  # before the strategy: the desk takes its locks in this order
        row = await connection.fetchrow(SQL.lock_strategy.sql, account_id, strategy_id)
        if row is None:
            return False
        if row["is_signed_door"]:
            raise InUse("This is the strategy behind POST /webhook, which can't be without one: switch it off (is_enabled: false).")
        for name in _DELETIONS:
            await connection.execute(getattr(SQL, name).sql, account_id, strategy_id)
        await connection.execute(store.SQL.announce_secrets.sql)
    return True
