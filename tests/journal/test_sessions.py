"""The session table, New York time, and what a trade's id tells."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.journal.model import Direction, Session
from hookfill.journal.sessions import (
    SESSIONS,
    direction_named,
    direction_of,
    parse_moment,
    session_named,
    session_of,
    signal_time,
    to_new_york,
)
from hookfill.kernel.times import EARLIEST, LATEST, InvalidTime

EARLIEST_SECOND, LATEST_SECOND = int(EARLIEST.timestamp()), int(LATEST.timestamp())


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_table_covers_every_minute_of_a_day_exactly_once() -> None:
    def minutes(first: str, last: str) -> range:
        begin, end = ((int(text[:2]) * 60 + int(text[3:])) for text in (first, last))
        return range(begin, end + 1)

    covered = [minute for _, first, last in SESSIONS for minute in minutes(first, last)]
    assert sorted(covered) == list(range(24 * 60))
    assert {session for session, _, _ in SESSIONS} == set(Session)


@pytest.mark.parametrize(
    ("local", "session"),
    [
        ("00:00", Session.LONDON),
        ("05:59", Session.LONDON),
        ("06:00", Session.NY_PRE),
        ("08:29", Session.NY_PRE),
        ("08:30", Session.NY_AM),
        ("11:59", Session.NY_AM),
        ("12:00", Session.NY_LUNCH),
        ("12:59", Session.NY_LUNCH),
        ("13:00", Session.NY_PM),
        ("15:59", Session.NY_PM),
        ("16:00", Session.AFTER_HOURS),
        ("19:59", Session.AFTER_HOURS),
        ("20:00", Session.ASIA),
        ("23:59", Session.ASIA),
    ],
)
@pytest.mark.parametrize(("day", "offset"), [("2025-12-11", 5), ("2025-07-11", 4)])
def test_a_moment_belongs_to_the_session_of_its_minute_in_new_york(local: str, session: Session, day: str, offset: int) -> None:
    at = utc(f"{day}T{local}:59") + timedelta(hours=offset)
    assert session_of(at) is session


@pytest.mark.parametrize(("day", "minutes"), [(date(2025, 3, 9), 23 * 60), (date(2025, 11, 2), 25 * 60), (date(2025, 6, 1), 1440)])
def test_each_minute_of_a_day_on_which_clocks_change_has_a_session(day: date, minutes: int) -> None:
    at = parse_moment(f"{day}T00:00:00", "start")
    end = parse_moment(f"{day + timedelta(days=1)}T00:00:00", "end")
    assert (end - at) == timedelta(minutes=minutes)
    sessions = [session_of(at + timedelta(minutes=minute)) for minute in range(minutes)]
    changes = [now for before, now in pairwise(sessions) if before is not now]
    assert [sessions[0], *changes] == [session for session, _, _ in SESSIONS]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2025-12-02T06:20:00", "2025-12-02T11:20:00"),
        ("2025-07-02T06:20:00", "2025-07-02T10:20:00"),
        ("2025-12-02T06:20:00Z", "2025-12-02T06:20:00"),
        ("2025-12-02T06:20:00+01:00", "2025-12-02T05:20:00"),
        ("2025-12-02 06:20:00.250", "2025-12-02T11:20:00.250"),
        ("2025-12-02", "2025-12-02T05:00:00"),
        # Never happened: the clocks went from 02:00 to 03:00.
        ("2025-03-09T02:30:00", "2025-03-09T07:30:00"),
        # Happened twice: the first.
        ("2025-11-02T01:30:00", "2025-11-02T05:30:00"),
        (1763103300000, "2025-11-14T06:55:00"),
        (1763103300, "2025-11-14T06:55:00"),
        ("1763103300000", "2025-11-14T06:55:00"),
    ],
)
def test_a_time_is_read_as_new_yorks_unless_it_says_otherwise(told: object, expected: str) -> None:
    assert parse_moment(told, "timestamp") == utc(expected)


@pytest.mark.parametrize(
    "told",
    [
        "soon",
        "",
        "2025-13-01T00:00:00",
        "1989-12-31T00:00:00Z",
        "1890-01-01",
        "2100-01-01T00:00:00",
        5,
        -1,
        10**30,
        True,
        [],
        "9" * 50,
    ],
)
def test_what_is_no_time_or_out_of_range_is_refused_with_the_members_name(told: object) -> None:
    with pytest.raises(InvalidTime, match="timestamp"):
        parse_moment(told, "timestamp")


@given(st.text(max_size=45) | st.integers() | st.floats(allow_nan=True) | st.datetimes().map(datetime.isoformat))
def test_reading_a_time_gives_one_in_range_or_refuses(told: object) -> None:
    try:
        at = parse_moment(told, "timestamp")
    except InvalidTime:
        return
    assert EARLIEST <= at < LATEST


@pytest.mark.parametrize(
    ("trade_id", "at", "direction"),
    [
        ("20251114_083600000_BULLISH", "2025-11-14T13:36:00", Direction.BULLISH),
        ("20250714_083600000_BEARISH", "2025-07-14T12:36:00", Direction.BEARISH),
        ("20241110_143025_BULLISH", "2024-11-10T19:30:25", Direction.BULLISH),
        ("20251126_001234_LONG", "2025-11-26T05:12:34", Direction.BULLISH),
        ("20251126_001234", "2025-11-26T05:12:34", None),
        ("20251326_001234000_SHORT", None, Direction.BEARISH),
        ("18001126_001234000_SHORT", None, Direction.BEARISH),
        ("20251126_0012345_SHORT", None, Direction.BEARISH),
        ("test123", None, None),
        ("STRATEGY_001", None, None),
    ],
)
def test_a_trades_id_tells_its_signal_bar_and_direction(trade_id: str, at: str | None, direction: Direction | None) -> None:
    assert signal_time(trade_id) == (utc(at) if at else None)
    assert direction_of(trade_id) is direction


def test_names_are_read_in_any_case_and_spelling() -> None:
    assert [session_named(name) for name in ("NY AM", "ny_am", " After Hours ", "AFTER_HOURS", "Mars")] == [
        Session.NY_AM,
        Session.NY_AM,
        Session.AFTER_HOURS,
        Session.AFTER_HOURS,
        None,
    ]
    assert [direction_named(word) for word in ("Bullish", "short", "LONG", "sideways")] == [
        Direction.BULLISH,
        Direction.BEARISH,
        Direction.BULLISH,
        None,
    ]


@given(st.integers(EARLIEST_SECOND, LATEST_SECOND).map(lambda second: datetime.fromtimestamp(second, UTC)))
def test_new_york_shows_the_same_moment(at: datetime) -> None:
    assert to_new_york(at) == at
