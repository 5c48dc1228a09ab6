"""The paper broker's orders that rest, without a desk: what a bar does to one, for any bar and any order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.paper import rest
from hookfill.brokers.paper.costs import costs_from, merged
from hookfill.brokers.paper.fill import OPTION_COMMISSION, PaperModel, commission, market_fill_price
from hookfill.brokers.paper.rest import (
    RestingOrder,
    Terms,
    concerns,
    expiry_of,
    fill_price,
    part_of,
    price_at_once,
    seen_of,
    with_fill,
)
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.lifecycle import IllegalTransition
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, InstrumentKind, Quote
from hookfill.orders.model import Side

D = Decimal
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHARE, COIN = instrument_for("ABC"), instrument_for("BTCUSD")
CENT = D("0.01")


def order(order_type: str = rest.LIMIT, side: Side = Side.BUY, level: str | None = "100", quantity: str = "10") -> RestingOrder:
    return RestingOrder(
        order_id=UUID(int=1),
        client_order_id="a",
        signal_id=UUID(int=2),
        position_id=UUID(int=3),
        strategy_id=UUID(int=4),
        symbol="ABC",
        side=side,
        order_type=order_type,
        level=None if level is None else D(level),
        quantity=D(quantity),
        time_in_force="day",
        as_of=NOON,
        seen_until=NOON,
        expires_at=None,
        terms=Terms(D(1), D(100), None, None, {}),
    )


def candle(low: int, high: int, opening: int, close: int, minute: int = 0) -> Candle:
    at = NOON + minute * MINUTE
    return Candle("ABC", "M1", at, at + MINUTE, *(D(cents) * CENT for cents in (opening, high, low, close)), 1)


@st.composite
def candles(draw: st.DrawFn) -> Candle:
    low = draw(st.integers(1, 30_000))
    high = draw(st.integers(low, low + 3_000))
    return candle(low, high, draw(st.integers(low, high)), draw(st.integers(low, high)))


LEVELS = st.integers(1, 33_000).map(lambda cents: str(D(cents) * CENT))
SIDES = st.sampled_from(Side)
TYPES = st.sampled_from([rest.LIMIT, rest.STOP])
MODELS = st.builds(PaperModel, st.integers(0, 500).map(D))


@given(candles(), LEVELS, SIDES, TYPES, MODELS)
def test_fills_lie_in_their_bar_and_keep_to_their_level(bar: Candle, level: str, side: Side, kind: str, model: PaperModel) -> None:
    asked, seen, limit = order(kind, side, level), seen_of(bar), D(level)
    price = fill_price(asked, seen, SHARE, model)
    goes_up = (side is Side.BUY) == (kind == rest.STOP)
    is_reached = bar.high >= limit if goes_up else bar.low <= limit
    assert (price is not None) == is_reached
    if price is None:
        return
    assert bar.low <= price <= bar.high
    if kind == rest.LIMIT:
        # At its price, or at the open where that is better: never better than the open.
        assert price == (min(limit, bar.open) if side is Side.BUY else max(limit, bar.open))
        return
    # No better than its level, and no better than the open that gapped through it.
    worst = max(limit, bar.open) if side is Side.BUY else min(limit, bar.open)
    assert side.sign * (price - worst) >= 0
    assert price == worst or model.slippage_bps > 0


@given(candles(), SIDES, MODELS)
def test_what_is_left_of_a_market_order_fills_at_the_open_or_worse(bar: Candle, side: Side, model: PaperModel) -> None:
    price = fill_price(order(rest.MARKET, side, None), seen_of(bar), SHARE, model)
    assert price is not None
    assert bar.low <= price <= bar.high
    assert side.sign * (price - bar.open) >= 0


@given(candles(), LEVELS, SIDES, TYPES, MODELS)
def test_what_fills_at_once_is_never_better_than_the_quote(
    bar: Candle, level: str, side: Side, kind: str, model: PaperModel
) -> None:
    quote = Quote("ABC", bar.close, bar.closes_at, "candle", 60, bar.low, bar.high)
    if not rest.is_met(kind, side, D(level), quote.price):
        return
    price = price_at_once(kind, side, D(level), quote, SHARE, model)
    assert bar.low <= price <= bar.high
    assert side.sign * (price - quote.price) >= 0
    limits = side.sign * (price - D(level))
    assert limits <= 0 if kind == rest.LIMIT else limits >= 0


@given(st.integers(-120, 120), st.integers(1, 120), st.integers(0, 120))
def test_a_bar_counts_when_it_began_after_the_order_and_is_news(opened: int, length: int, seen: int) -> None:
    at = NOON + opened * MINUTE
    bar = Candle("ABC", "M1", at, at + length * MINUTE, D(1), D(1), D(1), D(1), 1)
    asked = replace(order(), seen_until=NOON + seen * MINUTE)
    assert concerns(asked, seen_of(bar)) == (opened >= 0 and opened + length > seen)


def test_a_price_counts_from_when_its_bar_began() -> None:
    alone = Quote("ABC", D(1), NOON + MINUTE, "agent")
    assert concerns(order(), seen_of(alone))
    assert concerns(order(), seen_of(replace(alone, bar_seconds=60)))
    assert not concerns(order(), seen_of(replace(alone, bar_seconds=61)))
    assert not concerns(order(), seen_of(replace(alone, at=NOON)))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), st.integers(1, 2_000), st.integers(1, 100))
def test_bounded_fills_never_exceed_the_order_nor_their_share(volumes: list[int], wanted: int, percent: int) -> None:
    model = PaperModel(volume_cap_pct=D(percent))
    asked = order(rest.MARKET, level=None, quantity=str(wanted))
    for volume in volumes:
        if not asked.is_open:
            break
        part = part_of(asked.left, volume, SHARE, model)
        assert part <= asked.left
        assert part * 100 <= volume * percent
        assert part == int(part)
        assert part == asked.left or part + 1 > D(volume) * percent / 100
        if part:
            asked = with_fill(asked, part, D(volume), UUID(int=3))
    assert asked.filled <= asked.quantity
    assert (asked.status == "filled") == (asked.filled == asked.quantity)
    assert asked.left + asked.filled == asked.quantity


def test_without_a_bound_or_a_volume_all_fills() -> None:
    assert part_of(D(10), 1, SHARE, PaperModel()) == D(10)
    assert part_of(D(10), None, SHARE, PaperModel(volume_cap_pct=D(1))) == D(10)
    assert part_of(D(10), 1, COIN, PaperModel(volume_cap_pct=D("33.33333"))) == D("0.3333")


def test_an_order_that_has_ended_fills_no_more() -> None:
    filled = with_fill(order(quantity="1"), D(1), D(100), UUID(int=3))
    assert (filled.status, filled.is_open, filled.average_price) == ("filled", False, D(100))
    with pytest.raises(IllegalTransition):
        with_fill(filled, D(1), D(100), UUID(int=3))
    assert not concerns(filled, seen_of(candle(1, 2, 1, 2, minute=5)))


EXPIRIES = [
    ("EURUSD", datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 2, 22, tzinfo=UTC)),
    ("EURUSD", datetime(2026, 3, 2, 22, tzinfo=UTC), datetime(2026, 3, 3, 22, tzinfo=UTC)),
    ("EURUSD", datetime(2026, 3, 7, 12, tzinfo=UTC), datetime(2026, 3, 9, 21, tzinfo=UTC)),  # a Saturday; clocks go forward
    ("SPY", datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 2, 21, tzinfo=UTC)),
    ("SPY", datetime(2026, 3, 2, 21, tzinfo=UTC), datetime(2026, 3, 3, 21, tzinfo=UTC)),
    ("SPY", datetime(2026, 11, 27, 15, tzinfo=UTC), datetime(2026, 11, 27, 18, tzinfo=UTC)),  # a half day
    ("BTCUSD", datetime(2026, 3, 7, 12, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC)),
    ("BTCUSD", datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)),
]


@pytest.mark.parametrize(("symbol", "at", "until"), EXPIRIES)
def test_a_day_order_waits_to_the_close_of_its_market(symbol: str, at: datetime, until: datetime) -> None:
    assert expiry_of(instrument_for(symbol), at, "day") == until
    assert expiry_of(instrument_for(symbol), at, "gtc") is None


def test_costs_are_read_with_their_defaults() -> None:
    assert costs_from({}) == PaperModel()
    assert commission(D(2), instrument_for("SPY260220C00500000"), PaperModel()) == 2 * OPTION_COMMISSION
    own = costs_from({"slippage_bps": "2.5", "commission": {"equity": "0.005"}, "volume_cap_pct": 10})
    assert (own.slippage_bps, own.volume_cap_pct, own.option_spread_fraction) == (D("2.5"), D(10), D("0.25"))
    assert own.commission == {InstrumentKind.OPTION: OPTION_COMMISSION, InstrumentKind.EQUITY: D("0.005")}
    assert costs_from({"commission": {"option": 0}}).commission[InstrumentKind.OPTION] == D(0)


@pytest.mark.parametrize(
    "section",
    [[], {"slippage": 1}, {"slippage_bps": "much"}, {"slippage_bps": -1}, {"slippage_bps": 10_000}, {"commission": {"fx": "NaN"}},
     {"commission": {"bond": 1}}, {"commission": 1}, {"commission": {"fx": 10**7}}, {"volume_cap_pct": 0}, {"volume_cap_pct": 101},
     {"option_spread_fraction": "1.1"}],
)  # fmt: skip
def test_costs_that_can_not_be_are_refused(section: object) -> None:
    with pytest.raises(ConfigurationError):
        costs_from(section)


def test_changed_costs_keep_what_is_not_named() -> None:
    stored = {"slippage_bps": "2", "commission": {"fx": "3.5"}}
    assert merged(stored, {"volume_cap_pct": "5"}) == {**stored, "volume_cap_pct": "5"}
    assert merged(stored, {"commission": {"equity": "1"}})["commission"] == {"fx": "3.5", "equity": "1"}
    assert merged(stored, {"slippage_bps": None, "commission": {"fx": None}}) == {}
    with pytest.raises(ConfigurationError):
        merged(stored, {"slippage_bps": "-1"})


def test_an_option_is_worsened_by_a_part_of_its_spread() -> None:
    option = instrument_for("SPY260220C00500000")
    quote = Quote(option.symbol, D(10), NOON, "model")
    assert market_fill_price(Side.BUY, quote, option, PaperModel()) == D("10.05")
    assert market_fill_price(Side.SELL, quote, option, PaperModel()) == D("9.95")
    assert market_fill_price(Side.BUY, quote, option, PaperModel(option_spread_fraction=D(1))) == D("10.20")
