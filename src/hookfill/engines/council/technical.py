"""The technical agent: the order of two averages, and the price's side of the slower one."""

from hookfill.engines.compare import compare
from hookfill.engines.council.model import AgentView
from hookfill.engines.model import BEARISH, BULLISH, NEUTRAL, Opinion

NAME = "technical"


def judge(view: AgentView) -> Opinion:
    """EMA 8 > EMA 21 and price >= EMA 21: bullish 75; the mirror image: bearish 75; else, or with too few candles: neutral 40."""
    fast, slow, price = view.values.ema_8, view.values.ema_21, view.price
    order, place = compare(fast, slow, price), compare(price, slow, price)
    if order is None or place is None:
        return Opinion(NAME, NEUTRAL, 40, ("EMA 21 needs 21 candles and a price.",))
    text = f"EMA 8 {fast:.6g}, EMA 21 {slow:.6g}, price {price:.6g}."
    if order == BULLISH and place != BEARISH:
        return Opinion(NAME, BULLISH, 75, (text,))
    if order == BEARISH and place != BULLISH:
        return Opinion(NAME, BEARISH, 75, (text,))
    return Opinion(NAME, NEUTRAL, 40, (text,))
