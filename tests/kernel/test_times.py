"""Times in every form that alerts and candles bring."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.times import InvalidTime, parse_time

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-02-05T12:00:00Z", NOON),
        (" 2026-02-05T12:00:00Z ", NOON),
        ("2026-02-05T12:00:00", NOON),
        ("2026-02-05 12:00", NOON),
        ("2026-02-05T07:00:00-05:00", NOON),
        ("2026-02-05T12:00:00.250+00:00", NOON.replace(microsecond=250_000)),
        ("2026-02-05T12:00:00.123456789Z", NOON.replace(microsecond=123_456)),
        ("2026-02-05", NOON.replace(hour=0)),
        (1_770_292_800, NOON),
        (1_770_292_800_000, NOON),
        (1_770_292_800_250, NOON.replace(microsecond=250_000)),
        (Decimal("1770292800.5"), NOON.replace(microsecond=500_000)),
        (1_770_292_800.5, NOON.replace(microsecond=500_000)),
        ("1770292800", NOON),
        ("1770292800000", NOON),
        ("1770292800.5", NOON.replace(microsecond=500_000)),
        ("1990-01-01T00:00:00Z", datetime(1990, 1, 1, tzinfo=UTC)),
        ("1989-12-31T23:00:00-01:00", datetime(1990, 1, 1, tzinfo=UTC)),
        ("2099-12-31T23:59:59Z", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_reads(value: object, moment: datetime) -> None:
    result = parse_time(value)
    assert result == moment
    assert result.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "", "now", "14:57:00", "20260205", "2026-13-01", "{{timenow}}", "1989-12-31T23:59:59Z", "2100-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "2026-02-05T12:00:00Z" + " " * 3 + "x" * 40, "٢٠٢٦",
        0, -1, 1, 20251114, 10**11, 10**18, 10**400, float("nan"), float("inf"), Decimal("NaN"),
        Decimal("sNaN"), Decimal("Infinity"),
        True, None, [], {}, b"2026-02-05",
    ],
)  # fmt: skip
def test_refuses(value: object) -> None:
    with pytest.raises(InvalidTime, match=r"^bar_time .*send"):
        parse_time(value, "bar_time")


@given(st.integers(631_238_400, 4_102_358_399), st.integers(-1439, 1439))
def test_any_offset_is_the_same_moment(second: int, offset_minutes: int) -> None:
    moment = datetime.fromtimestamp(second, timezone(timedelta(minutes=offset_minutes)))
    assert parse_time(moment.isoformat()) == moment


@given(st.integers(631_152_000, 4_102_444_799))
def test_seconds_and_milliseconds_agree(second: int) -> None:
    assert parse_time(second) == parse_time(second * 1000) == parse_time(str(second)) == datetime.fromtimestamp(second, UTC)


@given(st.text(max_size=60) | st.integers() | st.floats() | st.decimals())
def test_nothing_else_is_raised(value: object) -> None:
    with contextlib.suppress(InvalidTime):
        parse_time(value)
