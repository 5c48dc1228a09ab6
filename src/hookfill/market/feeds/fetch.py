"""Fetches what matters when it is due, and stores it through the statements that store what is pushed."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg

from hookfill.market.feeds.plan import BarsAsk, Watched, chain_bounds, due_bars, trades_now
from hookfill.market.feeds.port import ChainBounds, FeedError, FeedRefused, MarketFeed
from hookfill.market.feeds.stored import keep_chain, newest_bars, newest_prices
from hookfill.market.feeds.troubles import Troubles
from hookfill.market.feeds.watching import read_watched
from hookfill.market.model import Candle, Quote
from hookfill.market.store import become_candle_writer, move_prices, store_candles
from hookfill.ops.pulse import Pulse

WATCH_SECONDS = 5.0
"""How often it is read anew what matters."""
TOGETHER = 100
"""Symbols in one question."""
MOST_STORED = 5_000
"""Bars in one transaction."""
CHAIN_SECONDS = 60.0
INTEREST_HOURS = 6.0
"""Open interest is counted once a day, after the close."""
UNKNOWN_HOURS = 1.0
"""How long a symbol that the feed does not know is not asked for."""
BARS, QUOTES = "bars", "quotes"

Moments = dict[str, datetime]


class Fetcher:
    """One installation's fetching. Prices and chains may be fetched at the same time, each of them one after the other."""

    def __init__(
        self, pool: asyncpg.Pool, feed: MarketFeed, quote_seconds: float, now: Callable[[], datetime], pulse: Pulse
    ) -> None:
        """Nothing is known yet.

        Args:
            quote_seconds: how often newest prices are asked for; 0: never.
            now: the clock, UTC.
            pulse: told what fails, and how much is fetched.
        """
        self.troubles = Troubles()
        self._pulse = pulse
        self._pool = pool
        self._feed = feed
        self._quote_seconds = quote_seconds
        self._now = now
        self._watched: dict[str, Watched] = {}
        self._watched_at: datetime | None = None
        self._newest: dict[tuple[str, str], datetime] = {}
        self._asked_at: dict[tuple[str, str], datetime] = {}
        self._quotes_at: datetime | None = None
        self._unknown: Moments = {}
        self._chains_at: Moments = {}
        self._interest_at: Moments = {}
        self._interest: dict[str, dict[str, int]] = {}

    async def prices(self) -> None:
        """One look at what is due of bars and newest prices."""
        now = self._now()
        if self._watched_at is None or _is_over(self._watched_at, WATCH_SECONDS, now):
            await self._watch(now)
        wanted = self._wanted(now)
        if self.troubles.may_try(BARS, now):
            for ask in due_bars(wanted, self._newest, self._asked_at, now):
                for place in range(0, len(ask.symbols), TOGETHER):
                    await self._bars(replace(ask, symbols=ask.symbols[place : place + TOGETHER]), now)
        if self._quote_seconds and (self._quotes_at is None or _is_over(self._quotes_at, self._quote_seconds, now)):
            await self._quotes([one.symbol for one in wanted if trades_now(one.symbol, now)], now)
        if self.troubles.has_news:
            async with self._pool.acquire() as connection:
                await self.troubles.tell(connection)

    async def _watch(self, now: datetime) -> None:
        async with self._pool.acquire() as connection:
            watched = await read_watched(connection, now)
            self._watched = {symbol: one for symbol, one in watched.items() if self._feed.covers(symbol)}
            series = [(one.symbol, timeframe) for one in self._watched.values() for timeframe in one.timeframes]
            fresh = [one for one in series if one not in self._asked_at]
            if fresh:
                self._newest |= await newest_bars(connection, fresh, now)
            known = await newest_prices(connection, list(self._watched))
        self._watched_at = now
        self._judge_prices(set(known), now)
        self.troubles.only({BARS, QUOTES, *(name for symbol in self._watched for name in _subjects(symbol))})

    def _judge_prices(self, known: Collection[str], now: datetime) -> None:
        """A symbol that somebody trades and nobody tells a price of is a trouble of its own."""
        for symbol, one in self._watched.items():
            if symbol in known:
                self.troubles.succeeded(symbol)
            elif any((symbol, timeframe) in self._asked_at for timeframe in one.timeframes) and self.troubles.may_try(symbol, now):
                text = (
                    f"No price of {symbol} is known, and {self._feed.source} has none: check the symbol's name, or push its "
                    "candles to POST /api/v1/candles."
                )
                self.troubles.failed(symbol, text, one.accounts, now, is_certain=True)

    def _wanted(self, now: datetime) -> list[Watched]:
        return [one for one in self._watched.values() if self._unknown.get(one.symbol, now) <= now]

    async def _bars(self, ask: BarsAsk, now: datetime) -> None:
        try:
            told = await self._feed.bars(ask.symbols, ask.timeframe, ask.since, now)
        except FeedError as error:
            return self._failed(BARS, error, self._accounts())
        self._forget(told.unknown, now)
        for place in range(0, len(told.candles), MOST_STORED):
            await self._store(told.candles[place : place + MOST_STORED], told.at)
        for bar in told.candles:
            key = (bar.symbol, bar.timeframe)
            self._newest[key] = max(self._newest.get(key, bar.opened_at), bar.opened_at)
        self._asked_at |= {(symbol, ask.timeframe): now for symbol in ask.symbols}
        self._pulse.counters["bars"] += len(told.candles)
        return self.troubles.succeeded(BARS)

    async def _store(self, candles: Sequence[Candle], now: datetime) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await become_candle_writer(connection)
            await store_candles(connection, candles, now, revise=True)

    async def _quotes(self, symbols: Sequence[str], now: datetime) -> None:
        if not symbols or not self.troubles.may_try(QUOTES, now):
            return
        quotes: list[Quote] = []
        try:
            for place in range(0, len(symbols), TOGETHER):
                told = await self._feed.quotes(symbols[place : place + TOGETHER])
                quotes += told.quotes.values()
                self._forget(told.unknown, now)
        except FeedError as error:
            self._failed(QUOTES, error, self._accounts())
            return
        self._quotes_at = now
        self._pulse.counters["quotes"] += len(quotes)
        self.troubles.succeeded(QUOTES)
        async with self._pool.acquire() as connection, connection.transaction():
            await become_candle_writer(connection)
            await move_prices(connection, quotes)

    async def chains(self) -> None:
        """One look at what is due of option chains."""
        now = self._now()
        due = [
            one
            for one in self._watched.values()
            if one.option_days is not None
            and self._is_due(self._chains_at, one.symbol, CHAIN_SECONDS, now)
            and trades_now(one.symbol, now)
        ]
        if not due:
            return
        async with self._pool.acquire() as connection:
            spots = await newest_prices(connection, [one.symbol for one in due])
        for one in due:
            if one.symbol in spots:
                await self._chain(one, spots[one.symbol].price, now)

    async def _chain(self, one: Watched, spot: Decimal, now: datetime) -> None:
        bounds = chain_bounds(one, spot, now)
        subject, interest = _subjects(one.symbol)[1:]
        if self._is_due(self._interest_at, one.symbol, INTEREST_HOURS * 3_600, now) and self.troubles.may_try(interest, now):
            await self._open_interest(interest, one, bounds, now)
        if not self.troubles.may_try(subject, now):
            return
        try:
            chain = await self._feed.option_chain(one.symbol, spot, bounds)
        except FeedError as error:
            self._failed(subject, error, one.accounts)
            return
        self._chains_at[one.symbol] = now
        if chain is None:
            text = f"{self._feed.source} has no options on {one.symbol}: contracts are chosen from a model chain."
            self.troubles.failed(subject, text, one.accounts, now)
            return
        self.troubles.succeeded(subject)
        counted = self._interest.get(one.symbol, {})
        quotes = tuple(replace(quote, open_interest=counted.get(quote.contract.symbol)) for quote in chain.quotes)
        async with self._pool.acquire() as connection:
            await keep_chain(connection, replace(chain, quotes=quotes))
        self._pulse.counters["chains"] += 1

    async def _open_interest(self, subject: str, one: Watched, bounds: ChainBounds, now: datetime) -> None:
        try:
            self._interest[one.symbol] = dict(await self._feed.open_interest(one.symbol, bounds))
        except FeedError as error:
            self._failed(subject, error, one.accounts)
            return
        self._interest_at[one.symbol] = now
        self.troubles.succeeded(subject)

    def _is_due(self, moments: Moments, symbol: str, seconds: float, now: datetime) -> bool:
        last = moments.get(symbol)
        return last is None or _is_over(last, seconds, now)

    def _failed(self, subject: str, error: FeedError, accounts: Collection[UUID]) -> None:
        text = f"The market feed fails at {subject}: {error}"
        self._pulse.failed(text)
        self.troubles.failed(subject, text, accounts, self._now(), is_certain=isinstance(error, FeedRefused), is_error=True)

    def _forget(self, symbols: Collection[str], now: datetime) -> None:
        self._unknown |= dict.fromkeys(symbols, now + timedelta(hours=UNKNOWN_HOURS))

    def _accounts(self) -> frozenset[UUID]:
        return frozenset(account for one in self._watched.values() for account in one.accounts)


def _is_over(since: datetime, seconds: float, now: datetime) -> bool:
    return now - since >= timedelta(seconds=seconds)


def _subjects(symbol: str) -> tuple[str, str, str]:
    """What troubles about a symbol are called."""
    return symbol, f"option chain of {symbol}", f"open interest of {symbol}"
