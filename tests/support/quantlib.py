"""An independent library's prices and Greeks."""

import math
import warnings

from hookfill.market.model import Right
from hookfill.market.option_prices import Greeks

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its generated bindings, from Python 3.12 on
    import QuantLib


def quantlib_greeks(
    right: Right, spot: float, strike: float, years: float, volatility: float, rate: float, dividend_yield: float = 0.0
) -> Greeks:
    """What QuantLib makes of the same arguments, in our units."""
    kind = QuantLib.Option.Call if right == "CALL" else QuantLib.Option.Put
    forward = spot * math.exp((rate - dividend_yield) * years)
    payoff, deviation = QuantLib.PlainVanillaPayoff(kind, strike), volatility * math.sqrt(years)
    found = QuantLib.BlackCalculator(payoff, forward, deviation, math.exp(-rate * years))
    return Greeks(
        price=found.value(),
        delta=found.delta(spot),
        gamma=found.gamma(spot),
        theta=found.theta(spot, years) / 365,
        vega=found.vega(years) / 100,
        rho=found.rho(years) / 100,
    )
