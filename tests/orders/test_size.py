"""Sizing: the arithmetic of each mode, the lot steps, and the words that explain it."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Instrument, InstrumentKind
from hookfill.orders.model import Sized, SizingMode, SizingRule
from hookfill.orders.size import at_most, size_entry, size_exit, sizing_from
from hookfill.orders.ticks import to_tick

D = Decimal


def instrument(
    kind: InstrumentKind, multiplier="1", lot_step="1", margin_rate="1", tick="0.01", pip="0.01", least=None
) -> Instrument:
    return Instrument(
        symbol="X",
        kind=kind,
        currency="USD",
        multiplier=D(multiplier),
        lot_step=D(lot_step),
        min_quantity=D(least or lot_step),
        tick=D(tick),
        pip=D(pip),
        margin_rate=D(margin_rate),
        in_contracts=kind in (InstrumentKind.FX, InstrumentKind.FUTURE),
    )


SHARE = instrument(InstrumentKind.EQUITY)
LOT = instrument(InstrumentKind.FX, "100000", "0.01", "0.05", "0.00001", "0.0001")
FUTURE = instrument(InstrumentKind.FUTURE, "50", "1", "0.1", "0.25", "0.25")
COIN = instrument(InstrumentKind.CRYPTO, "1", "0.0001", "1", "0.00000001")
CHEAP = replace(COIN, min_notional=D(1))
FIXED = SizingRule()
EQUITY_10 = SizingRule(SizingMode.EQUITY_PERCENT, percent=D(10))
RISK_1 = SizingRule(SizingMode.RISK_PERCENT, percent=D(1))


def size(rule, traded, price="100", *, asked=None, stop=None, equity="100000", override=None):
    return size_entry(
        rule,
        None if asked is None else D(asked),
        traded,
        D(price),
        stop_price=None if stop is None else D(stop),
        equity=D(equity),
        risk_override_pct=None if override is None else D(override),
    )


@pytest.mark.parametrize(
    ("rule", "traded", "options", "quantity", "refusal"),
    [
        # The alert's own quantity wins over every rule, floored to the lot step.
        (EQUITY_10, SHARE, {"asked": "7"}, "7", None),
        (RISK_1, LOT, {"asked": "0.019"}, "0.01", None),
        (FIXED, SHARE, {"asked": "0.9"}, "0", Reason.SIZE_TOO_SMALL),
        (FIXED, instrument(InstrumentKind.EQUITY, least="100"), {"asked": "99"}, "0", Reason.SIZE_TOO_SMALL),
        (FIXED, instrument(InstrumentKind.EQUITY, least="100"), {"asked": "100"}, "100", None),
        (FIXED, SHARE, {"asked": "1e12"}, "0", Reason.MAX_POSITION_SIZE_EXCEEDED),
        # Fixed.
        (SizingRule(quantity=D("0.25")), LOT, {}, "0.25", None),
        (SizingRule(quantity=D("0.005")), LOT, {}, "0", Reason.SIZE_TOO_SMALL),
        (FIXED, SHARE, {}, "1", None),
        (FIXED, FUTURE, {}, "1", None),
        (FIXED, LOT, {}, "0.01", None),
        (FIXED, COIN, {}, "0.01", None),
        (FIXED, instrument(InstrumentKind.FX, "1000", "0.1"), {}, "0.1", None),
        # A coin's entry is worth a dollar at least; so is the usual one of a cheap coin.
        (FIXED, CHEAP, {"price": "0.5", "asked": "1.9999"}, "0", Reason.SIZE_TOO_SMALL),
        (FIXED, CHEAP, {"price": "0.5", "asked": "2"}, "2", None),
        (SizingRule(quantity=D("0.01")), CHEAP, {"price": "99.99"}, "0", Reason.SIZE_TOO_SMALL),
        (SizingRule(quantity=D("0.01")), CHEAP, {"price": "100"}, "0.01", None),
        (EQUITY_10, CHEAP, {"price": "0.5", "equity": "9"}, "0", Reason.SIZE_TOO_SMALL),
        (FIXED, CHEAP, {"price": "0.3"}, "3.3334", None),
        (FIXED, CHEAP, {"price": "64000"}, "0.01", None),
        (FIXED, CHEAP, {"price": "0"}, "0.01", None),
        (FIXED, CHEAP, {"price": "0", "asked": "0.1"}, "0.1", None),
        # Equity: 10 % of 100,000 is 10,000 of capital.
        (EQUITY_10, SHARE, {"price": "333"}, "30", None),
        (EQUITY_10, LOT, {"price": "1.25"}, "1.6", None),
        (EQUITY_10, FUTURE, {"price": "5000"}, "0", Reason.SIZE_TOO_SMALL),
        (EQUITY_10, SHARE, {"equity": "-5"}, "0", Reason.SIZE_TOO_SMALL),
        # The override is of the risk, not of the capital.
        (EQUITY_10, SHARE, {"price": "333", "override": "50"}, "30", None),
        # Risk: 1 % of 100,000 is 1,000 at the stop.
        (RISK_1, SHARE, {"stop": "97"}, "333", None),
        (RISK_1, SHARE, {"stop": "103"}, "333", None),
        (RISK_1, LOT, {"price": "1.1", "stop": "1.095"}, "2", None),
        (RISK_1, SHARE, {"stop": "97", "override": "2"}, "666", None),
        (SizingRule(SizingMode.RISK_PERCENT, percent=D(3)), SHARE, {"stop": "97"}, "1000", None),
        (RISK_1, SHARE, {"stop": "97", "equity": "0"}, "0", Reason.SIZE_TOO_SMALL),
        (RISK_1, SHARE, {}, "0", Reason.STOP_REQUIRED),
        (RISK_1, SHARE, {"stop": "100"}, "0", Reason.STOP_WRONG_SIDE),
    ],
)
def test_sizes(rule, traded, options, quantity, refusal):
    sized = size(rule, traded, **options)
    assert (sized.quantity, sized.refusal) == (D(quantity), refusal)


def test_explanations_show_the_arithmetic():
    assert size(RISK_1, LOT, "1.1", stop="1.0931").explanation == (
        "1 % of equity 100000 = 1000 at risk; one unit loses |1.1 − 1.0931| × 100000 = 690 at the stop; "
        "1000 ÷ 690 = 1.4492753623; in steps of 0.01: 1.44."
    )
    assert size(EQUITY_10, LOT, "1.25").explanation == (
        "10 % of equity 100000 = 10000 to commit; one unit commits 1.25 × 100000 × margin rate 0.05 = 6250; "
        "10000 ÷ 6250 = 1.6; in steps of 0.01: 1.6."
    )
    assert size(FIXED, CHEAP, "0.5", asked="1").explanation == (
        "The alert asks for 1; in steps of 0.0001: 1. At 0.5 that is worth 0.5, below the smallest order of 1."
    )
    assert size(FIXED, SHARE, asked="0.5").explanation == "The alert asks for 0.5; in steps of 1: 0, below the smallest order of 1."
    assert size(FIXED, COIN).explanation == (
        "Neither the alert nor the strategy names a size; the default is 0.01; in steps of 0.0001: 0.01."
    )
    assert "needs a stop" in size(RISK_1, SHARE).explanation


amounts = st.decimals(min_value="0.01", max_value=10**7, places=2)


@given(
    st.sampled_from([EQUITY_10, RISK_1]),
    st.sampled_from([SHARE, LOT, FUTURE, COIN]),
    amounts,
    amounts,
    st.decimals(min_value="0.01", max_value=10**5, places=2),
)
def test_a_size_never_commits_or_risks_more_than_its_percent(rule, traded, equity, price, distance):
    sized = size_entry(rule, None, traded, price, stop_price=price + distance, equity=equity)
    assert sized.quantity % traded.lot_step == 0
    if sized.refusal is None:
        assert sized.quantity >= traded.min_quantity
    per_unit = price * traded.margin_rate if rule is EQUITY_10 else distance
    assert sized.quantity * per_unit * traded.multiplier <= equity * rule.percent / 100


@pytest.mark.parametrize(
    ("rule", "traded", "room", "quantity"),
    [
        (SizingRule(SizingMode.EQUITY_PERCENT, percent=D(5)), LOT, D(10), D(10)),
        (SizingRule(SizingMode.RISK_PERCENT, percent=D(5)), LOT, D("0.057"), D("0.05")),
        (
            SizingRule(SizingMode.EQUITY_PERCENT, percent=D(5)),
            LOT,
            D("0.004"),
            D(12),
        ),  # no room for the least: the check refuses it
        (SizingRule(SizingMode.EQUITY_PERCENT, percent=D(5)), LOT, D(-3), D(12)),
        (SizingRule(SizingMode.EQUITY_PERCENT, percent=D(5)), LOT, D(12), D(12)),
        (SizingRule(quantity=D(12)), LOT, D(10), D(12)),  # somebody asked for just that many
        (SizingRule(SizingMode.EQUITY_PERCENT, percent=D(5)), SHARE, D(10), D(12)),
    ],
)
def test_a_percentage_keeps_to_the_room_that_is_left(rule, traded, room, quantity):
    sized = Sized(D(12), None, "5 % of equity …")
    cut = at_most(sized, rule, traded, room)
    assert (cut.quantity, cut.refusal) == (quantity, None)
    assert (cut == sized) == (quantity == 12)


def test_what_was_refused_stays_refused():
    refused = Sized(D(0), Reason.SIZE_TOO_SMALL, "…")
    assert at_most(refused, SizingRule(SizingMode.EQUITY_PERCENT, percent=D(5)), LOT, D(10)) == refused


def test_size_exit():
    assert size_exit(D("0.123"), D("0.123"), LOT).quantity == D("0.123")
    assert size_exit(D(2), D(1), LOT).quantity == D(1)
    part = size_exit(D("0.057"), D("0.1"), LOT)
    assert (part.quantity, part.refusal) == (D("0.05"), None)
    assert size_exit(D("0.004"), D("0.1"), LOT).refusal is Reason.SIZE_TOO_SMALL


@pytest.mark.parametrize(
    ("section", "rule"),
    [
        (None, SizingRule()),
        ({}, SizingRule()),
        ({"mode": "fixed", "quantity": 0.1}, SizingRule(quantity=D("0.1"))),
        ({"quantity": "0.1"}, SizingRule(quantity=D("0.1"))),
        ({"mode": "equity_percent", "percent": 5}, SizingRule(SizingMode.EQUITY_PERCENT, percent=D(5))),
        ({"mode": "equity_percent", "percent": 100}, SizingRule(SizingMode.EQUITY_PERCENT, percent=D(100))),
        ({"mode": "risk_percent"}, SizingRule(SizingMode.RISK_PERCENT, percent=D(1))),
        ({"mode": "risk_percent", "percent": "0.5", "quantity": None}, SizingRule(SizingMode.RISK_PERCENT, percent=D("0.5"))),
    ],
)
def test_sizing_section(section, rule):
    assert sizing_from(section) == rule


@pytest.mark.parametrize(
    "section",
    [
        5,
        {"size": 1},
        {"mode": "all_in"},
        {"mode": None},
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": float("nan")},
        {"quantity": True},
        {"quantity": "1e13"},
        {"quantity": "much"},
        {"mode": "fixed", "percent": 1},
        {"mode": "equity_percent"},
        {"mode": "equity_percent", "percent": 101},
        {"mode": "equity_percent", "percent": 0},
        {"mode": "risk_percent", "quantity": 1},
    ],
)
def test_sizing_section_refuses(section):
    with pytest.raises(ConfigurationError, match="sizing"):
        sizing_from(section)


@pytest.mark.parametrize(
    ("price", "up", "beside", "expected"),
    [
        ("100.123", True, "100", "100.13"),
        ("100.123", False, "100", "100.12"),
        ("100.12", True, "100", "100.12"),
        # The market trades between the ticks: the guess is not imposed on it.
        ("0.07995", False, "0.0801", "0.07995"),
        ("0.079955555555", True, "0.0801", "0.0799555556"),
        # Down from below one tick there is nothing but the price itself.
        ("0.009", False, "0.01", "0.009"),
    ],
)
def test_to_tick(price, up, beside, expected):
    assert to_tick(D(price), SHARE, up=up, beside=D(beside)) == D(expected)
