"""The indicator's clock: New York time, the parts of its trading day, and what a trade's id tells.

A time without a zone is New York's. Where the clocks go back, one that happens twice is the first of the two (still summer time);
where they go forward, one that never happens is read with the offset before the change, so 02:30 becomes 03:30 summer time. The
futures that are traded rest at both (Sunday, 02:00).
"""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hookfill.journal.model import TIME_ZONE, Direction, Session
from hookfill.kernel.times import EARLIEST, LATEST, InvalidTime, parse_time

NEW_YORK = ZoneInfo(TIME_ZONE)

SESSIONS: tuple[tuple[Session, str, str], ...] = (
    (Session.LONDON, "00:00", "05:59"),
    (Session.NY_PRE, "06:00", "08:29"),
    (Session.NY_AM, "08:30", "11:59"),
    (Session.NY_LUNCH, "12:00", "12:59"),
    (Session.NY_PM, "13:00", "15:59"),
    (Session.AFTER_HOURS, "16:00", "19:59"),
    (Session.ASIA, "20:00", "23:59"),
)
"""Each session's first and last minute in New York; together they are a whole day. The only such table in Hookfill."""

_TRADE_ID = re.compile(r"(\d{8})_(\d{6})(?:\d{3})?(?:_|$)", re.ASCII)


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


_OF_MINUTE = [session for session, first, last in SESSIONS for _ in range(_minute(first), _minute(last) + 1)]


def to_new_york(at: datetime) -> datetime:
    """A moment as New York's clocks showed it."""
    return at.astimezone(NEW_YORK)


def session_of(at: datetime) -> Session:
    """The session that a moment belongs to."""
    local = at.astimezone(NEW_YORK)
    return _OF_MINUTE[local.hour * 60 + local.minute]


def parse_moment(value: object, name: str) -> datetime:
    """Read a moment as indicators tell it; the result is UTC.

    Args:
        value: ISO 8601 text (without a zone it is New York time), or Unix seconds or milliseconds as a number or as digits.
        name: the member's name, for the error text.

    Raises:
        InvalidTime: anything else, or a time before 1990 or from 2100 on.
    """
    if isinstance(value, str) and len(value) <= 40 and value.strip()[4:5] == "-":
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            raise InvalidTime(f"{name} is not a time; send ISO 8601 such as 2026-02-05T12:00:00Z.") from None
        # Text with a zone goes the usual way; so does a year for which conversion could overflow: it is refused there.
        if moment.tzinfo is None and EARLIEST.year <= moment.year < LATEST.year:
            at = moment.replace(tzinfo=NEW_YORK).astimezone(UTC)
            if at >= LATEST:
                raise InvalidTime(f"{name} lies outside 1990 to 2100; send ISO 8601, Unix seconds or milliseconds.")
            return at
    return parse_time(value, name)


def signal_time(trade_id: str) -> datetime | None:
    """The signal bar's time (UTC), if the id begins with one: ``20251114_083600000_BULLISH`` or ``20251114_083600_…``."""
    match = _TRADE_ID.match(trade_id)
    if match is None:
        return None
    try:
        local = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=NEW_YORK)
    except ValueError:
        return None
    # A year short of the bound: the hours to UTC never lead beyond it.
    return local.astimezone(UTC) if EARLIEST.year <= local.year < LATEST.year - 1 else None


_DIRECTIONS = {
    "BULLISH": Direction.BULLISH,
    "BULL": Direction.BULLISH,
    "LONG": Direction.BULLISH,
    "BUY": Direction.BULLISH,
    "BEARISH": Direction.BEARISH,
    "BEAR": Direction.BEARISH,
    "SHORT": Direction.BEARISH,
    "SELL": Direction.BEARISH,
}


def direction_named(word: str) -> Direction | None:
    """The direction that a word means, in any case; None: no direction."""
    return _DIRECTIONS.get(word.strip().upper())


def direction_of(trade_id: str) -> Direction | None:
    """The direction that an id ends with: ``20251114_083600000_BULLISH``."""
    return _DIRECTIONS.get(trade_id.rpartition("_")[2].upper())


_SESSIONS_NAMED = {session.value.replace("_", " "): session for session in Session}


def session_named(word: str) -> Session | None:
    """The session that a name means, in any case, with space or underscore; None: no session."""
    return _SESSIONS_NAMED.get(word.strip().upper().replace("_", " "))
