"""The sessions of exchanges, holidays and half days included, from the ``exchange_calendars`` library (no clock is read).

They are read once per process, or told by one that has read them (``sessions_aside``), and kept as two arrays of Unix seconds,
whatever year is asked for: the result depends on nothing but the library's version.

**Futures** follow the hours of CME Globex's equity indices: a day's session begins at 18:00 New York time on the evening before
and ends at 17:00. The library's calendar of CME (CMES) knows the holidays and most half days. Put right here, by CME Group's
published holiday schedules:

* sessions end at 17:00, not at 18:00;
* Juneteenth (since 2022) is a half day;
* the half days before and after a holiday end at 13:15, and the day before Independence Day is one of them;
* on a day of national mourning, and on a Good Friday in the first week of April, when the report on employment comes out, trading
  ends in the morning instead of resting.

Other products' half days end then or later, so that an entry may be refused on such an afternoon. Where a product rests while index
futures trade, as grains do, no prices come, and the price's age refuses the order.
"""

import warnings
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from hookfill.kernel.errors import HookfillError

NEW_YORK = ZoneInfo("America/New_York")

FIRST_YEAR = 1970
LAST_YEAR = 2099

Calendar = Literal["XNYS", "CMES"]
Hours = tuple[list[int], list[int]]
_TOLD: dict[Calendar, Hours] = {}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400
_FUTURES_BREAK = 3_600
_FUTURES_OPEN = time(18)
_FRIDAY = 4

JUNETEENTH_SINCE = 2022
"""The first year in which futures end early on Juneteenth."""
JOBS_FRIDAY_SINCE = 2010
"""The first year of which it is known that index futures trade on the morning of a Good Friday with a report on employment."""
MOURNING = (date(2018, 12, 5), date(2025, 1, 9))
"""National days of mourning, for Presidents Bush and Carter, on which index futures end at 09:30 and shares rest."""


