"""The market as it is stored: what was pushed, and what a feed fetched. The desk reads here, whoever told it.

The statements may run in a person's request or in a transaction that holds an account's lock: they only read, but ``keep_chain``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from hookfill.kernel.clock import utc_now
from hookfill.market.feeds.alpaca_answers import by_contract
from hookfill.market.feeds.port import ALL_CONTRACTS, Bars, ChainBounds, Quotes
from hookfill.market.model import Candle, OptionContract, Quote
from hookfill.market.option_chain import OptionChain, OptionQuote
from hookfill.market.option_prices import Greeks
from hookfill.market.option_symbols import contract_from
from hookfill.market.timeframes import bar_close
from hookfill.postgres.sql import load

SQL = load(__package__, "stored.sql")
SOURCE = "stored"
MOST_BARS = 50_000
"""Of one symbol in one answer."""
MOST_CHAIN_AGE = timedelta(seconds=150)
"""How old a chain may be that is traded by: the feed fetches it anew each minute, so that two failures are borne."""
_GREEKS = ("price", "delta", "gamma", "theta", "vega", "rho")


async def option_chain_of(
    connection: asyncpg.Connection,
    underlying: str,
    at: datetime,
    max_age: timedelta = MOST_CHAIN_AGE,
    bounds: ChainBounds = ALL_CONTRACTS,
) -> OptionChain | None:
    """The newest stored chain of an underlying as of ``at`` (UTC), by expiration, right and strike; None: none is young enough.

    ``source`` tells who gave it; one of ``port.DELAYED_SOURCES`` must not price an order at a broker. A chain may hold thousands of
    contracts: ``bounds`` keep those out that nobody wants.
    """
    chain = await connection.fetchrow(SQL.chain_fetched.sql, underlying, at - max_age, at)
    if chain is None:
        return None
    rows = await connection.fetch(SQL.chain_quotes.sql, underlying, *astuple(bounds))
    quotes = tuple(sorted((_option_quote(row) for row in rows), key=by_contract))
    return OptionChain(underlying, chain["fetched_at"], chain["source"], chain["spot"], quotes)


async def option_quotes_of(
    connection: asyncpg.Connection, contracts: Sequence[OptionContract], at: datetime, max_age: timedelta = MOST_CHAIN_AGE
) -> dict[str, OptionQuote]:
    """The stored quotes of single contracts, by their symbols, of chains that are young enough as of ``at`` (UTC)."""
    if not contracts:
        return {}
    underlyings, symbols = [one.underlying for one in contracts], [one.symbol for one in contracts]
    rows = await connection.fetch(SQL.contract_quotes.sql, underlyings, symbols, at - max_age, at)
    return {row["symbol"]: _option_quote(row) for row in rows}


async def keep_chain(connection: asyncpg.Connection, chain: OptionChain) -> bool:
    """Store a chain in the place of the one before; False: one that is as new is stored already, and stays."""
    columns = [[getattr(quote.contract, name) for quote in chain.quotes] for name in ("symbol", "expiration", "strike")]
    columns += [[getattr(quote, name) for quote in chain.quotes] for name in ("bid", "ask", "at", "source", "volatility")]
    columns += [[None if quote.greeks is None else getattr(quote.greeks, name) for quote in chain.quotes] for name in _GREEKS]
    columns += [[getattr(quote, name) for quote in chain.quotes] for name in ("open_interest", "volume")]
    row = await connection.fetchrow(SQL.keep_chain.sql, chain.underlying, chain.source, chain.at, chain.spot, *columns)
    is_newer: bool = row["is_newer"]
    return is_newer


async def newest_bars(
    connection: asyncpg.Connection, asked: Sequence[tuple[str, str]], until: datetime
) -> dict[tuple[str, str], datetime]:
    """When the newest stored bar of each symbol and timeframe opened (UTC); those that have none before ``until`` are left out."""
    rows = await connection.fetch(SQL.newest_bars.sql, [symbol for symbol, _ in asked], [name for _, name in asked], until)
    return {(row["symbol"], row["timeframe"]): row["timestamp"] for row in rows}


async def newest_prices(connection: asyncpg.Connection, symbols: Sequence[str]) -> dict[str, Quote]:
    """The newest prices that everybody shares, whoever told them."""
    return {row["symbol"]: _quote(row) for row in await connection.fetch(SQL.quotes_now.sql, list(symbols))}


class StoredFeed:
    """The port's stored side: nothing is fetched."""

    source = SOURCE

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Read through ``pool``."""
        self._pool = pool

    def covers(self, symbol: str) -> bool:
        """See the port: whatever may have been pushed."""
        return bool(symbol)

    async def bars(self, symbols: Sequence[str], timeframe: str, since: datetime, until: datetime) -> Bars:
        """See the port; at most ``MOST_BARS`` of each symbol."""
        now = utc_now()
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(SQL.bars_of.sql, list(symbols), timeframe, since, until, MOST_BARS)
        bars = (_candle(row) for row in rows)
        return Bars(tuple(bar for bar in bars if bar.closes_at <= now), SOURCE, now)

    async def quotes(self, symbols: Sequence[str]) -> Quotes:
        """See the port; each quote says who told it."""
        async with self._pool.acquire() as connection:
            quotes = await newest_prices(connection, symbols)
        return Quotes(quotes, SOURCE, utc_now())

    async def option_chain(self, underlying: str, spot: Decimal, bounds: ChainBounds = ALL_CONTRACTS) -> OptionChain | None:
        """See the port; with the spot that it was fetched at, whatever ``spot`` says."""
        async with self._pool.acquire() as connection:
            chain = await option_chain_of(connection, underlying, utc_now(), bounds=bounds)
        return chain if chain is not None and chain.quotes else None

    async def open_interest(self, underlying: str, bounds: ChainBounds = ALL_CONTRACTS) -> Mapping[str, int]:
        """See the port; of the contracts of the newest chain."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(SQL.chain_quotes.sql, underlying, *astuple(bounds))
        return {row["symbol"]: row["open_interest"] for row in rows if row["open_interest"] is not None}


def _candle(row: Mapping[str, Any]) -> Candle:
    symbol, timeframe, opened_at, *values = (
        row[name] for name in ("symbol", "timeframe", "timestamp", "open", "high", "low", "close", "volume")
    )
    return Candle(symbol, timeframe, opened_at, bar_close(timeframe, opened_at), *values)


def _quote(row: Mapping[str, Any]) -> Quote:
    names = ("symbol", "price", "quoted_at", "source", "bar_seconds", "bar_low", "bar_high")
    return Quote(*(row[name] for name in names))


def _option_quote(row: Mapping[str, Any]) -> OptionQuote:
    return OptionQuote(
        contract=contract_from(row["symbol"]),
        bid=row["bid"],
        ask=row["ask"],
        at=row["quoted_at"],
        source=row["source"],
        volatility=row["volatility"],
        greeks=None if row["delta"] is None else Greeks(**{name: row[name] for name in _GREEKS}),
        open_interest=row["open_interest"],
        volume=row["volume"],
    )
