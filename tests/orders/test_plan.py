"""What an alert means for a position: every branch, and what must hold whatever comes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.reasons import Reason
from hookfill.orders.model import Leg, Plan, Policy, Side
from hookfill.orders.plan import plan, policy_from
from hookfill.signals.model import Action, Alert


def alert(action: Action, quantity=None, **fields) -> Alert:
    return Alert(symbol="EURUSD", action=action, quantity=None if quantity is None else Decimal(quantity), **fields)


def enter(side: Side, quantity) -> Leg:
    return Leg("entry", side, None if quantity is None else Decimal(quantity))


def leave(side: Side, quantity) -> Leg:
    return Leg("exit", side, Decimal(quantity))


@pytest.mark.parametrize(
    ("action", "quantity", "current", "entries", "policy", "legs", "refusal", "adds"),
    [
        (Action.BUY, None, "0", 0, Policy(), (enter(Side.BUY, None),), None, False),
        (Action.SELL, "2", "0", 0, Policy(), (enter(Side.SELL, "2"),), None, False),
        (Action.BUY, "1", "1", 1, Policy(), (), Reason.PYRAMIDING_LIMIT, False),
        (Action.BUY, "1", "1", 1, Policy(pyramiding=2), (enter(Side.BUY, "1"),), None, True),
        (Action.BUY, "1", "2", 2, Policy(pyramiding=2), (), Reason.PYRAMIDING_LIMIT, False),
        (Action.SELL, None, "-1", 1, Policy(pyramiding=2), (enter(Side.SELL, None),), None, True),
        (Action.SELL, "3", "1.5", 1, Policy("reverse"), (leave(Side.SELL, "1.5"), enter(Side.SELL, "3")), None, False),
        (Action.BUY, None, "-2", 3, Policy("reverse"), (leave(Side.BUY, "2"), enter(Side.BUY, None)), None, False),
        (Action.SELL, "3", "1", 1, Policy("close"), (leave(Side.SELL, "1"),), None, False),
        (Action.SELL, "3", "1", 1, Policy("ignore"), (), Reason.OPPOSITE_IGNORED, False),
    ],
)
def test_buy_and_sell(action, quantity, current, entries, policy, legs, refusal, adds):
    made = plan(alert(action, quantity), Decimal(current), entries, policy)
    assert (made.legs, made.refusal, made.adds_to_position) == (legs, refusal, adds)


@pytest.mark.parametrize(
    ("quantity", "close_side", "current", "legs", "refusal"),
    [
        (None, None, "0", (), Reason.NO_POSITION),
        (None, None, "2", (leave(Side.SELL, "2"),), None),
        (None, None, "-2", (leave(Side.BUY, "2"),), None),
        ("0.5", None, "2", (leave(Side.SELL, "0.5"),), None),
        ("5", None, "-2", (leave(Side.BUY, "2"),), None),
        (None, 1, "2", (leave(Side.SELL, "2"),), None),
        (None, -1, "-2", (leave(Side.BUY, "2"),), None),
        (None, 1, "-2", (), Reason.NO_POSITION),
        (None, -1, "2", (), Reason.NO_POSITION),
        (None, 1, "0", (), Reason.NO_POSITION),
    ],
)
def test_close(quantity, close_side, current, legs, refusal):
    made = plan(alert(Action.CLOSE, quantity, close_side=close_side), Decimal(current), 1, Policy(on_opposite="ignore"))
    assert (made.legs, made.refusal) == (legs, refusal)


@pytest.mark.parametrize(
    ("target", "current", "legs", "refusal", "adds"),
    [
        ("2", "0", (enter(Side.BUY, "2"),), None, False),
        ("-2", "0", (enter(Side.SELL, "2"),), None, False),
        ("2", "2", (), Reason.ALREADY_AT_TARGET, False),
        ("0", "0", (), Reason.ALREADY_AT_TARGET, False),
        ("0", "2", (leave(Side.SELL, "2"),), None, False),
        ("0", "-3", (leave(Side.BUY, "3"),), None, False),
        ("5", "2", (enter(Side.BUY, "3"),), None, True),
        ("-5", "-2", (enter(Side.SELL, "3"),), None, True),
        ("2", "5", (leave(Side.SELL, "3"),), None, False),
        ("-2", "-5", (leave(Side.BUY, "3"),), None, False),
        ("-1", "2", (leave(Side.SELL, "2"), enter(Side.SELL, "1")), None, False),
        ("1", "-2", (leave(Side.BUY, "2"), enter(Side.BUY, "1")), None, False),
    ],
)
def test_target_quantity_is_the_difference_whatever_the_policy(target, current, legs, refusal, adds):
    size = Decimal(target)
    asked = alert(Action.TARGET, target=size, target_side=(size > 0) - (size < 0))
    made = plan(asked, Decimal(current), 1, Policy(on_opposite="ignore", pyramiding=1))
    assert (made.legs, made.refusal, made.adds_to_position) == (legs, refusal, adds)


@pytest.mark.parametrize(
    ("side", "quantity", "previous", "current", "legs", "refusal"),
    [
        (1, None, None, "0", (enter(Side.BUY, None),), None),
        (-1, "3", None, "0", (enter(Side.SELL, "3"),), None),
        (1, "3", 0, "-2", (leave(Side.BUY, "2"), enter(Side.BUY, "3")), None),
        # A reversal's order size covers the old position too.
        (1, "3", -1, "-2", (leave(Side.BUY, "2"), enter(Side.BUY, "1")), None),
        (1, "3", None, "-2", (leave(Side.BUY, "2"), enter(Side.BUY, "1")), None),
        (1, "2", -1, "-2", (leave(Side.BUY, "2"), enter(Side.BUY, None)), None),
        (1, "3", -1, "0", (enter(Side.BUY, None),), None),
        (-1, None, 1, "2", (leave(Side.SELL, "2"), enter(Side.SELL, None)), None),
        # On that side already: no guess whether it adds or reduces.
        (1, "3", 1, "2", (), Reason.ALREADY_AT_TARGET),
        (-1, None, None, "-2", (), Reason.ALREADY_AT_TARGET),
        (0, "3", 1, "2", (leave(Side.SELL, "2"),), None),
        (0, "3", 1, "-2", (leave(Side.BUY, "2"),), None),
        # A lost entry: the alert says long before and flat now, and there is nothing to close.
        (0, "3", 1, "0", (), Reason.ALREADY_AT_TARGET),
        (None, "3", None, "0", (), Reason.ACTION_MISSING),
    ],
)
def test_target_side_without_a_size(side, quantity, previous, current, legs, refusal):
    asked = alert(Action.TARGET, quantity, target_side=side, previous_side=previous)
    made = plan(asked, Decimal(current), 1, Policy())
    assert (made.legs, made.refusal) == (legs, refusal)


def test_refusals_carry_their_figures():
    full = plan(alert(Action.BUY), Decimal("0.50"), 2, Policy(pyramiding=2))
    assert full.detail == "0.5 long, 2 of at most 2 entries"
    other = plan(alert(Action.CLOSE, close_side=1), Decimal("-0.50"), 1, Policy())
    assert other.detail == "the alert closes a long position; held is 0.5 short"


quantities = st.decimals(min_value="0.01", max_value=1000, places=2)
positions = st.one_of(st.just(Decimal(0)), quantities, quantities.map(lambda size: -size))
sides = st.sampled_from([None, -1, 0, 1])
policies = st.builds(Policy, st.sampled_from(["reverse", "close", "ignore"]), st.integers(1, 5))


@st.composite
def alerts(draw) -> Alert:
    action = draw(st.sampled_from(Action))
    quantity = draw(st.none() | quantities)
    if action is Action.TARGET:
        target = draw(st.none() | positions)
        side = draw(st.sampled_from([-1, 0, 1])) if target is None else (target > 0) - (target < 0)
        return alert(action, quantity, target=target, target_side=side, previous_side=draw(sides))
    close_side = draw(st.sampled_from([None, -1, 1])) if action is Action.CLOSE else None
    return alert(action, quantity, close_side=close_side)


def walk(made: Plan, current: Decimal, sized: Decimal) -> list[Decimal]:
    """The position after each leg, unsized entries being ``sized``."""
    path = [current]
    for leg in made.legs:
        path.append(path[-1] + leg.side.sign * (sized if leg.quantity is None else leg.quantity))
    return path


@given(alerts(), positions, st.integers(1, 5), policies)
def test_no_leg_crosses_zero_and_exits_never_open(asked, current, entries, policy):
    made = plan(asked, current, entries if current else 0, policy)
    path = walk(made, current, Decimal(7))
    for leg, before, after in zip(made.legs, path, path[1:], strict=False):
        assert leg.quantity is None or leg.quantity > 0
        assert before * after >= 0
        if leg.purpose == "exit":
            assert leg.quantity is not None
            assert abs(after) < abs(before)
        else:
            assert abs(after) > abs(before)
    assert [leg.purpose for leg in made.legs] in ([], ["entry"], ["exit"], ["exit", "entry"])
    assert (made.refusal is None) == bool(made.legs)
    assert made.adds_to_position == (len(made.legs) == 1 and made.legs[0].purpose == "entry" and current != 0)


@given(alerts(), positions, policies)
def test_leaving_alerts_never_open(asked, current, policy):
    made = plan(asked, current, 1 if current else 0, policy)
    if asked.action is Action.CLOSE or asked.target_side == 0:
        assert all(leg.purpose == "exit" for leg in made.legs)
        assert abs(walk(made, current, Decimal(7))[-1]) <= abs(current)


@given(positions, positions, positions, policies)
def test_a_target_mends_whatever_was_lost_before_and_holds(target, lost, current, policy):
    asked = alert(Action.TARGET, target=target, target_side=(target > 0) - (target < 0))
    for start in (lost, current):
        reached = walk(plan(asked, start, 1, policy), start, Decimal(7))[-1]
        assert reached == target
        assert plan(asked, reached, 1, policy).refusal is Reason.ALREADY_AT_TARGET


def test_policy_section():
    assert policy_from(None) == policy_from({}) == Policy("reverse", 1)
    assert policy_from({"on_opposite": "close", "pyramiding": 3}) == Policy("close", 3)


@pytest.mark.parametrize(
    "section",
    [
        [],
        "reverse",
        {"on_oposite": "close"},
        {"on_opposite": "flip"},
        {"on_opposite": None},
        {"on_opposite": ["close"]},
        {"pyramiding": 0},
        {"pyramiding": 1001},
        {"pyramiding": True},
        {"pyramiding": "2"},
        {"pyramiding": 1.0},
    ],
)
def test_policy_section_refuses(section):
    with pytest.raises(ConfigurationError, match="policy"):
        policy_from(section)
