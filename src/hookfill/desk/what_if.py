"""What options on a symbol cost as of a moment, for somebody who asks without trading: as the desk would find it.

The chain that a feed brought counts while it is fresh; else one by model, of the underlying's last price and the realised
volatility of its stored candles. Who names a price or a volatility asks about a market that is not there, and gets a model's chain.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import asyncpg

from hookfill.desk.contracts import FRAMES, FRESH, VOLATILITY_BARS, volatility_of, volatility_rank_of
from hookfill.desk.price import candle_from, quote_of_bar
from hookfill.market.feeds.stored import option_chain_of
from hookfill.market.model import Candle, Quote, Right
from hookfill.market.option_chain import OptionChain, has_options, model_chain
from hookfill.market.reading import SQL
from hookfill.postgres.sql import load

BARS = load(__package__)


@dataclass(frozen=True, slots=True)
class Underlying:
    """What is known of a symbol as of a moment.

    Attributes:
        at: the moment (UTC).
        spot: its last price; None: none is known.
        series: its bars per timeframe, as ``contracts.FRAMES`` names them.
        chain: what a feed brought and is fresh; None: nothing.
    """

    symbol: str
    at: datetime
    spot: Quote | None
    series: tuple[tuple[Candle, ...], ...]
    chain: OptionChain | None


async def underlying_as_of(connection: asyncpg.Connection, symbol: str, at: datetime | None) -> Underlying:
    """What is known of a symbol.

    Args:
        connection: as the user who asks: prices that only their accounts know count, too.
        at: the moment (UTC); None: now, or the simulated time.
    """
    moment: datetime = await connection.fetchval(SQL.clock.sql) if at is None else at
    frames, symbols = list(FRAMES), [symbol] * len(FRAMES)
    rows = await connection.fetch(BARS.last_bars_before.sql, symbols, frames, [moment] * len(FRAMES), VOLATILITY_BARS + 1)
    bars = sorted((candle_from(row) for row in rows), key=lambda bar: bar.opened_at)
    series = tuple(tuple(bar for bar in bars if bar.timeframe == frame and bar.closes_at <= moment) for frame in FRAMES)
    newest = await connection.fetchrow(SQL.last_prices.sql, [symbol], "", 1)
    known = [quote_of_bar(frame[-1]) for frame in series if frame]
    if newest is not None and newest["quoted_at"] <= moment:
        known.append(Quote(symbol, newest["price"], newest["quoted_at"], newest["source"]))
    chain = await option_chain_of(connection, symbol, moment, FRESH)
    return Underlying(symbol, moment, max(known, key=lambda quote: quote.at, default=None), series, chain)


def chain_for(found: Underlying, right: Right, spot: Decimal | None, volatility: float | None) -> OptionChain | str:
    """The chain to choose from, or why there is none.

    Args:
        found: what is known.
        right: which half of a model's chain is needed.
        spot: instead of the known price.
        volatility: per year as a fraction, instead of the realised one.
    """
    if found.chain is not None and spot is None and volatility is None:
        return found.chain
    price = spot if spot is not None else None if found.spot is None else found.spot.price
    if not has_options(found.symbol):
        return f"{found.symbol} has no options: they are listed on shares, funds and indices of the United States."
    if price is None:
        return f"No price of {found.symbol} is known: push its candles, or send spot."
    realised = volatility_of(found.series, found.at) if volatility is None else volatility
    if realised is None:
        return f"{found.symbol} has too few candles for a volatility: push more of them, or send volatility."
    rank = volatility_rank_of(found.series, found.at) if volatility is None else None
    return model_chain(found.symbol, price, realised, found.at, rights=(right,), volatility_rank=rank)
