"""Everything that happened to one signal, in order, with numbers and the time that each hop took."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.desk.held import position_from
from hookfill.desk.steps import Steps
from hookfill.desk.telling import tell_decision, tell_gate, tell_message, tell_parse, tell_refusal, tell_repeat
from hookfill.desk.telling_jobs import tell_outcome
from hookfill.desk.telling_trades import tell_exits, tell_orders
from hookfill.orders.store import list_orders, with_fills
from hookfill.postgres.snapshot import snapshot
from hookfill.postgres.sql import load

SQL = load(__package__, "story.sql")
MOST_ORDERS = 500


async def story(connection: asyncpg.Connection, user_id: UUID, signal_id: UUID) -> dict[str, Any] | None:
    """The story of a signal, or of a message: a message that became a signal has that signal's story.

    Args:
        connection: any connection of ours.
        user_id: who asks; what belongs to others does not exist for them.
        signal_id: a signal's id, or a message's (duplicates and malformed messages became no signal).

    Returns:
        None when the user has neither. Else ``signal_id`` (None for a message that became none; of a duplicate, the first
        delivery's), ``message_id, account_id, strategy_id, strategy_name, symbol, action, status`` (the signal's, or the message's
        state), ``reason, error_message`` and ``steps``, each ``{step, at, elapsed_ms, title, says, figures}``:

        * ``step`` is message, stored, refusal, parse, gate (duplicates), plan, price, check (one per gate or risk check), engine,
          experiment, sizing, verdict, order, fill, position or exit; at a broker also job, lease, result, booked and outcome;
        * ``at`` is the wall clock's time in UTC and ``elapsed_ms`` the milliseconds since the step before that has one; both are
          None for what happened inside the decision;
        * ``figures`` are its numbers: amounts as Decimal in the account's currency, times in UTC.
    """
    async with snapshot(connection):
        signal = await connection.fetchrow(SQL.story_signal.sql, user_id, signal_id)
        message = await connection.fetchrow(SQL.story_message.sql, user_id, signal["message_id"] if signal else signal_id)
        if signal is None and message is None:
            return None
        if signal is None and message["signal_id"] is not None:
            signal = await connection.fetchrow(SQL.story_signal.sql, user_id, message["signal_id"])
            if message["state"] == "duplicate":
                return _message_story(message, signal)
        if signal is None:
            return _message_story(message, None)
        return await _signal_story(connection, user_id, signal, message)


def _message_story(message: Mapping[str, Any], first: Mapping[str, Any] | None) -> dict[str, Any]:
    """A message that became no signal of its own."""
    steps = Steps()
    tell_message(steps, message)
    if message["state"] == "duplicate":
        tell_repeat(steps, message, first)
    else:
        tell_refusal(steps, message)
    return {
        "signal_id": message["signal_id"],
        "message_id": message["message_id"],
        "account_id": message["account_id"],
        "strategy_id": message["strategy_id"],
        "strategy_name": message["strategy_name"],
        "symbol": first["symbol"] if first else None,
        "action": first["action"] if first else None,
        "status": message["state"],
        "reason": message["reason"],
        "error_message": message["error"],
        "steps": steps.told,
    }


async def _signal_story(
    connection: asyncpg.Connection, user_id: UUID, signal: Mapping[str, Any], message: Mapping[str, Any] | None
) -> dict[str, Any]:
    steps = Steps()
    account_id, signal_id = signal["account_id"], signal["signal_id"]
    if message is not None:
        tell_message(steps, message)
    tell_parse(steps, signal)
    tell_gate(steps, await connection.fetchrow(SQL.duplicates_of.sql, account_id, signal_id))
    tell_decision(steps, signal)
    orders = await list_orders(connection, user_id, signal_id=signal_id, limit=MOST_ORDERS)
    if orders:
        orders.sort(key=lambda order: (order["created_at"], order["client_order_id"]))
        rows = await connection.fetch(SQL.positions_named.sql, account_id, list({order["position_id"] for order in orders}))
        exits = await _later_exits(connection, account_id, signal_id, orders)
        jobs = await _jobs(connection, account_id, [*orders, *exits])
        tell_orders(steps, orders, {row["position_id"]: position_from(row) for row in rows}, jobs)
        if signal["verdict"] == "approved":
            tell_outcome(steps, signal)
        tell_exits(steps, exits, jobs)
    names = ("strategy_id", "strategy_name", "symbol", "action", "status", "reason", "error_message")
    return {
        "signal_id": signal_id,
        "message_id": signal["message_id"],
        "account_id": account_id,
        **{name: signal[name] for name in names},
        "steps": steps.told,
    }


async def _jobs(
    connection: asyncpg.Connection, account_id: UUID, orders: Sequence[Mapping[str, Any]]
) -> dict[UUID, Mapping[str, Any]]:
    """The jobs of orders that are at a broker, by order."""
    rows = await connection.fetch(SQL.jobs_of_orders.sql, account_id, [order["id"] for order in orders])
    return {row["order_id"]: row for row in rows}


async def _later_exits(
    connection: asyncpg.Connection, account_id: UUID, signal_id: UUID, orders: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    entries = [order for order in orders if order["purpose"] == "entry"]
    if not entries:
        return []
    entered = list({order["position_id"] for order in entries})
    rows = await connection.fetch(
        SQL.later_exits.sql, account_id, entered, signal_id, entries[0]["as_of"], entries[0]["created_at"]
    )
    return await with_fills(connection, rows)
