"""When a market is open: a pure function of instrument and time (no clock is read).

Shares follow the New York Stock Exchange (XNYS) with its holidays, half days and special closings, from the ``exchange_calendars``
library. Currencies, metals and futures follow their weekly hours in New York time; their few holidays are not modelled, since no
prices come then and the price's age refuses the order. Coins trade always.
"""

import warnings
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hookfill.kernel.errors import HookfillError
from hookfill.market.model import Instrument, InstrumentKind

NEW_YORK = ZoneInfo("America/New_York")

FIRST_YEAR = 1970
LAST_YEAR = 2099

# The consolidated tape runs 04:00 to 20:00 New York time: 5.5 hours before the open, 4 hours after the close. After an early close
# at 13:00 it ends at 17:00.
_EARLY_SECONDS = 19_800
_LATE_SECONDS = 14_400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_FIVE_PM = time(17)
_SIX_PM = time(18)
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6
_DAY = timedelta(days=1)
_CLOSED_DAYS = frozenset({(1, 1), (12, 25)})
"""New Year's Day and Christmas Day (month, day): no currency or future is traded on the trading days of these dates."""


class CalendarOutOfRange(HookfillError):
    """A moment before or after the years that the exchange calendar covers."""


@dataclass(frozen=True, slots=True)
class _Sessions:
    """All regular sessions in Unix seconds, ascending: ``opens[i] <= t < closes[i]``."""

    opens: Sequence[int]
    closes: Sequence[int]


@dataclass(frozen=True, slots=True)
class TradingDay:
    """The hours of one day of trade, ``opens_at <= t < closes_at`` in UTC, and the date by which traders call it.

    The day of currencies and futures that opens on Sunday evening is Monday's.
    """

    date: date
    opens_at: datetime
    closes_at: datetime


def is_open(instrument: Instrument, at: datetime, *, extended_hours: bool = False) -> bool:
    """Whether ``instrument`` trades at ``at`` (timezone-aware); an opening moment is inside, a closing moment outside.

    Args:
        instrument: decides by its kind which hours hold.
        at: the moment in question.
        extended_hours: for shares only: 04:00 to 20:00 New York time on session days, to 17:00 on half days.

    Raises:
        CalendarOutOfRange: a share, and ``at`` lies outside the years 1970 to 2099.
    """
    match instrument.kind:
        case InstrumentKind.EQUITY:
            return _stock_exchange_open(at, extended_hours=extended_hours)
        case InstrumentKind.FX:
            return _fx_open(at.astimezone(NEW_YORK))
        case InstrumentKind.FUTURE:
            return _futures_open(at.astimezone(NEW_YORK))
        case InstrumentKind.CRYPTO:
            return True


def trading_days(instrument: Instrument, start: datetime, end: datetime) -> Iterator[TradingDay]:
    """The days of trade that reach into ``start <= t < end``, ascending; regular hours only.

    Unlike ``is_open`` this knows the two holidays on which currencies and futures rest everywhere: where no prices come on them,
    none are missing.

    Args:
        instrument: decides by its kind which hours hold.
        start, end: timezone-aware, in the years 1970 to 2099 (shares have no sessions outside of them).
    """
    if instrument.kind is InstrumentKind.EQUITY:
        return exchange_days(start, end)
    return _weekly_days(instrument.kind, start, end)


