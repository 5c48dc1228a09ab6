"""Partial targets: what a bar takes of a position, in which order, and that nothing is taken twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.exits.evaluate import on_bar, past_target, without
from hookfill.exits.model import Distance, DistanceKind, ExitReason, ExitRules, PartialTarget
from hookfill.exits.rules import check_levels, initial_levels
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Candle, Instrument, InstrumentKind
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill, open_position
from hookfill.positions.model import Position, Target

D = Decimal
T0 = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHARE = Instrument("X", InstrumentKind.EQUITY, "USD", D(1), D(1), D(1), D("0.01"), D("0.01"), D(1), in_contracts=False)
NO_RULES = ExitRules()


def rules(*parts: tuple[str, str], kind: DistanceKind = DistanceKind.PERCENT, **more: object) -> ExitRules:
    return ExitRules(targets=tuple(PartialTarget(Distance(kind, D(at)), D(percent)) for at, percent in parts), **more)  # type: ignore[arg-type]  # named by the tests


def held(asked: ExitRules, quantity: str = "10", side: Side = Side.BUY, stop: str | None = None) -> Position:
    levels = initial_levels(side, D(100), SHARE, asked, alert_stop=stop and D(stop), alert_target=None)
    made = open_position(
        position_id=UUID(int=1),
        strategy_id=UUID(int=2),
        symbol="X",
        side=side,
        quantity=D(quantity),
        price=D(100),
        multiplier=D(1),
        commission=D(0),
        at=T0,
    )
    stop, target, risk, targets = levels.stop, levels.target, levels.initial_risk, levels.targets
    return replace(made, stop_price=stop, target_price=target, initial_risk=risk, targets=targets)


def bar(low: str, high: str, minute: int = 0) -> Candle:
    opened_at = T0 + minute * MINUTE
    middle = (D(low) + D(high)) / 2
    return Candle("X", "M1", opened_at, opened_at + MINUTE, middle, D(high), D(low), middle)


THREE = rules(("10", "50"), ("20", "30"), ("30", "20"))
RUNNER = rules(("10", "50"), ("20", "25"))


@pytest.mark.parametrize(
    ("made", "quantity", "high", "parts", "left"),
    [
        (THREE, "10", "109.99", [], None),
        (THREE, "10", "110", [(1, "5")], None),
        (THREE, "10", "120", [(1, "5"), (2, "3")], None),
        (THREE, "10", "130", [(1, "5"), (2, "3")], (3, "130")),
        # Floored to whole shares; what that leaves over goes with the last.
        (THREE, "5", "120", [(1, "2"), (2, "1")], None),
        (THREE, "5", "130", [(1, "2"), (2, "1")], (3, "130")),
        # Too small to divide: the last takes all of it.
        (THREE, "1", "120", [], None),
        (THREE, "1", "130", [], (3, "130")),
        (RUNNER, "10", "200", [(1, "5"), (2, "2")], None),
        (RUNNER, "2", "200", [(1, "1")], None),
        # A target of the whole position takes what they leave, and nothing waits beyond it.
        (replace(RUNNER, target=Distance(DistanceKind.PERCENT, D(40))), "10", "200", [(1, "5"), (2, "2")], (0, "140")),
        (replace(RUNNER, target=Distance(DistanceKind.PERCENT, D(15))), "10", "200", [(1, "5")], (0, "115")),
    ],
)
def test_what_a_bar_takes(made: ExitRules, quantity: str, high: str, parts: list[tuple[int, str]], left: tuple[int, str] | None):
    outcome = on_bar(held(made, quantity), bar("99", high), made, SHARE)
    assert [(part.target, part.quantity, part.reason) for part in outcome.partial] == [
        (number, D(size), ExitReason.PARTIAL_TARGET) for number, size in parts
    ]
    assert [part.level for part in outcome.partial] == [D(100) + 10 * number for number, _ in parts]
    due = outcome.exit
    assert (due and (due.target, due.level, due.quantity, due.reason)) == (
        left and (left[0], D(left[1]), None, ExitReason.TAKE_PROFIT)
    )


def test_a_short_position_takes_its_targets_below():
    outcome = on_bar(held(THREE, side=Side.SELL), bar("80", "100"), THREE, SHARE)
    assert [(part.level, part.quantity) for part in outcome.partial] == [(D(90), D(5)), (D(80), D(3))]


def test_a_stop_in_the_same_bar_comes_first():
    outcome = on_bar(held(THREE, stop="95"), bar("95", "130"), THREE, SHARE)
    assert (outcome.partial, outcome.exit and outcome.exit.reason) == ((), ExitReason.STOP_LOSS)


def test_time_leaves_what_targets_leave():
    made = replace(THREE, max_hold_hours=D(1))
    late = replace(held(made), opened_at=T0 - timedelta(hours=1))
    outcome = on_bar(late, bar("99", "110"), made, SHARE)
    assert [part.quantity for part in outcome.partial] == [D(5)]
    assert outcome.exit is not None
    assert outcome.exit.reason is ExitReason.MAX_HOLD


def test_a_closing_position_takes_none():
    assert on_bar(replace(held(THREE), status="closing"), bar("99", "130"), THREE, SHARE).partial == ()


def test_a_target_that_is_taken_is_gone():
    position = without(held(THREE), 2)
    assert [target.number for target in position.targets] == [3]
    assert on_bar(position, bar("99", "120"), THREE, SHARE).partial == ()


def test_a_broker_s_fill_passes_the_first_target_that_was_large_enough():
    one = held(rules(("10", "10"), ("20", "50")), "2")  # a tenth of two shares is none
    assert [part.target for part in on_bar(one, bar("99", "120"), NO_RULES, SHARE).partial] == [2]
    assert past_target(one, replace(one, quantity=D(1)), SHARE).targets == ()
    assert past_target(replace(one, targets=()), one, SHARE) is one


def test_levels_lie_on_the_grid_and_share_the_whole():
    levels = initial_levels(Side.BUY, D(100), SHARE, THREE, alert_stop=None, alert_target=None)
    assert levels.targets == (
        Target(1, D("110.00"), D(50), D(100)),
        Target(2, D("120.00"), D(30), D(50)),
        Target(3, D("130.00"), D(20), D(20)),
    )


@pytest.mark.parametrize(
    ("side", "made", "stop", "reason"),
    [
        (Side.BUY, THREE, None, None),
        (Side.SELL, rules(("50", "10"), ("100", "10")), None, Reason.TARGET_WRONG_SIDE),
        (Side.BUY, rules(("1", "50"), kind=DistanceKind.R), None, Reason.STOP_REQUIRED),
        (Side.BUY, rules(("1", "50"), kind=DistanceKind.R), "98", None),
    ],
)
def test_levels_are_checked_before_the_entry(side: Side, made: ExitRules, stop: str | None, reason: Reason | None):
    assert check_levels(side, D(100), SHARE, made, alert_stop=stop and D(stop), alert_target=None) == reason


@st.composite
def partial_rules(draw: st.DrawFn) -> ExitRules:
    count = draw(st.integers(1, 5))
    distances = sorted(draw(st.sets(st.integers(1, 60), min_size=count, max_size=count)))
    percents = draw(st.lists(st.integers(1, 100 // count), min_size=count, max_size=count))
    return rules(*zip(map(str, distances), map(str, percents), strict=True))


@given(
    made=partial_rules(),
    quantity=st.integers(1, 500),
    moves=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=1, max_size=12),
    is_long=st.booleans(),
)
def test_never_more_than_is_held_and_no_target_twice(
    made: ExitRules, quantity: int, moves: list[tuple[int, int]], is_long: bool
) -> None:
    """Whatever prices come: whole lots, each target once and in order, and in all no more than the share asked for."""
    position = held(made, str(quantity), Side.BUY if is_long else Side.SELL)
    sign, taken, sold = position.side, [], D(0)
    for minute, pair in enumerate(moves):
        low, high = sorted(D(100) + sign * move for move in pair)
        outcome = on_bar(position, bar(str(low), str(high), minute), made, SHARE)
        position = outcome.position
        for due in (*outcome.partial, *([outcome.exit] if outcome.exit else [])):
            assert due.level is not None
            assert sign * (due.level - D(100)) > 0
            assert sign * due.level <= max(sign * low, sign * high)
            size = abs(position.quantity) if due.quantity is None else due.quantity
            assert size > 0
            assert size % SHARE.lot_step == 0
            taken.append(due.target)
            sold += size
            closing = Side.SELL if is_long else Side.BUY
            position, _ = apply_fill(position, closing, size, due.level, D(0), at=due.at, exit_reason=due.reason)
            position = position if position.status == "closed" else without(position, due.target)
        if position.status == "closed":
            break
    assert taken == sorted(set(taken))
    share = sum(target.percent for target in made.targets)
    assert sold <= D(quantity) * share / 100 if share < 100 else sold <= quantity
    if share == 100 and len(made.targets) in taken:
        assert sold == quantity
