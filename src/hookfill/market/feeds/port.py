"""What a market feed gives, whoever it is: bars, newest prices and option chains, each with its source and its time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from hookfill.kernel.errors import HookfillError
from hookfill.market.model import Candle, Quote
from hookfill.market.option_chain import OptionChain

DELAYED_SOURCES = frozenset({"alpaca_indicative"})
"""Sources of option prices that are late, or changed by who gives them away: no order at a broker may be priced by them."""


class FeedError(HookfillError):
    """A feed gave nothing that can be used."""


class FeedRefused(FeedError):
    """The feed does not accept the keys, or the subscription does not cover what was asked for: trying again changes nothing."""


class FeedUnavailable(FeedError):
    """The feed does not answer, or not in time, or asks for patience longer than was left: it is asked again later."""


class FeedMalformed(FeedError):
    """The feed's answer can't be understood."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Closed bars, ascending per symbol.

    Attributes:
        candles: of all symbols.
        source: who told.
        at: when they were asked for (UTC).
        unknown: symbols that the feed does not know.
    """

    candles: tuple[Candle, ...]
    source: str
    at: datetime
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Quotes:
    """Newest prices by symbol; each has its own time and source. Of a symbol without a usable price there is none.

    Attributes:
        at: when they were asked for (UTC).
        unknown: symbols that the feed does not know.
    """

    quotes: Mapping[str, Quote]
    source: str
    at: datetime
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ChainBounds:
    """Which contracts of a chain are asked for, bounds included; None: no bound."""

    first_expiration: date | None = None
    last_expiration: date | None = None
    lowest_strike: Decimal | None = None
    highest_strike: Decimal | None = None


ALL_CONTRACTS = ChainBounds()


class MarketFeed(Protocol):
    """Where market data comes from. Symbols are ours; one that the feed does not trade in is left out or named as unknown.

    Every method may raise ``FeedRefused``, ``FeedUnavailable`` or ``FeedMalformed``.
    """

    @property
    def source(self) -> str:
        """Who tells."""

    def covers(self, symbol: str) -> bool:
        """Whether this feed could know a symbol of this kind."""

    async def bars(self, symbols: Sequence[str], timeframe: str, since: datetime, until: datetime) -> Bars:
        """The bars that open in ``since <= t < until`` (UTC) and have closed; all of them, however many pages that takes."""

    async def quotes(self, symbols: Sequence[str]) -> Quotes:
        """The newest prices."""

    async def option_chain(self, underlying: str, spot: Decimal, bounds: ChainBounds = ALL_CONTRACTS) -> OptionChain | None:
        """The contracts of an underlying that have a price; None: there are none.

        Args:
            spot: what the underlying costs, kept with the chain.
        """

    async def open_interest(self, underlying: str, bounds: ChainBounds = ALL_CONTRACTS) -> Mapping[str, int]:
        """How many contracts of each symbol are open, as the clearing house counts them once a day."""
