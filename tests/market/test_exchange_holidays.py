"""The exchanges' published holidays and half days of 2024 to 2027, and nothing beside them."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.market.calendar import CalendarOutOfRange, is_open, load_exchange_sessions, trading_days
from hookfill.market.instruments import instrument_for
from hookfill.market.sessions import futures_sessions, last_close, session_on_or_before

NEW_YORK = ZoneInfo("America/New_York")
SHARE, OPTION, FUTURE, PAIR = (instrument_for(symbol) for symbol in ("AAPL", "SPY260220C00500000", "MNQ1!", "EURUSD"))

# NYSE: "Holidays and Trading Hours", and the notice on the day of mourning for President Carter (2025-01-09).
XNYS_CLOSED = {
    2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
    2025: "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
    2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
    2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
}
XNYS_HALF = {
    2024: "07-03 11-29 12-24",
    2025: "07-03 11-28 12-24",
    2026: "11-27 12-24",
    2027: "11-26",
}
# CME Group: holiday schedules of Globex, equity products; times of New York.
CME_CLOSED = {
    2024: "01-01 03-29 12-25",
    2025: "01-01 04-18 12-25",
    2026: "01-01 12-25",
    2027: "01-01 03-26 12-24",
}
CME_EARLY = {
    2024: "01-15@13:00 02-19@13:00 05-27@13:00 06-19@13:00 07-03@13:15 07-04@13:00 09-02@13:00 11-28@13:00 11-29@13:15 12-24@13:15",
    2025: "01-09@09:30 01-20@13:00 02-17@13:00 05-26@13:00 06-19@13:00 07-03@13:15 07-04@13:00 09-01@13:00 11-27@13:00 11-28@13:15 "
    "12-24@13:15",
    2026: "01-19@13:00 02-16@13:00 04-03@09:15 05-25@13:00 06-19@13:00 07-03@13:00 09-07@13:00 11-26@13:00 11-27@13:15 12-24@13:15",
    2027: "01-18@13:00 02-15@13:00 05-31@13:00 06-18@13:00 07-05@13:00 09-06@13:00 11-25@13:00 11-26@13:15",
}
YEARS = sorted(XNYS_CLOSED)


@pytest.fixture(scope="module", autouse=True)
def _sessions() -> None:
    load_exchange_sessions()


def new_york(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), NEW_YORK).astimezone(UTC)


def dates(year: int, text: str) -> list[date]:
    return [date.fromisoformat(f"{year}-{day}") for day in text.split()]


def hours_of(year: int, symbol: str) -> dict[date, tuple[str, str]]:
    """A year's days of trade with their hours in New York."""
    span = (new_york(date(year, 1, 1), "00:00"), new_york(date(year, 12, 31), "17:30"))
    clocks = {}
    for day in trading_days(instrument_for(symbol), *span):
        clocks[day.date] = tuple(f"{at.astimezone(NEW_YORK):%H:%M}" for at in (day.opens_at, day.closes_at))
    return clocks  # type: ignore[return-value]  # of two


def working_days(year: int) -> set[date]:
    days = (date(year, 1, 1) + timedelta(days=place) for place in range(366))
    return {day for day in days if day.year == year and day.weekday() < 5}


@pytest.mark.parametrize("symbol", ["AAPL", "SPY260220C00500000"])
@pytest.mark.parametrize("year", YEARS)
def test_a_year_of_the_stock_exchange(year: int, symbol: str) -> None:
    found = hours_of(year, symbol)
    half = set(dates(year, XNYS_HALF[year]))
    assert working_days(year) - set(found) == set(dates(year, XNYS_CLOSED[year]))
    assert found == {day: ("09:30", "13:00" if day in half else "16:00") for day in found}
    assert {day for day, (_, closes) in found.items() if closes == "13:00"} == half


@pytest.mark.parametrize("symbol", ["ES1!", "MNQ1!", "CL1!"])
@pytest.mark.parametrize("year", YEARS)
def test_a_year_of_futures(year: int, symbol: str) -> None:
    found = hours_of(year, symbol)
    early = {date.fromisoformat(f"{year}-{day}"): at for day, at in (one.split("@") for one in CME_EARLY[year].split())}
    assert working_days(year) - set(found) == set(dates(year, CME_CLOSED[year]))
    assert set(found) <= working_days(year)
    assert found == {day: ("18:00", early.get(day, "17:00")) for day in found}


@pytest.mark.parametrize("year", YEARS)
def test_futures_rest_on_their_holidays(year: int) -> None:
    for day in dates(year, CME_CLOSED[year]):
        assert not any(is_open(FUTURE, new_york(day, clock)) for clock in ("00:00", "09:30", "12:00", "16:59", "17:59"))
        assert not is_open(FUTURE, new_york(day - timedelta(days=1), "18:00"))  # the evening before belongs to it
        evening = is_open(FUTURE, new_york(day, "18:00"))
        assert evening is (day.weekday() != 4)  # the next day's session, but on a Friday


