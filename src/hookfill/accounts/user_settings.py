"""A user's settings: what holds for all of their accounts until an account or a strategy says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from uuid import UUID

import asyncpg

from hookfill.postgres.sql import load

SQL = load(__package__, "user_settings.sql")


@dataclass(frozen=True, slots=True)
class UserSettings:
    """The settings with their defaults.

    Attributes:
        risk_percent: of equity, lost at the stop, where a strategy sizes by risk and names no percentage.
        daily_loss_limit_pct: of the balance at the account's midnight; a realised loss of that much stops entries. 0 is off.
        max_spread: in points (the symbol's smallest price step), at brokers that quote one; 0 allows any.
        default_lot_size: where neither alert nor strategy names a size, at brokers that trade in lots.
        stop_loss_pips, take_profit_pips: where neither alert nor strategy names a level, at brokers that hold them; 0 sends none.
    """

    risk_percent: Decimal = Decimal("1.0")
    daily_loss_limit_pct: Decimal = Decimal("5.0")
    max_spread: Decimal = Decimal(30)
    default_lot_size: Decimal = Decimal("0.01")
    stop_loss_pips: Decimal = Decimal(50)
    take_profit_pips: Decimal = Decimal(100)


async def user_settings(connection: asyncpg.Connection, user_id: UUID) -> UserSettings:
    """A user's settings; where nothing was set, the defaults."""
    row = await connection.fetchrow(SQL.user_settings.sql, user_id)
    return UserSettings() if row is None else UserSettings(**row)


async def change_user_settings(connection: asyncpg.Connection, user_id: UUID, given: Mapping[str, Decimal]) -> UserSettings:
    """Change some settings, by their names; the settings as they are then."""
    await connection.execute(SQL.set_user_settings.sql, user_id, *(given.get(entry.name) for entry in fields(UserSettings)))
    return await user_settings(connection, user_id)
