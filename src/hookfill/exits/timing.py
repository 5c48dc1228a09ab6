"""When a position's time is up: the rules that go by the clock and the exchange's calendar.

The moment is fixed when the position is opened. From then on the first price leaves it; where none comes, the desk leaves it at the
last one it knows (``desk.timers``). What was opened after the moment at which its session's positions are left is left at the first
price that follows.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hookfill.exits.model import ExitReason, ExitRules
from hookfill.market.calendar import NEW_YORK, TradingDay, trading_days
from hookfill.market.model import Instrument, InstrumentKind
from hookfill.positions.model import Position

_WEEK = timedelta(days=8)
"""Within this time some session closes, whatever the holidays."""
_DAY = timedelta(days=1)
_HOUR_US = 3_600_000_000
_MINUTE_US = 60_000_000


def timed(position: Position, rules: ExitRules, instrument: Instrument) -> Position:
    """A position that was just opened, with the moment at which its time is up and the one at which the desk must look at it."""
    moments = list(_moments(position.opened_at, rules, instrument))
    # Of two rules at the same moment the first is named: they come in the order in which exits are judged.
    leave_at, reason = min(moments, key=lambda moment: moment[0]) if moments else (None, None)
    ends_at = expires_at(instrument)
    due = [moment for moment in (leave_at, ends_at) if moment is not None]
    if not due:
        return position
    return replace(position, leave_at=leave_at, leave_for=None if reason is None else reason.value, due_at=min(due))


def expires_at(instrument: Instrument) -> datetime | None:
    """When an option ends (UTC); None for all else."""
    return None if instrument.option is None else instrument.option.expires_at


def _moments(opened_at: datetime, rules: ExitRules, instrument: Instrument) -> Iterator[tuple[datetime, ExitReason]]:
    if rules.max_hold_hours is not None:
        yield opened_at + timedelta(microseconds=int(rules.max_hold_hours * _HOUR_US)), ExitReason.MAX_HOLD
    if rules.min_dte_days is not None and instrument.option is not None:
        last_days_begin = _min_dte_moment(instrument, int(rules.min_dte_days))
        if last_days_begin is not None and last_days_begin > opened_at:
            yield last_days_begin, ExitReason.MIN_DTE
    if rules.session_close_minutes is not None:
        session = next(trading_days(instrument, opened_at, opened_at + _WEEK), None)
        if session is not None:
            yield _before_close(session, rules.session_close_minutes, opened_at), ExitReason.SESSION_CLOSE
    if rules.week_close_minutes is not None and instrument.kind is not InstrumentKind.CRYPTO:
        last = _last_of_week(instrument, opened_at)
        if last is not None:
            yield _before_close(last, rules.week_close_minutes, opened_at), ExitReason.WEEK_CLOSE


def _before_close(session: TradingDay, minutes: Decimal, opened_at: datetime) -> datetime:
    return max(session.closes_at - timedelta(microseconds=int(minutes * _MINUTE_US)), opened_at)


def _min_dte_moment(instrument: Instrument, days: int) -> datetime | None:
    """The opening of the session on the day that is so many days before the expiration, or of the last one before that day."""
    assert instrument.option is not None
    day = instrument.option.expiration - timedelta(days=days)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=NEW_YORK)
    sessions = [one for one in trading_days(instrument, noon - _WEEK, noon + _DAY) if one.date <= day]
    return sessions[-1].opens_at if sessions else None


def _last_of_week(instrument: Instrument, opened_at: datetime) -> TradingDay | None:
    """The last session of the trading week that goes on at ``opened_at``, or of the one that comes next."""
    last: TradingDay | None = None
    for session in trading_days(instrument, opened_at, opened_at + 2 * _WEEK):
        if last is not None and session.date.isocalendar()[:2] != last.date.isocalendar()[:2]:
            return last
        last = session
    return last
