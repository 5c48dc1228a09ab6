"""When a market is open: a pure function of instrument and time (no clock is read).

Shares follow the New York Stock Exchange (XNYS) with its holidays, half days and special closings, from the ``exchange_calendars``
library. Currencies, metals and futures follow their weekly hours in New York time; their few holidays are not modelled, since no
prices come then and the price's age refuses the order. Coins trade always.
"""

import warnings
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
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


class CalendarOutOfRange(HookfillError):
    """A moment before or after the years that the exchange calendar covers."""


@dataclass(frozen=True, slots=True)
class _Sessions:
    """All regular sessions in Unix seconds, ascending: ``opens[i] <= t < closes[i]``."""

    opens: Sequence[int]
    closes: Sequence[int]


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
