"""The sample day's prices: one-minute bars, drawn from a seed.

All arithmetic is in whole ticks and all draws are whole numbers, so that every platform and Python draws the same day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

DAY_START = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday. The New York Stock Exchange trades from 14:30 to 21:00 UTC, currencies and coins all day."""

DAY_MINUTES = 540
STOCKS_OPEN_MINUTE = 150
MINUTE = timedelta(minutes=1)
_STEPS_PER_BAR = 8


@dataclass(frozen=True, slots=True)
class Market:
    """How one market's prices move on the sample day; prices are whole ticks.

    Attributes:
        decimals: places after the decimal point; a tick is one unit of the last one.
        start: the first bar's open.
        step: the most that the price moves at random in one of a bar's eight steps.
        first_minute: when the first bar opens, in minutes after ``DAY_START``.
        trend: the day's stretches in order: (minutes, ticks of drift per bar). Bars are drawn for as long as they last.
        volume: a typical bar's volume.
    """

    symbol: str
    decimals: int
    start: int
    step: int
    first_minute: int
    trend: tuple[tuple[int, int], ...]
    volume: int

    def text(self, ticks: int) -> str:
        """A price as text with the market's decimals: ``117850`` ticks of EURUSD are ``1.17850``."""
        unit = 10**self.decimals
        return f"{ticks // unit}.{ticks % unit:0{self.decimals}d}"


MARKETS = (
    # Drifts up into the New York morning, falls through the afternoon.
    Market("EURUSD", 5, 117_850, 5, 0, ((90, 1), (70, 3), (60, -1), (110, -4), (80, 0), (70, 3), (60, -2)), 60),
    # A rally, a quiet middle, a slide, a late bounce.
    Market("BTCUSDT", 2, 8_812_000, 1_200, 0, ((80, 0), (90, 900), (120, 0), (100, -1_000), (90, 0), (60, 700)), 9),
    # Opens weak, turns before noon in New York, fades into the close.
    Market("SPY", 2, 68_420, 6, STOCKS_OPEN_MINUTE, ((40, -3), (90, 3), (80, 0), (80, 3), (60, -4), (40, 1)), 90_000),
    # A trend day: up, a sharp pullback, sideways, down.
    Market("AAPL", 2, 26_450, 4, STOCKS_OPEN_MINUTE, ((20, 0), (70, 4), (25, -5), (115, 0), (100, -4), (60, 1)), 60_000),
    # A few minutes only: a pair that the strategy may not trade.
    Market("GBPUSD", 5, 133_610, 6, 82, ((10, 0),), 50),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of one market, prices in whole ticks; ``minute`` counts from ``DAY_START`` to the bar's open."""

    market: Market
    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int

    @property
    def opened_at(self) -> datetime:
        """The bar's open, UTC."""
        return DAY_START + self.minute * MINUTE

    @property
    def closes_at(self) -> datetime:
        """The bar's close, UTC."""
        return self.opened_at + MINUTE


def draw_bars(market: Market, seed: int) -> list[Bar]:
    """The market's bars of the day; each opens at the close before it."""
    chance = Random(f"{seed}:{market.symbol}")
    bars = []
    price = market.start
    for minute, drift in enumerate(_drifts(market), start=market.first_minute):
        path = [price]
        for step in range(_STEPS_PER_BAR):
            # The drift's share of this step: whole ticks that add up to the drift over the bar.
            share = drift * (step + 1) // _STEPS_PER_BAR - drift * step // _STEPS_PER_BAR
            path.append(path[-1] + chance.randrange(-market.step, market.step + 1) + share)
        price = path[-1]
        volume = market.volume // 2 + chance.randrange(market.volume)
        bars.append(Bar(market, minute, path[0], max(path), min(path), price, volume))
    return bars


def _drifts(market: Market) -> Iterator[int]:
    for minutes, drift in market.trend:
        yield from [drift] * minutes
