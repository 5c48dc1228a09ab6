"""When a market is open: a pure function of instrument and time (no clock is read).

Shares and options on them follow the New York Stock Exchange with its holidays, half days and special closings, futures CME Globex
with its own (``sessions``). Currencies and metals follow their weekly hours in New York time; their few holidays are not modelled,
since no prices come then and the price's age refuses the order. Coins trade always.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from hookfill.market.model import Instrument, InstrumentKind
from hookfill.market.sessions import (
    FIRST_YEAR,
    LAST_YEAR,
    NEW_YORK,
    CalendarOutOfRange,
    Sessions,
    futures_sessions,
    load_exchange_sessions,
    stock_sessions,
)

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "NEW_YORK",
    "CalendarOutOfRange",
    "TradingDay",
    "exchange_days",
    "is_open",
    "load_exchange_sessions",
    "trading_days",
]

# The consolidated tape runs 04:00 to 20:00 New York time: 5.5 hours before the open, 4 hours after the close. After an early close
# at 13:00 it ends at 17:00.
_EARLY_SECONDS = 19_800
_LATE_SECONDS = 14_400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_FIVE_PM = time(17)
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6
_DAY = timedelta(days=1)
_CLOSED_DAYS = frozenset({(1, 1), (12, 25)})
"""New Year's Day and Christmas Day (month, day): no currency is traded on the trading days of these dates."""


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
        extended_hours: for shares only (options have none): 04:00 to 20:00 New York time on session days, to 17:00 on half days.

    Raises:
        CalendarOutOfRange: a share, an option or a future, and ``at`` lies outside the years 1970 to 2099.
    """
    match instrument.kind:
        case InstrumentKind.EQUITY:
            return _in_session(stock_sessions(), at, *((_EARLY_SECONDS, _LATE_SECONDS) if extended_hours else (0, 0)))
        case InstrumentKind.FX:
            return _fx_open(at.astimezone(NEW_YORK))
        case InstrumentKind.FUTURE:
            return _in_session(futures_sessions(), at)
        case InstrumentKind.OPTION:
            return _in_session(stock_sessions(), at)
        case InstrumentKind.CRYPTO:
            return True


def trading_days(instrument: Instrument, start: datetime, end: datetime) -> Iterator[TradingDay]:
    """The days of trade that reach into ``start <= t < end``, ascending; regular hours only.

    Unlike ``is_open`` this knows the two holidays on which currencies rest everywhere: where no prices come on them, none are
    missing.

    Args:
        instrument: decides by its kind which hours hold.
        start, end: timezone-aware, in the years 1970 to 2099 (exchanges have no sessions outside of them).
    """
    match instrument.kind:
        case InstrumentKind.EQUITY | InstrumentKind.OPTION:
            return exchange_days(start, end)
        case InstrumentKind.FUTURE:
            return _days_of(futures_sessions(), start, end)
        case InstrumentKind.FX | InstrumentKind.CRYPTO:
            return _weekly_days(instrument.kind, start, end)


def exchange_days(start: datetime, end: datetime) -> Iterator[TradingDay]:
    """The regular sessions of the New York Stock Exchange that reach into ``start <= t < end``, ascending."""
    return _days_of(stock_sessions(), start, end)


def _days_of(sessions: Sessions, start: datetime, end: datetime) -> Iterator[TradingDay]:
    """The sessions that reach into a span. Each belongs to the date on which it closes."""
    last = (end - _EPOCH) / _SECOND
    for index in range(bisect_right(sessions.closes, (start - _EPOCH) // _SECOND), len(sessions.opens)):
        if sessions.opens[index] >= last:
            return
        opens_at, closes_at = (datetime.fromtimestamp(at[index], UTC) for at in (sessions.opens, sessions.closes))
        yield TradingDay(closes_at.astimezone(NEW_YORK).date(), opens_at, closes_at)


def _weekly_days(kind: InstrumentKind, start: datetime, end: datetime) -> Iterator[TradingDay]:
    """Days that follow a weekly rhythm: coins by UTC days, currencies by New York's evenings."""
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
    opens_at = datetime.combine(day - _DAY, _FIVE_PM, NEW_YORK).astimezone(UTC)
    return TradingDay(day, opens_at, datetime.combine(day, _FIVE_PM, NEW_YORK).astimezone(UTC))


def _in_session(sessions: Sessions, at: datetime, early: int = 0, late: int = 0) -> bool:
    """Whether a session holds ``at``, widened by seconds before its opening and after its closing."""
    if not FIRST_YEAR <= at.astimezone(NEW_YORK).year <= LAST_YEAR:
        raise CalendarOutOfRange(
            f"The exchange calendar covers {FIRST_YEAR} to {LAST_YEAR}, not {at.isoformat()}; check the time in the message."
        )
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
