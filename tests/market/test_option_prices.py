"""Prices and Greeks against QuantLib's."""

import itertools
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hookfill.market.model import Candle, Right
from hookfill.market.option_prices import (
    Greeks,
    greeks,
    implied_volatility,
    price,
    realised_volatility,
    volatility_rank,
    years_between,
)
from support.quantlib import quantlib_greeks

RIGHTS: tuple[Right, ...] = ("CALL", "PUT")
GRID = list(
    itertools.product(RIGHTS, (0.5, 0.8, 0.95, 1.0, 1.05, 1.3, 2.0), (1 / 365, 7 / 365, 0.25, 1.0, 3.0), (0.05, 0.2, 0.6, 2.0))
)
NUMBERS = {
    "right": st.sampled_from(RIGHTS),
    "spot": st.floats(0.5, 50_000),
    "moneyness": st.floats(0.3, 3.0),
    "years": st.floats(1 / 365 / 24, 4.0),
    "volatility": st.floats(0.01, 3.0),
    "rate": st.floats(-0.02, 0.15),
    "dividend_yield": st.floats(0.0, 0.08),
}


def assert_alike(ours: Greeks, other: Greeks, scale: float) -> None:
    for name, value in other.figures().items():
        assert getattr(ours, name) == pytest.approx(value, rel=1e-8, abs=1e-10 * max(scale, 1.0)), name


@pytest.mark.parametrize(("right", "moneyness", "years", "volatility"), GRID)
def test_prices_and_greeks_on_a_grid(right: Right, moneyness: float, years: float, volatility: float) -> None:
    for spot, rate, dividend_yield in ((100.0, 0.04, 0.0), (4.2, 0.0, 0.03), (5_000.0, -0.01, 0.015)):
        strike = spot * moneyness
        ours = greeks(right, spot, strike, years, volatility, rate, dividend_yield)
        assert_alike(ours, quantlib_greeks(right, spot, strike, years, volatility, rate, dividend_yield), spot)
        assert ours.price == price(right, spot, strike, years, volatility, rate, dividend_yield)


@given(**NUMBERS)
def test_prices_and_greeks_anywhere(
    right: Right, spot: float, moneyness: float, years: float, volatility: float, rate: float, dividend_yield: float
) -> None:
    arguments = (right, spot, spot * moneyness, years, volatility, rate, dividend_yield)
    # Gamma and theta grow without end as time and volatility go: there both lose digits in d1.
    assume(volatility * math.sqrt(years) > 0.002)
    assert_alike(greeks(*arguments), quantlib_greeks(*arguments), spot / (volatility * math.sqrt(years)))


def test_a_price_from_the_book() -> None:
    """Hull, chapter 15: spot 42, strike 40, half a year, volatility 20 %, rate 10 %: the call costs 4.76, the put 0.81."""
    assert price("CALL", 42, 40, 0.5, 0.2, 0.1) == pytest.approx(4.76, abs=0.005)
    assert price("PUT", 42, 40, 0.5, 0.2, 0.1) == pytest.approx(0.81, abs=0.005)


@given(**NUMBERS)
def test_calls_and_puts_agree(
    right: Right, spot: float, moneyness: float, years: float, volatility: float, rate: float, dividend_yield: float
) -> None:
    strike = spot * moneyness
    call, put = (price(each, spot, strike, years, volatility, rate, dividend_yield) for each in RIGHTS)
    forward = spot * math.exp(-dividend_yield * years) - strike * math.exp(-rate * years)
    assert call - put == pytest.approx(forward, abs=1e-9 * spot)


@given(other=st.floats(1.0, 1.5), **NUMBERS)
def test_a_call_rises_and_a_put_falls_with_the_underlying(
    right: Right, spot: float, moneyness: float, years: float, volatility: float, rate: float, dividend_yield: float, other: float
) -> None:
    low, high = (price(right, at, spot * moneyness, years, volatility, rate, dividend_yield) for at in (spot, spot * other))
    assert low <= high + 1e-12 * spot if right == "CALL" else high <= low + 1e-12 * spot


