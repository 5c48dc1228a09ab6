"""Option chains: what contracts there are and what they cost; where no feed tells, by a model (pure).

A model chain is made of the underlying's price and volatility alone. Nothing in it was ever offered by anybody, so it is marked
``model`` wherever it goes. Its rules follow the listings of the US option exchanges (Cboe's and OCC's product specifications):

* expirations: the Fridays of the next weeks, the third Fridays of the next months, and those of January in the next years; where
  the exchange rests on a Friday, the trading day before;
* strikes: a grid around the price whose step grows with it (``strike_step``), and again far from it and far from now, where fewer
  are listed;
* prices: Black and Scholes's, with one volatility for all strikes, on the tick grid; bid and ask 1 % to either side and at least a
  tick.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import lru_cache
from math import exp, sqrt
from typing import Final

from hookfill.kernel.money import as_price
from hookfill.market.instruments import instrument_for
from hookfill.market.model import FIRST_SYMBOL_YEAR, Candle, InstrumentKind, InvalidContract, OptionContract, Right
from hookfill.market.option_prices import DEFAULT_RATE, Greeks, greeks, implied_volatility, price, years_between
from hookfill.market.option_symbols import UNDERLYINGS
from hookfill.market.sessions import LAST_YEAR, NEW_YORK, last_close, session_on_or_before

MODEL: Final = "model"
"""The source of what was never quoted by anybody."""
TICK = Decimal("0.01")
HALF_SPREAD = Decimal("0.01")
"""Half the distance from bid to ask in a model chain, as a part of the price between them."""
WEEKS = 8
"""How many weeks ahead every Friday is an expiration."""
MONTHS = 12
"""How many months ahead the third Friday is one."""
LEAPS_YEARS = 3
"""How many Januaries ahead: long-term contracts (LEAPS) expire then."""
REACH = 2.5
"""How many standard deviations of the price the strikes reach to either side."""
MOST_REACH = 3.0
"""The farthest strike in parts of the price."""
MOST_STRIKES = 25
"""How many strikes the grid has on either side at most: its step grows until it reaches."""
NEAR_STRIKES = 10
"""How many steps of the finest grid there are beside it on either side of the price, for contracts that end soon."""
SOON_YEARS = 0.25
LEAST_STRIKES = 5
"""How many there are at least, but that none is at or below 0."""
MOST_STRIKE = Decimal(100_000)
"""Below it all strikes lie: a symbol has no room for more."""

STEPS: Final = (
    (Decimal(25), Decimal("0.5")),
    (Decimal(100), Decimal(1)),
    (Decimal(250), Decimal("2.5")),
    (Decimal(1_000), Decimal(5)),
    (Decimal(25_000), Decimal(10)),
    (Decimal("Infinity"), Decimal(100)),
)
"""Below this price, that step; from 1,000 on 10, and from 25,000 on 100."""
_LADDER = tuple(Decimal(step) for step in ("0.5", "1", "2.5", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000"))
"""The steps that a grid may have: of those that are multiples of the finest the first that reaches."""
OWN_STEPS: Final = {
    **dict.fromkeys(("SPY", "QQQ", "IWM", "DIA", "XSP"), Decimal(1)),
    **dict.fromkeys(("SPX", "RUT"), Decimal(5)),
}
"""Classes whose grid is finer than their price's: the large funds and indices."""

_FRIDAY = 4
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OptionQuote:
    """What a contract costs.

    Attributes:
        bid, ask: for one unit of the underlying (times 100 for a contract), 0 <= bid <= ask.
        at: when it was true (UTC).
        source: ``model``, or the feed that told.
        volatility: implied by the price (of a model chain: what made it), per year as a fraction; None: not told.
        greeks: None: not told.
        open_interest, volume: contracts that are open, and that were traded today; None: not told.
    """

    contract: OptionContract
    bid: Decimal
    ask: Decimal
    at: datetime
    source: str
    volatility: float | None = None
    greeks: Greeks | None = None
    open_interest: int | None = None
    volume: int | None = None

    @property
    def middle(self) -> Decimal:
        """Halfway between bid and ask."""
        return as_price((self.bid + self.ask) / 2)

    @property
    def spread_percent(self) -> Decimal | None:
        """The distance from bid to ask in percent of the middle; None where there is no bid, so that nobody would buy it back."""
        return as_price((self.ask - self.bid) / self.middle * 100) if self.bid > 0 else None


@dataclass(frozen=True, slots=True)
class OptionChain:
    """The contracts of one underlying.

    Attributes:
        at: when it was true (UTC).
        source: ``model``, or the feed that told.
        spot: the underlying's price.
        quotes: by expiration, right and strike.
        rate: per year as a fraction, for who models with it.
        volatility: of a model chain what made it; None: each quote has its own.
        volatility_rank: where the volatility stands in its own history, 0 to 1; None: not known.
    """

    underlying: str
    at: datetime
    source: str
    spot: Decimal
    quotes: tuple[OptionQuote, ...]
    rate: float = DEFAULT_RATE
    volatility: float | None = None
    volatility_rank: float | None = None

    @property
    def is_model(self) -> bool:
        """Whether nobody ever quoted it."""
        return self.source == MODEL


