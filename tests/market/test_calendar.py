from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.market.calendar import CalendarOutOfRange, is_open, load_exchange_sessions
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Instrument

NEW_YORK = ZoneInfo("America/New_York")
SHARE, PAIR, COIN, FUTURE = (instrument_for(symbol) for symbol in ("AAPL", "EURUSD", "BTCUSDT", "ES1!"))


def new_york(day: str, clock: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time.fromisoformat(clock), NEW_YORK).astimezone(UTC)


@pytest.fixture(scope="module", autouse=True)
def _sessions() -> None:
    """Loaded before Hypothesis starts to look at how long an example takes."""
    load_exchange_sessions()


@pytest.mark.parametrize(
    "day",
    [
        # The exchange's own list of holidays, and the day of mourning for President Carter.
        *(
            "2024-01-01",
            "2024-01-15",
            "2024-02-19",
            "2024-03-29",
            "2024-05-27",
            "2024-06-19",
            "2024-07-04",
            "2024-09-02",
            "2024-11-28",
        ),
        *(
            "2024-12-25",
            "2025-01-01",
            "2025-01-09",
            "2025-01-20",
            "2025-02-17",
            "2025-04-18",
            "2025-05-26",
            "2025-06-19",
            "2025-07-04",
        ),
        *(
            "2025-09-01",
            "2025-11-27",
            "2025-12-25",
            "2026-01-01",
            "2026-01-19",
            "2026-02-16",
            "2026-04-03",
            "2026-05-25",
            "2026-06-19",
        ),
        *(
            "2026-07-03",
            "2026-09-07",
            "2026-11-26",
            "2026-12-25",
            "2027-01-01",
            "2027-01-18",
            "2027-02-15",
            "2027-03-26",
            "2027-05-31",
        ),
        *("2027-06-18", "2027-07-05", "2027-09-06", "2027-11-25", "2027-12-24"),
        # A weekend.
        *("2026-01-03", "2026-01-04"),
    ],
)
def test_the_exchange_rests(day: str) -> None:
    for clock in ("04:00", "09:30", "12:00", "15:59", "19:59"):
        assert not is_open(SHARE, new_york(day, clock))
        assert not is_open(SHARE, new_york(day, clock), extended_hours=True)


@pytest.mark.parametrize(
    "day", ["2024-07-03", "2024-11-29", "2024-12-24", "2025-07-03", "2025-11-28", "2025-12-24", "2026-11-27", "2026-12-24"]
)
def test_half_days_close_at_one(day: str) -> None:
    assert [is_open(SHARE, new_york(day, clock)) for clock in ("09:29:59", "09:30", "12:59:59", "13:00", "15:00")] == [
        False,
        True,
        True,
        False,
        False,
    ]
    extended = [
        is_open(SHARE, new_york(day, clock), extended_hours=True) for clock in ("03:59:59", "04:00", "13:00", "16:59:59", "17:00")
    ]
    assert extended == [False, True, True, True, False]


@pytest.mark.parametrize(
    "day", ["2024-12-26", "2025-01-08", "2026-07-02", "2026-03-06", "2026-03-09", "2026-10-30", "2026-11-02", "2027-12-31"]
)
def test_full_days_in_summer_and_winter_time(day: str) -> None:
    moments = [
        new_york(day, clock) for clock in ("03:59:59", "04:00", "09:29:59", "09:30", "15:59:59", "16:00", "19:59:59", "20:00")
    ]
    assert [is_open(SHARE, at) for at in moments] == [False, False, False, True, True, False, False, False]
    assert [is_open(SHARE, at, extended_hours=True) for at in moments] == [False, True, True, True, True, True, True, False]


