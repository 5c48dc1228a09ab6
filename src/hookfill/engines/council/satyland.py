"""The sub-agent after Saty Mahajan's ribbon: the price's side of the average that marks the trend."""

from hookfill.engines.compare import compare
from hookfill.engines.council.model import AgentView
from hookfill.engines.model import BEARISH, BULLISH, Opinion

NAME = "satyland"


def judge(view: AgentView) -> Opinion | None:
    """Price >= EMA 21: bullish, 70. Else: bearish, 40. Without an average it has nothing to say."""
    place = compare(view.price, view.values.ema_21, view.price)
    if place is None:
        return None
    text = f"Price {view.price:.6g}, EMA 21 {view.values.ema_21:.6g}."
    return Opinion(NAME, BEARISH, 40, (text,)) if place == BEARISH else Opinion(NAME, BULLISH, 70, (text,))
