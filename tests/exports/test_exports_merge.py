"""Whatever the order in which batches are imported, however often and however they are cut: the ledger is the same."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookfill.exports.grammar import CONFIRMED
from hookfill.exports.merge import import_batch, merge, told_by
from hookfill.exports.model import Entry, Reading, Row
from hookfill.exports.rows import entry_of, row_of

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
Batch = tuple[datetime, int, Sequence[Row]]

VALUES = st.fixed_dictionaries(
    {"triangle_time": st.sampled_from([START, START + timedelta(days=1)]), "direction": st.sampled_from(["Bullish", "Bearish"])},
    optional={name: st.integers(0, 3) for name in ("entry", "stop", "be_mfe", "age")},
)
"""Zero among them: it is a value."""
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), VALUES), max_size=5)


@st.composite
def batches(draw: st.DrawFn) -> list[Batch]:
    """Some of them came at the same moment."""
    told = draw(st.lists(st.tuples(st.integers(0, 2), ROWS), max_size=6))
    return [
        (START + timedelta(microseconds=at), batch_id, [Row(index, *row) for index, row in enumerate(rows)])
        for batch_id, (at, rows) in enumerate(told, 1)
    ]


def run(sequence: Sequence[Batch]) -> dict[str, Entry]:
    """The ledger after importing batches one behind the other, read back from its rows each time."""
    ledger: dict[str, Entry] = {}
    for received_at, batch_id, rows in sequence:
        outcome = import_batch(ledger, Reading(tuple(rows)), received_at, batch_id)
        ledger |= {trade_id: stored(entry) for trade_id, entry in outcome.changes.items()}
    return ledger


def stored(entry: Entry) -> Entry:
    """Written as a row and read back."""
    return entry_of(CONFIRMED, dict.fromkeys(CONFIRMED.fields) | row_of(CONFIRMED, entry))


def by_hand(sequence: Sequence[Batch]) -> dict[str, dict[str, Any]]:
    """What the ledger must hold: of each field the last value in the order of (received_at, batch_id, place)."""
    found: dict[str, dict[str, Any]] = {}
    for _, _, rows in sorted(sequence, key=lambda batch: batch[:2]):
        for row in rows:
            found.setdefault(row.trade_id, {}).update(row.values)
    return found


@given(batches(), st.data())
def test_order_and_repeats_make_no_difference(given_batches: list[Batch], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(given_batches), max_size=4)) if given_batches else []
    shuffled = data.draw(st.permutations(given_batches + again))
    ledger = run(shuffled)
    assert ledger == run(given_batches)
    assert {trade_id: entry.values for trade_id, entry in ledger.items()} == by_hand(given_batches)


@given(batches(), st.integers(0, 5))
def test_how_rows_are_cut_into_batches_makes_no_difference(given_batches: list[Batch], cut: int) -> None:
    halves = [(at, number, rows[:cut]) for at, number, rows in given_batches] + [
        (at, number, rows[cut:]) for at, number, rows in given_batches
    ]
    assert run(halves) == run(given_batches)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), VALUES), min_size=3, max_size=3))
def test_merging_is_commutative_associative_and_idempotent(told: list[tuple[int, int, dict[str, Any]]]) -> None:
    # A telling's stamp is its own: no two tellings share one.
    a, b, c = (
        told_by(Row(place, "a", values), START + timedelta(seconds=at), batch_id)
        for place, (at, batch_id, values) in enumerate(told)
    )
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) is a
    both = merge(a, b)
    assert merge(both, a) is both


@given(batches())
def test_what_is_counted_is_what_changed(given_batches: list[Batch]) -> None:
    ledger: dict[str, Entry] = {}
    for received_at, batch_id, rows in given_batches:
        reading = Reading(tuple(rows))
        outcome = import_batch(ledger, reading, received_at, batch_id)
        after = ledger | outcome.changes
        assert outcome.inserted == len(after) - len(ledger)
        assert outcome.updated == sum(after[trade_id].values != entry.values for trade_id, entry in ledger.items())
        again = import_batch(after, reading, received_at, batch_id)
        assert (again.inserted, again.updated, dict(again.changes)) == (0, 0, {})
        ledger = after