def has_options(symbol: str) -> bool:
    """Whether options on ``symbol`` can be listed: it is a US share, fund or index by its notation, whose contracts name it."""
    instrument = instrument_for(symbol)
    root = "".join(letter for letter in instrument.symbol if letter.isalnum())
    is_named = instrument.symbol.isascii() and 1 <= len(root) <= 6 and UNDERLYINGS.get(root, root) == instrument.symbol
    return instrument.kind is InstrumentKind.EQUITY and is_named


@lru_cache(maxsize=4)
def model_chain(
    underlying: str,
    spot: Decimal,
    volatility: float,
    at: datetime,
    rate: float = DEFAULT_RATE,
    *,
    rights: tuple[Right, ...] = ("CALL", "PUT"),
    volatility_rank: float | None = None,
) -> OptionChain:
    """The chain by model as of ``at``; the same arguments always give the same one.

    The last few are kept: alerts come in bursts, all at the same price.

    Args:
        underlying: a symbol that ``has_options``.
        spot: its price, above 0.
        volatility: per year as a fraction, above 0.
        at: now, or the simulated time; timezone-aware.
        rate: per year as a fraction.
        rights: what is wanted; half a chain is made in half the time.
        volatility_rank: is passed on.

    Raises:
        InvalidContract: nothing is listed on such a symbol.
        CalendarOutOfRange: beyond the years that the exchange calendar covers.
    """
    if not has_options(underlying):
        raise InvalidContract(f"No options are listed on {underlying[:40]!a}: they are on US shares, funds and indices.")
    underlying, quotes = instrument_for(underlying).symbol, []
    for expiration in expirations(at):
        listed = strikes(underlying, spot, volatility, years_between(at, last_close(expiration)))
        for right in rights:
            for strike in listed:
                contract = OptionContract(underlying, expiration, right, strike)
                quotes.append(model_quote(contract, spot, volatility, at, rate))
    return OptionChain(underlying, at, MODEL, spot, tuple(quotes), rate, volatility, volatility_rank)


def model_quote(
    contract: OptionContract, spot: Decimal, volatility: float, at: datetime, rate: float = DEFAULT_RATE
) -> OptionQuote:
    """What a contract costs by model; arguments as ``model_chain`` takes them.

    The middle is the model's price on the tick grid and at least a tick; bid and ask stand 1 % to either side on the grid, away
    from it. What is worth less than a cent has no bid.
    """
    years = years_between(at, contract.expires_at)
    values = greeks(contract.right, float(spot), float(contract.strike), years, volatility, rate)
    middle = max(_on_grid(values.price), TICK)
    half = max((middle * HALF_SPREAD).quantize(TICK, ROUND_HALF_UP), TICK)
    bid = max(middle - half, Decimal(0))
    return OptionQuote(contract, bid, middle + half, at, MODEL, volatility, values)


def with_contracts(chain: OptionChain, right: Right, expiration: date | None, strike: Decimal | None) -> OptionChain:
    """A model chain in which a contract is listed that somebody names; a chain that somebody quotes stays as it is.

    Args:
        expiration: a day of trade; None: all that the chain has.
        strike: None: the grid's.
    """
    if chain.volatility is None or (expiration is None and strike is None):
        return chain
    known = {(quote.contract.expiration, quote.contract.strike) for quote in chain.quotes if quote.contract.right == right}
    added = []
    for day in {day for day, _ in known} if expiration is None else {expiration}:
        if last_close(day) <= chain.at or day.year < FIRST_SYMBOL_YEAR:
            continue
        grid = strikes(chain.underlying, chain.spot, chain.volatility, years_between(chain.at, last_close(day)))
        for wanted in grid if strike is None else (strike,):
            if (day, wanted) not in known:
                contract = OptionContract(chain.underlying, day, right, wanted)
                added.append(model_quote(contract, chain.spot, chain.volatility, chain.at, chain.rate))
    return replace(chain, quotes=(*chain.quotes, *added))


def greeks_of(quote: OptionQuote, chain: OptionChain) -> Greeks | None:
    """The quote's Greeks as its feed told them; else by model from its own volatility, or from what its price implies.

    None where its price tells none.
    """
    if quote.greeks is not None:
        return quote.greeks
    contract, spot, rate = quote.contract, float(chain.spot), chain.rate
    strike, years = float(contract.strike), years_between(chain.at, contract.expires_at)
    volatility = quote.volatility or implied_volatility(contract.right, float(quote.middle), spot, strike, years, rate)
    return None if volatility is None else greeks(contract.right, spot, strike, years, volatility, rate)


