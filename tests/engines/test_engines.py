"""Both engines: direct takes the alert's word, rules (engine A) lets filters refuse."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.engines import direct, rules
from hookfill.engines.direction import direction
from hookfill.engines.model import Filters, MarketView
from hookfill.engines.registry import engine
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.reasons import Reason
from hookfill.market.indicators import Indicators
from hookfill.market.model import Candle, Quote
from hookfill.signals.model import Action, Alert, Signal

START = datetime(2026, 1, 5, tzinfo=UTC)
BUY, SELL, CLOSE = (Alert("X", action) for action in (Action.BUY, Action.SELL, Action.CLOSE))
EVERYTHING = Filters(trend=True, min_atr_percent=0.0, max_atr_percent=100.0, min_confluence=5)


def signal(alert: Alert) -> Signal:
    return Signal(UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), "webhook", alert, START)


def bars(closes: list[float], width: float = 0.5) -> tuple[Candle, ...]:
    made = []
    for index, close in enumerate(closes):
        opened = START + timedelta(minutes=index)
        price = Decimal(str(round(close, 6)))
        half = Decimal(str(width))
        made.append(Candle("X", "M1", opened, opened + timedelta(minutes=1), price, price + half, price - half, price))
    return tuple(made)


RISING = bars([100 + i * i / 400 for i in range(250)])
FALLING = bars([400 - i * i / 400 for i in range(250)])
FLAT = bars([100.0] * 250)


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        (BUY, 1),
        (SELL, -1),
        (CLOSE, 0),
        (Alert("X", Action.TARGET, target=Decimal("2.5")), 1),
        (Alert("X", Action.TARGET, target=Decimal(-1)), -1),
        (Alert("X", Action.TARGET, target=Decimal(0), target_side=0), 0),
        (Alert("X", Action.TARGET, target_side=-1), -1),
        (Alert("X", Action.TARGET, target_side=1), 1),
        (Alert("X", Action.TARGET, target_side=0), 0),
        (Alert("X", Action.TARGET), 0),
        (Alert("SPY260313C00500000", Action.BUY), 1),
        (Alert("SPY260313P00500000", Action.BUY), -1),
        (Alert("SPY260313P00500000", Action.CLOSE), 0),
    ],
)
def test_the_direction_of_an_alert(alert: Alert, expected: int) -> None:
    assert direction(alert) == expected
    decision = direct.decide(signal(alert), MarketView(None))
    assert (decision.engine, decision.approved, decision.bias, decision.confidence) == ("direct", True, expected, 100.0)
    assert decision.reasons


@pytest.mark.parametrize("name", ["council", "direct", "rules"])
def test_engines_go_by_name(name: str) -> None:
    assert engine(name)(signal(BUY), MarketView(None), Filters()).engine == name


def test_an_unknown_engine_is_named_with_the_choice() -> None:
    with pytest.raises(ConfigurationError, match="'oracle'; choose one of ab, council, direct, rules"):
        engine("oracle")


@pytest.mark.parametrize(
    "market", [MarketView(None), MarketView(None, RISING[:5]), MarketView(None, RISING), MarketView(None, FALLING)]
)
@pytest.mark.parametrize("alert", [BUY, SELL, CLOSE])
def test_without_filters_engine_a_approves_and_records(alert: Alert, market: MarketView) -> None:
    decision = rules.decide(signal(alert), market)
    assert decision.approved
    assert decision.refusal is None
    assert decision.figures["candles"] == len(market.candles)
    assert {
        "ema_8",
        "ema_200",
        "atr_14",
        "keltner_upper",
        "squeeze_on",
        "momentum",
        "atr_percent",
        "vote_momentum",
    } <= decision.figures.keys()
    json.dumps(dict(decision.figures), allow_nan=False)


@pytest.mark.parametrize(
    ("filters", "alert", "candles", "refusal"),
    [
        (Filters(trend=True), BUY, RISING, None),
        (Filters(trend=True), SELL, RISING, Reason.ENGINE_TREND),
        (Filters(trend=True), SELL, FALLING, None),
        (Filters(trend=True), BUY, FALLING, Reason.ENGINE_TREND),
        (Filters(trend=True), BUY, FLAT, Reason.ENGINE_TREND),
        (Filters(trend=True), SELL, FLAT, Reason.ENGINE_TREND),
        (Filters(trend=True), BUY, RISING[:21], None),
        (Filters(trend=True), BUY, RISING[:20], Reason.CANDLES_MISSING),
        (Filters(trend=True), BUY, (), Reason.CANDLES_MISSING),
        # FLAT bars have a range of exactly 1 at a price of 100.
        (Filters(min_atr_percent=1.0), BUY, FLAT, None),
        (Filters(max_atr_percent=1.0), BUY, FLAT, None),
        (Filters(min_atr_percent=1.01), BUY, FLAT, Reason.ENGINE_VOLATILITY),
        (Filters(max_atr_percent=0.99), SELL, FLAT, Reason.ENGINE_VOLATILITY),
        (Filters(max_atr_percent=0.0), BUY, FLAT, Reason.ENGINE_VOLATILITY),
        (Filters(min_atr_percent=0.5, max_atr_percent=2.0), SELL, FLAT, None),
        (Filters(min_atr_percent=0.0), BUY, FLAT[:15], None),
        (Filters(min_atr_percent=0.0), BUY, FLAT[:14], Reason.CANDLES_MISSING),
        (Filters(max_atr_percent=9.0), BUY, (), Reason.CANDLES_MISSING),
        (Filters(min_confluence=5), BUY, RISING, None),
        (Filters(min_confluence=1), SELL, RISING, Reason.ENGINE_CONFLUENCE),
        (Filters(min_confluence=5), SELL, FALLING, None),
        (Filters(min_confluence=1), BUY, FLAT, Reason.ENGINE_CONFLUENCE),
        # 60 bars: EMA 200 is unknown. Four votes agree, so four are reached, and five can't be told.
        (Filters(min_confluence=4), BUY, RISING[-60:], None),
        (Filters(min_confluence=5), BUY, RISING[-60:], Reason.CANDLES_MISSING),
        (Filters(min_confluence=1), SELL, RISING[-60:], Reason.CANDLES_MISSING),
        (Filters(min_confluence=2), SELL, RISING[-60:], Reason.ENGINE_CONFLUENCE),
        (Filters(min_confluence=1), BUY, (), Reason.CANDLES_MISSING),
        # The first filter that refuses names the refusal.
        (Filters(trend=True, max_atr_percent=0.01, min_confluence=5), SELL, RISING, Reason.ENGINE_TREND),
        (Filters(trend=True, max_atr_percent=0.01, min_confluence=5), BUY, RISING, Reason.ENGINE_VOLATILITY),
        (EVERYTHING, BUY, RISING, None),
        # Closing is never filtered.
        (EVERYTHING, CLOSE, (), None),
        (EVERYTHING, CLOSE, RISING, None),
        (EVERYTHING, Alert("X", Action.TARGET, target_side=0), FALLING, None),
        (EVERYTHING, Alert("X", Action.TARGET, target=Decimal(-1)), FALLING, None),
        (EVERYTHING, Alert("X", Action.TARGET, target=Decimal(-1)), RISING, Reason.ENGINE_TREND),
    ],
)
def test_filters(filters: Filters, alert: Alert, candles: tuple[Candle, ...], refusal: Reason | None) -> None:
    decision = rules.decide(signal(alert), MarketView(None, candles), filters)
    assert decision.refusal == refusal
    assert decision.approved is (refusal is None)
    assert decision.reasons


def test_every_filter_that_is_on_gives_its_reason() -> None:
    decision = rules.decide(signal(SELL), MarketView(None, RISING), EVERYTHING)
    assert [reason.split()[0].rstrip(":") for reason in decision.reasons] == ["Trend", "Volatility", "Confluence"]
    assert "for a short entry" in decision.reasons[0]
    assert "0 of 5 votes agree, 5 are needed" in decision.reasons[2]


def test_the_quote_is_the_price_where_there_is_one() -> None:
    below_the_average = Quote("X", Decimal(90), START, "candle")
    decision = rules.decide(signal(BUY), MarketView(below_the_average, RISING), Filters(trend=True))
    assert decision.refusal is Reason.ENGINE_TREND
    assert decision.figures["price"] == 90.0
    assert decision.figures["vote_ema_48_side"] == -1


@pytest.mark.parametrize(
    ("candles", "alert", "bias", "confidence"),
    [
        (RISING, BUY, 1, 100.0),
        (RISING, SELL, 1, 0.0),
        (FALLING, SELL, -1, 100.0),
        (RISING[-60:], BUY, 1, 80.0),
        ((), BUY, 0, 0.0),
        ((), CLOSE, 0, 100.0),
    ],
)
def test_bias_is_the_market_s_and_confidence_the_agreement(
    candles: tuple[Candle, ...], alert: Alert, bias: int, confidence: float
) -> None:
    decision = rules.decide(signal(alert), MarketView(None, candles))
    assert (decision.bias, decision.confidence) == (bias, confidence)


@pytest.mark.parametrize(
    ("values", "price", "expected"),
    [
        ({}, None, [None, None, None, None, None]),
        ({"ema_8": 2.0, "ema_21": 1.0}, 3.0, [1, None, None, None, None]),
        ({"ema_8": 1.0, "ema_21": 2.0, "ema_48": 4.0, "ema_200": 2.0}, 3.0, [-1, -1, 1, None, None]),
        ({"momentum": 0.5, "squeeze_on": False}, 3.0, [None, None, None, 1, 1]),
        ({"momentum": -0.5, "squeeze_on": False}, 3.0, [None, None, None, -1, -1]),
        ({"momentum": -0.5, "squeeze_on": True}, 3.0, [None, None, None, -1, 0]),
        ({"squeeze_on": False}, 3.0, [None, None, None, None, None]),
        ({"squeeze_on": True}, 3.0, [None, None, None, None, 0]),
        ({"ema_8": 3.0 + 1e-15, "ema_21": 3.0, "momentum": 1e-14, "squeeze_on": False}, 3.0, [0, None, None, 0, 0]),
    ],
)
def test_votes(values: dict[str, Any], price: float | None, expected: list[int | None]) -> None:
    assert list(rules.votes(Indicators(**values), price).values()) == expected


def test_filters_are_read() -> None:
    section = {"trend": True, "min_atr_percent": "0.05", "max_atr_percent": 2, "min_confluence": 3}
    assert rules.filters_from(section) == Filters(trend=True, min_atr_percent=0.05, max_atr_percent=2.0, min_confluence=3)
    assert rules.filters_from({}) == Filters()
    assert rules.filters_from({"min_atr_percent": None}) == Filters()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"tend": True}, "Unknown filter 'tend'; known are trend, min_atr_percent"),
        ({"trend": "yes"}, "trend must be true or false"),
        ({"trend": 1}, "trend must be true or false"),
        ({"min_confluence": 6}, "from 0 to 5"),
        ({"min_confluence": -1}, "from 0 to 5"),
        ({"min_confluence": 2.5}, "from 0 to 5"),
        ({"min_confluence": True}, "from 0 to 5"),
        ({"min_atr_percent": -1}, "min_atr_percent must not be negative"),
        ({"max_atr_percent": "NaN"}, "max_atr_percent must be finite"),
        ({"max_atr_percent": "wide"}, "max_atr_percent is not a number"),
        ({"max_atr_percent": []}, "max_atr_percent must be a number"),
        ({"min_atr_percent": 2, "max_atr_percent": 1}, "must not exceed"),
    ],
)
def test_wrong_filters_are_refused(section: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rules.filters_from(section)


filters_strategy = st.builds(
    Filters,
    trend=st.booleans(),
    min_atr_percent=st.none() | st.floats(0, 5),
    max_atr_percent=st.none() | st.floats(0, 5),
    min_confluence=st.integers(0, 5),
)
candle_strategy = st.builds(bars, st.lists(st.floats(50, 150), max_size=60))


@given(filters_strategy, candle_strategy, st.sampled_from([BUY, SELL]))
def test_an_alert_and_its_mirror_are_never_both_on_trend(filters: Filters, candles: tuple[Candle, ...], alert: Alert) -> None:
    market = MarketView(None, candles)
    decision = rules.decide(signal(alert), market, filters)
    assert decision.approved is (decision.refusal is None)
    assert 0 <= decision.confidence <= 100
    assert rules.decide(signal(alert), market, filters) == decision
    assert rules.decide(signal(CLOSE), market, filters).approved
    if filters.trend and decision.approved:
        assert not rules.decide(signal(SELL if alert is BUY else BUY), market, filters).approved


@given(filters_strategy, candle_strategy, st.sampled_from([BUY, SELL]))
def test_switching_a_filter_off_never_refuses(filters: Filters, candles: tuple[Candle, ...], alert: Alert) -> None:
    market = MarketView(None, candles)
    if rules.decide(signal(alert), market, filters).approved:
        fewer = Filters(min_atr_percent=filters.min_atr_percent, min_confluence=max(filters.min_confluence - 1, 0))
        assert rules.decide(signal(alert), market, fewer).approved
