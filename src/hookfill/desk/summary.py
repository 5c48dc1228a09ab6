"""Accounts and their activity in figures, as their owner sees them: what several rooms know, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.day import roll_day
from hookfill.accounts.model import Account
from hookfill.brokers.paper.rest import RestingOrder
from hookfill.desk.book import capital_of, capital_of_waiting
from hookfill.desk.gather import account_from
from hookfill.desk.held import position_from
from hookfill.desk.resting_store import resting_orders
from hookfill.kernel.ids import NIL
from hookfill.kernel.money import ZERO
from hookfill.positions.apply import market_value, unrealized
from hookfill.positions.model import Position
from hookfill.postgres.snapshot import snapshot
from hookfill.postgres.sql import load
from hookfill.risk.model import DEFAULT_LIMITS, Limits, limits_from

SQL = load(__package__, "summary.sql")


async def account_summary(connection: asyncpg.Connection, user_id: UUID, defaults: Limits = DEFAULT_LIMITS) -> list[dict[str, Any]]:
    """A user's accounts with what they are worth now, the default one first.

    Each has ``id, name, kind, currency, time_zone, is_default, equity, cash, balance, unrealized_pnl, realized_today, commission,
    open_risk, positions_without_stop, committed, open_positions, limits, halts, as_of, decided_until``. Amounts are Decimal in the
    account's currency; times are UTC.

    ``realized_today`` is net of commission, since midnight in the account's time zone as of ``as_of`` (the simulated clock where
    there is one, else now). ``open_risk`` is what equity would fall by if every position left at its stop; those without one are
    counted in ``positions_without_stop``. ``committed`` is the capital (notional × margin rate) that open positions hold, and
    entries that rest at their own prices.
    ``decided_until`` is the latest moment that the desk has decided.

    Raises:
        ConfigurationError: an account's limits can't be read.
    """
    async with snapshot(connection):
        rows = await connection.fetch(SQL.accounts_now.sql, user_id)
        account_ids = [row["account_id"] for row in rows]
        held = await connection.fetch(SQL.open_positions_of.sql, account_ids)
        paid = {row["account_id"]: row["commission"] for row in await connection.fetch(SQL.commissions_of.sql, account_ids)}
        halts = await connection.fetch(SQL.halts_of.sql, account_ids, user_id)
        waiting = {row["account_id"]: await resting_orders(connection, row) for row in rows}
    positions: dict[UUID, list[Position]] = {account_id: [] for account_id in account_ids}
    for row in held:
        positions[row["account_id"]].append(position_from(row))
    return [
        {
            "id": row["account_id"],
            "name": row["name"],
            "kind": row["kind"],
            "is_default": row["is_default"],
            **_figures(account_from(row), positions[row["account_id"]], waiting[row["account_id"]], row["now_at"], defaults),
            "commission": paid.get(row["account_id"], ZERO),
            "halts": [_halt(halt) for halt in halts if halt["account_id"] in (row["account_id"], NIL)],
        }
        for row in rows
    ]


def _figures(
    account: Account, positions: Sequence[Position], waiting: Sequence[RestingOrder], now: datetime, defaults: Limits
) -> dict[str, Any]:
    risks = [_at_risk(position) for position in positions]
    return {
        "currency": account.currency,
        "time_zone": account.time_zone,
        "equity": account.cash + sum((market_value(position, position.mark) for position in positions), ZERO),
        "cash": account.cash,
        "balance": account.balance,
        "unrealized_pnl": sum((unrealized(position, position.mark) for position in positions), ZERO),
        "realized_today": roll_day(account, now).day_realized,
        "open_risk": sum((risk for risk in risks if risk is not None), ZERO),
        "positions_without_stop": sum(risk is None for risk in risks),
        "committed": sum(map(capital_of, positions), ZERO) + sum(map(capital_of_waiting, waiting), ZERO),
        "open_positions": len(positions),
        "limits": asdict(limits_from(account.limits, defaults)),
        "as_of": now,
        "decided_until": account.timeline_at,
    }


def _at_risk(position: Position) -> Decimal | None:
    """What equity falls by when the position leaves at its stop; None without one. The tighter of stop and trailing stop holds."""
    stops = [stop for stop in (position.stop_price, position.trailing_stop) if stop is not None]
    if not stops:
        return None
    stop = max(stops) if position.side > 0 else min(stops)
    return max(position.quantity * (position.mark - stop) * position.multiplier, ZERO)


def _halt(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("scope", "strategy_id", "symbol", "reduce_only", "reason", "created_at")
    return {"id": row["halt_id"], **{name: row[name] for name in names}}


async def activity(connection: asyncpg.Connection, user_id: UUID, *, since: datetime | None = None) -> dict[str, Any]:
    """What happened in all of a user's accounts, in figures.

    Args:
        connection: any connection of ours.
        user_id: whose accounts.
        since: only what happened as of this moment (UTC) or later; None: all.

    Returns:
        ``alerts, duplicates, malformed, refused`` (messages at the alert doors); ``discarded, rejected, executed, failed, pending``
        (signals; like all that is not said otherwise: counts); ``discarded_reasons, rejected_reasons`` {code: count}; ``orders,
        fills, positions_opened, positions_closed, exits`` {reason: count}; ``realized_pnl`` (Decimal, net of commission);
        ``equity`` (Decimal, now; None when the accounts differ in currency), ``currency``; ``alert_to_fill_ms`` {p50, p99} (from a
        live alert's arrival to its fill; None without any).
    """
    async with snapshot(connection):
        accounts = await account_summary(connection, user_id)
        asked = ([account["id"] for account in accounts], since)
        closed = await connection.fetch(SQL.positions_closed.sql, *asked)
        return {
            **await connection.fetchrow(SQL.message_counts.sql, *asked),
            **_signal_figures(await connection.fetch(SQL.signal_counts.sql, *asked)),
            "orders": await connection.fetchval(SQL.order_count.sql, *asked),
            **await connection.fetchrow(SQL.fill_totals.sql, *asked),
            "positions_opened": await connection.fetchval(SQL.positions_opened.sql, *asked),
            "positions_closed": sum(row["positions"] for row in closed),
            "exits": {row["exit_reason"]: row["positions"] for row in closed},
            **_worth(accounts),
            "alert_to_fill_ms": _milliseconds(await connection.fetchrow(SQL.alert_to_fill.sql, *asked)),
        }


def _signal_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        status: sum(row["signals"] for row in rows if row["status"] == status)
        for status in ("discarded", "rejected", "executed", "failed", "pending")
    }
    for status in ("discarded", "rejected"):
        figures[f"{status}_reasons"] = {row["reason"]: row["signals"] for row in rows if row["status"] == status}
    return figures


def _worth(accounts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    currencies = {account["currency"] for account in accounts}
    if len(currencies) != 1:
        return {"equity": None, "currency": None}
    return {"equity": sum((account["equity"] for account in accounts), ZERO), "currency": currencies.pop()}


def _milliseconds(row: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 3) for name, value in row.items()}
