"""Statistics from days put side by side equal those that a few plain lines make of the trades one by one."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.journal.days import calendar_of
from hookfill.journal.model import Direction, EventType, Session, Status, TradeState
from hookfill.journal.records import LAYOUT, RECORD, Columns, PackedDay, pack, unpack
from hookfill.journal.results import TARGETS, Policy, as_r, outcome_of, result_of
from hookfill.journal.statistics import MOST_POINTS, WEEKDAYS, Point, select, statistics_of
from hookfill.journal.tally import Figures
from support.trades import MORNING, ended, trade, trades

many = st.lists(trades(), max_size=12)
policies = st.sampled_from(Policy)
targets = st.sampled_from(TARGETS)


def by_day(states: Iterable[TradeState]) -> Columns:
    """The trades packed day by day, as they are kept."""
    days: dict[date, list[TradeState]] = defaultdict(list)
    for state in states:
        days[state.signal_date].append(state)
    return unpack(PackedDay(day, *pack(members)) for day, members in sorted(days.items()))


def mean(values: Sequence[Decimal]) -> Decimal | None:
    return (sum(values, Decimal(0)) / len(values)).quantize(Decimal("0.000001"), ROUND_HALF_EVEN) if values else None


def rate(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    return (Decimal(part) / whole).quantize(Decimal("0.0001"), ROUND_HALF_EVEN) if whole else None


def naive_figures(states: Sequence[TradeState], policy: Policy, target: int) -> Figures:
    results = [result for state in states if (result := result_of(outcome_of(state, policy), target)) is not None]
    wins, losses = [r for r in results if r > 0], [r for r in results if r < 0]
    alive = [state for state in states if state.status is not Status.CANCELLED]
    moves = [state.be_mfe if policy is Policy.BE else state.no_be_mfe for state in alive]
    return Figures(
        trades=len(states),
        decided=len(results),
        wins=len(wins),
        losses=len(losses),
        break_evens=len([r for r in results if r == 0]),
        win_rate=rate(len(wins), len(results)),
        expectancy=mean(results),
        profit_factor=rate(sum(wins, Decimal(0)), -sum(losses, Decimal(0))),
        total_r=sum(results, Decimal(0)),
        average_mfe=mean([as_r(move) for move in moves if move is not None]),
        average_mae=mean([as_r(state.mae) for state in alive if state.mae is not None]),
    )


def naive_equity(states: Sequence[TradeState], policy: Policy, target: int) -> list[Point]:
    steps: dict[datetime, Decimal] = defaultdict(Decimal)
    for state in states:
        outcome = outcome_of(state, policy)
        result = result_of(outcome, target)
        if result is not None:
            steps[outcome.at] += result
    points, equity = [], Decimal(0)
    for at in sorted(steps):
        equity += steps[at]
        points.append(Point(at, equity))
    return points


def groups_of(states: Sequence[TradeState], key: Any, policy: Policy, target: int) -> dict[Any, Figures]:
    members = defaultdict(list)
    for state in states:
        members[key(state)].append(state)
    return {name: naive_figures(own, policy, target) for name, own in members.items()}


@given(many, policies, targets)
def test_statistics_equal_the_naive_ones(states: list[TradeState], policy: Policy, target: int) -> None:
    told = statistics_of(by_day(states), policy, target)
    assert told.figures == naive_figures(states, policy, target)
    assert [one.target for one in told.targets] == list(TARGETS)
    for one in (told.targets[0], told.targets[target - 1], told.targets[-1]):
        assert one.be == naive_figures(states, Policy.BE, one.target)
        assert one.no_be == naive_figures(states, Policy.NO_BE, one.target)
    keys = {
        "by_session": lambda state: state.session,
        "by_direction": lambda state: state.direction,
        "by_setup": lambda state: state.setup_id,
        "by_hour": lambda state: str(state.signal_hour),
        "by_weekday": lambda state: WEEKDAYS[state.signal_date.weekday()],
    }
    for name, key in keys.items():
        assert {group.name: group.figures for group in getattr(told, name)} == groups_of(states, key, policy, target)
    assert told.by_status == {status: sum(state.status is status for state in states) for status in Status}
    finals = [as_r(state.final_mfe) for state in states if state.final_mfe is not None]
    assert (told.final_mfe_trades, told.final_mfe_total) == (len(finals), sum(finals, Decimal(0)))
    assert told.final_mfe_average == mean(finals)


@given(many, policies, targets)
def test_equity_and_drawdown_equal_the_naive_ones(states: list[TradeState], policy: Policy, target: int) -> None:
    told = statistics_of(by_day(states), policy, target)
    points = naive_equity(states, policy, target)
    assert list(told.equity) == points
    highest, deepest, fall = Decimal(0), Decimal(0), Decimal(0)
    for point in points:
        highest = max(highest, point.equity)
        fall = highest - point.equity
        deepest = max(deepest, fall)
    assert (told.drawdown.deepest, told.drawdown.present) == (deepest, fall)
    equity_at = {point.at: point.equity for point in points}
    if deepest:
        assert told.drawdown.at is not None
        top = equity_at[told.drawdown.from_at] if told.drawdown.from_at else Decimal(0)
        assert top - equity_at[told.drawdown.at] == deepest


@given(many, st.randoms())
def test_the_order_of_trades_does_not_matter(states: list[TradeState], chance: Any) -> None:
    shuffled = states.copy()
    chance.shuffle(shuffled)
    assert statistics_of(by_day(states), Policy.BE, 2) == statistics_of(by_day(shuffled), Policy.BE, 2)


@given(many, st.none() | st.sampled_from(Session), st.none() | st.sampled_from(Direction), st.sampled_from([None, "A", "nothing"]))
def test_a_choice_of_trades(
    states: list[TradeState], session: Session | None, direction: Direction | None, setup: str | None
) -> None:
    chosen = [
        state
        for state in states
        if session in (None, state.session) and direction in (None, state.direction) and setup in (None, state.setup_id)
    ]
    columns = select(by_day(states), session=session, direction=direction, setup=setup)
    assert statistics_of(columns, Policy.NO_BE, 1) == statistics_of(by_day(chosen), Policy.NO_BE, 1)


@given(many, policies, targets)
def test_the_calendar_equals_the_naive_one(states: list[TradeState], policy: Policy, target: int) -> None:
    days = calendar_of(by_day(states), policy, target, MORNING)
    assert {day.date: day.figures for day in days} == groups_of(states, lambda state: state.signal_date, policy, target)
    assert [day.date for day in days] == sorted({state.signal_date for state in states})
    still_open = {Status.ACTIVE, Status.BE_PROTECTED}
    assert sum(day.open_trades for day in days) == sum(state.status in still_open for state in states)


def test_figures_by_hand() -> None:
    won = trade(0, be_mfe=Decimal("2.5"), no_be_mfe=Decimal("2.5"), mae=Decimal("-0.5"), **ended(EventType.EXIT_STOP_LOSS, 10))
    lost = trade(1, be_mfe=Decimal("0.5"), no_be_mfe=Decimal("0.5"), mae=Decimal(-1), **ended(EventType.EXIT_STOP_LOSS, 20))
    even = trade(2, be_mfe=Decimal("1.5"), no_be_mfe=Decimal("1.5"), **ended(EventType.EXIT_BREAK_EVEN, 30))
    told = statistics_of(by_day([won, lost, even, trade(3)]), Policy.BE, 2)
    assert told.figures == Figures(
        trades=4,
        decided=3,
        wins=1,
        losses=1,
        break_evens=1,
        win_rate=Decimal("0.3333"),
        expectancy=Decimal("0.333333"),
        profit_factor=Decimal(2),
        total_r=Decimal(1),
        average_mfe=Decimal("1.5"),
        average_mae=Decimal("-0.75"),
    )
    assert [(point.at, point.equity) for point in told.equity] == [
        (MORNING + timedelta(minutes=minute), Decimal(equity)) for minute, equity in ((10, 2), (20, 1), (30, 1))
    ]
    assert told.drawdown.deepest == told.drawdown.present == 1
    assert told.drawdown.from_at == MORNING + timedelta(minutes=10)
    assert told.drawdown.at == MORNING + timedelta(minutes=20)
    assert told.best is not None
    # Without break-even the one that came back is undecided: of two that are not, one reached 2R.
    assert (told.best.policy, told.best.target, told.best.expectancy) == (Policy.NO_BE, 2, Decimal("0.5"))
    assert told.targets[1].better is Policy.NO_BE


def test_of_no_trades() -> None:
    told = statistics_of(by_day([]), Policy.BE, 2)
    assert told.figures == Figures(0, 0, 0, 0, 0, None, None, None, Decimal(0), None, None)
    assert (told.best, told.equity, told.drawdown.deepest) == (None, (), 0)


def test_a_long_curve_is_thinned() -> None:
    states = [trade(number, **ended(EventType.EXIT_STOP_LOSS, number)) for number in range(2 * MOST_POINTS)]
    told = statistics_of(by_day(states), Policy.BE, 2)
    assert len(told.equity) <= MOST_POINTS
    assert (told.equity[0].equity, told.equity[-1].equity) == (-1, -2 * MOST_POINTS)
    assert told.drawdown.deepest == 2 * MOST_POINTS


@pytest.mark.parametrize("count", [0, 1, 300])
def test_setups_of_many_days(count: int) -> None:
    states = [trade(signal_at=MORNING + timedelta(hours=5 * number), setup_id=f"S{number % 7}") for number in range(count)]
    told = statistics_of(by_day(states), Policy.BE, 2)
    assert sum(group.figures.trades for group in told.by_setup) == count
    assert {group.name for group in told.by_setup} == {state.setup_id for state in states}


def test_a_change_of_what_is_kept_needs_a_new_layout() -> None:
    """What an earlier release stored must not be read as something else: ``LAYOUT`` changes with the digest."""
    words = (*Status, *Direction, *Session)
    digest = hashlib.sha256(repr((RECORD.descr, words)).encode()).hexdigest()
    assert (LAYOUT, digest[:16]) == (1, "48b2eb84d6328719")
