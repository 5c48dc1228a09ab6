"""Which batches of an export are missing, whatever else was exported around it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.exports.runs import MOST_NAMED, PAUSE, Delivery, Run, runs_of

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SAME = timedelta(0)


def came(
    numbers: str, begins: datetime = START, *, total: int = 60, size: int = 15, step: timedelta = MINUTE * 2
) -> list[Delivery]:
    """Batches by number: ``"0 1 2' 3"``; a dash after a number is another content. One every ``step``."""
    found = []
    for place, told in enumerate(numbers.split()):
        number = int(told.rstrip("'"))
        batch_id = number + 1000 * told.count("'")
        found.append(Delivery(begins + place * step, batch_id, "INDICATOR_EXPORT_V2", number, size, total))
    return found


def missing(runs: Sequence[Run]) -> list[list[int]]:
    """Of each run, the oldest first."""
    return [run.missing for run in reversed(runs)]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("0 1 2 3", [[]]),
        ("3 1 0 2", [[]]),
        ("0 1 3", [[2]]),
        ("1", [[0, 2, 3]]),
        ("1 2 3 4", [[]]),
        ("1 2 4", [[3]]),
        ("0 0 0 1 1 1 2 2 2 3 3", [[]]),
        ("0 1 3 0 1 2 3", [[]]),
        ("0 1 2 3 0' 1' 2' 3'", [[], []]),
        ("0 1 2 3 0' 1' 3'", [[], [2]]),
        ("0 1 3 0' 1' 2' 3'", [[2], []]),
        ("0 1 2 3 0 1 2 3'", [[], []]),
        ("0 1 2 3 0 2 3'", [[], [1]]),
        ("0 1 3 0 1 2' 3'", [[], []]),
        ("0 1 2 3 0 1' 2' 3' 0 1' 2' 3''", [[], [], []]),
        ("0 1 2 3 1 0' 1' 2' 3'", [[], []]),
    ],
)
def test_missing_batches(numbers: str, expected: list[list[int]]) -> None:
    assert missing(runs_of(came(numbers))) == expected


def test_the_same_export_weeks_later_is_a_run_of_its_own() -> None:
    runs = runs_of(came("0 1 2 3") + came("0 2 3", START + timedelta(weeks=3)))
    assert missing(runs) == [[], [1]]
    assert runs[0].began_at == START + timedelta(weeks=3) == runs[0].ended_at - 4 * MINUTE


def test_a_pause_is_counted_from_the_last_batch() -> None:
    assert missing(runs_of(came("0 1 2 3", step=PAUSE))) == [[]]
    assert len(runs_of(came("0 1 2 3", step=PAUSE + timedelta(microseconds=1)))) == 4


def test_kinds_and_sizes_stand_apart() -> None:
    runs = runs_of(came("0 1 2 3") + came("0 1", total=31))
    assert {(run.total_signals, run.expected, tuple(run.missing)) for run in runs} == {(60, 4, ()), (31, 3, (2,))}


def test_resends_in_a_hurry_belong_to_one_run() -> None:
    step = timedelta(seconds=1)
    runs = runs_of(came("0 1 1 3 2 0 2 0' 1' 3'", step=step))
    assert missing(runs) == [[], [2]]


def test_the_last_batch_may_tell_a_smaller_size_and_none_may_tell_any() -> None:
    deliveries = [*came("0 1 2", total=40), *came("2", total=40, size=10)]
    assert [run.expected for run in runs_of(deliveries)] == [3]
    [run] = runs_of([Delivery(START, 1, "ALL_SIGNALS_EXPORT", 0, None, 40)])
    assert (run.expected, run.missing_count, run.missing) == (None, None, [])
    [run] = runs_of([Delivery(START, 1, "ALL_SIGNALS_EXPORT", 0, 0, 40)])
    assert run.missing_count is None


def test_a_huge_export_is_counted_and_not_listed() -> None:
    [run] = runs_of(came("5", total=2_000_000_000, size=1))
    assert run.missing_count == 2_000_000_000 - 1
    assert len(run.missing) == MOST_NAMED
    assert run.missing[:6] == [0, 1, 2, 3, 4, 6]


def test_an_export_of_nothing_is_whole() -> None:
    [run] = runs_of(came("0", total=0))
    assert (run.expected, run.missing_count, run.missing) == (0, 0, [])


@given(st.permutations(range(8)), st.sets(st.integers(0, 7), max_size=7), st.lists(st.integers(0, 7), max_size=10))
def test_one_export_in_any_order_with_repeats(order: list[int], lost: set[int], repeats: list[int]) -> None:
    sent = [number for number in order if number not in lost]
    told = " ".join(map(str, [*sent, *(number for number in repeats if number not in lost)]))
    [run] = runs_of(came(told, total=8, size=1))
    assert run.missing == sorted(lost)
    assert run.missing_count == len(lost)
