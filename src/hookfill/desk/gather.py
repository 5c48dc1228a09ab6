"""Gathers all that deciding for one account needs, under its lock, in a handful of statements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.model import Account, Strategy, UserDefaults
from hookfill.brokers.paper.costs import costs_from
from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.abroad import gather_abroad, own_quotes, symbols_of, with_first_balance
from hookfill.desk.chains import gather_options, told_quotes
from hookfill.desk.contracts import priced_by
from hookfill.desk.currency import rate_symbols
from hookfill.desk.experiments import as_tried, with_owners
from hookfill.desk.flight import Abroad
from hookfill.desk.held import Held, read_held, spans
from hookfill.desk.model import HaltRow, Situation, UnusableSignal
from hookfill.desk.price import candle_from
from hookfill.desk.resting_store import with_volumes
from hookfill.desk.studies import studies
from hookfill.market.model import Candle, Quote
from hookfill.market.timeframes import TIMEFRAMES
from hookfill.postgres.sql import load
from hookfill.risk.model import DEFAULT_LIMITS, Halt, Limits, limits_from
from hookfill.signals.model import Alert, Signal, Unusable
from hookfill.signals.reading import read_alert

SQL = load(__package__)
MOST_SIGNALS = 1_000
MOST_BARS = 20_000
NO_DEFAULTS = UserDefaults()
"""Of a user who has set nothing."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Signals:
    """The signals to fold now, the latest moment among them (of unusable ones where there are no others), and whether more wait."""

    signals: Sequence[Signal]
    unusable: tuple[UnusableSignal, ...]
    latest: datetime | None
    more_wait: bool

    def horizon(self, now: datetime) -> datetime:
        """Up to where prices are folded with them."""
        if self.latest is None:
            return now
        # History that is still coming must not find the account beyond it; another node's clock may be a little ahead.
        return self.latest if self.more_wait else max(now, self.latest)


async def gather(
    connection: asyncpg.Connection,
    account_row: Mapping[str, Any],
    horizon: datetime,
    most_signals: int = MOST_SIGNALS,
    defaults: Limits = DEFAULT_LIMITS,
) -> Situation:
    """All that is known of a locked account.

    Args:
        account_row: the row that ``lock_account`` returned.
        horizon: prices up to here exist for the account (now, or the simulated time), UTC.
        most_signals: how many pending signals are folded at most.
        defaults: the installation's limits, where the account has none of its own.
    """
    account = account_from(account_row)
    account_id = account.account_id
    found = await _pending(connection, account_id, most_signals)
    own = await read_held(connection, account_row)
    account, abroad = await _at_broker(connection, account_row, account, own, horizon)
    horizon = found.horizon(horizon)
    rates = {rate for signal in found.signals for rate in rate_symbols(signal.alert.symbol, account.currency)}
    symbols = _symbols(account, abroad, found.signals, own)
    paper = costs_from(account.costs)
    quotes = await _prices(connection, account, paper, symbols | rates, own, horizon)
    sinces = spans(found.signals, own, rates, quotes, horizon)
    bars, horizon = await _bars(connection, sinces, horizon)
    signals = _up_to(found.signals, horizon)
    signals, strategies = as_tried(signals, await _strategies(connection, account_id, signals, abroad))
    return Situation(
        account=account,
        limits=limits_from(account.limits, defaults),
        strategies=strategies,
        signals=signals,
        unusable=found.unusable,
        positions=own.positions,
        halts=await _halts(connection, account_id, account_row["user_id"]),
        entry_times=await _entry_times(connection, account_id, signals),
        quotes=quotes,
        bars=bars,
        history=await _history(connection, sinces, bars, signals, rates),
        studies=await studies(connection, signals, strategies, MOST_BARS),
        horizon=horizon,
        abroad=abroad,
        paper=paper,
        resting=own.resting,
        options=await gather_options(connection, signals, strategies, own.all_positions, bars, horizon),
        shadow=await with_owners(connection, account_id, own.shadow, strategies, own.positions),
    )


async def _at_broker(
    connection: asyncpg.Connection, account_row: Mapping[str, Any], account: Account, own: Held, now: datetime
) -> tuple[Account, Abroad | None]:
    """The account as its broker lets it begin, and what is known of its dealings there; as it is and None on paper."""
    if not account.is_at_broker:
        return account, None
    abroad = await gather_abroad(connection, account, own.positions, now, account_row["database_now"])
    started = with_first_balance(account, account_row["broker_balance"])
    return started or account, replace(abroad, is_first_balance=started is not None)


