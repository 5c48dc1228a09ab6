"""What agents tell by themselves (account, positions, deals), kept and compared with our books; alarms.

``take_report`` runs inside ``postgres.tenancy.as_user``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hookfill.brokers.mt5.model import DEGRADED, magic_of, our_symbol
from hookfill.brokers.mt5.reconcile import Difference, Kind, Ours, Seen, Theirs, keys_in_flight, reconcile, track
from hookfill.brokers.mt5.store import SQL, Agent, announce_results
from hookfill.ops.alarms import clear_alarms, clear_elsewhere, raise_alarm

RECONCILIATION = "reconciliation"
AGENT_OFFLINE = "agent_offline"
_LOG = structlog.get_logger("hookfill.agents")


@dataclass(frozen=True, slots=True)
class Report:
    """What an agent told; None: it did not speak of it. Symbols as we call them, times UTC.

    Attributes:
        taken_at: when the terminal was looked at, not later than now.
        account: balance, equity, currency and what else is known, such as ``hedging`` (positions are kept apart) and
            ``holds_stops`` (a position without its stop there is a difference), both true unless said otherwise; JSON-ready.
        positions: JSON-ready, with ``ticket, symbol, side, volume, magic, sl``.
        deals: JSON-ready, named like the columns of ``broker_deals``, symbols as the broker calls them.
    """

    taken_at: datetime
    account: Mapping[str, Any] | None
    positions: Sequence[Mapping[str, Any]] | None
    deals: Sequence[Mapping[str, Any]] = ()


async def take_report(connection: asyncpg.Connection, agent: Agent, report: Report, now: datetime) -> list[Seen]:
    """Keep a report, book new deals for the desk, compare, and raise or clear alarms; returns the differences in force.

    A report that is older than the one before brings its deals and nothing else.

    Args:
        now: the database's time, UTC.
    """
    account_id = agent.account_id
    if report.deals and await connection.fetchval(SQL.add_deals.sql, list(report.deals), account_id):
        await announce_results(connection, account_id)
    before = await connection.fetchrow(SQL.lock_snapshot.sql, account_id)
    seen = [] if before is None else [seen_from(one) for one in before["differences"]]
    if before is not None and before["taken_at"] > report.taken_at:
        return seen
    account = dict(report.account if report.account is not None else before["account"] if before is not None else {})
    positions = report.positions if report.positions is not None else before["positions"] if before is not None else []
    if report.positions is not None:
        seen = await _compare(connection, account_id, account, report.positions, seen, now)
        await _alarm(connection, account_id, seen, now)
    differences = [_stored(one) for one in seen]
    await connection.execute(
        SQL.keep_snapshot.sql, account_id, agent.agent_id, report.taken_at, account, list(positions), differences
    )
    if report.account is not None:  # last: it waits for the desk, which holds the account while it decides
        await connection.execute(SQL.note_account.sql, account["balance"], account["equity"], str(account["currency"]), account_id)
    return seen


async def _compare(
    connection: asyncpg.Connection,
    account_id: UUID,
    account: Mapping[str, Any],
    positions: Sequence[Mapping[str, Any]],
    before: Sequence[Seen],
    now: datetime,
) -> list[Seen]:
    strategies = await connection.fetch(SQL.strategies_known.sql, account_id)
    magics = frozenset(magic_of(row["strategy_id"]) for row in strategies)
    holds_stops = account.get("holds_stops") is not False
    ours = [
        Ours(
            row["strategy_id"],
            magic_of(row["strategy_id"]),
            row["symbol"],
            row["quantity"],
            row["stop_price"] if holds_stops else None,
        )
        for row in await connection.fetch(SQL.our_positions.sql, account_id)
    ]
    moving = [(magic_of(row["strategy_id"]), row["symbol"]) for row in await connection.fetch(SQL.orders_moving.sql, account_id)]
    deals = await connection.fetch(SQL.deals_moving.sql, account_id)
    moving += [(row["magic"], our_symbol(row["symbol"], row["symbol_map"])) for row in deals]
    is_hedging = account.get("hedging") is not False
    found = reconcile(ours, [theirs_from(one) for one in positions], magics, moving, is_hedging=is_hedging)
    return list(track(before, found, keys_in_flight(moving, is_hedging=is_hedging), now))


async def _alarm(connection: asyncpg.Connection, account_id: UUID, seen: Sequence[Seen], now: datetime) -> None:
    for one in seen:
        if not one.is_lasting(now):
            continue
        difference = one.difference
        if await raise_alarm(connection, account_id, RECONCILIATION, difference.subject, difference.text):
            _LOG.warning("broker_and_books_differ", account_id=str(account_id), **_figures(difference))
    subjects = [one.difference.subject for one in seen]
    for subject in await clear_alarms(connection, account_id, RECONCILIATION, subjects):
        _LOG.info("broker_and_books_agree_again", account_id=str(account_id), subject=subject)


async def watch_agents(connection: asyncpg.Connection) -> None:
    """Raise an alarm for each MetaTrader account that has jobs or positions and no living agent; clear those that have one again.

    Also ends the questions that nobody has taken.

    Args:
        connection: of the installation's own role, in a transaction or not.
    """
    await connection.execute(SQL.expire_questions.sql)
    silent = await connection.fetch(SQL.silent_accounts.sql, DEGRADED)
    for row in silent:
        what = "jobs wait for it" if row["are_waiting"] else "positions are open"
        text = f"No agent of {row['label']} has given a sign of life for ten minutes, and {what}: start it beside the terminal."
        if await raise_alarm(connection, row["account_id"], AGENT_OFFLINE, "agent", text):
            _LOG.warning("agent_offline", account_id=str(row["account_id"]))
    await clear_elsewhere(connection, AGENT_OFFLINE, [row["account_id"] for row in silent])


def theirs_from(position: Mapping[str, Any]) -> Theirs:
    """A stored position of the broker's as a value."""
    volume = Decimal(str(position["volume"]))
    stop = position.get("sl")
    return Theirs(
        position["ticket"],
        position["symbol"],
        volume if position["side"] == "buy" else -volume,
        position.get("magic"),
        None if stop is None else Decimal(str(stop)),
    )


def seen_from(stored: Mapping[str, Any]) -> Seen:
    """A stored difference as a value."""
    difference = Difference(
        Kind(stored["kind"]), stored["magic"], stored["symbol"], Decimal(stored["ours"]), Decimal(stored["theirs"])
    )
    return Seen(difference, datetime.fromisoformat(stored["since"]), stored["reports"])


def _stored(seen: Seen) -> dict[str, Any]:
    return {**_figures(seen.difference), "since": seen.since.isoformat(), "reports": seen.reports}


def _figures(difference: Difference) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(difference).items()}
