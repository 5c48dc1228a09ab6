"""Raises an alarm when an indicator falls silent, or tells no more of a trade that is open; clears it when that is over."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hookfill.journal.quiet import is_silent, opened_at, stale_between
from hookfill.journal.store import SQL
from hookfill.ops.alarms import alarm_subjects, clear_alarms, raise_alarm

SILENT = "journal_silent"
STALE = "journal_stale"
SUBJECT = "telemetry"
MOST_STALE = 20
"""Alarms about trades of one account: who sees these need not be told of more."""
_LOG = structlog.get_logger("hookfill.journal")


async def watch_journals(connection: asyncpg.Connection, silent_after: timedelta) -> None:
    """Look at every journal once.

    Args:
        connection: of the installation's own role, in a transaction or not.
        silent_after: how long an indicator that sends heartbeats may be silent while its market is open.
    """
    for row in await connection.fetch(SQL.journals_to_watch.sql):
        if row["heartbeat_at"] is not None:
            await _watch_silence(connection, row, silent_after)
        await _watch_trades(connection, row)


async def _watch_silence(connection: asyncpg.Connection, row: Mapping[str, Any], after: timedelta) -> None:
    account_id, now, live_at = row["account_id"], row["now"], row["live_at"]
    silent = is_silent(live_at, opened_at(row["symbol"], now), now, after)
    if silent is None:
        return
    if not silent:
        if await clear_alarms(connection, account_id, SILENT, ()):
            _LOG.info("indicator_speaks_again", account_id=str(account_id))
        return
    text = (
        f"The indicator has told nothing since {live_at:%Y-%m-%d %H:%M} UTC, not even a heartbeat, while the market is open: look "
        "whether its alert is still active in TradingView, and whether its messages reach this server. `hookfill reconcile` with "
        "TradingView's alert log finds what did not arrive, and can bring it in."
    )
    if await raise_alarm(connection, account_id, SILENT, SUBJECT, text):
        _LOG.warning("indicator_silent", account_id=str(account_id), since=str(live_at))


async def _watch_trades(connection: asyncpg.Connection, row: Mapping[str, Any]) -> None:
    """Alarms about trades end when something is told of them, when they end or are given up, or with the whole journal."""
    account_id = row["account_id"]
    bounds = None if row["live_mfe_at"] is None else stale_between(row["live_mfe_at"], row["live_mfe_since"])
    if bounds is None:
        return
    stale = {one["trade_id"]: one["told_at"] for one in await connection.fetch(SQL.open_trades_behind.sql, account_id, *bounds)}
    await _clear(connection, account_id, list(stale))
    in_force = await alarm_subjects(connection, account_id, STALE)
    fresh = [trade_id for trade_id in stale if trade_id not in in_force]
    for trade_id in fresh[: max(0, MOST_STALE - len(in_force))]:
        text = (
            f"No move of the open trade {trade_id} has been told since {stale[trade_id]:%Y-%m-%d %H:%M} UTC, while others were: "
            "its alerts may be lost, or the indicator follows it no more. Look at the trade on the chart; `hookfill reconcile` "
            "with TradingView's alert log finds what did not arrive."
        )
        if await raise_alarm(connection, account_id, STALE, trade_id, text):
            _LOG.warning("trade_not_updated", account_id=str(account_id), trade_id=trade_id)


async def _clear(connection: asyncpg.Connection, account_id: UUID, still: list[str]) -> None:
    for trade_id in await clear_alarms(connection, account_id, STALE, still):
        _LOG.info("trade_updated_again", account_id=str(account_id), trade_id=trade_id)