def _symbols(account: Account, abroad: Abroad | None, signals: Iterable[Signal], own: Held) -> set[str]:
    """What prices are needed of: what is asked for, held or on its way, and what options of these are priced by."""
    symbols = {signal.alert.symbol for signal in signals} | own.symbols
    if abroad is not None:
        symbols = symbols_of(account, abroad, symbols)
    return symbols | {priced_by(symbol) for symbol in symbols}


async def _prices(
    connection: asyncpg.Connection, account: Account, paper: PaperModel, symbols: set[str], held: Held, horizon: datetime
) -> Mapping[str, Quote]:
    """The newest price of each symbol and, where one is told, of each option held; with volumes where these bound fills."""
    quotes = await _quotes(connection, symbols, account.account_id if account.is_at_broker else None)
    if any(position.underlying is not None for position in held.all_positions):
        quotes |= await told_quotes(connection, held.all_positions, horizon, is_at_broker=account.is_at_broker)
    return await with_volumes(connection, quotes) if paper.volume_cap_pct is not None else quotes


def account_from(row: Mapping[str, Any]) -> Account:
    """An account from its row, joined with its user's settings (nulls where the user has set nothing)."""
    limits = dict(row["limits"])
    if row["daily_loss_limit_pct"] is not None:
        limits.setdefault("daily_loss_limit_pct", row["daily_loss_limit_pct"])
    return Account(
        account_id=row["account_id"],
        currency=row["currency"],
        time_zone=row["time_zone"],
        cash=row["cash"],
        balance=row["balance"],
        day=row["day"],
        day_start_balance=row["day_start_balance"],
        day_realized=row["day_realized"],
        timeline_at=row["timeline_at"],
        limits=limits,
        kind=row["kind"],
        symbol_map=row["symbol_map"],
        starting_cash=row["starting_cash"],
        broker_equity=row["broker_equity"],
        is_live=row["is_live"],
        costs=row["costs"],
        defaults=NO_DEFAULTS if row["default_lot_size"] is None else UserDefaults(*(row[name] for name in UserDefaults.__slots__)),
    )


async def _pending(connection: asyncpg.Connection, account_id: UUID, most: int) -> _Signals:
    rows = await connection.fetch(SQL.pending_signals.sql, account_id, most)
    signals: list[Signal] = []
    unusable: list[UnusableSignal] = []
    for row in rows:
        alert = read_alert(row["door"], row["body"])
        if isinstance(alert, Unusable):
            unusable.append(UnusableSignal(row["signal_id"], alert, row["attempts"]))
        else:
            signals.append(_signal(account_id, row, alert))
    together = signals[: _before_the_past(signals)]
    latest = max((signal.as_of for signal in together), default=max((row["as_of"] for row in rows), default=None))
    return _Signals(together, tuple(unusable), latest, more_wait=len(together) < len(signals) or len(rows) == most)


def _signal(account_id: UUID, row: Mapping[str, Any], alert: Alert) -> Signal:
    return Signal(
        account_id=account_id,
        signal_id=row["signal_id"],
        message_id=row["message_id"],
        strategy_id=row["strategy_id"],
        source=row["source"],
        alert=alert,
        as_of=row["as_of"],
        attempts=row["attempts"],
        door=row["door"],
        experiment_id=row["experiment_id"],
        variant=row["variant"],
        split_percentage=row["split_percentage"],
    )


def _before_the_past(signals: Sequence[Signal]) -> int:
    """How many signals to fold together: up to the first that goes back in time by more than nodes' clocks may differ.

    That one needs the bars since its own time, which would come before those that the others wait for.
    """
    latest: datetime | None = None
    for place, signal in enumerate(signals):
        if latest is not None and signal.as_of < latest - _MINUTE:
            return place
        latest = signal.as_of if latest is None else max(latest, signal.as_of)
    return len(signals)


async def _strategies(
    connection: asyncpg.Connection, account_id: UUID, signals: Sequence[Signal], abroad: Abroad | None
) -> dict[UUID, Strategy]:
    """The strategies of the signals and of what is on its way."""
    wanted = {signal.strategy_id for signal in signals}
    wanted |= set() if abroad is None else {flight.strategy_id for flight in abroad.flights}
    if not wanted:
        return {}
    rows = await connection.fetch(SQL.strategies_of_account.sql, account_id, list(wanted))
    found = {row["strategy_id"]: _strategy(account_id, row) for row in rows}
    return found | _stand_ins(signals, found)


def _stand_ins(signals: Sequence[Signal], strategies: Mapping[UUID, Strategy]) -> dict[UUID, Strategy]:
    """For deleted strategies whose positions somebody asks to leave."""
    orphaned = [signal for signal in signals if signal.is_by_operator and signal.strategy_id not in strategies]
    return {one.strategy_id: Strategy(one.account_id, one.strategy_id, "a deleted strategy", "direct") for one in orphaned}


