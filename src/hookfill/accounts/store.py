"""Users, accounts, strategies and secrets in the database."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.ids import new_id
from hookfill.postgres.sql import load

SQL = load(__package__)

DEFAULT_CASH = Decimal(100_000)
"""What a new paper account holds, in its currency."""

MAX_HOLD_DAYS = 5
SIGNED_DOOR_SETTINGS: Mapping[str, Any] = {
    "sizing": {"mode": "equity_percent", "percent": "5"},
    "exits": {"trailing_percent": "15", "trailing_arm_percent": "20"},
}
"""How the strategy behind POST /webhook trades until its owner says otherwise: its contract's messages name no size."""


@dataclass(frozen=True, slots=True)
class NewStrategy:
    """A strategy just made; ``secret`` is shown this once and stored only as its SHA-256."""

    account_id: UUID
    strategy_id: UUID
    secret: str


def hash_secret(secret: str) -> bytes:
    """What is stored of a webhook secret or token: its SHA-256 (they are random, 256 bits: no slow hash is needed)."""
    return hashlib.sha256(secret.encode()).digest()


async def bootstrap(connection: asyncpg.Connection, owner_token: str, *, max_hold_days: int = MAX_HOLD_DAYS) -> UUID:
    """First start: the owner, a default paper account and the strategy behind ``/webhook``. Later starts: set the token.

    Args:
        max_hold_days: after which that strategy leaves a position.

    Returns:
        The owner's user id. Two servers that start at once make one owner: the second finds the first one's.
    """
    async with connection.transaction():
        token = hash_secret(owner_token)
        user_id: UUID | None = await connection.fetchval(SQL.create_owner.sql, new_id(), token)
        if user_id is None:
            await connection.execute(SQL.set_token.sql, token)
            owner = await connection.fetchrow(SQL.find_owner.sql)
            found: UUID = owner["user_id"]
            await connection.execute(SQL.create_user_settings.sql, found)  # of an owner from before there were settings
            return found
        await connection.execute(SQL.create_user_settings.sql, user_id)
        account_id = await create_account(connection, user_id, "Paper", is_default=True)
        settings = _signed_door_settings(max_hold_days)
        await connection.execute(SQL.create_strategy.sql, account_id, new_id(), "Signed webhook", "ab", True, None, None, settings)
        return user_id


def _signed_door_settings(max_hold_days: int) -> dict[str, Any]:
    exits = {**SIGNED_DOOR_SETTINGS["exits"], "max_hold_hours": str(max_hold_days * 24)}
    return {**SIGNED_DOOR_SETTINGS, "exits": exits, "options": {"max_hold_days": max_hold_days}}


async def create_account(
    connection: asyncpg.Connection,
    user_id: UUID,
    name: str,
    *,
    cash: Decimal = DEFAULT_CASH,
    currency: str = "USD",
    time_zone: str = "UTC",
    limits: Mapping[str, Any] | None = None,
    is_default: bool = False,
) -> UUID:
    """A new paper account.

    Raises:
        ConfigurationError: ``time_zone`` is no IANA name.
    """
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(f"Unknown time zone {time_zone!r}: use an IANA name such as America/New_York.") from error
    account_id = new_id()
    await connection.execute(
        SQL.create_account.sql, account_id, user_id, name, currency, time_zone, cash, dict(limits or {}), is_default
    )
    return account_id


async def create_strategy(
    connection: asyncpg.Connection,
    account_id: UUID,
    name: str,
    *,
    engine: str = "direct",
    settings: Mapping[str, Any] | None = None,
    allowed_pairs: Sequence[str] | None = None,
    risk_override_pct: Decimal | None = None,
) -> NewStrategy:
    """A new strategy with its own webhook secret; doors on every node learn of it at once."""
    strategy_id, secret = new_id(), secrets.token_urlsafe(32)
    async with connection.transaction():
        await connection.execute(
            SQL.create_strategy.sql,
            account_id,
            strategy_id,
            name,
            engine,
            False,
            risk_override_pct,
            list(allowed_pairs) if allowed_pairs is not None else None,
            dict(settings or {}),
        )
        await connection.execute(SQL.add_secret.sql, hash_secret(secret), account_id, strategy_id)
        await connection.execute(SQL.announce_secrets.sql)
    return NewStrategy(account_id, strategy_id, secret)


async def user_of_token(connection: asyncpg.Connection, token: str) -> UUID | None:
    """Whose bearer token this is."""
    user_id: UUID | None = await connection.fetchval(SQL.user_of_token.sql, hash_secret(token))
    return user_id


async def owner_id(connection: asyncpg.Connection) -> UUID:
    """The owner.

    Raises:
        ConfigurationError: the database has none yet.
    """
    row = await connection.fetchrow(SQL.find_owner.sql)
    if row is None:
        raise ConfigurationError("This database has no owner yet: start `hookfill serve` once, or run `hookfill migrate`.")
    found: UUID = row["user_id"]
    return found


async def default_account(connection: asyncpg.Connection, user_id: UUID) -> UUID:
    """A user's default account."""
    account_id: UUID = await connection.fetchval(SQL.default_account.sql, user_id)
    return account_id


async def accounts_of_user(connection: asyncpg.Connection, user_id: UUID) -> list[asyncpg.Record]:
    """A user's accounts, the default one first."""
    rows: list[asyncpg.Record] = await connection.fetch(SQL.accounts_of_user.sql, user_id)
    return rows


async def account_by_name(connection: asyncpg.Connection, user_id: UUID, name: str) -> UUID | None:
    """The account of that name."""
    row = await connection.fetchrow(SQL.account_by_name.sql, user_id, name)
    return None if row is None else row["account_id"]


async def set_enabled(connection: asyncpg.Connection, account_id: UUID, strategy_id: UUID, *, is_enabled: bool) -> None:
    """Switch a strategy on or off; alerts for one that is off are kept and discarded with the reason."""
    await connection.execute(SQL.set_enabled.sql, is_enabled, account_id, strategy_id)
