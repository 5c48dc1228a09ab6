"""What an engine sees, how it is configured and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from hookfill.engines.flags import NO_FLAGS, Flags
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Candle, Quote
from hookfill.signals.model import Signal

BULLISH, NEUTRAL, BEARISH = 1, 0, -1
"""What a bias may be."""


@dataclass(frozen=True, slots=True)
class BookFigures:
    """How much room the account has for an entry.

    Attributes:
        is_open: the instrument's market is open now.
        open_positions: those there would be beside the signal's own.
        committed: capital that positions and orders on their way hold, in account currency.
        max_exposure: the most that may be committed: the absolute limit or its share of equity, whichever is tighter.
    """

    is_open: bool
    open_positions: int
    max_open_positions: Decimal
    committed: Decimal
    max_exposure: Decimal


@dataclass(frozen=True, slots=True)
class GammaFlow:
    """What the options market does with the symbol; None where it is not known.

    Attributes:
        net_gex: dealers' net gamma exposure, calls less puts.
        call_volume, put_volume: contracts traded today.
    """

    net_gex: float | None = None
    call_volume: float | None = None
    put_volume: float | None = None


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known as of the signal, the same for every engine that judges it.

    Attributes:
        quote: the symbol's price.
        candles: closed ones of the alert's timeframe, oldest first (at most some 300).
        session: those of them, and those before, that opened since the stock exchange did today; () while it is closed.
        book: how much room the account has; None where nobody has looked.
        flow: what the options market does; None where it is not known.
        flags: which of the council's agents are asked.
        only_leaves: the signal can but close or reduce a position: no engine stands in its way.
    """

    quote: Quote | None
    candles: tuple[Candle, ...] = ()
    session: tuple[Candle, ...] = ()
    book: BookFigures | None = None
    flow: GammaFlow | None = None
    flags: Flags = NO_FLAGS
    only_leaves: bool = False


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


class Kind(StrEnum):
    """What an agent of the council is; decides how much its opinion weighs."""

    SPECIALIST = "specialist"
    CORE = "core"
    SUB_AGENT = "sub_agent"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one agent of the council thinks of a signal.

    Attributes:
        agent: its name.
        bias: ``BULLISH``, ``NEUTRAL`` or ``BEARISH``.
        confidence: 0 to 100.
        reasons: sentences for people, with figures.
        block: the signal must not be acted on, whatever the others think.
        kind: set by the council, as the agent is registered.
        error: why it has no opinion: its code raised, or answered what is none.
    """

    agent: str
    bias: int
    confidence: float
    reasons: tuple[str, ...] = ()
    block: bool = False
    kind: Kind = Kind.SPECIALIST
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """An engine's verdict.

    Attributes:
        bias: -1 bearish, 0 neutral, 1 bullish.
        confidence: 0 to 100.
        refusal: why not, when not approved.
        reasons: sentences for people, with figures.
        figures: the numbers it was decided on, JSON-ready (floats or text), for the story.
        opinions: what each agent of the council thought.
    """

    engine: str
    approved: bool
    bias: int
    confidence: float
    refusal: Reason | None = None
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float | str | None] = field(default_factory=dict)
    opinions: tuple[Opinion, ...] = ()


Engine = Callable[[Signal, MarketView, Filters], Decision]
"""Judges a signal on what is known of its market as of the signal. Pure."""
