"""Paired statistics against recomputing them naively, and what must hold for any pairs."""

from decimal import Decimal
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.engines.experiments import Difference, Pair, Side, VariantFigures, bootstrap, results

amounts = st.integers(-10_000_00, 10_000_00).map(lambda cents: Decimal(cents) / 100)
sides = st.one_of(
    st.just(Side(False)),  # refused
    st.just(Side(True)),  # approved, but nothing to enter
    amounts.map(lambda pnl: Side(True, pnl)),
    st.just(Side(True, None, True)),  # still open
)
pairs = st.builds(Pair, sides, sides, st.just(False)) | st.builds(
    Pair, st.sampled_from([Side(False), Side(True)]), st.sampled_from([Side(False), Side(True)]), st.just(True)
)
some = st.lists(pairs, max_size=25)


@given(some)
@settings(max_examples=60)
def test_counts_are_those_of_a_naive_recount(given_pairs: list[Pair]) -> None:
    told = results(given_pairs)
    closed = [pair for pair in given_pairs if not pair.barred and not pair.a.is_open and not pair.b.is_open]
    differences = [(pair.b.pnl or Decimal(0)) - (pair.a.pnl or Decimal(0)) for pair in closed]
    assert told.judged == len(given_pairs)
    assert told.barred == len([pair for pair in given_pairs if pair.barred])
    assert told.open_pairs == len(given_pairs) - told.barred - len(closed)
    assert told.difference.pairs == len(closed)
    assert told.difference.total == sum(differences)
    if closed:
        assert told.difference.mean is not None
        assert float(told.difference.mean) == pytest.approx(fmean(map(float, differences)), abs=1e-9)
    for figures, mine in ((told.a, [pair.a for pair in given_pairs]), (told.b, [pair.b for pair in given_pairs])):
        made = [side.pnl for side in mine if side.pnl is not None]
        assert (figures.trades, figures.open_trades) == (len([s for s in mine if s.pnl is not None or s.is_open]), len(
            [s for s in mine if s.is_open]
        ))  # fmt: skip
        assert figures.wins == len([pnl for pnl in made if pnl > 0])
        assert figures.pnl == sum(made)
        assert (figures.win_rate is None) == (figures.expectancy is None) == (not made)
    agreement = told.agreement
    assert agreement.both + agreement.only_a + agreement.only_b + agreement.neither == len(given_pairs)


@given(some)
@settings(max_examples=60)
def test_swapping_the_engines_turns_the_difference_round(given_pairs: list[Pair]) -> None:
    told = results(given_pairs)
    swapped = results([Pair(pair.b, pair.a, pair.barred) for pair in given_pairs])
    assert (swapped.a, swapped.b) == (told.b, told.a)
    assert swapped.difference.total == -told.difference.total
    assert (swapped.agreement.only_a, swapped.agreement.only_b) == (told.agreement.only_b, told.agreement.only_a)
    assert swapped.agreement.rate == told.agreement.rate
    one, other = told.difference, swapped.difference
    assert (one.low is None) == (other.low is None)
    if one.low is not None and one.high is not None and other.low is not None and other.high is not None:
        assert float(other.low) == pytest.approx(-float(one.high), abs=1e-6)
        assert float(other.high) == pytest.approx(-float(one.low), abs=1e-6)


@given(st.lists(amounts.map(float), min_size=1, max_size=30))
@settings(max_examples=40)
def test_the_interval_lies_within_the_values_and_does_not_change(values: list[float]) -> None:
    low, high = bootstrap(values)
    assert min(values) - 1e-6 <= low <= high <= max(values) + 1e-6
    assert bootstrap(values) == (low, high)


def test_the_interval_is_that_of_drawing_again_by_hand() -> None:
    import numpy as np

    values = [3.0, -1.0, 0.0, 12.5, -4.0]
    chance = np.random.Generator(np.random.PCG64(7))
    means = sorted(fmean(values[place] for place in chance.integers(0, 5, 5, dtype=np.int32)) for _ in range(2_000))
    low, high = bootstrap(values, resamples=2_000, seed=7)
    assert low == pytest.approx(means[50], abs=0.5)
    assert high == pytest.approx(means[1_950], abs=0.5)


def test_a_sure_difference_has_no_width() -> None:
    surely = results([Pair(Side(True, Decimal(1)), Side(True, Decimal(3)))] * 40).difference
    assert surely == Difference(40, Decimal(80), Decimal("2.0000000000"), Decimal("2.0"), Decimal("2.0"))


def test_more_values_than_are_drawn_at_once() -> None:
    low, high = bootstrap([0.0, 1.0] * 2_000, resamples=2_500)
    assert 0.47 < low < 0.5 < high < 0.53


def test_nothing_to_compare() -> None:
    nothing = results([])
    assert nothing.difference == Difference(0, Decimal(0), None, None, None)
    assert nothing.a == VariantFigures(0, 0, 0, 0, None, None, Decimal(0))
    assert nothing.agreement.rate is None
    one = results([Pair(Side(True, Decimal(5)), Side(False))]).difference
    assert (one.total, one.mean, one.low, one.high) == (Decimal(-5), Decimal(-5), None, None)


def test_one_side_without_a_trade_made_nothing() -> None:
    told = results([Pair(Side(True, Decimal(-10)), Side(False)), Pair(Side(False), Side(True, Decimal(4)))])
    assert told.difference.total == Decimal(14)
    assert (told.a.pnl, told.b.pnl) == (Decimal(-10), Decimal(4))
    assert (told.a.win_rate, told.b.win_rate) == (Decimal(0), Decimal(1))
