"""Trading windows: how they are read, and which moments lie within, also where clocks are put forward and back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.errors import ConfigurationError
from hookfill.risk.windows import DAYS, is_within, windows_from

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
NEW_YORK = ZoneInfo("America/New_York")


def window(begin: str, end: str, *days: str, time_zone: str = "UTC") -> dict[str, Any]:
    return {"from": begin, "to": end, "time_zone": time_zone, **({"days": list(days)} if days else {})}


def inside(moment: str, *section: dict[str, Any]) -> bool:
    return is_within(windows_from(section), datetime.fromisoformat(moment))


@pytest.mark.parametrize(
    ("moment", "section", "expected"),
    [
        ("2026-03-02T09:29:59Z", window("09:30", "16:00"), False),
        ("2026-03-02T09:30:00Z", window("09:30", "16:00"), True),
        ("2026-03-02T15:59:59.999Z", window("09:30", "16:00"), True),
        ("2026-03-02T16:00:00Z", window("09:30", "16:00"), False),
        ("2026-03-02T10:00:00Z", window("09:30", "16:00", "mon"), True),
        ("2026-03-03T10:00:00Z", window("09:30", "16:00", "mon"), False),
        # Over midnight: it belongs to the day on which it begins.
        ("2026-03-02T23:00:00Z", window("22:00", "02:00", "mon"), True),
        ("2026-03-03T01:59:00Z", window("22:00", "02:00", "mon"), True),
        ("2026-03-03T02:00:00Z", window("22:00", "02:00", "mon"), False),
        ("2026-03-02T01:00:00Z", window("22:00", "02:00", "mon"), False),
        ("2026-03-08T23:00:00Z", window("22:00", "02:00", "sun"), True),
        ("2026-03-09T01:00:00Z", window("22:00", "02:00", "sun"), True),
        # To the end of the day, written either way; and a whole day.
        ("2026-03-02T23:59:59Z", window("09:00", "24:00", "mon"), True),
        ("2026-03-03T00:00:00Z", window("09:00", "24:00", "mon"), False),
        ("2026-03-02T23:59:59Z", window("09:00", "00:00", "mon"), True),
        ("2026-03-03T00:00:00Z", window("09:00", "00:00", "mon"), False),
        ("2026-03-03T08:59:00Z", window("09:00", "09:00", "mon"), True),
        ("2026-03-03T09:00:00Z", window("09:00", "09:00", "mon"), False),
        # By its own clock: 09:30 in New York is 14:30 UTC in winter and 13:30 in summer.
        ("2026-03-06T14:29:00Z", window("09:30", "16:00", "fri", time_zone="America/New_York"), False),
        ("2026-03-06T14:30:00Z", window("09:30", "16:00", "fri", time_zone="America/New_York"), True),
        ("2026-03-09T13:30:00Z", window("09:30", "16:00", "mon", time_zone="America/New_York"), True),
        ("2026-03-09T20:00:00Z", window("09:30", "16:00", "mon", time_zone="America/New_York"), False),
        # Its day is the day there.
        ("2026-03-03T02:00:00Z", window("20:00", "23:00", "mon", time_zone="America/New_York"), True),
        # 2026-03-08 has no 02:30 in New York: 06:59Z is 01:59, 07:00Z is 03:00.
        ("2026-03-08T06:59:00Z", window("02:00", "03:00", time_zone="America/New_York"), False),
        ("2026-03-08T07:00:00Z", window("02:00", "03:00", time_zone="America/New_York"), False),
        # 2026-11-01 has 01:30 twice.
        ("2026-11-01T05:30:00Z", window("01:00", "02:00", time_zone="America/New_York"), True),
        ("2026-11-01T06:30:00Z", window("01:00", "02:00", time_zone="America/New_York"), True),
        ("2026-11-01T07:30:00Z", window("01:00", "02:00", time_zone="America/New_York"), False),
    ],
)
def test_a_moment_lies_within_or_not(moment: str, section: dict[str, Any], expected: bool) -> None:
    assert inside(moment, section) is expected


def test_without_windows_any_time_is_fine_and_one_of_several_is_enough() -> None:
    assert inside("2026-03-02T03:00:00Z")
    assert windows_from(None) == ()
    both = (window("09:00", "10:00"), window("12:00", "13:00"))
    assert [inside(f"2026-03-02T{hour}:30:00Z", *both) for hour in ("09", "11", "12", "14")] == [True, False, True, False]


FROM, UNTIL = datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2030-01-01")
moments = st.datetimes(FROM, UNTIL, timezones=st.just(UTC))
minutes = st.integers(0, 1439)


def clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


@given(moments, minutes, minutes, st.sampled_from(ZONES))
def test_a_window_and_the_rest_of_the_day_never_overlap_and_leave_no_gap(at: datetime, one: int, other: int, zone: str) -> None:
    first = windows_from([window(clock(one), clock(other), time_zone=zone)])
    rest = windows_from([window(clock(other), clock(one), time_zone=zone)])
    if one == other:
        assert is_within(first, at)
    else:
        assert is_within(first, at) is not is_within(rest, at)


@given(moments, minutes, minutes, st.sets(st.sampled_from(DAYS), min_size=1), st.sampled_from(ZONES))
def test_windows_of_single_days_make_the_window_of_them_all(at: datetime, begin: int, end: int, days: set[str], zone: str) -> None:
    together = windows_from([window(clock(begin), clock(end), *days, time_zone=zone)])
    apart = windows_from([window(clock(begin), clock(end), day, time_zone=zone) for day in days])
    assert is_within(together, at) is is_within(apart, at)


@given(st.datetimes(FROM, UNTIL), minutes, minutes, st.sampled_from(DAYS))
def test_where_clocks_never_move_it_is_plain_arithmetic(at: datetime, begin: int, end: int, day: str) -> None:
    """The last beginning at or before the moment is on the window's day, and its end has not come."""
    windows = windows_from([window(clock(begin), clock(end), day)])
    began = at.replace(hour=begin // 60, minute=begin % 60, second=0, microsecond=0)
    began -= timedelta(days=1) if began > at else timedelta(0)
    length = timedelta(minutes=(end - begin) % 1440 or 1440)
    assert is_within(windows, at.replace(tzinfo=UTC)) is (began.weekday() == DAYS.index(day) and at < began + length)


@given(st.integers(0, 49))
def test_an_hour_of_the_day_on_which_clocks_go_back_is_read_off_the_wall(half_hour: int) -> None:
    at = datetime(2026, 11, 1, 4, tzinfo=UTC) + timedelta(minutes=30 * half_hour)  # midnight to midnight in New York: 25 hours
    local = at.astimezone(NEW_YORK)
    assert local.date().day == 1
    section = window(f"{local.hour:02d}:00", f"{local.hour + 1:02d}:00", "sun", time_zone="America/New_York")
    assert is_within(windows_from([section]), at)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("mon", "windows must be a list"),
        ({"from": "09:00"}, "windows must be a list"),
        ([1], r"windows\[0\] must be an object"),
        ([window("09:00", "10:00")] * 51, "at most 50"),
        ([window("09:00", "10:00"), {"from": "09:00", "to": "10:00", "day": "mon"}], r"windows\[1\] has no setting 'day'"),
        ([{"to": "10:00"}], r"windows\[0\].from must be"),
        ([window("9:00", "10:00")], r"windows\[0\].from must be"),
        ([window("24:00", "10:00")], r"at most 23:59"),
        ([window("09:60", "10:00")], r"windows\[0\].from must be"),
        ([window("09:00", "24:01")], r"at most 24:00"),
        ([window("09:00", "٠٩:٠٠")], r"windows\[0\].to must be"),
        ([{"from": 9, "to": "10:00"}], r"windows\[0\].from must be"),
        ([window("09:00", "10:00", "monday")], r"windows\[0\].days must list"),
        ([{"from": "09:00", "to": "10:00", "days": []}], r"windows\[0\].days must list"),
        ([{"from": "09:00", "to": "10:00", "days": "mon"}], r"windows\[0\].days must list"),
        ([{"from": "09:00", "to": "10:00", "days": [["mon"]]}], r"windows\[0\].days must list"),
        ([window("09:00", "10:00", time_zone="Mars/Olympus")], r"windows\[0\].time_zone must be an IANA name"),
        ([window("09:00", "10:00", time_zone="../etc/passwd")], r"windows\[0\].time_zone must be an IANA name"),
        ([window("09:00", "10:00", time_zone="Europe")], r"windows\[0\].time_zone must be an IANA name"),
        ([window("09:00", "10:00", time_zone="")], r"windows\[0\].time_zone must be an IANA name"),
        ([window("09:00", "10:00", time_zone="x" * 5000)], r"windows\[0\].time_zone must be an IANA name"),
        ([{"from": "09:00", "to": "10:00", "time_zone": 1}], r"windows\[0\].time_zone must be an IANA name"),
    ],
)
def test_a_window_that_can_t_be_read_is_named(section: object, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        windows_from(section)
