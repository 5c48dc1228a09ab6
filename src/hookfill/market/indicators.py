"""Technical indicators of a symbol's closed candles. Floats: these are analytics, never money.

The arithmetic is TA-Lib's. An exponential average starts from the simple average of its first values, the true range average is
Wilder's, and the standard deviation is the population's.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from hookfill.market.model import Candle

EMA_PERIODS = (8, 13, 21, 48, 200)
ATR_PERIOD = 14
CHANNEL_PERIOD = 20
BOLLINGER_DEVIATIONS = 2.0
KELTNER_MULTIPLE = 1.5


@dataclass(frozen=True, slots=True)
class Indicators:
    """Values at the last candle; None where there are too few candles for one (or its value is not finite).

    Attributes:
        close: the last close.
        ema_8 to ema_200: exponential averages of the close.
        atr_14: Wilder's average true range, in price units.
        bollinger_lower, bollinger_middle, bollinger_upper: average of 20 closes and two deviations around it.
        keltner_lower, keltner_middle, keltner_upper: EMA 20 and 1.5 average true ranges of 20 bars around it.
        squeeze_on: the Bollinger bands lie within the Keltner channel (John Carter's TTM squeeze).
        momentum: the squeeze's momentum, in price units: where a line fitted through 20 values ends, each value being the close
            less the mean of the 20-bar range's middle and the 20-bar average.
    """

    close: float | None = None
    ema_8: float | None = None
    ema_13: float | None = None
    ema_21: float | None = None
    ema_48: float | None = None
    ema_200: float | None = None
    atr_14: float | None = None
    bollinger_lower: float | None = None
    bollinger_middle: float | None = None
    bollinger_upper: float | None = None
    keltner_lower: float | None = None
    keltner_middle: float | None = None
    keltner_upper: float | None = None
    squeeze_on: bool | None = None
    momentum: float | None = None

    def figures(self) -> dict[str, float | None]:
        """All values by name, JSON-ready (the squeeze as 1 or 0)."""
        return {name: None if value is None else float(value) for name, value in asdict(self).items()}


class _Newest:
    """What was computed last: two engines that judge one signal look at the very same candles."""

    known: tuple[tuple[Candle, ...], Indicators] = ((), Indicators())


def indicators(candles: tuple[Candle, ...]) -> Indicators:
    """The indicators at the last of ``candles`` (closed, of one symbol and timeframe, oldest first)."""
    seen, values = _Newest.known
    if seen is not candles:
        values = _computed(candles)
        _Newest.known = (candles, values)
    return values


def _computed(candles: tuple[Candle, ...]) -> Indicators:
    if not candles:
        return Indicators()
    # Imported here: NumPy and TA-Lib (which loads pandas where it is installed) take a third of a second and some 60 MB, which only
    # accounts with an engine that looks at candles should pay.
    import numpy as np  # noqa: PLC0415
    import talib  # noqa: PLC0415

    high, low, close = (np.array([float(getattr(bar, name)) for bar in candles]) for name in ("high", "low", "close"))
    emas = {f"ema_{period}": _last(talib.EMA(close, period)) for period in EMA_PERIODS}
    upper, middle, lower = talib.BBANDS(close, CHANNEL_PERIOD, BOLLINGER_DEVIATIONS, BOLLINGER_DEVIATIONS)
    bollinger = (_last(lower), _last(upper))
    keltner_middle = _last(talib.EMA(close, CHANNEL_PERIOD))
    keltner = _channel(keltner_middle, _last(talib.ATR(high, low, close, CHANNEL_PERIOD)))
    range_middle = (talib.MAX(high, CHANNEL_PERIOD) + talib.MIN(low, CHANNEL_PERIOD)) / 2
    distance = close - (range_middle + middle) / 2
    return Indicators(
        close=_last(close),
        **emas,
        atr_14=_last(talib.ATR(high, low, close, ATR_PERIOD)),
        bollinger_lower=bollinger[0],
        bollinger_middle=_last(middle),
        bollinger_upper=bollinger[1],
        keltner_lower=keltner[0],
        keltner_middle=keltner_middle,
        keltner_upper=keltner[1],
        squeeze_on=_squeezed(bollinger, keltner),
        momentum=_fitted_end(talib, distance),
    )


def _last(values: Any) -> float | None:
    """The last value of an array; None where TA-Lib has put NaN for want of candles."""
    value = float(values[-1])
    return value if math.isfinite(value) else None


def _channel(middle: float | None, average_range: float | None) -> tuple[float | None, float | None]:
    """The Keltner channel's lower and upper line."""
    if middle is None or average_range is None:
        return None, None
    return middle - KELTNER_MULTIPLE * average_range, middle + KELTNER_MULTIPLE * average_range


def _squeezed(bollinger: tuple[float | None, float | None], keltner: tuple[float | None, float | None]) -> bool | None:
    """Whether the Bollinger bands lie strictly within the Keltner channel."""
    if bollinger[0] is None or bollinger[1] is None or keltner[0] is None or keltner[1] is None:
        return None
    return bollinger[0] > keltner[0] and bollinger[1] < keltner[1]


def _fitted_end(talib: Any, distance: Any) -> float | None:
    """Where the line fitted through the last 20 values ends; TA-Lib refuses input without any value."""
    return _last(talib.LINEARREG(distance, CHANNEL_PERIOD)) if _last(distance) is not None else None
