"""What an engine sees and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hookfill.kernel.reasons import Reason
from hookfill.market.model import Candle, Quote


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known of one symbol as of the signal: the quote and closed candles, oldest first (at most some 300)."""

    quote: Quote | None
    candles: tuple[Candle, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """An engine's verdict.

    Attributes:
        bias: -1 bearish, 0 neutral, 1 bullish.
        confidence: 0 to 100.
        refusal: why not, when not approved.
        reasons: sentences for people, with figures.
        figures: the numbers it was decided on, JSON-ready (floats or text), for the story.
    """

    engine: str
    approved: bool
    bias: int
    confidence: float
    refusal: Reason | None = None
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float | str | None] = field(default_factory=dict)
