"""The context agent: whether there is enough to go by, and whether the market is calm enough to believe it."""

from hookfill.engines.council.model import AgentView
from hookfill.engines.model import NEUTRAL, Opinion
from hookfill.market.indicators import ATR_PERIOD

NAME = "context"
WILD_PERCENT = 2.0
"""An average true range of more than this, in percent of the price, is a market in which little can be told."""


def judge(view: AgentView) -> Opinion:
    """Too few candles for the average true range: neutral, 10. It is over 2 % of the price: neutral, 35. Else: neutral, 60."""
    atr = view.values.atr_14
    if atr is None or not view.price:
        return Opinion(
            NAME, NEUTRAL, 10, (f"{len(view.candles)} candles: the average true range needs {ATR_PERIOD + 1}, and a price.",)
        )
    percent = 100 * atr / view.price
    text = f"The average true range is {percent:.3g} % of the price"
    if percent > WILD_PERCENT:
        return Opinion(NAME, NEUTRAL, 35, (f"{text}, over {WILD_PERCENT:g} %: a wild market.",))
    return Opinion(NAME, NEUTRAL, 60, (f"{text}.",))
