"""What an option's price is made of: where its volatility comes from, and how terms are kept."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.desk.contracts import (
    FRAMES,
    MOST_DAILY_BARS,
    USUAL_VOLATILITY,
    Terms,
    asks_for_options,
    priced_by,
    quoted,
    terms_from,
    terms_of,
    terms_of_fill,
    volatility_of,
)
from hookfill.market.model import Candle
from hookfill.market.option_chain import OptionChain, model_chain, model_quote
from hookfill.market.option_prices import realised_volatility
from hookfill.market.option_symbols import contract_from
from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import Alert
from support.desk import at, strategy
from support.options import MORNING, premium

D = Decimal
CONTRACT = contract_from("SPY260313C00500000")


def days(number: int, *, swing: str = "5", until: float = 0) -> tuple[Candle, ...]:
    """Daily bars up to a minute, which go up and down."""
    end = at(until)
    closes = [D(500) + (place % 2) * D(swing) for place in range(number)]
    return tuple(
        Candle("SPY", "D1", end - timedelta(days=number - place), end - timedelta(days=number - place - 1), one, one, one, one)
        for place, one in enumerate(closes)
    )


def series(**bars: tuple[Candle, ...]) -> list[tuple[Candle, ...]]:
    return [bars.get(frame, ()) for frame in FRAMES]


def test_the_longest_timeframe_with_enough_bars_tells() -> None:
    assert volatility_of(series(D1=days(30), M5=MORNING), at(300)) == realised_volatility(days(30))
    assert volatility_of(series(D1=days(5), M5=MORNING), at(300)) == realised_volatility(MORNING)
    assert volatility_of(series(M5=MORNING[:5]), at(300)) is None
    assert volatility_of(series(), at(300)) is None


def test_only_what_had_closed_by_then_and_not_long_ago_counts() -> None:
    assert volatility_of(series(M5=MORNING), at(200)) is None  # ten bars by then
    assert volatility_of(series(M5=MORNING), at(210)) is not None
    assert volatility_of(series(D1=days(30, until=-20 * 1440)), at(0)) is None
    assert volatility_of(series(D1=days(30, until=-9 * 1440)), at(0)) is not None


def test_of_daily_bars_the_last_three_months_count() -> None:
    calm, wild = days(MOST_DAILY_BARS, swing="1"), days(40, swing="50", until=-MOST_DAILY_BARS * 1440)
    assert volatility_of(series(D1=(*wild, *calm)), at(0)) == realised_volatility(calm)


def test_terms_of_a_model_s_contract_are_the_model_s() -> None:
    chain = model_chain("SPY", D(500), 0.25, at(210))
    quote = next(one for one in chain.quotes if one.contract == CONTRACT)
    terms = terms_of(quote, chain)
    assert (terms.volatility, terms.rate, terms.source, terms.spot) == (0.25, chain.rate, "model", D(500))
    assert abs(terms.half_spread - D("0.01")) < D("0.001")


def test_a_quote_without_a_volatility_implies_one() -> None:
    quote = replace(model_quote(CONTRACT, D(500), 0.31, at(210)), volatility=None, source="alpaca")
    chain = OptionChain("SPY", at(210), "alpaca", D(500), (quote,))
    assert abs(terms_of(quote, chain).volatility - 0.31) < 0.002
    # A price below what exercising is worth implies none: the realised one stands in, or the usual.
    cheap = replace(quote, bid=D("0.01"), ask=D("0.01"), contract=contract_from("SPY260313C00400000"))
    assert terms_of(cheap, chain, 0.4).volatility == 0.4
    assert terms_of(cheap, chain).volatility == USUAL_VOLATILITY
    nothing = replace(cheap, bid=D(0), ask=D(0))
    assert terms_of(nothing, chain).half_spread == D("0.01")
    assert quoted(nothing).price == D("0.01")


def test_a_broker_s_fill_implies_its_volatility() -> None:
    price = premium(CONTRACT.symbol, D(500), at(210), {"volatility": 0.4, "rate": 0.04})
    assert abs(terms_of_fill(CONTRACT, price, at(210), D(500)).volatility - 0.4) < 0.002
    unknown = terms_of_fill(CONTRACT, price, at(210), None)
    assert (unknown.volatility, unknown.spot, unknown.source) == (USUAL_VOLATILITY, None, "broker")


@given(
    st.builds(
        Terms,
        volatility=st.floats(0.01, 5),
        rate=st.floats(-0.05, 0.2),
        source=st.sampled_from(["model", "alpaca"]),
        half_spread=st.decimals(0, "0.5", places=10),
        spot=st.none() | st.decimals("0.01", 100_000, places=4),
    )
)
def test_terms_survive_being_stored(terms: Terms) -> None:
    assert terms_from(terms.to_json()) == terms


@pytest.mark.parametrize(
    ("text", "settings", "asks"),
    [
        ("buy SPY", {}, False),
        ("buy SPY call", {}, True),
        ("buy SPY", {"options": {"trade": "always"}}, True),
        ("buy SPY", {"options": {"trade": "asked"}}, False),
        ("buy SPY", {"options": None}, False),
        ("buy SPY260313C00500000", {}, True),
        ("close .SPY260313C500", {}, True),
    ],
)
def test_who_asks_for_options(text: str, settings: dict[str, object], asks: bool) -> None:
    alert = parse_alert(text.encode())
    assert isinstance(alert, Alert)
    assert asks_for_options(alert, strategy(**settings)) is asks
    assert asks_for_options(alert, None) is (asks and "options" not in settings)


def test_options_are_priced_by_their_underlying() -> None:
    assert (priced_by("SPY260313C00500000"), priced_by("SPXW260313P05000000"), priced_by("EURUSD")) == ("SPY", "SPX", "EURUSD")
