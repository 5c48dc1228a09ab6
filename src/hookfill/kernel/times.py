"""Times as alerts and candles write them, as timezone-aware UTC."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hookfill.kernel.errors import HookfillError

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_SECOND = 631_152_000
_LATEST_SECOND = 4_102_444_800


class InvalidTime(HookfillError, ValueError):
    """A time can't be read or lies outside 1990 to 2100."""


def parse_time(value: object, name: str = "time", *, needs_zone: bool = False) -> datetime:
    """Read a moment; the result is UTC.

    Args:
        value: ISO 8601 text (without a zone it is UTC, as TradingView's placeholders are), or Unix seconds or milliseconds as a
            number or as digits. Seconds and milliseconds can't be confused: in 1990 to 2100 their ranges lie apart.
        name: the field's name, for the error text.
        needs_zone: refuse ISO 8601 text without a zone, where guessing it would shift what the time belongs to.

    Raises:
        InvalidTime: anything else, or a time before 1990 or from 2100 on.
    """
    if isinstance(value, str):
        return _from_text(value, name, needs_zone=needs_zone)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidTime(f"{name} must be a time; send ISO 8601 text or Unix seconds or milliseconds.")
    return _from_number(value, name)


def is_time_zone(name: str) -> bool:
    """Whether text is an IANA name such as ``America/New_York``."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # paths, folders and over-long names come back as the last two
        return False
    return True


def _from_text(value: str, name: str, *, needs_zone: bool) -> datetime:
    """ISO 8601, or digits."""
    text = value.strip()
    if len(text) > 40:
        raise InvalidTime(f"{name} is too long for a time; send ISO 8601 such as 2026-02-05T12:00:00Z.")
    # fromisoformat would read bare digits as a date such as 20260205.
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        return _from_number(Decimal(text), name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTime(f"{name} is not a time; send ISO 8601 such as 2026-02-05T12:00:00Z.") from None
    # The year is checked before the conversion, which would overflow in years 1 and 9999.
    if not EARLIEST.year - 1 <= moment.year <= LATEST.year:
        raise _out_of_range(name)
    if moment.tzinfo is None and needs_zone:
        raise InvalidTime(f"{name} has no zone; end it with Z for UTC, or with an offset such as +02:00.")
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not EARLIEST <= moment < LATEST:
        raise _out_of_range(name)
    return moment


def _from_number(value: float | Decimal, name: str) -> datetime:
    """Unix seconds or milliseconds, to the microsecond."""
    try:
        if _EARLIEST_SECOND <= value < _LATEST_SECOND:
            return _EPOCH + timedelta(microseconds=int(Decimal(value) * 1_000_000))
        if _EARLIEST_SECOND * 1000 <= value < _LATEST_SECOND * 1000:
            return _EPOCH + timedelta(microseconds=int(Decimal(value) * 1_000))
    except InvalidOperation:
        raise InvalidTime(f"{name} is not a number; send Unix seconds or milliseconds.") from None
    raise _out_of_range(name)


def _out_of_range(name: str) -> InvalidTime:
    return InvalidTime(f"{name} lies outside 1990 to 2100; send ISO 8601, Unix seconds or milliseconds.")