@pytest.mark.parametrize(
    ("right", "spot", "expected", "delta"),
    [
        ("CALL", 110.0, 10.0, 1.0),
        ("CALL", 90.0, 0.0, 0.0),
        ("PUT", 90.0, 10.0, -1.0),
        ("PUT", 110.0, 0.0, 0.0),
        ("CALL", 100.0, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize(("years", "volatility"), [(0.0, 0.2), (0.0, 0.0), (0.5, 0.0)])
def test_at_its_end_an_option_is_worth_what_exercising_brings(
    right: Right, spot: float, expected: float, delta: float, years: float, volatility: float
) -> None:
    found = greeks(right, spot, 100.0, years, volatility, 0.0)
    assert found == Greeks(expected, delta, 0.0, 0.0, 0.0, 0.0)


@given(**NUMBERS)
def test_a_volatility_comes_back_from_its_price(
    right: Right, spot: float, moneyness: float, years: float, volatility: float, rate: float, dividend_yield: float
) -> None:
    strike = spot * moneyness
    known = greeks(right, spot, strike, years, volatility, rate, dividend_yield)
    assume(known.vega * 100 > 1e-5 * spot)  # else the price does not tell
    found = implied_volatility(right, known.price, spot, strike, years, rate, dividend_yield)
    assert found is not None
    assert price(right, spot, strike, years, found, rate, dividend_yield) == pytest.approx(known.price, abs=1e-10 * spot)
    assert found == pytest.approx(volatility, abs=1e-5)


@pytest.mark.parametrize(
    ("value", "years"),
    [(-1.0, 0.5), (0.0, 0.5), (9.99, 0.5), (10.0, 0.5), (110.0, 0.5), (200.0, 0.5), (12.0, 0.0), (12.0, -1.0)],
)
def test_an_impossible_price_implies_no_volatility(value: float, years: float) -> None:
    """A call at 110 with strike 100 costs at least 10 and less than the share itself."""
    assert implied_volatility("CALL", value, 110.0, 100.0, years, 0.0) is None


def test_time_is_counted_in_years_of_365_days() -> None:
    start = datetime(2026, 2, 5, tzinfo=UTC)
    assert years_between(start, start + timedelta(days=365)) == 1.0
    assert years_between(start, start + timedelta(hours=12)) == pytest.approx(0.5 / 365)
    assert years_between(start, start - timedelta(days=1)) == 0.0


def candle(symbol: str, timeframe: str, opened_at: datetime, length: timedelta, close: float) -> Candle:
    value = Decimal(repr(round(close, 8)))
    return Candle(symbol, timeframe, opened_at, opened_at + length, value, value, value, value)


def zigzag(symbol: str, timeframe: str, opens: list[datetime], length: timedelta, move: float) -> tuple[Candle, ...]:
    """Bars whose closes move by ``move`` up and down in turns."""
    return tuple(candle(symbol, timeframe, at, length, 100.0 * math.exp(move * (place % 2))) for place, at in enumerate(opens))


def test_daily_moves_of_one_percent_are_sixteen_percent_a_year() -> None:
    days = [datetime(2026, 1, 26, tzinfo=UTC) + timedelta(days=place) for place in range(56)]
    days = [day for day in days if day.weekday() < 5]
    days.remove(datetime(2026, 2, 16, tzinfo=UTC))  # Washington's Birthday, on which no share has a bar
    found = realised_volatility(zigzag("AAPL", "D1", days, timedelta(days=1), 0.01))
    assert found == pytest.approx(0.01 * math.sqrt(252), rel=0.03)


def test_minutes_of_one_session_count_by_the_session() -> None:
    """390 minutes are three quarters of a day's volatility; the night before brings the rest."""
    opens = [datetime(2026, 2, 10, 14, 30, tzinfo=UTC) + timedelta(minutes=place) for place in range(390)]
    found = realised_volatility(zigzag("SPY", "M1", opens, timedelta(minutes=1), 0.0005))
    per_day = math.sqrt(0.0005**2 * 390 / 0.75)
    assert found == pytest.approx(per_day * math.sqrt(252), rel=1e-6)


def test_a_gap_in_the_series_counts_as_the_time_that_it_is() -> None:
    """The same moves over every second day of a coin's are half as many a year."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    dense, sparse = (
        realised_volatility(zigzag("BTCUSDT", "D1", [start + step * place for place in range(31)], timedelta(days=1), 0.02))
        for step in (timedelta(days=1), timedelta(days=2))
    )
    assert dense == pytest.approx(0.02 * math.sqrt(365))
    assert sparse == pytest.approx(0.02 * math.sqrt(365 / 2))


def test_a_weekend_of_currencies_counts_for_nothing() -> None:
    friday = datetime(2026, 2, 6, 16, tzinfo=UTC)
    before = [friday + timedelta(hours=place) for place in range(6)]  # the week ends at 22:00 UTC
    after = [datetime(2026, 2, 8, 22, tzinfo=UTC) + timedelta(hours=place) for place in range(6)]
    found = realised_volatility(zigzag("EURUSD", "H1", before + after, timedelta(hours=1), 0.001))
    assert found == pytest.approx(0.001 * math.sqrt(24 * 259), rel=1e-6)


@pytest.mark.parametrize(("number", "move"), [(0, 0.01), (1, 0.01), (10, 0.01), (50, 0.0)])
def test_too_little_to_tell_a_volatility(number: int, move: float) -> None:
    opens = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=place) for place in range(number)]
    assert realised_volatility(zigzag("BTCUSDT", "D1", opens, timedelta(days=1), move)) is None


def test_bars_while_the_market_was_closed_all_along_tell_a_night_s_volatility() -> None:
    opens = [datetime(2026, 2, 10, 2, tzinfo=UTC) + timedelta(minutes=place) for place in range(60)]
    found = realised_volatility(zigzag("SPX", "M1", opens, timedelta(minutes=1), 0.0001))
    assert found == pytest.approx(0.0001 * math.sqrt(59 / (59 / 60 / 17.5 * 0.25) * 252), rel=1e-6)


@pytest.mark.parametrize(("move", "expected"), [(1e-6, 0.01), (2.0, 5.0)])
def test_a_volatility_is_held_within_bounds(move: float, expected: float) -> None:
    opens = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=place) for place in range(20)]
    assert realised_volatility(zigzag("BTCUSDT", "D1", opens, timedelta(days=1), move)) == expected


def test_the_rank_of_a_volatility() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for moves, expected in (([0.01] * 30 + [0.02] * 30, 1.0), ([0.02] * 30 + [0.01] * 30, 0.0), ([0.01, 0.03, 0.02], 0.5)):
        spread = moves if len(moves) == 60 else [move for move in moves for _ in range(30)]
        closes = itertools.accumulate((move * (-1) ** place for place, move in enumerate(spread)), initial=0.0)
        series = tuple(
            candle("BTCUSDT", "D1", start + timedelta(days=place), timedelta(days=1), 100.0 * math.exp(at))
            for place, at in enumerate(closes)
        )
        assert volatility_rank(series) == pytest.approx(expected, abs=1e-6)


def test_no_rank_without_a_history() -> None:
    opens = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=place) for place in range(40)]
    assert volatility_rank(zigzag("BTCUSDT", "D1", opens, timedelta(days=1), 0.01)) is None
    assert volatility_rank(zigzag("BTCUSDT", "D1", [*opens, opens[-1] + timedelta(days=1)], timedelta(days=1), 0.0)) is None
