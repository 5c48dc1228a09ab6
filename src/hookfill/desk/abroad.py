"""Reads and writes the broker's side of one account's books, under its lock: orders in flight, their jobs, results and deals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.model import Account
from hookfill.brokers.alpaca.store import entries_refused
from hookfill.desk.currency import rate_symbols
from hookfill.desk.flight import Abroad, Deal, Flight, Moves, Report, Tries
from hookfill.kernel.exact_json import dumps
from hookfill.kernel.ids import earliest_id
from hookfill.kernel.lifecycle import JOB
from hookfill.kernel.money import ZERO, InvalidNumber, decimal_from
from hookfill.positions.model import Position
from hookfill.postgres.sql import load

SQL = load(__package__, "abroad.sql")
MOST_DEALS = 500
_DAY = timedelta(days=1)
_LEVELS = ("sl", "tp", "sl_pips", "tp_pips")


async def gather_abroad(
    connection: asyncpg.Connection, account: Account, positions: Sequence[Position], now: datetime, database_now: datetime
) -> Abroad:
    """What is in flight and what has come back; jobs that nobody began in time are expired on the way.

    Args:
        account: at a broker, locked by this transaction.
        positions: its open ones.
        now: the moment of deciding (UTC), simulated or not.
        database_now: the database's time.
    """
    account_id = account.account_id
    await connection.execute(SQL.expire_jobs.sql, account_id)
    jobs = {row["order_id"]: row for row in await connection.fetch(SQL.jobs_in_hand.sql, account_id)}
    rows = await connection.fetch(SQL.orders_in_flight.sql, account_id, list(jobs))
    return Abroad(
        now=now,
        database_now=database_now,
        flights=tuple(_flight(row, jobs.get(row["order_id"])) for row in rows),
        reports=tuple(_report(row, now) for row in jobs.values() if JOB.is_terminal(row["status"])),
        deals=await _deals(connection, account_id),
        tries=await _tries(connection, account_id, positions),
        entries_refused=await entries_refused(connection, account_id) if account.kind == "alpaca" else None,
    )


def with_first_balance(account: Account, broker_balance: Decimal | None) -> Account | None:
    """The account with the balance that its broker told first, as what it started with; None when that is known already.

    What was realised before the broker told it is part of that balance.
    """
    if not account.is_at_broker or account.starting_cash != ZERO or broker_balance is None:
        return None
    start = broker_balance - account.balance
    if start <= ZERO:
        return None
    return replace(
        account,
        starting_cash=start,
        cash=account.cash + start,
        balance=account.balance + start,
        day_start_balance=account.day_start_balance + start,
    )


def symbols_of(account: Account, abroad: Abroad, symbols: Iterable[str]) -> set[str]:
    """The symbols whose prices matter: those asked for, those of orders in flight, and those that convert their amounts."""
    own = {*symbols, *(flight.symbol for flight in abroad.flights)}
    return own | {rate for symbol in own for rate in rate_symbols(symbol, account.currency)}


async def own_quotes(connection: asyncpg.Connection, account_id: UUID, symbols: Iterable[str]) -> list[asyncpg.Record]:
    """The prices that the account's own agent told, in the columns of ``quotes_of``."""
    rows: list[asyncpg.Record] = await connection.fetch(SQL.own_quotes_of.sql, account_id, list(symbols))
    return rows


def _flight(row: Mapping[str, Any], job: Mapping[str, Any] | None) -> Flight:
    values = dict(row)
    stop, target, price = (_number(values.pop(name)) for name in ("alert_stop", "alert_target", "alert_price"))
    flight = Flight(**values, alert_stop=stop, alert_target=target, estimate=price)
    if job is None:
        return flight
    sent = job["input_data"] if isinstance(job["input_data"], Mapping) else {}
    numbers = {name: _number(sent.get(name)) for name in _LEVELS}
    return replace(
        flight,
        job_id=job["job_id"],
        depends_on=job["depends_on"],
        is_waiting=job["status"] == "pending" and job["attempts"] == 0,
        sent={name: value for name, value in numbers.items() if value is not None},
    )


def _number(value: object) -> Decimal | None:
    try:
        return None if value is None else decimal_from(value, "stored")
    except InvalidNumber:
        return None


def _report(row: Mapping[str, Any], now: datetime) -> Report:
    names = ("job_id", "order_id", "status", "result", "error_message")
    return Report(**{name: row[name] for name in names}, finished_at=row["finished_at"] or now)


async def _deals(connection: asyncpg.Connection, account_id: UUID) -> tuple[Deal, ...]:
    rows = await connection.fetch(SQL.deals_to_book.sql, account_id, MOST_DEALS)
    if not rows:
        return ()
    earliest = earliest_id(rows[0]["dealt_at"] - _DAY)
    told = await connection.fetch(SQL.deals_of_jobs.sql, account_id, earliest, [row["deal_id"] for row in rows])
    known = {row["deal_id"] for row in told}
    return tuple(Deal(**row, is_of_a_job=row["deal_id"] in known) for row in rows)


async def _tries(connection: asyncpg.Connection, account_id: UUID, positions: Sequence[Position]) -> dict[UUID, Tries]:
    if not positions:
        return {}
    rows = await connection.fetch(SQL.exit_tries.sql, account_id, [position.position_id for position in positions])
    return {row["position_id"]: Tries(row["tries"], row["last_at"]) for row in rows}


async def apply_moves(connection: asyncpg.Connection, account_id: UUID, moves: Moves) -> None:
    """Write what changed at the broker's side, in the transaction that holds the account's lock."""
    jobs, ends, resolutions, deals = moves.jobs, moves.ends, moves.resolutions, moves.deals
    filled = [sum((fill.quantity for fill in end.fills), ZERO) for end in ends]
    spent = [sum((fill.quantity * fill.price for fill in end.fills), ZERO) for end in ends]
    await connection.execute(
        SQL.apply_moves.sql,
        account_id,
        [job.job_id for job in jobs],
        [job.job_type.value for job in jobs],
        [dumps(dict(job.input_data)).decode() for job in jobs],
        [job.order_id for job in jobs],
        [job.depends_on for job in jobs],
        [job.expires_at for job in jobs],
        list(moves.settled),
        list(moves.cancelled),
        [end.order_id for end in ends],
        [end.position_id for end in ends],
        [end.status for end in ends],
        filled,
        [total / quantity if quantity else None for total, quantity in zip(spent, filled, strict=True)],
        [end.broker_order_id for end in ends],
        [end.reason for end in ends],
        [end.error_message for end in ends],
        [one.signal_id for one in resolutions],
        [one.status for one in resolutions],
        [one.reason for one in resolutions],
        [one.error_message for one in resolutions],
        [one.fill_price for one in resolutions],
        [one.broker_order_id for one in resolutions],
        list(moves.withdrawn),
        [deal.deal_id for deal in deals],
        [deal.note for deal in deals],
    )
