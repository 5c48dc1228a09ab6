"""What a bar does to a position: each rule by table, and what no bar may ever do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.paper.fill import PaperModel, exit_fill_price
from hookfill.exits.evaluate import on_bar, on_price
from hookfill.exits.model import Exit, ExitReason, ExitRules
from hookfill.kernel.errors import LedgerError
from hookfill.market.model import Candle, Instrument, InstrumentKind
from hookfill.orders.model import Side
from hookfill.positions.apply import open_position
from hookfill.positions.model import Position

D = Decimal
T0 = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHARE = Instrument("X", InstrumentKind.EQUITY, "USD", D(1), D(1), D(1), D("0.01"), D("0.01"), D(1), in_contracts=False)
NO_RULES = ExitRules()


def position(side: Side = Side.BUY, *, stop=None, target=None, risk=None, at=T0, **fields) -> Position:
    made = open_position(
        position_id=UUID(int=1),
        strategy_id=UUID(int=2),
        symbol="X",
        side=side,
        quantity=D(1),
        price=D(100),
        multiplier=D(1),
        commission=D(0),
        at=at,
    )
    levels = {"stop_price": stop and D(stop), "target_price": target and D(target), "initial_risk": risk and D(risk)}
    return replace(made, **levels | fields)


def bar(open_, high, low, close, minute=0, minutes=1) -> Candle:
    opened_at = T0 + minute * MINUTE
    return Candle("X", f"M{minutes}", opened_at, opened_at + minutes * MINUTE, D(open_), D(high), D(low), D(close))


@pytest.mark.parametrize(
    ("side", "stop", "target", "candle", "reason", "level"),
    [
        (Side.BUY, "95", "110", bar(100, 109, 96, 100), None, None),
        (Side.BUY, "95", "110", bar(100, 109, 95, 100), ExitReason.STOP_LOSS, "95"),
        (Side.BUY, "95", "110", bar(100, 110, 96, 100), ExitReason.TAKE_PROFIT, "110"),
        (Side.BUY, "95", "110", bar(90, 92, 88, 91), ExitReason.STOP_LOSS, "95"),
        (Side.BUY, "95", "110", bar(112, 115, 111, 113), ExitReason.TAKE_PROFIT, "110"),
        # Both in one bar: the stop counts, even where the bar opened beyond the target.
        (Side.BUY, "95", "110", bar(100, 111, 94, 100), ExitReason.STOP_LOSS, "95"),
        (Side.BUY, "95", "110", bar(112, 113, 94, 100), ExitReason.STOP_LOSS, "95"),
        (Side.SELL, "105", "90", bar(100, 104, 91, 100), None, None),
        (Side.SELL, "105", "90", bar(100, 105, 91, 100), ExitReason.STOP_LOSS, "105"),
        (Side.SELL, "105", "90", bar(100, 104, 90, 100), ExitReason.TAKE_PROFIT, "90"),
        (Side.SELL, "105", "90", bar(100, 106, 89, 100), ExitReason.STOP_LOSS, "105"),
        (Side.BUY, None, None, bar(100, 200, 1, 100), None, None),
    ],
)
def test_stops_and_targets(side, stop, target, candle, reason, level):
    outcome = on_bar(position(side, stop=stop, target=target), candle, NO_RULES, SHARE)
    if reason is None:
        assert outcome.exit is None
    else:
        assert outcome.exit == Exit(reason, D(level), candle.open, candle.low, candle.high, candle.closes_at)
    marked = outcome.position
    assert (marked.mark, marked.marked_at, marked.marked_until) == (candle.close, candle.closes_at, candle.closes_at)
    assert (marked.status, marked.quantity) == ("open", side.sign)


def test_bars_that_are_accounted_for_change_nothing():
    held = position(stop="95", at=T0 + MINUTE)
    assert on_bar(held, bar(100, 120, 50, 90), NO_RULES, SHARE) == on_bar(held, bar(1, 1, 1, 1, minute=-5), NO_RULES, SHARE)
    assert on_bar(held, bar(100, 120, 50, 90), NO_RULES, SHARE).position is held
    assert on_price(held, D(50), T0 + MINUTE, NO_RULES, SHARE).position is held


def test_a_bar_that_opened_earlier_counts_by_its_close():
    rules = ExitRules(trailing_percent=D(10))
    held = position(stop="95", target="110", at=T0 + 30 * MINUTE)
    hour = bar(100, 120, 50, 101, minutes=60)
    outcome = on_bar(held, hour, rules, SHARE)
    assert outcome.exit is None
    assert (outcome.position.best_price, outcome.position.trailing_stop) == (D(101), D("90.90"))
    assert outcome.position.marked_until == hour.closes_at
    # What is due by the close is left at the close, but not outside of the bar.
    stopped = on_bar(held, bar(100, 120, 50, 94, minutes=60), rules, SHARE).exit
    assert stopped == Exit(ExitReason.STOP_LOSS, D(95), D(94), D(50), D(120), hour.closes_at)
    assert exit_fill_price(Side.SELL, stopped, SHARE, PaperModel(D(100))) == D("93.06")
    taken = on_bar(held, bar(100, 120, 50, 111, minutes=60), rules, SHARE).exit
    assert exit_fill_price(Side.SELL, taken, SHARE, PaperModel(D(100))) == D(111)


def test_bars_of_several_lengths_are_counted_once():
    held = position(stop="95")
    for minute in range(5):
        held = on_bar(held, bar(100, 101, 99, 100, minute=minute), NO_RULES, SHARE).position
    assert on_bar(held, bar(100, 101, 90, 100, minutes=5), NO_RULES, SHARE).position is held


TRAIL = ExitRules(trailing_percent=D(10), trailing_arm_percent=D(20))


@pytest.mark.parametrize(
    ("side", "best", "expected"),
    [
        (Side.BUY, "119.99", None),
        (Side.BUY, "120", "108.00"),
        (Side.BUY, "123.46", "111.11"),
        (Side.SELL, "80.01", None),
        (Side.SELL, "80", "88.00"),
        (Side.SELL, "76.54", "84.20"),
    ],
)
def test_the_trailing_stop_arms_and_follows_the_best_price(side, best, expected):
    price = D(best)
    candle = bar(100, max(price, D(100)), min(price, D(100)), 100)
    moved = on_bar(position(side), candle, TRAIL, SHARE).position
    assert moved.best_price == price
    assert moved.trailing_stop == (expected and D(expected))


def test_the_trailing_stop_never_acts_in_the_bar_that_moved_it():
    first = on_bar(position(), bar(100, 120, 100, 101), TRAIL, SHARE)
    assert (first.exit, first.position.trailing_stop) == (None, D(108))
    second = on_bar(first.position, bar(101, 102, 100, 101, minute=1), TRAIL, SHARE)
    assert second.exit == Exit(ExitReason.TRAILING_STOP, D(108), D(101), D(100), D(102), T0 + 2 * MINUTE)
    assert exit_fill_price(Side.SELL, second.exit, SHARE, PaperModel(D(0))) == D(101)


def test_a_trailing_stop_without_arming_protects_from_the_entry_on():
    rules = ExitRules(trailing_percent=D(10))
    assert on_bar(position(), bar(100, 101, 90, 95), rules, SHARE).exit.level == D(90)
    # The bar's own high comes too late for its low.
    quiet = on_bar(position(), bar(100, 110, 91, 95), rules, SHARE)
    assert (quiet.exit, quiet.position.trailing_stop) == (None, D(99))


@pytest.mark.parametrize(
    ("side", "stop", "trailing", "expected", "reason"),
    [
        (Side.BUY, "95", "97", "97", ExitReason.TRAILING_STOP),
        (Side.BUY, "95", "93", "95", ExitReason.STOP_LOSS),
        (Side.BUY, "95", "95", "95", ExitReason.STOP_LOSS),
        (Side.SELL, "105", "103", "103", ExitReason.TRAILING_STOP),
        (Side.SELL, "105", "107", "105", ExitReason.STOP_LOSS),
    ],
)
def test_of_two_stops_the_tighter_is_in_force(side, stop, trailing, expected, reason):
    due = on_bar(position(side, stop=stop, trailing_stop=D(trailing)), bar(100, 200, 10, 100), NO_RULES, SHARE).exit
    assert (due.level, due.reason) == (D(expected), reason)


@pytest.mark.parametrize("side", Side)
def test_break_even(side):
    rules = ExitRules(break_even_at_r=D(1))
    far, near = (D(105), D("104.99")) if side is Side.BUY else (D(95), D("95.01"))
    stop = D(95) if side is Side.BUY else D(105)
    held = position(side, stop=stop, risk="5")
    short_of = on_bar(held, bar(100, max(near, D(100)), min(near, D(100)), 100), rules, SHARE).position
    assert (short_of.stop_price, short_of.at_break_even) == (stop, False)
    reached = on_bar(held, bar(100, max(far, D(100)), min(far, D(100)), 100), rules, SHARE)
    assert reached.exit is None
    assert (reached.position.stop_price, reached.position.at_break_even) == (D(100), True)
    due = on_bar(reached.position, bar(100, 101, 99, 100, minute=1), rules, SHARE).exit
    assert (due.reason, due.level) == (ExitReason.BREAK_EVEN, D(100))


def test_break_even_never_loosens_a_stop_and_needs_a_risk():
    rules = ExitRules(break_even_at_r=D(1))
    rise = bar(110, 120, 110, 115)
    tighter = on_bar(position(stop="102", risk="5"), rise, rules, SHARE).position
    assert (tighter.stop_price, tighter.at_break_even) == (D(102), False)
    for risk in (None, "0"):
        free = on_bar(position(risk=risk), rise, rules, SHARE).position
        assert (free.stop_price, free.at_break_even) == (None, False)


@pytest.mark.parametrize(
    ("minute", "candle", "reason"),
    [
        (58, (100, 101, 99, 100), None),
        (59, (100, 101, 99, 98), ExitReason.MAX_HOLD),
        (75, (100, 101, 99, 98), ExitReason.MAX_HOLD),
        (59, (100, 101, 95, 98), ExitReason.STOP_LOSS),
        (59, (100, 110, 99, 98), ExitReason.TAKE_PROFIT),
    ],
)
def test_the_longest_hold(minute, candle, reason):
    rules = ExitRules(max_hold_hours=D(1))
    outcome = on_bar(position(stop="95", target="110"), bar(*candle, minute=minute), rules, SHARE)
    assert (outcome.exit and outcome.exit.reason) == reason
    if reason is ExitReason.MAX_HOLD:
        assert outcome.exit == Exit(reason, None, D(98), D(99), D(101), T0 + (minute + 1) * MINUTE)


def test_closing_and_closed_positions():
    falling = bar(90, 91, 80, 85)
    closing = on_bar(position(stop="95", status="closing"), falling, NO_RULES, SHARE)
    assert (closing.exit, closing.position.mark) == (None, D(85))
    closed = position(stop="95", status="closed")
    assert on_bar(closed, falling, NO_RULES, SHARE).position is closed


def test_a_bar_of_another_symbol_is_a_defect():
    with pytest.raises(LedgerError, match="can't mark"):
        on_bar(position(), replace(bar(1, 1, 1, 1), symbol="Y"), NO_RULES, SHARE)


def test_a_bare_price_is_a_bar_of_one_price():
    held = position(stop="95", target="110")
    quiet = on_price(held, D(101), T0 + MINUTE, NO_RULES, SHARE)
    assert (quiet.exit, quiet.position.mark, quiet.position.best_price) == (None, D(101), D(101))
    due = on_price(held, D(94), T0 + MINUTE, NO_RULES, SHARE).exit
    assert due == Exit(ExitReason.STOP_LOSS, D(95), D(94), None, None, T0 + MINUTE)
    assert on_price(held, D(110), T0 + MINUTE, NO_RULES, SHARE).exit.reason is ExitReason.TAKE_PROFIT


# Whatever the bars are.

prices = st.decimals(min_value=60, max_value=140, places=2)
percents = st.none() | st.integers(1, 40).map(Decimal)


@st.composite
def bar_series(draw) -> list[Candle]:
    series, minute = [], 0
    for _ in range(draw(st.integers(1, 12))):
        low, *middle, high = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
        minutes = draw(st.sampled_from([1, 5]))
        minute += draw(st.integers(-2, 2))
        first, last = draw(st.permutations(middle))
        series.append(bar(first, high, low, last, minute=minute, minutes=minutes))
        minute += minutes
    return series


@st.composite
def rule_sets(draw) -> ExitRules:
    trailing = draw(percents)
    return ExitRules(
        trailing_percent=trailing,
        trailing_arm_percent=None if trailing is None else draw(percents),
        break_even_at_r=draw(st.none() | st.sampled_from([D("0.5"), D(1), D(2)])),
        max_hold_hours=draw(st.none() | st.sampled_from([D("0.1"), D("0.5")])),
    )


@st.composite
def held_positions(draw) -> Position:
    side = draw(st.sampled_from(Side))
    distance = draw(st.none() | st.integers(1, 30).map(Decimal))
    reward = draw(st.none() | st.integers(1, 30).map(Decimal))
    stop = None if distance is None else 100 - side.sign * distance
    return position(side, stop=stop, risk=distance, target=None if reward is None else 100 + side.sign * reward)


def stop_in_force(held: Position) -> Decimal | None:
    levels = [level for level in (held.stop_price, held.trailing_stop) if level is not None]
    return (max if held.side > 0 else min)(levels, default=None)


@given(held_positions(), bar_series(), rule_sets(), st.integers(0, 300).map(Decimal))
def test_stops_only_tighten_and_exits_fill_inside_their_bar(held, series, rules, slippage):
    closing = Side.SELL if held.side > 0 else Side.BUY
    for candle in series:
        before, outcome = held, on_bar(held, candle, rules, SHARE)
        held = outcome.position
        assert held.marked_until == max(before.marked_until, candle.closes_at)
        assert held.side * (held.best_price - before.best_price) >= 0
        for name in ("stop_price", "trailing_stop"):
            old, new = getattr(before, name), getattr(held, name)
            assert old is None or held.side * (new - old) >= 0
        if outcome.exit is None:
            continue
        price = exit_fill_price(closing, outcome.exit, SHARE, PaperModel(slippage))
        assert candle.low <= price <= candle.high
        if outcome.exit.reason is ExitReason.TAKE_PROFIT:
            assert held.side * (price - held.target_price) >= 0
        elif outcome.exit.level is not None:
            assert outcome.exit.level == stop_in_force(held)
            assert held.side * (price - outcome.exit.level) <= 0
        return


@given(held_positions(), bar_series(), rule_sets())
def test_feeding_bars_again_changes_nothing(held, series, rules):
    for candle in series:
        held = on_bar(held, candle, rules, SHARE).position
        again = on_bar(held, candle, rules, SHARE)
        assert again.position is held
        assert again.exit is None
    for candle in sorted(series, key=lambda one: (one.close, one.opened_at)):
        assert on_bar(held, candle, rules, SHARE).position is held


@given(held_positions(), bar_series(), rule_sets())
def test_a_bare_price_and_a_flat_bar_decide_the_same(held, series, rules):
    for candle in series:
        flat = replace(candle, opened_at=candle.closes_at, open=candle.close, high=candle.close, low=candle.close)
        one = on_bar(held, flat, rules, SHARE)
        other = on_price(held, candle.close, candle.closes_at, rules, SHARE)
        assert one.position == other.position
        assert (one.exit and (one.exit.reason, one.exit.level)) == (other.exit and (other.exit.reason, other.exit.level))
        held = one.position


@given(held_positions(), bar_series(), rule_sets())
def test_no_exit_is_missed_and_none_is_invented(held, series, rules):
    """Against a naive reading of the same rules that keeps its own levels from the bars alone."""
    side, best, trailing, stop = held.side, D(100), None, held.stop_price
    until, at_break_even = held.marked_until, False
    for candle in series:
        outcome = on_bar(held, candle, rules, SHARE)
        held = outcome.position
        if candle.closes_at <= until:
            assert outcome.exit is None
            continue
        whole = candle.opened_at >= until
        worst = (candle.low if side > 0 else candle.high) if whole else candle.close
        finest = (candle.high if side > 0 else candle.low) if whole else candle.close
        until = candle.closes_at
        if rules.trailing_percent is not None and side * (best - 100) >= (rules.trailing_arm_percent or D(0)):
            raw = best * (100 - side * rules.trailing_percent)
            trailing = raw.to_integral_value("ROUND_FLOOR" if side > 0 else "ROUND_CEILING") / 100
        in_force = [level for level in (stop, trailing) if level is not None]
        tightest = (max if side > 0 else min)(in_force, default=None)
        expected = None
        if rules.max_hold_hours is not None and candle.closes_at - T0 >= timedelta(hours=float(rules.max_hold_hours)):
            expected = ExitReason.MAX_HOLD
        if held.target_price is not None and side * (finest - held.target_price) >= 0:
            expected = ExitReason.TAKE_PROFIT
        if tightest is not None and side * (worst - tightest) <= 0:
            fixed = ExitReason.BREAK_EVEN if at_break_even else ExitReason.STOP_LOSS
            expected = fixed if tightest == stop else ExitReason.TRAILING_STOP
        assert (outcome.exit and outcome.exit.reason) == expected
        if expected is not None:
            return
        best = max(best, finest) if side > 0 else min(best, finest)
        risk = held.initial_risk
        if rules.break_even_at_r is not None and risk and side * (best - 100) >= rules.break_even_at_r * risk:
            at_break_even, stop = True, D(100)
