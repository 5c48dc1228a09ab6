"""What an agent is, and what it sees."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hookfill.engines.model import Kind, MarketView, Opinion
from hookfill.market.indicators import Indicators
from hookfill.market.model import Candle
from hookfill.signals.model import Signal

GROUP = "hookfill.agents"
"""The entry point group that agents of other packages register in; the entry point's name is the agent's."""


@dataclass(frozen=True, slots=True)
class AgentView:
    """Everything an agent may look at; the same for all agents that are asked about a signal.

    Attributes:
        signal: the alert, understood, and the moment as of which it is judged.
        market: quote, candles, the account's room, what the options market does.
        values: the indicators at the last of the candles; each is None where there are too few.
        price: the quote's price, else the last close; None where neither is known.
        side: 1 when the alert wants to be long, -1 short.
    """

    signal: Signal
    market: MarketView
    values: Indicators
    price: float | None
    side: int

    @property
    def symbol(self) -> str:
        """What is to be traded."""
        return self.signal.alert.symbol

    @property
    def now(self) -> datetime:
        """The moment as of which everything is judged, UTC."""
        return self.signal.as_of

    @property
    def candles(self) -> tuple[Candle, ...]:
        """Closed candles of the alert's timeframe, oldest first."""
        return self.market.candles


Judge = Callable[[AgentView], Opinion | None]
"""Judges a signal; None: the agent has nothing to say about it, and its weight does not count. Pure, and quick."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One member of the council.

    Attributes:
        name: under which its opinions are kept.
        judge: what it thinks.
        kind: how much that weighs.
        flag: the feature flag that must be on for it to be asked; None: it is always asked.
        problem: why it can't be used, so that all it says is that; None: it can.
    """

    name: str
    judge: Judge
    kind: Kind = Kind.SPECIALIST
    flag: str | None = None
    problem: str | None = None