@pytest.mark.parametrize("year", YEARS)
def test_futures_end_early_and_begin_again_in_the_evening(year: int) -> None:
    for day, clock in (one.split("@") for one in CME_EARLY[year].split()):
        on, ends = date.fromisoformat(f"{year}-{day}"), datetime.fromisoformat(f"{year}-{day}T{clock}").replace(tzinfo=NEW_YORK)
        assert is_open(FUTURE, ends - timedelta(seconds=1))
        assert not is_open(FUTURE, ends)
        assert not is_open(FUTURE, new_york(on, "16:59"))
        tomorrow = (on + timedelta(days=1)).weekday() < 5 and on + timedelta(days=1) not in dates(year, CME_CLOSED[year])
        assert is_open(FUTURE, new_york(on, "18:00")) is tomorrow


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("2010-04-02", "09:14", True),  # a Good Friday with a report on employment
        ("2010-04-02", "09:15", False),
        ("2018-12-05", "09:29", True),  # the day of mourning for President Bush
        ("2018-12-05", "09:30", False),
        ("2021-06-18", "15:00", True),  # Juneteenth was kept by nobody yet
        ("2022-06-20", "12:59", True),  # and then on the Monday
        ("2022-06-20", "13:00", False),
        ("2022-12-26", "12:00", False),  # Christmas was a Sunday
        ("2022-12-23", "16:00", True),
        ("2021-12-24", "12:00", False),  # Christmas was a Saturday
        ("2021-12-31", "16:00", True),  # New Year's Day, too, but that is not kept before
        ("2023-07-03", "13:14", True),
        ("2023-07-03", "13:15", False),
        ("2022-07-01", "16:00", True),  # the day before the holiday was a Sunday
    ],
)
def test_other_days_of_futures(day: str, clock: str, expected: bool) -> None:
    assert is_open(FUTURE, new_york(date.fromisoformat(day), clock)) is expected


@pytest.mark.parametrize("instrument", [OPTION, FUTURE])
@pytest.mark.parametrize("year", [1969, 2100])
def test_beyond_the_calendars_is_said_and_not_guessed(instrument: object, year: int) -> None:
    with pytest.raises(CalendarOutOfRange, match="covers 1970 to 2099"):
        is_open(instrument, datetime(year, 6, 16, 15, tzinfo=UTC))  # type: ignore[arg-type]  # an instrument


def test_sessions_of_futures_follow_one_another() -> None:
    found = futures_sessions()
    ends = [*found.opens, found.closes[-1]]
    assert all(opens < closes <= then for opens, closes, then in zip(found.opens, found.closes, ends[1:], strict=True))


MOMENTS = st.integers(0, 127 * 365 * 1_440).map(lambda minutes: datetime(1971, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


@given(MOMENTS, st.sampled_from([SHARE, OPTION, FUTURE]))
def test_a_market_is_open_on_its_days_of_trade_and_never_else(at: datetime, instrument: object) -> None:
    days = trading_days(instrument, at, at + timedelta(seconds=1))  # type: ignore[arg-type]  # an instrument
    assert is_open(instrument, at) is any(day.opens_at <= at < day.closes_at for day in days)  # type: ignore[arg-type]


@given(MOMENTS)
def test_futures_trade_only_within_the_currency_week(at: datetime) -> None:
    assert is_open(PAIR, at) or not is_open(FUTURE, at)


@given(st.dates(date(1970, 1, 2), date(2099, 12, 31)))
def test_the_last_day_of_trade_up_to_a_day(day: date) -> None:
    found, closes = session_on_or_before(day), last_close(day)
    assert closes.astimezone(NEW_YORK).date() == found <= day
    assert is_open(SHARE, closes - timedelta(seconds=1))
    assert not any(trading_days(SHARE, closes, new_york(day, "23:59")))


@pytest.mark.parametrize("day", [date(1969, 12, 31), date(1970, 1, 1), date(2100, 1, 4)])
def test_no_session_is_known_beyond_the_calendar(day: date) -> None:
    with pytest.raises(CalendarOutOfRange):
        session_on_or_before(day)


def test_who_trades_no_shares_loads_no_calendar() -> None:
    script = (
        "import sys; from datetime import datetime, UTC\n"
        "from hookfill.market.calendar import is_open; from hookfill.market.instruments import instrument_for\n"
        "at = datetime(2026, 2, 5, 15, tzinfo=UTC)\n"
        "assert is_open(instrument_for('EURUSD'), at) and is_open(instrument_for('BTCUSDT'), at)\n"
        "assert not {'pandas', 'numpy', 'exchange_calendars', 'scipy'} & set(sys.modules), sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=dict(os.environ))