def option_candle(contract: OptionContract, candle: Candle, volatility: float, rate: float = DEFAULT_RATE) -> Candle:
    """The bar that a contract had by model while its underlying had ``candle``.

    Its prices are the model's at the underlying's prices as of the bar's close, on the tick grid and at least a tick: so low and
    high bound what was traded between, because the model's price rises with the underlying's (a call's; a put's falls). At or after
    the contract's end they are what it is worth then, or a tick.

    Args:
        contract: on the candle's symbol.
        candle: a bar of the underlying.
        volatility: per year as a fraction.
        rate: per year as a fraction.
    """
    years = years_between(candle.closes_at, contract.expires_at)
    strike = float(contract.strike)

    def worth(spot: Decimal) -> Decimal:
        return max(_on_grid(price(contract.right, float(spot), strike, years, volatility, rate)), TICK)

    worths = {spot: worth(spot) for spot in {candle.open, candle.high, candle.low, candle.close}}
    at_low, at_high = worths[candle.low], worths[candle.high]
    if contract.right == "PUT":
        at_low, at_high = at_high, at_low
    return Candle(
        symbol=contract.symbol,
        timeframe=candle.timeframe,
        opened_at=candle.opened_at,
        closes_at=candle.closes_at,
        open=worths[candle.open],
        high=at_high,
        low=at_low,
        close=worths[candle.close],
    )


def intrinsic_value(contract: OptionContract, spot: Decimal) -> Decimal:
    """What exercising a contract is worth for one unit of the underlying; 0 out of the money."""
    worth = spot - contract.strike if contract.right == "CALL" else contract.strike - spot
    return max(worth, Decimal(0))


def expirations(at: datetime) -> tuple[date, ...]:
    """The days on which contracts of a model chain end, after ``at``; ascending.

    Raises:
        CalendarOutOfRange: beyond the years that the exchange calendar covers.
    """
    today = at.astimezone(NEW_YORK).date()
    friday = today + _DAY * ((_FRIDAY - today.weekday()) % 7)
    fridays = {friday + _DAY * 7 * week for week in range(WEEKS)}
    months = [(today.year + (today.month - 1 + ahead) // 12, (today.month - 1 + ahead) % 12 + 1) for ahead in range(MONTHS + 1)]
    months += [(today.year + ahead, 1) for ahead in range(1, LEAPS_YEARS + 1)]
    fridays |= {third_friday(year, month) for year, month in months}
    days = sorted({session_on_or_before(day) for day in fridays if day >= today and FIRST_SYMBOL_YEAR <= day.year <= LAST_YEAR})
    return tuple(day for day in days if last_close(day) > at)


def third_friday(year: int, month: int) -> date:
    """The day in the middle of a month on which its contracts end, unless it is a holiday."""
    first = date(year, month, 1)
    return first + _DAY * ((_FRIDAY - first.weekday()) % 7 + 14)


def strike_step(underlying: str, spot: Decimal) -> Decimal:
    """How far apart strikes near the price are."""
    return OWN_STEPS.get(underlying, next(step for below, step in STEPS if spot < below))


def strikes(underlying: str, spot: Decimal, volatility: float, years: float) -> tuple[Decimal, ...]:
    """The strikes of one expiration of a model chain, ascending: round numbers around the price.

    Args:
        underlying: its symbol.
        spot: its price.
        volatility: per year as a fraction.
        years: until the expiration.
    """
    reach = min(exp(min(REACH * volatility * sqrt(years), MOST_REACH)), MOST_REACH)
    lowest, highest = spot / Decimal(repr(reach)), spot * Decimal(repr(reach))
    finest = strike_step(underlying, spot)
    step = next((step for step in _LADDER if step % finest == 0 and (highest - spot) / step <= MOST_STRIKES), _LADDER[-1])
    found = _grid(int(lowest / step), int(highest / step), spot, step, LEAST_STRIKES)
    if years <= SOON_YEARS:
        found |= _grid(int(spot / finest), int(spot / finest), spot, finest, NEAR_STRIKES)
    return tuple(sorted(found))


def _grid(low: int, high: int, spot: Decimal, step: Decimal, least: int) -> set[Decimal]:
    """The multiples of ``step`` from ``low`` to ``high`` times it, and at least so many on either side of the price."""
    centre = int((spot / step).to_integral_value(ROUND_HALF_EVEN))
    last = min(max(high, centre + least), int((MOST_STRIKE - 1) / step))  # before it is counted: a price may be absurd
    return {step * place for place in range(max(min(low, centre - least), 1), last + 1)}


def _on_grid(value: float) -> Decimal:
    """A price in whole ticks, the nearest."""
    return Decimal(f"{value:.2f}")
