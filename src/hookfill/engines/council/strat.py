"""The specialist for Rob Smith's Strat: what the last three candles did to the ones before them."""

from itertools import pairwise

from hookfill.engines.council.model import AgentView
from hookfill.engines.model import BEARISH, BULLISH, NEUTRAL, Opinion
from hookfill.market.model import Candle

NAME = "strat"
INSIDE, UP, DOWN, OUTSIDE = "1", "2u", "2d", "3"
PATTERNS = frozenset({("2", "1", "2"), ("3", "1", "2"), ("3", "2", "2")})
"""The patterns that count; the last candle, which breaks out, gives the direction."""
_NEEDED = 4


def judge(view: AgentView) -> Opinion:
    """A pattern of 2-1-2, 3-1-2 or 3-2-2: 70 in the last candle's direction. Else, also with too few candles: neutral, 25.

    The first of the three candles gets its number from the one before it, so that four are needed.
    """
    last = view.candles[-_NEEDED:]
    if len(last) < _NEEDED:
        return Opinion(NAME, NEUTRAL, 25, (f"{len(last)} candles: {_NEEDED} are needed.",))
    kinds = [number_of(before, candle) for before, candle in pairwise(last)]
    shown = "-".join(kinds)
    if tuple(kind[0] for kind in kinds) not in PATTERNS:
        return Opinion(NAME, NEUTRAL, 25, (f"The last three candles, {shown}, make no pattern.",))
    bias = BULLISH if kinds[-1] == UP else BEARISH
    return Opinion(NAME, bias, 70, (f"The last three candles make the pattern {shown}.",))


def number_of(before: Candle, candle: Candle) -> str:
    """The Strat's number: 1 within the range before, 3 beyond it on both sides, 2u only above, 2d only below."""
    is_above, is_below = candle.high > before.high, candle.low < before.low
    if is_above:
        return OUTSIDE if is_below else UP
    return DOWN if is_below else INSIDE
