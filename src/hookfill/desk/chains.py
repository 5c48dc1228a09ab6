"""Gathers what trading options needs: bars that tell their underlyings' volatility, chains that a feed brought, and last prices."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from hookfill.accounts.model import Strategy
from hookfill.desk.contracts import FRAMES, VOLATILITY_BARS, asks_for_options, priced_by, quoted
from hookfill.desk.model import NO_OPTIONS, OptionData
from hookfill.desk.price import candle_from, quote_of_bar
from hookfill.desk.view import WITH_COUNCIL
from hookfill.exits.timing import expires_at
from hookfill.market.feeds.port import DELAYED_SOURCES
from hookfill.market.feeds.stored import option_chain_of, option_quotes_of
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, Quote
from hookfill.market.option_chain import has_options
from hookfill.market.timeframes import TIMEFRAMES
from hookfill.positions.model import Position
from hookfill.postgres.sql import load
from hookfill.signals.model import Signal

SQL = load(__package__, "options.sql")
BARS = load(__package__)
_CLOSING = [name for name, seconds in TIMEFRAMES.items() if seconds <= TIMEFRAMES["D1"]]


async def gather_options(
    connection: asyncpg.Connection,
    signals: Sequence[Signal],
    strategies: Mapping[UUID, Strategy],
    positions: Sequence[Position],
    bars: Sequence[Candle],
    horizon: datetime,
) -> OptionData:
    """What is known for the signals that ask for options and the options that have ended; no statement where there are none.

    A council looks at the chain of what it judges, too.

    Args:
        bars: those that close after the first signal, as they are gathered for prices.
        horizon: prices up to here are taken into account (UTC).
    """
    asking = [one for one in signals if asks_for_options(one.alert, strategies.get(one.strategy_id))]
    over = [position for position in positions if position.underlying is not None and _has_ended(position, horizon)]
    judged = [one for one in signals if _asks_council(strategies.get(one.strategy_id)) and has_options(priced_by(one.alert.symbol))]
    if not asking and not over and not judged:
        return NO_OPTIONS
    firsts: dict[str, datetime] = {}
    lasts: dict[str, datetime] = {}
    for signal in asking:
        underlying = priced_by(signal.alert.symbol)
        firsts[underlying] = min(firsts.get(underlying, signal.as_of), signal.as_of)
        lasts[underlying] = max(lasts.get(underlying, signal.as_of), signal.as_of)
    for signal in judged:
        underlying = priced_by(signal.alert.symbol)
        lasts[underlying] = max(lasts.get(underlying, signal.as_of), signal.as_of)
    chains = {underlying: await option_chain_of(connection, underlying, at) for underlying, at in lasts.items()}
    return OptionData(
        bars=await _series(connection, firsts, bars),
        chains={underlying: chain for underlying, chain in chains.items() if chain is not None},
        closes=await _closes(connection, over),
    )


async def told_quotes(
    connection: asyncpg.Connection, positions: Iterable[Position], horizon: datetime, *, is_at_broker: bool = False
) -> dict[str, Quote]:
    """What a feed told of the contracts that are held, while it is fresh; it wins over what the model makes of the underlying.

    Args:
        is_at_broker: prices that come late, or not quite as they are, are left out: nothing is sold at a broker because of them.
    """
    contracts = {contract for position in positions if (contract := instrument_for(position.symbol).option) is not None}
    told = await option_quotes_of(connection, sorted(contracts, key=lambda one: one.symbol), horizon)
    left_out = DELAYED_SOURCES if is_at_broker else frozenset[str]()
    return {symbol: quoted(quote) for symbol, quote in told.items() if quote.at <= horizon and quote.source not in left_out}


async def _series(
    connection: asyncpg.Connection, firsts: Mapping[str, datetime], later: Sequence[Candle]
) -> dict[str, tuple[tuple[Candle, ...], ...]]:
    """Of each underlying its bars per timeframe, the longest first: those before the first signal and those that came later."""
    asked = [(underlying, frame, first) for underlying, first in firsts.items() for frame in FRAMES]
    if not asked:
        return {}
    columns = [list(column) for column in zip(*asked, strict=True)]
    rows = await connection.fetch(BARS.last_bars_before.sql, *columns, VOLATILITY_BARS + 1)  # one may be forming
    known: dict[tuple[str, str], dict[datetime, Candle]] = {(underlying, frame): {} for underlying, frame, _ in asked}
    for bar in (*map(candle_from, rows), *later):
        if (bar.symbol, bar.timeframe) in known:
            known[bar.symbol, bar.timeframe][bar.opened_at] = bar
    ordered = {key: tuple(bars[at] for at in sorted(bars)) for key, bars in known.items()}
    return {underlying: tuple(ordered[underlying, frame] for frame in FRAMES) for underlying in firsts}


async def _closes(connection: asyncpg.Connection, over: Iterable[Position]) -> dict[tuple[str, datetime], Quote]:
    """The underlyings' last prices until their options' ends, as far as bars tell them."""
    ends = sorted({(p.underlying, end) for p in over if p.underlying and (end := expires_at(instrument_for(p.symbol)))})
    asked = [(underlying, frame, end) for underlying, end in ends for frame in _CLOSING]
    if not asked:
        return {}
    columns = [list(column) for column in zip(*asked, strict=True)]
    found: dict[tuple[str, datetime], Candle] = {}
    for bar in map(candle_from, await connection.fetch(BARS.last_bars_before.sql, *columns, 2)):
        for underlying, end in ends:
            best = found.get((underlying, end))
            # Of bars that close together the shorter one came later to know less; their closes are the same trade.
            if bar.symbol == underlying and bar.closes_at <= end and (best is None or bar.closes_at > best.closes_at):
                found[underlying, end] = bar
    return {key: quote_of_bar(bar) for key, bar in found.items()}


def _asks_council(strategy: Strategy | None) -> bool:
    return strategy is not None and strategy.engine in WITH_COUNCIL


def _has_ended(position: Position, horizon: datetime) -> bool:
    end = expires_at(instrument_for(position.symbol))
    return end is not None and end <= horizon
