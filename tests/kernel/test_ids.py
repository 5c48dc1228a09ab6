"""Ids sort by time, and those of decisions follow from their cause."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.ids import derived_id, new_id

MOMENTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001  # the zone follows


def test_new_ids_ascend_strictly() -> None:
    ids = [new_id() for _ in range(2_000)]
    assert ids == sorted(set(ids))
    assert {made.version for made in ids} == {7}


@given(MOMENTS, st.text(max_size=30))
def test_a_derived_id_is_a_uuid7_of_its_moment(at: datetime, cause: str) -> None:
    made = derived_id(at, cause)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
    assert made == derived_id(at, cause)


@given(MOMENTS, st.uuids(), st.uuids())
def test_different_causes_get_different_ids(at: datetime, one: UUID, other: UUID) -> None:
    assert (derived_id(at, one) == derived_id(at, other)) == (one == other)
    assert derived_id(at, one, "0") != derived_id(at, one, "1")


def test_derived_ids_sort_by_their_moment() -> None:
    start = datetime(2026, 3, 4, tzinfo=UTC)
    ids = [derived_id(start + timedelta(milliseconds=step), uuid4()) for step in range(500)]
    assert ids == sorted(ids)
