"""How well a contract serves, as one number from 0 to 100 (pure).

Five parts, each from 0 to 1, weighted: liquidity, stability of delta, decay, volatility against its rank, and cost. Where a
figure has no natural end, x becomes 1 / (1 + x / usual): 1 for nothing, a half for what is usual. A contract's score depends on
nothing but itself, so that one more candidate never changes the order of the others.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import isfinite, log10
from types import MappingProxyType
from typing import Final

from hookfill.market.option_chain import OptionQuote
from hookfill.market.option_prices import Greeks
from hookfill.orders.strike_rules import Bounds

WEIGHTS: Final = MappingProxyType({"liquidity": 30, "stability": 20, "theta": 20, "vega": 15, "cost": 15})
"""Parts of 100."""
USUAL_TURN = 0.10
"""The part of its size by which delta changes when the underlying moves by 1 %."""
USUAL_DECAY = 0.02
"""The part of the price that is lost in a day."""
USUAL_VEGA = 0.03
"""The part of the price that a volatility point moves."""
USUAL_COST = 0.02
"""The price in parts of the underlying's."""
UNKNOWN_RANK = 0.5
"""Of a volatility whose history is not known: neither high nor low, so that vega makes no difference."""


@dataclass(frozen=True, slots=True)
class Score:
    """The parts, each from 0 to 1."""

    liquidity: float
    stability: float
    theta: float
    vega: float
    cost: float

    @property
    def total(self) -> float:
        """All parts by their weights: 0 to 100."""
        return float(sum(weight * getattr(self, part) for part, weight in WEIGHTS.items()))

    def figures(self) -> dict[str, float]:
        """The parts by name, JSON-ready."""
        return {part: round(getattr(self, part), 4) for part in WEIGHTS}


def score(quote: OptionQuote, greeks: Greeks, spot: Decimal, bounds: Bounds, volatility_rank: float | None) -> Score | None:
    """The score of a contract that lies within the bounds; None where its figures are no numbers to go by.

    Args:
        quote: with a bid and an ask.
        greeks: of the quote.
        spot: the underlying's price.
        bounds: what is sought.
        volatility_rank: 0 to 1, None where it is not known.
    """
    middle, underlying = float(quote.middle), float(spot)
    rank = UNKNOWN_RANK if volatility_rank is None else volatility_rank
    calm = _less_is_more(abs(greeks.vega) / middle, USUAL_VEGA)
    found = Score(
        liquidity=_liquidity(quote, bounds),
        stability=_less_is_more(greeks.gamma * underlying / 100 / abs(greeks.delta), USUAL_TURN) if greeks.delta else 0.0,
        theta=_less_is_more(max(-greeks.theta, 0.0) / middle, USUAL_DECAY),
        # Where volatility is high it may fall, so the less it matters the better; where it is low, the more.
        vega=rank * calm + (1 - rank) * (1 - calm),
        cost=_less_is_more(float(quote.ask) / underlying, USUAL_COST),
    )
    return found if isfinite(found.total) else None


def _less_is_more(value: float, usual: float) -> float:
    return 1 / (1 + value / usual)


def _liquidity(quote: OptionQuote, bounds: Bounds) -> float:
    """The mean of how narrow the spread is within its bound, and of how far the known counts are above theirs (to ten times)."""
    spread = quote.spread_percent
    parts = [0.0 if spread is None else 1 - float(spread / bounds.most_spread)]
    for found, least in ((quote.open_interest, bounds.least_open_interest), (quote.volume, bounds.least_volume)):
        if found is not None:
            parts.append(log10(min(max(found / least, 1.0), 10.0)))
    return sum(parts) / len(parts)
