"""The sessions of exchanges, holidays and half days included, from the ``exchange_calendars`` library (no clock is read).

They are read once per process and kept as two arrays of Unix seconds, whatever year is asked for: the result depends on nothing but
the library's version.
"""

import warnings
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from hookfill.kernel.errors import HookfillError

NEW_YORK = ZoneInfo("America/New_York")

FIRST_YEAR = 1970
LAST_YEAR = 2099

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


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
    # Imported here: pandas behind it takes half a second and some 65 MB, which only accounts that trade shares should pay.
    import exchange_calendars  # noqa: PLC0415

    with warnings.catch_warnings():
        # The library reads pandas columns in a way that pandas 3.1 deprecates; the values are the same.
        warnings.simplefilter("ignore", DeprecationWarning)
        xnys = exchange_calendars.get_calendar("XNYS", start=f"{FIRST_YEAR}-01-01", end=f"{LAST_YEAR}-12-31")
    billion = 1_000_000_000
    return Sessions(
        opens=array("q", (xnys.opens_nanos // billion).tolist()),
        closes=array("q", (xnys.closes_nanos // billion).tolist()),
    )


def is_session(day: date) -> bool:
    """Whether shares are traded on ``day`` (a date in New York), be it for half of it.

    Raises:
        CalendarOutOfRange: the day lies outside the years 1970 to 2099.
    """
    return _date_of(last_close(day)) == day


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


def first_session_after(day: date) -> date:
    """The first day of trade after ``day`` (dates in New York).

    Raises:
        CalendarOutOfRange: there is none up to the end of 2099.
    """
    closes = stock_sessions().closes
    index = bisect_right(closes, _midnight_after(day))
    if index == len(closes):
        raise CalendarOutOfRange(f"The exchange calendar ends with {LAST_YEAR}; nothing is known after {day.isoformat()}.")
    return _date_of(datetime.fromtimestamp(closes[index], UTC))


def _midnight_after(day: date) -> int:
    """The end of a date in New York, in Unix seconds."""
    return (datetime.combine(day + _DAY, time(0), NEW_YORK) - _EPOCH) // _SECOND


def _date_of(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()
