"""What an option is worth to the desk: its own bars and prices, made of its underlying's by its terms (pure).

A position in an option carries the terms that its price is made of: the volatility at which it was bought, the rate, and half of
its spread. So each bar and each price of the underlying gives the contract a bar and a price of its own, halfway between bid and
ask, and every rule about bars holds for options as it stands. What is bought or sold at the market is dealt at the ask or the bid;
so the bar that a fill lies in goes from the lowest bid to the highest ask.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hookfill.accounts.model import Strategy
from hookfill.brokers.paper.fill import PaperModel
from hookfill.exits.model import Exit, ExitReason
from hookfill.kernel.money import ZERO, as_price, plain, round_to_tick
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, OptionContract, Quote
from hookfill.market.option_chain import HALF_SPREAD, MODEL, TICK, OptionChain, OptionQuote, option_candle
from hookfill.market.option_prices import DEFAULT_RATE, implied_volatility, realised_volatility, volatility_rank, years_between
from hookfill.orders.model import Side
from hookfill.orders.strike_rules import Trade
from hookfill.signals.model import Alert

FRESH = timedelta(seconds=150)
"""So long a price that somebody told of the contract itself wins over what the model makes of its underlying's."""
USUAL_VOLATILITY = 0.2
"""Where nothing tells: about what large indices have in the long run. Only an option that a broker filled without any price of its
underlying being known here comes to it."""

FRAMES = ("D1", "H4", "H1", "M30", "M15", "M5", "M1")
"""Timeframes that an underlying's volatility is made of: of the longest that has enough bars."""
VOLATILITY_BARS = 300
"""How many bars of a timeframe are looked at for it: the intraday ones span a session or more."""
MOST_DAILY_BARS = 60
"""Of daily bars: three months."""
_MOST_BAR_AGE = timedelta(days=10)
"""Bars that ended longer ago tell nothing of today's volatility."""

_LIMITS = frozenset({ExitReason.TAKE_PROFIT, ExitReason.PARTIAL_TARGET})


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract's price is made of.

    Attributes:
        volatility: per year as a fraction.
        rate: per year as a fraction.
        source: who told the price at which it was bought: ``model``, or a feed.
        half_spread: half of the distance from bid to ask as a share of the price between them.
        spot: the underlying's price when it was bought.
    """

    volatility: float
    rate: float = DEFAULT_RATE
    source: str = MODEL
    half_spread: Decimal = HALF_SPREAD
    spot: Decimal | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is stored; floats as text, so that they come back to the last digit."""
        return {
            "volatility": repr(self.volatility),
            "rate": repr(self.rate),
            "source": self.source,
            "half_spread": plain(self.half_spread),
            "spot": None if self.spot is None else plain(self.spot),
        }


def priced_by(symbol: str) -> str:
    """The symbol whose price decides what ``symbol`` costs: an option's underlying, else itself."""
    contract = instrument_for(symbol).option
    return symbol if contract is None else contract.underlying


def asks_for_options(alert: Alert, strategy: Strategy | None) -> bool:
    """Whether an alert may lead to the purchase of an option: it asks for one, it names one, or its strategy buys nothing else."""
    if alert.option is not None or instrument_for(alert.symbol).option is not None:
        return True
    section = None if strategy is None else strategy.settings.get("options")
    return isinstance(section, Mapping) and section.get("trade") == Trade.ALWAYS


def volatility_of(series: Sequence[Sequence[Candle]], at: datetime) -> float | None:
    """An underlying's realised volatility as of a moment; None where no timeframe has enough bars that closed by then.

    Args:
        series: its bars per timeframe, the longest first, as ``FRAMES`` names them.
    """
    return _told_by(series, at)[0]


def volatility_rank_of(series: Sequence[Sequence[Candle]], at: datetime) -> float | None:
    """Where that volatility stands in the history of the bars that tell it, 0 to 1; None where they are too few for one."""
    return volatility_rank(_told_by(series, at)[1])


def _told_by(series: Sequence[Sequence[Candle]], at: datetime) -> tuple[float | None, Sequence[Candle]]:
    """The volatility, and the bars of its timeframe that had closed."""
    for frame, bars in zip(FRAMES, series, strict=True):
        closed = bars[: bisect_right(bars, at, key=lambda bar: bar.closes_at)]
        if not closed or closed[-1].closes_at < at - _MOST_BAR_AGE:
            continue
        found = realised_volatility(closed[-(MOST_DAILY_BARS if frame == "D1" else VOLATILITY_BARS) :])
        if found is not None:
            return found, closed
    return None, ()


def terms_from(stored: Mapping[str, Any]) -> Terms:
    """Terms as a position carries them."""
    return Terms(
        volatility=float(stored["volatility"]),
        rate=float(stored["rate"]),
        source=str(stored["source"]),
        half_spread=Decimal(stored["half_spread"]),
        spot=None if stored["spot"] is None else Decimal(stored["spot"]),
    )


