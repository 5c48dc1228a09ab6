"""How bars of a timeframe lie in time when they are made of smaller ones (pure).

A bar belongs to the slot in which it opens. Days are cut by a rule, and everything else follows from the days: longer bars are
whole days, shorter ones divide each day from its beginning, so that the last one of a day may be shorter than its name says.

Sources of the default rules: shares by the exchange's regular sessions, as TradingView draws them; currencies and metals from 17:00
New York time, the end of the interbank day by which brokers roll positions over; coins and futures by UTC days.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from hookfill.market.calendar import NEW_YORK, exchange_days
from hookfill.market.model import Instrument, InstrumentKind
from hookfill.market.timeframes import TIMEFRAMES, bar_seconds

_DAY = timedelta(days=1)
_MOMENT = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HALF_HOUR_SECONDS = 1_800
_SAMPLES = (date(2024, 1, 10), date(2024, 7, 10))
"""A date in winter and one in summer, to see where days of a zone begin in UTC."""
WHOLE_DAYS = frozenset({"D1", "W1", "MN1"})
"""The timeframes whose bars are whole days: where days begin matters to them most."""


@dataclass(frozen=True, slots=True)
class DayRule:
    """When a chart's days begin.

    Attributes:
        starts: the time of day; from noon on, it begins the day of the next date (Sunday 17:00 is Monday's).
        zone: whose time of day.
        by_sessions: instead of all that, days are the regular sessions of the New York Stock Exchange.
    """

    starts: time = time(0)
    zone: tzinfo = UTC
    by_sessions: bool = False


UTC_DAYS = DayRule()
BROKER_DAYS = DayRule(time(17), NEW_YORK)
SESSIONS = DayRule(zone=NEW_YORK, by_sessions=True)


class Slot(NamedTuple):
    """Where one bar is made: of the smaller ones with ``reads_from <= opening < closes_at``; it is known by ``opens_at``. UTC."""

    opens_at: datetime
    reads_from: datetime
    closes_at: datetime


def default_rule(instrument: Instrument) -> DayRule:
    """The rule that holds unless another is asked for."""
    match instrument.kind:
        case InstrumentKind.EQUITY | InstrumentKind.OPTION:
            return SESSIONS
        case InstrumentKind.FX:
            return BROKER_DAYS
        case InstrumentKind.CRYPTO | InstrumentKind.FUTURE:
            return UTC_DAYS


def source_for(timeframe: str, rule: DayRule, stored: Collection[str], *, is_default: bool) -> str | None:
    """The timeframe to make ``timeframe`` of: the largest stored smaller one whose bars don't reach over the slots' bounds.

    Where all would, it is the largest smaller one, as the best that there is. Weeks never make months.

    Args:
        stored: the timeframes that are stored of the symbol.
        is_default: whether the rule is the instrument's own; only then are stored days cut as it says.

    Returns:
        None if no smaller one is stored.
    """
    smaller = [name for name in TIMEFRAMES if name in stored and bar_seconds(name) < bar_seconds(timeframe) and name != "W1"]
    fitting = [name for name in smaller if _fits(name, rule, is_default=is_default)]
    return max(fitting or smaller, key=bar_seconds, default=None)


def _fits(source: str, rule: DayRule, *, is_default: bool) -> bool:
    seconds = bar_seconds(source)
    if source in WHOLE_DAYS:
        return is_default
    if rule.by_sessions:  # which begin at half past
        return seconds <= _HALF_HOUR_SECONDS
    return all(((_begins(rule, day) - _EPOCH) % timedelta(seconds=seconds)) == timedelta(0) for day in _SAMPLES)


def longest(timeframe: str) -> timedelta:
    """How long a slot can at most be: days have 25 hours where clocks are set back, months 31 days."""
    seconds = timedelta(seconds=bar_seconds(timeframe))
    if timeframe not in WHOLE_DAYS:
        return seconds
    return (timedelta(days=31) if timeframe == "MN1" else seconds) + timedelta(hours=1)


def slots_from(rule: DayRule, timeframe: str, source: str, start: datetime, end: datetime, most: int) -> list[Slot]:
    """The first ``most`` slots with ``start <= opens_at < end``, ascending.

    Args:
        source: the timeframe of the bars that they are made of.
        start, end: in UTC, within the years 1970 to 2100.
    """
    period, slots = _period(timeframe, _date_of(rule, start) - _DAY), list[Slot]()
    while _begins(rule, period) < end and len(slots) < most:
        slots += (slot for slot in _slots_in(rule, timeframe, source, period) if start <= slot.opens_at < end)
        period = _following(timeframe, period)
    return slots[:most]


def slots_until(rule: DayRule, timeframe: str, source: str, start: datetime, end: datetime, most: int) -> list[Slot]:
    """The last ``most`` slots with ``start <= opens_at < end``, ascending."""
    period, parts, count = _period(timeframe, _date_of(rule, end) + _DAY), list[list[Slot]](), 0
    while count < most:
        following = _following(timeframe, period)
        parts.append([slot for slot in _slots_in(rule, timeframe, source, period) if start <= slot.opens_at < end])
        count += len(parts[-1])
        if _begins(rule, following) <= start:
            break
        period = _period(timeframe, period - _DAY)
    slots = [slot for part in reversed(parts) for slot in part]
    return slots[-most:]


def _slots_in(rule: DayRule, timeframe: str, source: str, period: date) -> Iterator[Slot]:
    """The slots of a period: one for whole days, else the parts of the day."""
    hours = _hours(rule, period, _following(timeframe, period))
    if hours is None:
        return
    opens_at, closes_at = hours
    # A bar that opened before the session and reaches into it (of days: midnight's) is the session's.
    reads_from = opens_at - timedelta(seconds=bar_seconds(source)) + _MOMENT if rule.by_sessions else opens_at
    if timeframe in WHOLE_DAYS:
        yield Slot(opens_at, reads_from, closes_at)
        return
    step = timedelta(seconds=bar_seconds(timeframe))
    while opens_at < closes_at:
        yield Slot(opens_at, reads_from, min(opens_at + step, closes_at))
        opens_at += step
        reads_from = opens_at


def _hours(rule: DayRule, first: date, following: date) -> tuple[datetime, datetime] | None:
    """From when to when the days ``first <= day < following`` last; None: none of them has a session, or the zone skipped them."""
    opens_at, closes_at = _begins(rule, first), _begins(rule, following)
    if not rule.by_sessions:
        return (opens_at, closes_at) if opens_at < closes_at else None
    sessions = list(exchange_days(opens_at, closes_at))
    return (sessions[0].opens_at, sessions[-1].closes_at) if sessions else None


def _begins(rule: DayRule, day: date) -> datetime:
    """When a day begins, in UTC; of sessions: the midnight before."""
    before = _DAY if rule.starts >= time(12) else timedelta(0)
    return datetime.combine(day - before, rule.starts, rule.zone).astimezone(UTC)


def _date_of(rule: DayRule, at: datetime) -> date:
    """The date of the day that ``at`` lies in, or the one before."""
    return at.astimezone(rule.zone).date()


def _period(timeframe: str, day: date) -> date:
    """The first date of the week, the month or the day that holds a date."""
    if timeframe == "W1":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if timeframe == "MN1" else day


def _following(timeframe: str, period: date) -> date:
    """The first date of the period after the one that begins at ``period``."""
    if timeframe == "MN1":
        return (period + timedelta(days=31)).replace(day=1)
    return period + (timedelta(days=7) if timeframe == "W1" else _DAY)