def _strategy(account_id: UUID, row: Mapping[str, Any]) -> Strategy:
    values = dict(row)
    pairs = values.pop("allowed_pairs")
    return Strategy(account_id=account_id, allowed_pairs=None if pairs is None else tuple(pairs), **values)


async def _halts(connection: asyncpg.Connection, account_id: UUID, user_id: UUID) -> tuple[HaltRow, ...]:
    """Read under the account's lock: what has been put in force before this transaction got it is seen."""
    rows = await connection.fetch(SQL.halts_in_force.sql, account_id, user_id)
    return tuple(HaltRow(Halt(row["scope"], row["reduce_only"], row["reason"]), row["strategy_id"], row["symbol"]) for row in rows)


async def _entry_times(
    connection: asyncpg.Connection, account_id: UUID, signals: Sequence[Signal]
) -> dict[UUID, tuple[datetime, ...]]:
    if not signals:
        return {}
    first, last = min(s.as_of for s in signals), max(s.as_of for s in signals)
    times: dict[UUID, tuple[datetime, ...]] = {}
    for row in await connection.fetch(SQL.recent_entries.sql, account_id, first - _MINUTE, last):
        times[row["strategy_id"]] = (*times.get(row["strategy_id"], ()), row["as_of"])
    return times


async def _quotes(connection: asyncpg.Connection, symbols: Iterable[str], own: UUID | None) -> dict[str, Quote]:
    """The newest prices; of the account ``own`` also those that its own agent told, where they are newer."""
    wanted = list(symbols)
    if not wanted:
        return {}
    rows = await connection.fetch(SQL.quotes_of.sql, wanted)
    if own is not None:
        rows = sorted([*rows, *await own_quotes(connection, own, wanted)], key=lambda row: row["quoted_at"])
    return {
        row["symbol"]: Quote(
            symbol=row["symbol"],
            price=row["price"],
            at=row["quoted_at"],
            source=row["source"],
            bar_seconds=row["bar_seconds"],
            low=row["bar_low"],
            high=row["bar_high"],
        )
        for row in rows
    }


async def _bars(
    connection: asyncpg.Connection, sinces: Mapping[str, datetime], horizon: datetime
) -> tuple[tuple[Candle, ...], datetime]:
    """Bars that close within the spans, ordered by close, then length; and the horizon, nearer when there are too many."""
    if not sinces:
        return (), horizon
    # Weeks and months are left out: their close is also that of their last day.
    asked = [(symbol, name, since) for symbol, since in sinces.items() for name in _MARKING]
    early = [since - timedelta(seconds=TIMEFRAMES[name]) for _, name, since in asked]
    rows = await connection.fetch(SQL.bars_between.sql, [a[0] for a in asked], [a[1] for a in asked], early, horizon, MOST_BARS)
    if len(rows) == MOST_BARS:
        horizon = rows[-1]["timestamp"]
    bars = [candle_from(row) for row in rows]
    kept = [bar for bar in bars if sinces[bar.symbol] < bar.closes_at <= horizon]
    kept.sort(key=lambda bar: (bar.closes_at, TIMEFRAMES[bar.timeframe], bar.symbol))
    return tuple(kept), horizon


_MARKING = [name for name, seconds in TIMEFRAMES.items() if seconds <= TIMEFRAMES["D1"]]


def _up_to(signals: Sequence[Signal], horizon: datetime) -> tuple[Signal, ...]:
    """The signals, in order, before the first that lies beyond the horizon: the bars before it come first."""
    return tuple(takewhile(lambda signal: signal.as_of <= horizon, signals))


async def _history(
    connection: asyncpg.Connection,
    sinces: Mapping[str, datetime],
    bars: Sequence[Candle],
    signals: Sequence[Signal],
    rates: Iterable[str],
) -> dict[str, tuple[Candle, ...]]:
    """For symbols with signals that are older than their quote, and for rates: the bars of the span and the ones just before it."""
    symbols = sorted({*(priced_by(signal.alert.symbol) for signal in signals), *rates} & sinces.keys())
    if not symbols:
        return {}
    asked = [(symbol, timeframe) for symbol in symbols for timeframe in _MARKING]
    befores = [sinces[symbol] for symbol, _ in asked]
    rows = await connection.fetch(SQL.last_bars_before.sql, [a[0] for a in asked], [a[1] for a in asked], befores, 2)
    known = {(bar.symbol, bar.timeframe, bar.opened_at): bar for bar in (*map(candle_from, rows), *bars)}
    ordered = sorted(known.values(), key=lambda bar: (bar.closes_at, -TIMEFRAMES[bar.timeframe]))
    return {symbol: tuple(bar for bar in ordered if bar.symbol == symbol) for symbol in symbols}
