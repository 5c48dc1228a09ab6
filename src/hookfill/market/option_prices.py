"""What an option is worth: Black, Scholes and Merton's model of European options, and the volatility that it needs (pure).

Sources: Black and Scholes 1973 and Merton 1973 (with a continuous dividend yield); the formulas stand in Hull, *Options, Futures,
and Other Derivatives*, chapters 15, 17 and 19. Options on shares are American; for puts deep in the money and calls before a large
dividend that makes a difference, which the model leaves out. Floats: these are estimates; ``option_chain`` makes money of them by
rounding to the tick.

Time is counted in years of 365 days, as exchanges and brokers quote it; rates, yields and volatilities are per year, as fractions.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from hookfill.market.calendar import trading_days
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, Instrument, InstrumentKind, Right

YEAR = timedelta(days=365)
DAYS = 365
LEAST_VOLATILITY = 0.01
MOST_VOLATILITY = 5.0
"""What realised volatility is held to: beyond lie mistakes of data, not markets."""
DEFAULT_RATE = 0.04
"""The rate that model prices are discounted with where nothing else is known: about that of three-month bills in 2024 to 2026."""

LEAST_MOVES = 10
"""Moves that a realised volatility is made of at least."""

_DAYS_PER_YEAR = {
    InstrumentKind.EQUITY: 252,
    InstrumentKind.OPTION: 252,
    InstrumentKind.FUTURE: 258,
    InstrumentKind.FX: 259,
    InstrumentKind.CRYPTO: 365,
}
"""Days of trade in a year."""
_BY_SESSIONS = frozenset({InstrumentKind.EQUITY, InstrumentKind.OPTION})
_RESTING_SHARE = 0.25
_LONGEST_REST = timedelta(days=8)
"""More than any market has been closed since 1970 (four sessions were missed in September 2001)."""
_SQRT_TWO = math.sqrt(2)
_SQRT_TWO_PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Greeks:
    """The price of an option on one unit of the underlying, and how it changes.

    Attributes:
        price: in the underlying's currency.
        delta: per 1 of the underlying; -1 to 1.
        gamma: change of delta per 1 of the underlying.
        theta: per calendar day that passes; mostly negative.
        vega: per volatility point (0.01).
        rho: per percentage point of the rate.
    """

    price: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float

    def figures(self) -> dict[str, float]:
        """All values by name, JSON-ready."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def years_between(start: datetime, end: datetime) -> float:
    """The time from ``start`` to ``end`` in years of 365 days; 0 where it is over."""
    return max((end - start) / YEAR, 0.0)


def price(
    right: Right, spot: float, strike: float, years: float, volatility: float, rate: float, dividend_yield: float = 0.0
) -> float:
    """The model's price of a European option; what it is worth at once where no time or no volatility is left.

    Args:
        right: call or put.
        spot, strike: above 0, in the same currency.
        years: until it ends; 0 or more.
        volatility, rate, dividend_yield: per year; volatility 0 or more.
    """
    sign = 1.0 if right == "CALL" else -1.0
    forward_spot, discounted_strike = spot * math.exp(-dividend_yield * years), strike * math.exp(-rate * years)
    deviation = volatility * math.sqrt(years)
    if deviation == 0:
        return max(sign * (forward_spot - discounted_strike), 0.0)
    d1 = math.log(forward_spot / discounted_strike) / deviation + deviation / 2
    value = sign * (forward_spot * _below(sign * d1) - discounted_strike * _below(sign * (d1 - deviation)))
    return max(value, 0.0)  # what is far out of the money may round to a hair below nothing


def greeks(
    right: Right, spot: float, strike: float, years: float, volatility: float, rate: float, dividend_yield: float = 0.0
) -> Greeks:
    """Price and Greeks by the closed formulas; arguments as ``price`` takes them.

    Where no time or no volatility is left, the price has a corner at the strike: in the money delta is 1 (a call) or -1 (a put),
    less the yield; out of it 0; and all else is 0.
    """
    sign = 1.0 if right == "CALL" else -1.0
    value = price(right, spot, strike, years, volatility, rate, dividend_yield)
    yielding, discount = math.exp(-dividend_yield * years), math.exp(-rate * years)
    deviation = volatility * math.sqrt(years)
    if deviation == 0:
        return Greeks(value, sign * yielding if value > 0 else 0.0, 0.0, 0.0, 0.0, 0.0)
    d1 = math.log(spot * yielding / (strike * discount)) / deviation + deviation / 2
    density, reached = _density(d1), _below(sign * (d1 - deviation))
    decay = -spot * yielding * density * volatility / (2 * math.sqrt(years))
    carried = sign * (dividend_yield * spot * yielding * _below(sign * d1) - rate * strike * discount * reached)
    return Greeks(
        price=value,
        delta=sign * yielding * _below(sign * d1),
        gamma=yielding * density / (spot * deviation),
        theta=(decay + carried) / DAYS,
        vega=spot * yielding * density * math.sqrt(years) / 100,
        rho=sign * strike * years * discount * reached / 100,
    )


