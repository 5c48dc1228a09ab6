"""Paper prices: every rule by table, and the bounds that hold for any bar."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.paper.fill import (
    PaperModel,
    commission,
    exit_fill_price,
    limit_fill_price,
    market_fill_price,
    stop_fill_price,
)
from hookfill.exits.model import Exit, ExitReason
from hookfill.kernel.errors import ConfigurationError, LedgerError
from hookfill.market.model import Candle, Instrument, InstrumentKind, Quote
from hookfill.orders.model import Side

D = Decimal
T0 = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
SHARE = Instrument("X", InstrumentKind.EQUITY, "USD", D(1), D(1), D(1), D("0.01"), D("0.01"), D(1), in_contracts=False)
FREE = PaperModel(slippage_bps=D(0))
MODEL = PaperModel()
COSTLY = PaperModel(slippage_bps=D(100))


def quote(price, low=None, high=None) -> Quote:
    bounds = {"low": low and D(low), "high": high and D(high)}
    return Quote("X", D(price), T0, "candle" if low else "alert", bar_seconds=60 if low else None, **bounds)


def bar(open_, high, low, close) -> Candle:
    return Candle("X", "M1", T0, T0 + timedelta(minutes=1), D(open_), D(high), D(low), D(close))


@pytest.mark.parametrize(
    ("side", "at", "model", "expected"),
    [
        (Side.BUY, quote("100"), FREE, "100"),
        (Side.BUY, quote("100"), MODEL, "100.01"),
        (Side.SELL, quote("100"), MODEL, "99.99"),
        # Rounded away from the trader: 50.005 up, 49.995 down.
        (Side.BUY, quote("50"), MODEL, "50.01"),
        (Side.SELL, quote("50"), MODEL, "49.99"),
        # Within the quote's bar.
        (Side.BUY, quote("100", "90", "100.005"), COSTLY, "100.005"),
        (Side.SELL, quote("100", "99.5", "101"), COSTLY, "99.5"),
        (Side.BUY, quote("100", "90", "110"), COSTLY, "101"),
        # A price off the grid is not forced onto it: 0.0801 x 1.0001.
        (Side.BUY, quote("0.0801"), MODEL, "0.08010801"),
        # And never to zero.
        (Side.SELL, quote("0.01"), MODEL, "0.009999"),
    ],
)
def test_market_fills(side, at, model, expected):
    assert market_fill_price(side, at, SHARE, model) == D(expected)


@pytest.mark.parametrize(
    ("side", "level", "candle", "model", "expected"),
    [
        (Side.SELL, "95", bar("100", "101", "94", "96"), FREE, "95"),
        (Side.SELL, "95", bar("100", "101", "94", "96"), COSTLY, "94.05"),
        # Slippage stays within the bar.
        (Side.SELL, "95", bar("100", "101", "94.9", "96"), COSTLY, "94.9"),
        # Gapped: the open, and slippage from there.
        (Side.SELL, "95", bar("90", "93", "80", "92"), FREE, "90"),
        (Side.SELL, "95", bar("90", "93", "80", "92"), COSTLY, "89.1"),
        (Side.SELL, "95", bar("95", "97", "95", "96"), FREE, "95"),
        (Side.BUY, "105", bar("100", "106", "99", "104"), FREE, "105"),
        (Side.BUY, "105", bar("100", "106", "99", "104"), COSTLY, "106"),
        (Side.BUY, "105", bar("110", "120", "108", "109"), FREE, "110"),
        # A level between the ticks is rounded away from the trader.
        (Side.SELL, "95.005", bar("100", "101", "94", "96"), FREE, "95"),
        (Side.BUY, "104.995", bar("100", "106", "99", "104"), FREE, "105"),
    ],
)
def test_stop_fills(side, level, candle, model, expected):
    assert stop_fill_price(side, D(level), candle, SHARE, model) == D(expected)


@pytest.mark.parametrize(
    ("side", "level", "candle", "expected"),
    [
        (Side.SELL, "105", bar("100", "106", "99", "104"), "105"),
        (Side.SELL, "105", bar("108", "109", "107", "108"), "108"),
        (Side.BUY, "95", bar("100", "101", "94", "96"), "95"),
        (Side.BUY, "95", bar("93", "94", "92", "93"), "93"),
        (Side.BUY, "95", bar("95", "96", "95", "96"), "95"),
    ],
)
def test_limit_fills(side, level, candle, expected):
    assert limit_fill_price(side, D(level), candle) == D(expected)


def test_an_order_that_the_bar_never_reached_does_not_fill():
    quiet = bar("100", "101", "99", "100")
    for side, level in ((Side.SELL, "98.99"), (Side.BUY, "101.01")):
        with pytest.raises(LedgerError, match="went to"):
            stop_fill_price(side, D(level), quiet, SHARE, MODEL)
    for side, level in ((Side.BUY, "98.99"), (Side.SELL, "101.01")):
        with pytest.raises(LedgerError, match="went to"):
            limit_fill_price(side, D(level), quiet)


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        (Exit(ExitReason.STOP_LOSS, D(95), D(100), D(90), D(101), T0), "94.05"),
        (Exit(ExitReason.TRAILING_STOP, D(95), D(92), D(90), D(101), T0), "91.08"),
        (Exit(ExitReason.BREAK_EVEN, D(95), D(100), D("94.5"), D(101), T0), "94.5"),
        (Exit(ExitReason.TAKE_PROFIT, D(105), D(100), D(90), D(106), T0), "105"),
        (Exit(ExitReason.TAKE_PROFIT, D(105), D(107), D(90), D(108), T0), "107"),
        (Exit(ExitReason.MAX_HOLD, None, D(100), D("99.5"), D(101), T0), "99.5"),
        # Bare prices have no bounds.
        (Exit(ExitReason.STOP_LOSS, D(95), D(90), None, None, T0), "89.1"),
        (Exit(ExitReason.TAKE_PROFIT, D(105), D(106), None, None, T0), "106"),
        (Exit(ExitReason.MAX_HOLD, None, D(100), None, None, T0), "99"),
    ],
)
def test_exit_fills_of_a_long_position(due, expected):
    assert exit_fill_price(Side.SELL, due, SHARE, COSTLY) == D(expected)


def test_a_bare_price_short_of_the_level_fills_nothing():
    with pytest.raises(LedgerError, match="went to"):
        exit_fill_price(Side.SELL, Exit(ExitReason.STOP_LOSS, D(95), D(96), None, None, T0), SHARE, COSTLY)
    with pytest.raises(LedgerError, match="went to"):
        exit_fill_price(Side.SELL, Exit(ExitReason.TAKE_PROFIT, D(105), D(104), None, None, T0), SHARE, COSTLY)


def test_commission():
    model = PaperModel(commission={InstrumentKind.FUTURE: D("2.25"), InstrumentKind.CRYPTO: D(0)})
    future = replace(SHARE, kind=InstrumentKind.FUTURE)
    assert commission(D(3), future, model) == D("6.75")
    assert commission(D(3), SHARE, model) == commission(D(3), future, MODEL) == D(0)


@pytest.mark.parametrize("bps", ["-1", "10000"])
def test_a_model_never_pays_the_trader(bps):
    with pytest.raises(ConfigurationError, match="slippage_bps"):
        PaperModel(slippage_bps=D(bps))
    with pytest.raises(ConfigurationError, match="commission"):
        PaperModel(commission={InstrumentKind.EQUITY: D("-0.01")})


prices = st.decimals(min_value="0.01", max_value=1_000, places=4)
sides = st.sampled_from(Side)
models = st.builds(PaperModel, st.integers(0, 500).map(Decimal))


@st.composite
def bars(draw) -> Candle:
    low, *middle, high = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
    first, last = draw(st.permutations(middle))
    return bar(first, high, low, last)


@given(sides, bars(), st.decimals(0, 1, places=2), models)
def test_stops_fill_at_their_level_or_worse_and_within_the_bar(side, candle, share, model):
    # Any level that the bar reaches, from far beyond the open down to the bar's extreme.
    furthest = candle.low if side is Side.SELL else candle.high
    level = furthest + (candle.high * 2 - furthest) * share if side is Side.SELL else furthest * (1 - share / 2)
    price = stop_fill_price(side, level, candle, SHARE, model)
    assert candle.low <= price <= candle.high
    assert side.sign * (price - level) >= 0
    if side.sign * (candle.open - level) >= 0:
        assert side.sign * (price - candle.open) >= 0


@given(sides, bars(), st.decimals(0, 1, places=2))
def test_limits_fill_at_their_price_or_better_and_within_the_bar(side, candle, share):
    level = candle.high * share + D("0.0001") if side is Side.SELL else candle.low * (1 + share)
    if side is Side.SELL and level > candle.high:
        level = candle.high
    price = limit_fill_price(side, level, candle)
    assert candle.low <= price <= candle.high
    assert side.sign * (price - level) <= 0
    assert price in (level, candle.open)


@given(sides, bars(), models)
def test_market_orders_fill_at_the_quote_or_worse_and_within_the_bar(side, candle, model):
    at = quote(candle.close, candle.low, candle.high)
    price = market_fill_price(side, at, SHARE, model)
    assert candle.low <= price <= candle.high
    assert side.sign * (price - candle.close) >= 0
    unbounded = market_fill_price(side, quote(candle.close), SHARE, model)
    assert unbounded > 0
    assert side.sign * (unbounded - price) >= 0
