"""The opening-range specialist: a breakout from the session's first candles."""

from datetime import timedelta
from itertools import pairwise

from hookfill.engines.compare import sign
from hookfill.engines.council.model import AgentView
from hookfill.engines.model import NEUTRAL, Opinion
from hookfill.market.calendar import exchange_days
from hookfill.market.model import Candle

NAME = "orb"
SYMBOLS = frozenset({"SPY", "QQQ", "SPX"})
WAIT = timedelta(minutes=30)
"""How long after the open a breakout begins to count."""
CANDLES = 5
"""How many candles make the opening range."""
_MOMENT = timedelta(microseconds=1)


def judge(view: AgentView) -> Opinion | None:
    """The price above the high of the session's first five candles: bullish, 80; below their low: bearish, 80; else neutral, 40.

    Neutral, 40, also where those candles are not all stored. It has nothing to say about other symbols than SPY, QQQ and SPX, nor
    in the first half hour of the New York session, nor outside of it.
    """
    if view.symbol not in SYMBOLS:
        return None
    session = next(exchange_days(view.now, view.now + _MOMENT), None)
    if session is None or view.now < session.opens_at + WAIT:
        return None
    opening = [candle for candle in view.market.session if candle.opened_at >= session.opens_at][:CANDLES]
    if view.price is None or len(opening) < CANDLES or not _is_whole(opening) or opening[0].opened_at != session.opens_at:
        return Opinion(NAME, NEUTRAL, 40, ("The session's first five candles, or a price, are not known.",))
    high, low = float(max(candle.high for candle in opening)), float(min(candle.low for candle in opening))
    bias = (view.price > high) - (view.price < low)
    text = f"Price {view.price:.6g}, opening range {low:.6g} to {high:.6g}."
    return Opinion(NAME, sign(bias), 80 if bias else 40, (text,))


def _is_whole(opening: list[Candle]) -> bool:
    """Whether each candle begins where the one before it ends."""
    return all(later.opened_at == earlier.closes_at for earlier, later in pairwise(opening))