def exchange_days(start: datetime, end: datetime) -> Iterator[TradingDay]:
    """The regular sessions of the New York Stock Exchange that reach into ``start <= t < end``, ascending."""
    sessions = _sessions()
    last = (end - _EPOCH) / _SECOND
    for index in range(bisect_right(sessions.closes, (start - _EPOCH) // _SECOND), len(sessions.opens)):
        if sessions.opens[index] >= last:
            return
        opens_at = datetime.fromtimestamp(sessions.opens[index], UTC)
        yield TradingDay(opens_at.astimezone(NEW_YORK).date(), opens_at, datetime.fromtimestamp(sessions.closes[index], UTC))


def _weekly_days(kind: InstrumentKind, start: datetime, end: datetime) -> Iterator[TradingDay]:
    """Days that follow a weekly rhythm: coins by UTC days, currencies and futures by New York's evenings."""
    day = start.date() - _DAY
    while True:
        hours = _hours_of(kind, day)
        if hours is not None and hours.opens_at >= end:
            return
        if hours is not None and hours.closes_at > start:
            yield hours
        day += _DAY


def _hours_of(kind: InstrumentKind, day: date) -> TradingDay | None:
    """The hours that belong to a date; None: it is no day of trade."""
    if kind is InstrumentKind.CRYPTO:
        opens_at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return TradingDay(day, opens_at, opens_at + _DAY)
    if day.weekday() in (_SATURDAY, _SUNDAY) or (day.month, day.day) in _CLOSED_DAYS:
        return None
    opening = _FIVE_PM if kind is InstrumentKind.FX else _SIX_PM
    opens_at = datetime.combine(day - _DAY, opening, NEW_YORK).astimezone(UTC)
    return TradingDay(day, opens_at, datetime.combine(day, _FIVE_PM, NEW_YORK).astimezone(UTC))


def load_exchange_sessions() -> None:
    """Load the exchange's sessions now instead of at the first question about a share (about half a second, once per process)."""
    _sessions()


def _stock_exchange_open(at: datetime, *, extended_hours: bool) -> bool:
    """Whether a session of XNYS, widened by extended hours if asked, holds ``at``."""
    if not FIRST_YEAR <= at.astimezone(NEW_YORK).year <= LAST_YEAR:
        raise CalendarOutOfRange(
            f"The exchange calendar covers {FIRST_YEAR} to {LAST_YEAR}, not {at.isoformat()}; check the time in the message."
        )
    sessions = _sessions()
    early, late = (_EARLY_SECONDS, _LATE_SECONDS) if extended_hours else (0, 0)
    seconds = (at - _EPOCH) // _SECOND
    index = bisect_right(sessions.opens, seconds + early) - 1
    return index >= 0 and seconds < sessions.closes[index] + late


def _fx_open(local: datetime) -> bool:
    """The currency week: Sunday 17:00 to Friday 17:00 New York time."""
    weekday, clock = local.weekday(), local.time()
    if weekday == _SUNDAY:
        return clock >= _FIVE_PM
    if weekday == _FRIDAY:
        return clock < _FIVE_PM
    return weekday != _SATURDAY


def _futures_open(local: datetime) -> bool:
    """CME Globex: Sunday 18:00 to Friday 17:00 New York time, with a break from 17:00 to 18:00 each day."""
    weekday, clock = local.weekday(), local.time()
    if weekday == _SUNDAY:
        return clock >= _SIX_PM
    if weekday == _SATURDAY:
        return False
    return clock < _FIVE_PM or (clock >= _SIX_PM and weekday != _FRIDAY)


@cache
def _sessions() -> _Sessions:
    """All sessions of XNYS, from the library: fixed years, so that the result depends on nothing but the library's version."""
    # Imported here: pandas behind it takes half a second and some 65 MB, which only accounts that trade shares should pay.
    import exchange_calendars  # noqa: PLC0415

    with warnings.catch_warnings():
        # The library reads pandas columns in a way that pandas 3.1 deprecates; the values are the same.
        warnings.simplefilter("ignore", DeprecationWarning)
        xnys = exchange_calendars.get_calendar("XNYS", start=f"{FIRST_YEAR}-01-01", end=f"{LAST_YEAR}-12-31")
    billion = 1_000_000_000
    return _Sessions(
        opens=array("q", (xnys.opens_nanos // billion).tolist()),
        closes=array("q", (xnys.closes_nanos // billion).tolist()),
    )
