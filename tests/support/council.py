"""What an agent of the council sees, in few words."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.engines.council import AgentView
from hookfill.engines.flags import FLAGS, Flags
from hookfill.engines.model import MarketView
from hookfill.market.indicators import Indicators
from hookfill.market.model import Candle, Quote
from hookfill.signals.model import Action, Alert, Signal

OPEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
"""A Monday's open in New York."""
BUY, SELL, CLOSE = (Alert("SPY", action) for action in (Action.BUY, Action.SELL, Action.CLOSE))
ALL_FLAGS = Flags(**dict.fromkeys(FLAGS, True))


def signal(alert: Alert = BUY, at: datetime = OPEN + timedelta(hours=1)) -> Signal:
    """A signal of an alert at a moment."""
    return Signal(UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), "webhook", alert, at)


def view(
    *,
    price: float | None = 100.0,
    side: int = 1,
    symbol: str = "SPY",
    at: datetime = OPEN + timedelta(hours=1),
    candles: Iterable[Candle] = (),
    market: MarketView | None = None,
    **values: Any,
) -> AgentView:
    """A view with these indicator values."""
    seen = market or MarketView(None)
    alert = replace(BUY if side > 0 else SELL, symbol=symbol)
    return AgentView(signal(alert, at), replace(seen, candles=tuple(candles)), Indicators(**values), price, side)


def bar(opened_at: datetime, high: float, low: float, close: float | None = None, *, minutes: int = 5) -> Candle:
    """A bar between two prices; it closes at its high unless told otherwise."""
    top, bottom = Decimal(str(high)), Decimal(str(low))
    last = top if close is None else Decimal(str(close))
    return Candle("SPY", f"M{minutes}", opened_at, opened_at + timedelta(minutes=minutes), bottom, top, bottom, last)


def bars(*ranges: tuple[float, float], since: datetime = OPEN, minutes: int = 5) -> tuple[Candle, ...]:
    """Bars that follow each other, each from its low to its high."""
    return tuple(bar(since + timedelta(minutes=minutes * n), high, low, minutes=minutes) for n, (high, low) in enumerate(ranges))


def moving(closes: Iterable[float], *, until: datetime, minutes: int = 5, width: float = 0.05) -> tuple[Candle, ...]:
    """Bars with these closes, the last of which closes at ``until``."""
    prices = list(closes)
    first = until - timedelta(minutes=minutes * len(prices))
    return tuple(
        bar(
            first + timedelta(minutes=minutes * n),
            round(close + width, 6),
            round(close - width, 6),
            round(close, 6),
            minutes=minutes,
        )
        for n, close in enumerate(prices)
    )


def quote(price: float, at: datetime = OPEN + timedelta(hours=1)) -> Quote:
    """The price that is known."""
    return Quote("SPY", Decimal(str(price)), at, "candle")
