"""The indicators against a naive recomputation by their definitions."""

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.market.indicators import Indicators, indicators
from hookfill.market.model import Candle

START = datetime(2026, 1, 1, tzinfo=UTC)


def candle(index: int, high: float, low: float, close: float) -> Candle:
    opened = START + timedelta(hours=index)
    high_price, low_price, close_price = (Decimal(repr(value)) for value in (high, low, close))
    return Candle("X", "H1", opened, opened + timedelta(hours=1), close_price, high_price, low_price, close_price)


def series(count: int, *, drift: float = 0.05, width: float = 1.0) -> tuple[Candle, ...]:
    """A wavy series with varying ranges; explainable, not random."""
    closes = [100 + drift * i + 3 * math.sin(i / 7) + math.sin(i * 2.3) for i in range(count)]
    return tuple(
        candle(i, close + width * (1 + 0.3 * math.sin(i)), close - width * (1 + 0.3 * math.cos(i)), close)
        for i, close in enumerate(closes)
    )


def naive_ema(values: Sequence[float], period: int) -> float | None:
    if len(values) < period:
        return None
    average = sum(values[:period]) / period
    for value in values[period:]:
        average += (value - average) * 2 / (period + 1)
    return average


def naive_atr(bars: Sequence[Candle], period: int) -> float | None:
    ranges = [
        max(float(bar.high), float(before.close)) - min(float(bar.low), float(before.close)) for before, bar in pairwise(bars)
    ]
    if len(ranges) < period:
        return None
    average = sum(ranges[:period]) / period
    for value in ranges[period:]:
        average = (average * (period - 1) + value) / period
    return average


def naive_momentum(bars: Sequence[Candle]) -> float | None:
    if len(bars) < 39:
        return None
    distances = []
    for end in range(len(bars) - 19, len(bars) + 1):
        window = bars[end - 20 : end]
        middle = (max(float(bar.high) for bar in window) + min(float(bar.low) for bar in window)) / 2
        mean = statistics.fmean(float(bar.close) for bar in window)
        distances.append(float(window[-1].close) - (middle + mean) / 2)
    line = statistics.linear_regression(range(20), distances)
    return line.intercept + line.slope * 19


def naive(bars: Sequence[Candle]) -> dict[str, float | None]:
    closes = [float(bar.close) for bar in bars]
    expected: dict[str, float | None] = {f"ema_{period}": naive_ema(closes, period) for period in (8, 13, 21, 48, 200)}
    expected |= {"close": closes[-1], "atr_14": naive_atr(bars, 14), "momentum": naive_momentum(bars)}
    expected |= dict.fromkeys(
        ("bollinger_lower", "bollinger_middle", "bollinger_upper", "keltner_lower", "keltner_middle", "keltner_upper", "squeeze_on")
    )
    if len(bars) >= 20:
        mean, deviation = statistics.fmean(closes[-20:]), statistics.pstdev(closes[-20:])
        middle = naive_ema(closes, 20)
        expected |= {"bollinger_lower": mean - 2 * deviation, "bollinger_middle": mean, "bollinger_upper": mean + 2 * deviation}
        expected |= {"keltner_middle": middle}
        atr = naive_atr(bars, 20)
        if atr is not None and middle is not None:
            expected |= {"keltner_lower": middle - 1.5 * atr, "keltner_upper": middle + 1.5 * atr}
            inside = mean - 2 * deviation > middle - 1.5 * atr and mean + 2 * deviation < middle + 1.5 * atr
            expected["squeeze_on"] = float(inside)
    return expected


def known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize("count", [1, 2, 7, 8, 14, 15, 19, 20, 21, 38, 39, 48, 60, 199, 200, 300])
def test_every_value_equals_its_definition(count: int) -> None:
    bars = series(count)
    assert known(indicators(bars).figures()) == pytest.approx(known(naive(bars)), rel=1e-9, abs=1e-9)


def test_without_candles_nothing_is_known() -> None:
    assert indicators(()) == Indicators()
    assert set(Indicators().figures().values()) == {None}


def test_squeeze_is_on_in_wide_quiet_bars_and_off_in_narrow_moving_ones() -> None:
    assert indicators(series(60, drift=0.0, width=5.0)).squeeze_on is True
    assert indicators(series(60, drift=1.0, width=0.1)).squeeze_on is False


def test_momentum_has_the_sign_of_an_accelerating_move() -> None:
    rising = tuple(candle(i, 101 + i * i / 50, 99 + i * i / 50, 100 + i * i / 50) for i in range(60))
    falling = tuple(candle(i, 401 - i * i / 50, 399 - i * i / 50, 400 - i * i / 50) for i in range(60))
    assert (indicators(rising).momentum or 0) > 0 > (indicators(falling).momentum or 0)


def test_an_unmoving_price_is_its_own_average() -> None:
    values = indicators(tuple(candle(i, 1.1, 1.1, 1.1) for i in range(250)))
    for average in (values.ema_8, values.ema_200, values.bollinger_upper, values.keltner_lower):
        assert average == pytest.approx(1.1)
    assert values.atr_14 == pytest.approx(0)
    assert values.momentum == pytest.approx(0)
    assert values.squeeze_on is False


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(1, 1000), st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=60))
def test_any_series_equals_the_definition_and_keeps_its_order(rows: list[tuple[float, float, float]]) -> None:
    bars = tuple(candle(i, close + up, max(close - down, 0.5), close) for i, (close, up, down) in enumerate(rows))
    values = indicators(bars).figures()
    expected = naive(bars)
    # Whether the bands touch exactly is a matter of the last bit.
    values.pop("squeeze_on")
    expected.pop("squeeze_on")
    assert known(values) == pytest.approx(known(expected), rel=1e-6, abs=1e-4)
    assert indicators(bars) == indicators(bars)