def terms_of(chosen: OptionQuote, chain: OptionChain, usual: float | None = None) -> Terms:
    """The terms of a contract that is bought out of a chain.

    Args:
        usual: the underlying's realised volatility, for a quote whose own can't be told; None: it is not known.
    """
    middle = chosen.middle
    volatility = chosen.volatility
    if volatility is None or not volatility > 0:
        volatility = _implied(chosen.contract, middle, chain.spot, chosen.at, chain.rate)
    return Terms(
        volatility=volatility or usual or USUAL_VOLATILITY,
        rate=chain.rate,
        source=chosen.source,
        half_spread=as_price((chosen.ask - chosen.bid) / 2 / middle) if middle > ZERO else HALF_SPREAD,
        spot=chain.spot,
    )


def terms_of_fill(contract: OptionContract, price: Decimal, at: datetime, spot: Decimal | None) -> Terms:
    """The terms of a contract that a broker filled at ``price``: the volatility that this price implies."""
    implied = None if spot is None else _implied(contract, price, spot, at, DEFAULT_RATE)
    return Terms(implied or USUAL_VOLATILITY, source="broker", spot=spot)


def _implied(contract: OptionContract, price: Decimal, spot: Decimal, at: datetime, rate: float) -> float | None:
    years = years_between(at, contract.expires_at)
    return implied_volatility(contract.right, float(price), float(spot), float(contract.strike), years, rate)


def contract_bar(contract: OptionContract, candle: Candle, terms: Terms) -> Candle:
    """The contract's bar while its underlying had ``candle``: prices between bid and ask."""
    return option_candle(contract, candle, terms.volatility, terms.rate)


def contract_price(contract: OptionContract, known: Quote, terms: Terms) -> Quote:
    """The contract's price while its underlying's was ``known``: between bid and ask, with the bounds of the same bar."""
    low = known.price if known.low is None else min(known.low, known.price)
    high = known.price if known.high is None else max(known.high, known.price)
    bar = Candle(contract.underlying, "", known.at, known.at, known.price, high, low, known.price)
    made = contract_bar(contract, bar, terms)
    is_bare = known.low is None or known.high is None
    return Quote(
        symbol=contract.symbol,
        price=made.close,
        at=known.at,
        source=MODEL,
        bar_seconds=known.bar_seconds,
        low=None if is_bare else made.low,
        high=None if is_bare else made.high,
    )


def quoted(chosen: OptionQuote) -> Quote:
    """The price of a contract as somebody told it, between bid and ask."""
    return Quote(chosen.contract.symbol, max(chosen.middle, TICK), chosen.at, chosen.source)


def costs_of(model: PaperModel, terms: Terms | None) -> PaperModel:
    """What trading costs, with the contract's own spread where somebody told it; as it is where none did, and for all else."""
    return model if terms is None or terms.source == MODEL else replace(model, option_half_spread=terms.half_spread)


def at_side(side: Side, price: Quote, terms: Terms) -> Quote:
    """The price at which the market buys or sells: the ask or the bid, with the bounds from the lowest bid to the highest ask."""
    return replace(
        price,
        price=ask_of(price.price, terms) if side is Side.BUY else bid_of(price.price, terms),
        low=None if price.low is None else bid_of(price.low, terms),
        high=None if price.high is None else ask_of(price.high, terms),
    )


def at_bid(due: Exit, terms: Terms) -> Exit:
    """A due exit as the market fills it: at bids, but for a target, which waits at its own price.

    A price alone that reaches the target between its bid and its ask has reached it, as one within a bar does.
    """
    is_target = due.reason in _LIMITS
    opening = bid_of(due.open, terms)
    if is_target and due.level is not None and due.high is None:
        opening = max(opening, due.level)
    return replace(
        due,
        level=due.level if due.level is None or is_target else bid_of(due.level, terms),
        open=opening,
        low=None if due.low is None else bid_of(due.low, terms),
        high=None if due.high is None else ask_of(due.high, terms),
    )


def bid_of(price: Decimal, terms: Terms) -> Decimal:
    """What is offered for a contract whose price between bid and ask is ``price``; at least a tick."""
    return max(round_to_tick(price - _half(price, terms), TICK, up=False), TICK)


def ask_of(price: Decimal, terms: Terms) -> Decimal:
    """What is asked for it."""
    return round_to_tick(price + _half(price, terms), TICK, up=True)


def _half(price: Decimal, terms: Terms) -> Decimal:
    """Half of the spread, on the tick grid and at least a tick, as in a model chain."""
    return max(as_price(price * terms.half_spread).quantize(TICK), TICK)
