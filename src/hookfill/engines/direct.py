"""The direct engine: the alert is the decision."""

from hookfill.engines.direction import direction
from hookfill.engines.model import Decision, Filters, MarketView
from hookfill.signals.model import Signal

NAME = "direct"
_NO_FILTERS = Filters()


def decide(signal: Signal, market: MarketView, filters: Filters = _NO_FILTERS) -> Decision:
    """Approve every signal; neither the market nor filters are looked at."""
    return Decision(
        engine=NAME,
        approved=True,
        bias=direction(signal.alert),
        confidence=100.0,
        reasons=(f"The strategy takes the alert's word: {signal.alert.action}.",),
    )