def test_the_open_moves_in_utc_with_daylight_saving() -> None:
    assert is_open(SHARE, datetime(2026, 3, 6, 14, 30, tzinfo=UTC))
    assert not is_open(SHARE, datetime(2026, 3, 6, 13, 30, tzinfo=UTC))
    assert is_open(SHARE, datetime(2026, 3, 9, 13, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # Winter: New York is UTC-5.
        ("2026-01-02T21:59:59", True),
        ("2026-01-02T22:00:00", False),
        ("2026-01-03T12:00:00", False),
        ("2026-01-04T21:59:59", False),
        ("2026-01-04T22:00:00", True),
        ("2026-01-05T22:30:00", True),
        # Daylight saving begins on the Sunday 8 March 2026: the week ends an hour earlier in UTC from then on.
        ("2026-03-06T21:59:59", True),
        ("2026-03-06T22:00:00", False),
        ("2026-03-08T20:59:59", False),
        ("2026-03-08T21:00:00", True),
        ("2026-03-13T20:59:59", True),
        ("2026-03-13T21:00:00", False),
        # And ends on the Sunday 1 November 2026.
        ("2026-10-30T20:59:59", True),
        ("2026-10-30T21:00:00", False),
        ("2026-11-01T21:59:59", False),
        ("2026-11-01T22:00:00", True),
    ],
)
def test_the_currency_week(moment: str, expected: bool) -> None:
    assert is_open(PAIR, datetime.fromisoformat(moment).replace(tzinfo=UTC)) is expected


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("2026-01-04", "17:30", False),  # Sunday
        ("2026-01-04", "18:00", True),
        ("2026-01-05", "16:59:59", True),
        ("2026-01-05", "17:00", False),  # the daily break
        ("2026-01-05", "17:59:59", False),
        ("2026-01-05", "18:00", True),
        ("2026-01-06", "03:00", True),
        ("2026-01-09", "16:59:59", True),  # Friday
        ("2026-01-09", "17:00", False),
        ("2026-01-09", "18:00", False),
        ("2026-01-10", "12:00", False),
        ("2026-07-06", "17:30", False),
        ("2026-07-06", "18:00", True),
    ],
)
def test_the_futures_week(day: str, clock: str, expected: bool) -> None:
    assert is_open(FUTURE, new_york(day, clock)) is expected


def test_extended_hours_are_for_shares_only() -> None:
    saturday = datetime(2026, 1, 3, 15, tzinfo=UTC)
    assert not is_open(PAIR, saturday, extended_hours=True)
    assert not is_open(FUTURE, saturday, extended_hours=True)
    assert is_open(COIN, saturday)


@pytest.mark.parametrize("year", [1969, 2100])
def test_beyond_the_calendar_is_said_and_not_guessed(year: int) -> None:
    with pytest.raises(CalendarOutOfRange, match="covers 1970 to 2099"):
        is_open(SHARE, datetime(year, 6, 15, 15, tzinfo=UTC))
    assert is_open(COIN, datetime(year, 6, 15, 15, tzinfo=UTC))


def test_the_edges_of_the_calendar_can_be_asked() -> None:
    assert not is_open(SHARE, datetime(1970, 1, 1, 5, tzinfo=UTC))
    assert is_open(SHARE, datetime(2099, 12, 31, 20, 59, tzinfo=UTC))
    assert not is_open(SHARE, datetime(2099, 12, 31, 21, tzinfo=UTC))


moments = st.datetimes(datetime(1971, 1, 1), datetime(2098, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # Hypothesis wants naive bounds


@given(moments)
def test_regular_hours_lie_within_extended_hours_and_working_days(at: datetime) -> None:
    if is_open(SHARE, at):
        assert is_open(SHARE, at, extended_hours=True)
    if is_open(SHARE, at, extended_hours=True):
        local = at.astimezone(NEW_YORK)
        assert local.weekday() < 5
        assert time(4) <= local.time() < time(20)


@given(moments)
def test_futures_trade_only_within_the_currency_week(at: datetime) -> None:
    assert is_open(PAIR, at) or not is_open(FUTURE, at)


@given(moments, st.integers(-12, 14), st.sampled_from([SHARE, PAIR, COIN, FUTURE]))
def test_the_zone_in_which_a_moment_is_written_does_not_matter(at: datetime, hours: int, instrument: Instrument) -> None:
    assert is_open(instrument, at) == is_open(instrument, at.astimezone(timezone(timedelta(hours=hours))))


@given(moments)
def test_any_week_of_currencies_has_some_120_open_hours(at: datetime) -> None:
    start = at.replace(minute=0, second=0, microsecond=0)
    hours = sum(is_open(PAIR, start + timedelta(hours=hour)) for hour in range(168))
    # The clocks change on a Sunday morning, while the market rests: that rest is an hour shorter or longer.
    assert hours in (119, 120, 121)
