"""The settings of partial targets, of exits by the clock, and the defaults that options have."""

from dataclasses import replace
from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.exits.model import Distance, DistanceKind, ExitRules, PartialTarget
from hookfill.exits.rules import MOST_TARGETS, OPTION_DEFAULTS, rules_for, rules_from, rules_to_json
from hookfill.kernel.errors import ConfigurationError
from hookfill.market.instruments import instrument_for

D = Decimal
FULL = {
    "targets": [{"at": {"r": 1}, "percent": 50}, {"at": {"r": "2.5"}, "percent": 25}],
    "min_dte_days": 0,
    "session_close_minutes": 5,
    "week_close_minutes": "15",
    "option_defaults": False,
}
OPTION, SHARE = instrument_for("SPY260320C00500000"), instrument_for("SPY")


def test_a_full_section():
    rules = rules_from(FULL)
    assert rules == ExitRules(
        targets=(
            PartialTarget(Distance(DistanceKind.R, D(1)), D(50)),
            PartialTarget(Distance(DistanceKind.R, D("2.5")), D(25)),
        ),
        min_dte_days=D(0),
        session_close_minutes=D(5),
        week_close_minutes=D(15),
        option_defaults=False,
    )
    assert rules_to_json(rules) == {
        "targets": [{"at": {"r": "1"}, "percent": "50"}, {"at": {"r": "2.5"}, "percent": "25"}],
        "min_dte_days": "0",
        "session_close_minutes": "5",
        "week_close_minutes": "15",
        "option_defaults": False,
    }
    assert rules_from(dict.fromkeys(FULL)) == ExitRules()


@pytest.mark.parametrize(
    "section",
    [
        {"targets": {"at": {"r": 1}, "percent": 50}},
        {"targets": "all"},
        {"targets": []},
        {"targets": [{"at": {"r": number}, "percent": 1} for number in range(1, MOST_TARGETS + 2)]},
        {"targets": [5]},
        {"targets": [{"percent": 50}]},
        {"targets": [{"at": {"r": 1}}]},
        {"targets": [{"at": {"r": 1}, "percent": 0}]},
        {"targets": [{"at": {"r": 1}, "percent": 101}]},
        {"targets": [{"at": {"r": 1}, "percent": 50, "all": True}]},
        {"targets": [{"at": {"r": 1, "pips": 5}, "percent": 50}]},
        {"targets": [{"at": {"r": 1}, "percent": 60}, {"at": {"r": 2}, "percent": 41}]},
        {"targets": [{"at": {"r": 2}, "percent": 50}, {"at": {"r": 1}, "percent": 50}]},
        {"targets": [{"at": {"r": 1}, "percent": 50}, {"at": {"r": 1}, "percent": 50}]},
        {"targets": [{"at": {"r": 1}, "percent": 50}, {"at": {"pips": 50}, "percent": 50}]},
        {"min_dte_days": -1},
        {"min_dte_days": 1.5},
        {"min_dte_days": 366},
        {"min_dte_days": "soon"},
        {"min_dte_days": True},
        {"session_close_minutes": 0},
        {"session_close_minutes": 1441},
        {"week_close_minutes": "late"},
        {"option_defaults": "no"},
        {"option_defaults": 0},
    ],
)
def test_a_section_that_can_not_be_meant_is_refused(section):
    with pytest.raises(ConfigurationError, match="exits"):
        rules_from(section)


def test_options_have_defaults_and_nothing_else_has():
    assert rules_for(ExitRules(), OPTION) == OPTION_DEFAULTS
    assert rules_for(ExitRules(), SHARE) == ExitRules()
    off = ExitRules(option_defaults=False, stop=Distance(DistanceKind.PERCENT, D(30)))
    assert rules_for(off, OPTION) is off
    assert rules_for(OPTION_DEFAULTS, OPTION) == OPTION_DEFAULTS


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"stop": {"percent": 30}}, {"stop": Distance(DistanceKind.PERCENT, D(30))}),
        ({"target": {"r": 2}}, {"target": Distance(DistanceKind.R, D(2))}),
        (
            {"targets": [{"at": {"r": 1}, "percent": 50}]},
            {"target": None, "targets": (PartialTarget(Distance(DistanceKind.R, D(1)), D(50)),)},
        ),
        # A trailing stop of the strategy's own is armed as the strategy says: at once.
        ({"trailing_percent": 5}, {"trailing_percent": D(5), "trailing_arm_percent": None}),
        ({"max_hold_hours": 2, "min_dte_days": 0}, {"max_hold_hours": D(2), "min_dte_days": D(0)}),
        ({"session_close_minutes": 5, "break_even_at_r": 1}, {"session_close_minutes": D(5), "break_even_at_r": D(1)}),
    ],
)
def test_a_default_takes_a_place_that_is_free(own, expected):
    assert rules_for(rules_from(own), OPTION) == replace(OPTION_DEFAULTS, **expected)


@st.composite
def sections(draw: st.DrawFn) -> ExitRules:
    """Any rules that a strategy may have."""
    percents = draw(st.lists(st.integers(1, 25), max_size=4))
    steps = accumulate(draw(st.lists(st.integers(1, 20), min_size=len(percents), max_size=len(percents))))
    kind = draw(st.sampled_from(DistanceKind))
    minutes = st.none() | st.decimals("0.5", 1440, places=1)
    return ExitRules(
        targets=tuple(PartialTarget(Distance(kind, D(at)), D(percent)) for at, percent in zip(steps, percents, strict=True)),
        min_dte_days=draw(st.none() | st.integers(0, 365).map(Decimal)),
        session_close_minutes=draw(minutes),
        week_close_minutes=draw(minutes),
        option_defaults=draw(st.booleans()),
    )


@given(sections())
def test_rules_survive_being_written(rules: ExitRules):
    assert rules_from(rules_to_json(rules)) == rules
    filled = rules_for(rules, OPTION)
    assert rules_from(rules_to_json(filled)) == filled
