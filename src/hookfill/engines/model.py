"""What an engine sees, how it is configured and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hookfill.kernel.reasons import Reason
from hookfill.market.model import Candle, Quote
from hookfill.signals.model import Signal


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known of one symbol as of the signal: the quote and closed candles, oldest first (at most some 300)."""

    quote: Quote | None
    candles: tuple[Candle, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """What a strategy wants engine A to insist on; everything is off by default.

    Attributes:
        trend: a long needs EMA 8 > EMA 21 and a price at or above EMA 21; a short the mirror image.
        min_atr_percent, max_atr_percent: bounds (inclusive) of the 14-bar average true range in percent of the price.
        min_confluence: how many of the five votes must agree with the alert (see ``rules.votes``); 0 is off.
    """

    trend: bool = False
    min_atr_percent: float | None = None
    max_atr_percent: float | None = None
    min_confluence: int = 0


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


Engine = Callable[[Signal, MarketView, Filters], Decision]
"""Judges a signal on what is known of its market as of the signal. Pure."""
