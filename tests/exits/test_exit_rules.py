"""Exit rules: their section, and the levels they give a new position."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.exits.model import Distance, DistanceKind, ExitRules, Levels
from hookfill.exits.rules import check_levels, initial_levels, rules_from, rules_to_json
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Instrument, InstrumentKind
from hookfill.orders.model import Side

D = Decimal
FX = Instrument(
    "EURUSD", InstrumentKind.FX, "USD", D(100_000), D("0.01"), D("0.01"), D("0.00001"), D("0.0001"), D(1), in_contracts=True
)
FULL = {
    "stop": {"pips": 50},
    "target": {"r": 2},
    "trailing_percent": 15,
    "trailing_arm_percent": 20,
    "break_even_at_r": 1,
    "max_hold_hours": 120,
}


def test_a_full_section():
    rules = rules_from(FULL)
    assert rules == ExitRules(Distance(DistanceKind.PIPS, D(50)), Distance(DistanceKind.R, D(2)), D(15), D(20), D(1), D(120))
    assert rules_to_json(rules) == {
        "stop": {"pips": "50"},
        "target": {"r": "2"},
        "trailing_percent": "15",
        "trailing_arm_percent": "20",
        "break_even_at_r": "1",
        "max_hold_hours": "120",
    }


def test_nothing_set_is_nothing_on():
    assert rules_from(None) == rules_from({}) == rules_from(dict.fromkeys(FULL)) == ExitRules()
    assert rules_to_json(ExitRules()) == {}


distances = st.builds(
    Distance, st.sampled_from([kind for kind in DistanceKind if kind is not DistanceKind.R]), st.decimals("0.1", 99, places=3)
)
targets = st.builds(Distance, st.sampled_from(DistanceKind), st.decimals("0.1", 99, places=3))
numbers = st.none() | st.decimals("0.1", 99, places=2)


@given(st.none() | distances, st.none() | targets, numbers, numbers, numbers, numbers)
def test_rules_survive_being_written(stop, target, trailing, arm, break_even, hold):
    rules = ExitRules(stop, target, trailing, arm if trailing is not None else None, break_even, hold)
    assert rules_from(rules_to_json(rules)) == rules


@pytest.mark.parametrize(
    "section",
    [
        7,
        {"stop_loss": 5},
        {"stop": 50},
        {"stop": {}},
        {"stop": {"points": 5}},
        {"stop": {"pips": 50, "percent": 1}},
        {"stop": {"pips": 0}},
        {"stop": {"pips": -5}},
        {"stop": {"pips": None}},
        {"stop": {"percent": 100}},
        {"stop": {"r": 1}},
        {"target": {"r": 1001}},
        {"target": {"price": float("inf")}},
        {"trailing_percent": 100},
        {"trailing_percent": True},
        {"trailing_arm_percent": 20},
        {"break_even_at_r": 0},
        {"max_hold_hours": 1e6},
        {"max_hold_hours": "long"},
    ],
)
def test_a_section_that_can_not_be_meant_is_refused(section):
    with pytest.raises(ConfigurationError, match="exits"):
        rules_from(section)


def levels(side, price, section, stop=None, target=None) -> Levels:
    own = {"alert_stop": stop and D(stop), "alert_target": target and D(target)}
    return initial_levels(side, D(price), FX, rules_from(section), **own)


def as_levels(stop, target, risk) -> Levels:
    return Levels(*(None if value is None else D(value) for value in (stop, target, risk)))


@pytest.mark.parametrize(
    ("side", "section", "stop", "target", "expected"),
    [
        (Side.BUY, {}, None, None, (None, None, None)),
        (Side.BUY, FULL, None, None, ("1.095", "1.11", "0.005")),
        (Side.SELL, FULL, None, None, ("1.105", "1.09", "0.005")),
        (Side.BUY, {"stop": {"price": "0.01"}, "target": {"price": "0.02"}}, None, None, ("1.09", "1.12", "0.01")),
        (Side.SELL, {"stop": {"percent": 1}, "target": {"percent": 10}}, None, None, ("1.111", "0.99", "0.011")),
        # The alert's own levels win, as they came; R is measured by its stop.
        (Side.BUY, FULL, "1.0977777", None, ("1.0977777", "1.10445", "0.0022223")),
        (Side.BUY, FULL, None, "1.5", ("1.095", "1.5", "0.005")),
        (Side.SELL, {}, "1.2", "1", ("1.2", "1", "0.1")),
        # Rounded away from the entry: 1.1 x 0.12345 % = 0.00135795.
        (Side.BUY, {"stop": {"percent": "0.12345"}}, None, None, ("1.09864", None, "0.00136")),
        (Side.SELL, {"stop": {"percent": "0.12345"}}, None, None, ("1.10136", None, "0.00136")),
        (Side.BUY, {"target": {"percent": "0.12345"}}, None, None, (None, "1.10136", None)),
        (Side.BUY, {"stop": {"price": "0.000001"}}, None, None, ("1.09999", None, "0.00001")),
        # R without a stop gives no level.
        (Side.BUY, {"target": {"r": 2}}, None, None, (None, None, None)),
    ],
)
def test_initial_levels(side, section, stop, target, expected):
    assert levels(side, "1.1", section, stop, target) == as_levels(*expected)


@pytest.mark.parametrize(
    ("side", "section", "stop", "target", "refusal"),
    [
        (Side.BUY, {}, None, None, None),
        (Side.BUY, FULL, None, None, None),
        (Side.SELL, FULL, None, None, None),
        (Side.BUY, {}, "1.05", "1.15", None),
        (Side.SELL, {}, "1.15", "1.05", None),
        (Side.BUY, {}, "1.15", None, Reason.STOP_WRONG_SIDE),
        (Side.BUY, {}, "1.1", None, Reason.STOP_WRONG_SIDE),
        (Side.SELL, {}, "1.05", None, Reason.STOP_WRONG_SIDE),
        (Side.SELL, {}, "1.1", None, Reason.STOP_WRONG_SIDE),
        (Side.BUY, {}, None, "1.05", Reason.TARGET_WRONG_SIDE),
        (Side.BUY, {}, None, "1.1", Reason.TARGET_WRONG_SIDE),
        (Side.SELL, {}, None, "1.15", Reason.TARGET_WRONG_SIDE),
        # Distances that reach zero or beyond.
        (Side.BUY, {"stop": {"price": "1.1"}}, None, None, Reason.STOP_WRONG_SIDE),
        (Side.BUY, {"stop": {"price": 2}}, None, None, Reason.STOP_WRONG_SIDE),
        (Side.SELL, {"target": {"percent": 100}}, None, None, Reason.TARGET_WRONG_SIDE),
        (Side.SELL, {"target": {"price": 2}}, None, None, Reason.TARGET_WRONG_SIDE),
        # Rules in R need a stop, unless the alert's own target makes them needless.
        (Side.BUY, {"target": {"r": 2}}, None, None, Reason.STOP_REQUIRED),
        (Side.BUY, {"break_even_at_r": 1}, None, None, Reason.STOP_REQUIRED),
        (Side.BUY, {"target": {"r": 2}}, None, "1.2", None),
        (Side.BUY, {"target": {"r": 2}, "break_even_at_r": 1}, "1.05", None, None),
    ],
)
def test_check_levels(side, section, stop, target, refusal):
    own = {"alert_stop": stop and D(stop), "alert_target": target and D(target)}
    assert check_levels(side, D("1.1"), FX, rules_from(section), **own) is refusal
