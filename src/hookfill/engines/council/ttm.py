"""The squeeze specialist (John Carter's TTM squeeze): volatility is released, and momentum goes the alert's way."""

from hookfill.engines.compare import compare
from hookfill.engines.council.model import AgentView
from hookfill.engines.model import Opinion

NAME = "ttm"


def judge(view: AgentView) -> Opinion | None:
    """The squeeze is off and its momentum has the alert's sign: 70 in the alert's direction. Else it has nothing to say."""
    momentum = compare(view.values.momentum, 0.0, view.price)
    if view.values.squeeze_on is not False or not momentum or momentum != view.side:
        return None
    return Opinion(NAME, view.side, 70, (f"The squeeze is off, momentum {view.values.momentum:.6g} goes the alert's way.",))