def implied_volatility(
    right: Right, value: float, spot: float, strike: float, years: float, rate: float, dividend_yield: float = 0.0
) -> float | None:
    """The volatility at which the model's price is ``value``, to about 1e-10; None where none gives it.

    There is none at or below what the option is worth without any volatility, nor where the price can't be told from that, nor
    above a thousand percent.
    """
    lowest, highest = 1e-6, 10.0
    if years <= 0 or not _price_between(right, value, spot, strike, years, rate, dividend_yield, lowest, highest):
        return None
    guess = min(max(math.sqrt(2 * math.pi / years) * value / spot, 0.05), 3.0)  # Brenner and Subrahmanyam's, near the money
    for _ in range(200):
        now = greeks(right, spot, strike, years, guess, rate, dividend_yield)
        miss = now.price - value
        lowest, highest = (lowest, guess) if miss > 0 else (guess, highest)
        # Newton's step where it stays between the bounds, else halves them: the price rises with volatility.
        step = guess - miss / (now.vega * 100) if now.vega > 0 else lowest
        step = step if lowest < step < highest else (lowest + highest) / 2
        if abs(step - guess) < 1e-12 * max(guess, 1.0):
            return step
        guess = step
    return guess


def realised_volatility(candles: Sequence[Candle]) -> float | None:
    """The annualised volatility of closed candles of one series, oldest first; None for fewer than 10 moves, or none at all.

    The root of what the squares of the logarithmic moves from close to close come to in a year of trading days. How much of a day
    a move took is told by the market's calendar, so that bars of any length, gaps in the series and the hours in which a market is
    closed count for what they are. It is held between 1 % and 500 %.
    """
    moves = [math.log(float(after.close) / float(before.close)) for before, after in itertools.pairwise(candles)]
    variance = math.fsum(move * move for move in moves)
    if len(moves) < LEAST_MOVES or variance == 0:
        return None
    instrument = instrument_for(candles[0].symbol)
    days = _days_between(instrument, candles[0].closes_at, candles[-1].closes_at)
    if days <= 0:
        return None
    yearly = variance / days * _DAYS_PER_YEAR[instrument.kind]
    return min(max(math.sqrt(yearly), LEAST_VOLATILITY), MOST_VOLATILITY)


def volatility_rank(candles: Sequence[Candle], window: int = 20) -> float | None:
    """Where the volatility of the last ``window`` moves lies between the lowest (0) and the highest (1) that the series has seen.

    For want of a history of implied volatilities this stands for their rank. None where there are fewer than twice as many moves.
    """
    squares = [math.log(float(after.close) / float(before.close)) ** 2 for before, after in itertools.pairwise(candles)]
    if len(squares) < 2 * window:
        return None
    sums = [math.fsum(squares[start : start + window]) for start in range(len(squares) - window + 1)]
    lowest, highest = math.sqrt(min(sums)), math.sqrt(max(sums))
    return None if lowest == highest else (math.sqrt(sums[-1]) - lowest) / (highest - lowest)


def _days_between(instrument: Instrument, start: datetime, end: datetime) -> float:
    """How many days of trade a span is worth, as volatility counts them.

    The hours in which shares are not traded, be it a night or a weekend, count for a quarter of a day together: prices move by far
    less in an hour of them (French and Roll, Journal of Financial Economics 17, 1986). In other markets they count for nothing.
    """
    resting = _RESTING_SHARE if instrument.kind in _BY_SESSIONS else 0.0
    total, previous = 0.0, None
    for day in trading_days(instrument, start - _LONGEST_REST, end + _LONGEST_REST):
        if previous is not None:
            total += resting * _share(previous, day.opens_at, start, end)
        total += (1 - resting) * _share(day.opens_at, day.closes_at, start, end)
        previous = day.closes_at
    return total


def _share(opens: datetime, closes: datetime, start: datetime, end: datetime) -> float:
    """How much of ``opens`` to ``closes`` lies between ``start`` and ``end``: 0 to 1."""
    length, common = closes - opens, min(closes, end) - max(opens, start)
    return max(common / length, 0.0) if length else 0.0


def _price_between(
    right: Right,
    value: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    low: float,
    high: float,
) -> bool:
    """Whether ``value`` lies clearly above the price at the lowest volatility and not above the one at the highest."""
    least, most = (price(right, spot, strike, years, volatility, rate, dividend_yield) for volatility in (low, high))
    return least + 1e-12 * spot < value <= most


def _below(value: float) -> float:
    """The chance that a standard normal variable lies below ``value``."""
    return math.erfc(-value / _SQRT_TWO) / 2


def _density(value: float) -> float:
    return math.exp(-value * value / 2) / _SQRT_TWO_PI
