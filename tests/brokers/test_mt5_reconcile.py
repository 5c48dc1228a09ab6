"""Where broker and books differ: every kind, and what holds for any two sides."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.mt5.reconcile import (
    LASTING,
    Difference,
    Kind,
    Ours,
    Seen,
    Theirs,
    keys_in_flight,
    reconcile,
    track,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MAGICS = frozenset({1, 2, 3})
LONG, STOP = Decimal("0.1"), Decimal("1.07")


def ours(quantity: Decimal = LONG, magic: int = 1, symbol: str = "EURUSD", stop: Decimal | None = None) -> Ours:
    return Ours(UUID(int=magic), magic, symbol, quantity, stop)


def theirs(quantity: Decimal = LONG, magic: int | None = 1, symbol: str = "EURUSD", stop: Decimal | None = None) -> Theirs:
    return Theirs("1", symbol, quantity, magic, stop)


@pytest.mark.parametrize(
    ("books", "broker", "expected"),
    [
        ([], [], []),
        ([ours()], [theirs()], []),
        ([ours()], [theirs(Decimal("0.04")), theirs(Decimal("0.06"))], []),
        ([ours()], [], [Kind.MISSING_AT_BROKER]),
        ([ours()], [theirs(magic=2)], [Kind.MISSING_AT_BROKER, Kind.UNKNOWN_TO_US]),
        ([ours()], [theirs(symbol="GBPUSD")], [Kind.MISSING_AT_BROKER, Kind.UNKNOWN_TO_US]),
        ([], [theirs()], [Kind.UNKNOWN_TO_US]),
        ([], [theirs(magic=None), theirs(magic=0), theirs(magic=9)], []),
        ([ours()], [theirs(-LONG)], [Kind.SIDE_DIFFERS]),
        ([ours()], [theirs(Decimal("0.2"))], [Kind.VOLUME_DIFFERS]),
        ([ours(-LONG)], [theirs(Decimal("-0.05"))], [Kind.VOLUME_DIFFERS]),
        ([ours(stop=STOP)], [theirs()], [Kind.STOP_MISSING]),
        ([ours(stop=STOP)], [theirs(stop=Decimal("1.06"))], []),
        ([ours()], [theirs(stop=STOP)], []),
        ([ours(stop=STOP)], [theirs(Decimal("0.2"))], [Kind.VOLUME_DIFFERS]),
        ([ours(stop=STOP)], [theirs(Decimal("0.05"), stop=STOP), theirs(Decimal("0.05"))], [Kind.STOP_MISSING]),
    ],
)
def test_every_kind(books: list[Ours], broker: list[Theirs], expected: list[Kind]) -> None:
    found = reconcile(books, broker, MAGICS, ())
    assert [one.kind for one in found] == expected
    assert all("{" not in one.text and one.text.endswith(".") for one in found)


def test_what_is_in_flight_is_no_difference() -> None:
    books, broker = [ours(), ours(magic=2)], [theirs(Decimal("0.3"))]
    [left] = reconcile(books, broker, MAGICS, [(1, "EURUSD"), (2, "GBPUSD")])
    assert (left.kind, left.magic) == (Kind.MISSING_AT_BROKER, 2)


def test_where_positions_net_all_strategies_count_together() -> None:
    books = [ours(), ours(magic=2)]
    assert reconcile(books, [theirs(Decimal("0.2"), magic=2)], MAGICS, (), is_hedging=False) == ()
    assert reconcile(books, [theirs(Decimal("0.2"), magic=0)], MAGICS, (), is_hedging=False) == ()
    assert reconcile([], [theirs(magic=0)], MAGICS, (), is_hedging=False) == ()
    [found] = reconcile(books, [theirs(magic=1)], MAGICS, (), is_hedging=False)
    assert found == Difference(Kind.VOLUME_DIFFERS, None, "EURUSD", Decimal("0.2"), Decimal("0.1"))
    assert reconcile(books, [], MAGICS, [(1, "EURUSD")], is_hedging=False) == ()


def test_a_difference_counts_when_it_lasts() -> None:
    [found] = reconcile([ours()], [], MAGICS, ())
    [first] = track((), [found], frozenset(), NOW)
    assert first == Seen(found, NOW, 1)
    assert not first.is_lasting(NOW)
    assert first.is_lasting(NOW + LASTING)
    [second] = track([first], [found], frozenset(), NOW + timedelta(seconds=1))
    assert second == Seen(found, NOW, 2)
    assert second.is_lasting(NOW + timedelta(seconds=1))
    assert track([second], [], frozenset(), NOW) == ()
    # What could not be compared this time is neither gone nor worse.
    assert track([second], [], keys_in_flight([(1, "EURUSD")], is_hedging=True), NOW) == (second,)
    other = Difference(Kind.SIDE_DIFFERS, 1, "EURUSD", LONG, -LONG)
    assert [one.reports for one in track([second], [other], frozenset(), NOW)] == [1]


LOTS = st.integers(-20, 20).filter(bool).map(lambda steps: Decimal(steps) / 100)
SYMBOLS = st.sampled_from(["EURUSD", "GBPUSD"])
BOOKS = st.lists(
    st.builds(ours, LOTS, st.sampled_from(sorted(MAGICS)), SYMBOLS), max_size=6, unique_by=lambda one: (one.magic, one.symbol)
)
BROKER = st.lists(st.builds(theirs, LOTS, st.sampled_from([None, 0, 1, 2, 3, 99]), SYMBOLS), max_size=8)
MOVING = st.sets(st.tuples(st.sampled_from(sorted(MAGICS)), SYMBOLS), max_size=3)


@given(BOOKS, BROKER, MOVING, st.booleans(), st.randoms())
def test_any_two_sides(
    books: list[Ours], broker: list[Theirs], moving: set[tuple[int, str]], is_hedging: bool, chance: object
) -> None:
    found = reconcile(books, broker, MAGICS, moving, is_hedging=is_hedging)
    shuffled_books, shuffled_broker = list(books), list(broker)
    chance.shuffle(shuffled_books)  # type: ignore[attr-defined]  # a random.Random
    chance.shuffle(shuffled_broker)  # type: ignore[attr-defined]
    assert reconcile(shuffled_books, shuffled_broker, MAGICS, moving, is_hedging=is_hedging) == found
    skipped = keys_in_flight(moving, is_hedging=is_hedging)
    for one in found:
        assert (one.magic, one.symbol) not in skipped
        assert one.ours != one.theirs
        assert (one.magic is None) is not is_hedging
    assert len({(one.magic, one.symbol) for one in found}) == len(found)


@given(BOOKS, st.booleans(), st.lists(st.integers(1, 5), min_size=6, max_size=6))
def test_books_that_agree_however_the_broker_splits_them(books: list[Ours], is_hedging: bool, parts: list[int]) -> None:
    broker = [
        Theirs(f"{place}.{part}", one.symbol, one.quantity / count, one.magic)
        for place, (one, count) in enumerate(zip(books, parts, strict=False))
        if one.quantity * 1000 % count == 0
        for part in range(count)
    ]
    whole = [one for one, count in zip(books, parts, strict=False) if one.quantity * 1000 % count == 0]
    foreign = [theirs(magic=99)] if is_hedging else []
    assert reconcile(whole, [*broker, *foreign], MAGICS, (), is_hedging=is_hedging) == ()
