"""A share with options on it: bars that tell a volatility, situations that know them, and an own pricing to compare with."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from math import erf, exp, log, sqrt
from typing import Any

from hookfill.desk.contracts import FRAMES
from hookfill.desk.fold import fold
from hookfill.desk.model import OptionData, Outcome, Situation
from hookfill.market.model import Candle, Quote
from hookfill.market.option_chain import OptionChain
from hookfill.market.option_symbols import contract_from
from hookfill.signals.model import Signal
from support.desk import bar, flat, situation

OPEN = 150
"""Minutes after noon (UTC) at which the stock exchange opens on the tests' Monday."""
MORNING = tuple(
    bar(
        OPEN + 5 * step,
        f"500 501 499.5 {500 + ((step + 1) % 2) * Decimal('0.6')}",
        symbol="SPY",
        timeframe="M5",
    )
    for step in range(12)
)
"""An hour of five-minute bars: 500 at its end, on a Monday."""
NOW = OPEN + 61
"""A minute after it."""


def spy(minute: float, prices: str, timeframe: str = "M5") -> Candle:
    """A bar of SPY that opens so many minutes after noon."""
    return bar(minute, prices, symbol="SPY", timeframe=timeframe)


def still(minute: float, price: str, timeframe: str = "M5") -> Candle:
    """A bar of SPY that does not move."""
    return flat(minute, price, symbol="SPY", timeframe=timeframe)


def with_options(
    *signals: Signal,
    bars: Iterable[Candle] = (),
    chains: Mapping[str, OptionChain] | None = None,
    closes: Mapping[tuple[str, datetime], Quote] | None = None,
    **fields: Any,
) -> Situation:
    """What gathering would find after ``MORNING`` and these bars."""
    stored = (*MORNING, *bars)
    series = {symbol: series_of(stored, symbol) for symbol in {one.symbol for one in stored}}
    return situation(*signals, bars=stored, options=OptionData(series, chains or {}, closes or {}), **fields)


def series_of(stored: Iterable[Candle], symbol: str) -> tuple[tuple[Candle, ...], ...]:
    """The bars of a symbol per timeframe, as the desk gathers them to tell a volatility."""
    bars = list(stored)
    return tuple(_series(bars, symbol, frame) for frame in FRAMES)


def _series(stored: Iterable[Candle], symbol: str, frame: str) -> tuple[Candle, ...]:
    return tuple(sorted((one for one in stored if one.symbol == symbol and one.timeframe == frame), key=lambda one: one.opened_at))


def bought(*signals: Signal, **fields: Any) -> Outcome:
    """The fold of signals with options known."""
    return fold(with_options(*signals, **fields))


def premium(symbol: str, spot: Decimal, at: datetime, terms: Mapping[str, Any]) -> Decimal:
    """What an option costs between bid and ask: a pricing of the test's own."""
    contract = contract_from(symbol)
    years = max((contract.expires_at - at).total_seconds(), 0) / (365 * 86_400)
    rate, volatility, strike, price = float(terms["rate"]), float(terms["volatility"]), float(contract.strike), float(spot)
    sign = 1 if contract.right == "CALL" else -1
    if years == 0:
        value = max(sign * (price - strike), 0.0)
    else:
        deviation = volatility * sqrt(years)
        first = (log(price / strike) + (rate + volatility**2 / 2) * years) / deviation
        second = first - deviation
        value = sign * (price * _normal(sign * first) - strike * exp(-rate * years) * _normal(sign * second))
    return max(Decimal(f"{value:.2f}"), Decimal("0.01"))


def _normal(value: float) -> float:
    return (1 + erf(value / sqrt(2))) / 2