class CalendarOutOfRange(HookfillError):
    """A moment before or after the years that the exchange calendar covers."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """All regular sessions in Unix seconds, ascending: ``opens[i] <= t < closes[i]``."""

    opens: Sequence[int]
    closes: Sequence[int]


@cache
def stock_sessions() -> Sessions:
    """All sessions of the New York Stock Exchange (XNYS); the first call takes about half a second."""
    opens, closes = _hours("XNYS")
    return Sessions(array("q", opens), array("q", closes))


@cache
def futures_sessions() -> Sessions:
    """All sessions of futures; the first call takes about a tenth of a second more."""
    opens, closes = _hours("CMES")
    by_day = {
        close // _DAY_SECONDS: (open_, close if close - open_ < _DAY_SECONDS else close - _FUTURES_BREAK)
        for open_, close in zip(opens, closes, strict=True)
    }
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for day, ends in _early_ends(year, by_day):
            at = datetime.combine(day, ends, NEW_YORK)
            by_day[_ordinal(day)] = (_seconds(datetime.combine(day - _DAY, _FUTURES_OPEN, NEW_YORK)), _seconds(at))
    ordered = sorted(by_day.values())
    return Sessions(array("q", (opens for opens, _ in ordered)), array("q", (closes for _, closes in ordered)))


def load_exchange_sessions() -> None:
    """Load all sessions now instead of at the first question about a share or a future.

    Where nobody has told them that takes a second and some 70 MB, nearly all of it for pandas, once per process.
    """
    stock_sessions()
    futures_sessions()


def are_loaded() -> bool:
    """Whether all calendars have been read, or told."""
    return bool(stock_sessions.cache_info().currsize and futures_sessions.cache_info().currsize)


def take_hours(told: Mapping[Calendar, Hours]) -> None:
    """Take over what ``read_hours`` returned in another process, where these calendars are not read yet."""
    _TOLD.update(told)
    load_exchange_sessions()
    _TOLD.clear()


def _hours(name: Calendar) -> Hours:
    return _TOLD[name] if name in _TOLD else read_hours(name)


def read_hours(name: Calendar) -> Hours:
    """A calendar's openings and closings in Unix seconds, as the library has them."""
    # Imported here: pandas behind it takes half a second and some 65 MB, which only accounts that need a calendar should pay. Made
    # of their classes and not by name: then the library does not keep what is copied here.
    from exchange_calendars.exchange_calendar_cmes import CMESExchangeCalendar  # noqa: PLC0415
    from exchange_calendars.exchange_calendar_xnys import XNYSExchangeCalendar  # noqa: PLC0415

    kind = {"XNYS": XNYSExchangeCalendar, "CMES": CMESExchangeCalendar}[name]
    with warnings.catch_warnings():
        # The library reads pandas columns in a way that pandas 3.1 deprecates; the values are the same.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = kind(start=f"{FIRST_YEAR}-01-01", end=f"{LAST_YEAR}-12-31")
    billion = 1_000_000_000
    return (found.opens_nanos // billion).tolist(), (found.closes_nanos // billion).tolist()


def _early_ends(year: int, by_day: Mapping[int, object]) -> Iterator[tuple[date, time]]:
    """The days of a year on which futures end early and the library does not say so, or not when.

    Args:
        by_day: the library's sessions by days since 1970; there is none on Good Friday.
    """
    if year >= JUNETEENTH_SINCE:
        yield _observed(date(year, 6, 19)), time(13)
    if date(year, 7, 3).weekday() < _FRIDAY:  # so that the holiday is a working day, too
        yield date(year, 7, 3), time(13, 15)
    if _ordinal(date(year, 12, 24)) in by_day:
        yield date(year, 12, 24), time(13, 15)
    november = date(year, 11, 1)
    yield november + _DAY * ((_FRIDAY - 1 - november.weekday()) % 7 + 22), time(13, 15)  # after the fourth Thursday
    april = date(year, 4, 1)
    friday = april + _DAY * ((_FRIDAY - april.weekday()) % 7)
    if year >= JOBS_FRIDAY_SINCE and _ordinal(friday) not in by_day:
        yield friday, time(9, 15)
    for day in MOURNING:
        if day.year == year:
            yield day, time(9, 30)


def _observed(day: date) -> date:
    """Where a holiday on a weekend is kept: on the Friday before or the Monday after."""
    return day + _DAY * {5: -1, 6: 1}.get(day.weekday(), 0)


def _ordinal(day: date) -> int:
    """Days since 1970. A session's closing moment in UTC lies on its own date, whatever the time of year."""
    return (day - _EPOCH.date()).days


def _seconds(at: datetime) -> int:
    return (at - _EPOCH) // _SECOND


def session_on_or_before(day: date) -> date:
    """The last day of trade that is not after ``day`` (dates in New York).

    Raises:
        CalendarOutOfRange: the day lies outside the years 1970 to 2099.
    """
    return _date_of(last_close(day))


@lru_cache(maxsize=4096)
def last_close(day: date) -> datetime:
    """When the last session that is not after ``day`` (a date in New York) closes: 16:00 New York time, or 13:00; UTC.

    Raises:
        CalendarOutOfRange: the day lies outside the years 1970 to 2099.
    """
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise CalendarOutOfRange(f"The exchange calendar covers {FIRST_YEAR} to {LAST_YEAR}, not {day.isoformat()}.")
    closes = stock_sessions().closes
    index = bisect_left(closes, _midnight_after(day)) - 1
    if index < 0:
        raise CalendarOutOfRange(f"The exchange calendar begins on 1970-01-02, after {day.isoformat()}.")
    return datetime.fromtimestamp(closes[index], UTC)


def _midnight_after(day: date) -> int:
    """The end of a date in New York, in Unix seconds."""
    return _seconds(datetime.combine(day + _DAY, time(0), NEW_YORK))


def _date_of(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()
