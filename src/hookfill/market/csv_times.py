"""Times as candle files write them: many spellings, in the zone of whoever exported them (pure).

A file's clock may go back an hour in autumn; which of the two equal hours a row belongs to follows from the rows before it.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hookfill.kernel.errors import HookfillError

NEW_YORK_CLOSE = "new-york-close"
"""The clock of most FX brokers: UTC+2, UTC+3 under the summer time of the USA, so that a day's last bar ends at 17:00 New York."""
_EPOCH = re.compile(r"\d{9,13}(?:\.\d{1,9})?|\d{16}|\d{19}")
_MOMENT = re.compile(r"((\d{1,4})([./-])(\d{1,2})\3(\d{1,4}))(?:(?:[T,]|\s)\s*(\S.*))?")
_COMPACT = re.compile(r"(\d{8})(?:(?:[T,]|\s)\s*(\S.*))?")
_CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([AaPp]\.?[Mm]\.?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?|(\d{2})(\d{2})(\d{2})?"
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?")
_SHAPE = "write it as 2026-03-04 12:00, or tell its form with --time-format"


class UnknownZone(HookfillError, ValueError):
    """Text names no time zone."""


class UnclearDates(HookfillError, ValueError):
    """Dates such as 3/4/2026 whose day and month can't be told apart."""


class _NewYorkClose(tzinfo):
    """New York's wall clock and seven hours."""

    _ahead = timedelta(hours=7)
    _new_york = ZoneInfo("America/New_York")

    def _there(self, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        # Arithmetic forgets which of two equal hours is meant.
        return (moment.replace(tzinfo=None) - self._ahead).replace(tzinfo=self._new_york, fold=moment.fold)

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        there = self._there(moment)
        offset = None if there is None else there.utcoffset()
        return None if offset is None else offset + self._ahead

    def dst(self, moment: datetime | None) -> timedelta | None:
        there = self._there(moment)
        return None if there is None else there.dst()

    def tzname(self, moment: datetime | None) -> str:
        return NEW_YORK_CLOSE


def read_zone(name: str) -> tzinfo:
    """The zone that an IANA name (``Europe/Athens``), an offset (``+02:00``) or ``new-york-close`` names.

    Raises:
        UnknownZone: it names none.
    """
    text = name.strip()
    if text.lower() == NEW_YORK_CLOSE:
        return _NewYorkClose()
    if found := _OFFSET.fullmatch(text):
        ahead = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        if ahead <= timedelta(hours=15) and int(found[3] or 0) < 60:
            return timezone(ahead if found[1] == "+" else -ahead)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(
            f"Unknown time zone {name[:40]!a}: use an IANA name such as America/New_York, an offset such as +02:00, or "
            f"{NEW_YORK_CLOSE} (brokers' UTC+2, UTC+3 under the summer time of the USA)."
        ) from error


def is_epoch(text: str) -> bool:
    """Whether text is a Unix time: seconds, milliseconds, microseconds or nanoseconds."""
    return _EPOCH.fullmatch(text) is not None


def epoch_seconds(text: str) -> str:
    """A Unix time as seconds or milliseconds, which is what candles are read from."""
    # In 1990 to 2100 seconds have up to 10 digits, milliseconds 12 or 13, microseconds 16 and nanoseconds 19.
    return text[:-6] if len(text) == 19 else f"{text[:-6]}.{text[-6:]}" if len(text) == 16 else text


def is_date(text: str) -> bool:
    """Whether text is a date without a clock."""
    found = _COMPACT.fullmatch(text) or _MOMENT.fullmatch(text)
    return found is not None and found[found.re.groups] is None


def is_clock(text: str) -> bool:
    """Whether text is a time of day."""
    return _CLOCK.fullmatch(text) is not None


def is_moment(text: str) -> bool:
    """Whether text looks like a date, with or without a clock, or like a Unix time."""
    return is_epoch(text) or _MOMENT.fullmatch(text) is not None or _COMPACT.fullmatch(text) is not None


def day_comes_first(texts: Sequence[str]) -> bool:
    """Whether the day stands before the month in dates such as ``13/4/2026``, found from all of a file's first dates.

    A number above 12 is a day. Where there is none, the reading under which the dates lie closer together is right: consecutive
    days would otherwise be months apart. False if there are no such dates.

    Raises:
        UnclearDates: both readings are as good.
    """
    matches = [found for found in map(_MOMENT.fullmatch, texts) if found is not None and _is_unclear(found)]
    # A date that is none in either reading is a bad row and says nothing about the others.
    pairs = {pair for pair in ((int(found[2]), int(found[4]), int(found[5])) for found in matches) if min(pair[:2]) <= 12}
    first_is_day, second_is_day = any(first > 12 for first, _, _ in pairs), any(second > 12 for _, second, _ in pairs)
    if first_is_day != second_is_day:
        return first_is_day
    if not first_is_day:
        day_first = _span((year, second, first) for first, second, year in pairs)
        month_first = _span((year, first, second) for first, second, year in pairs)
        if day_first != month_first or all(first == second for first, second, _ in pairs):
            return day_first < month_first
    raise UnclearDates("Dates like 3/4/2026 can be read in two ways: tell with --day-first or --month-first which one is right.")


def _is_unclear(found: re.Match[str]) -> bool:
    return len(found[5]) == 4 and len(found[2]) <= 2 and found[3] in ("/", "-")


def _span(days: Iterable[tuple[int, int, int]]) -> int:
    ordinals = []
    for year, month, day in days:
        try:
            ordinals.append(date(year, month, day).toordinal())
        except ValueError:  # 0/0/2026; the row will be reported
            continue
    return max(ordinals) - min(ordinals) if ordinals else 0


def read_local(text: str, *, day_first: bool) -> datetime:
    """A date with or without a clock, without a zone where the text names none.

    Raises:
        ValueError: it can't be read; the text says how to write it.
    """
    found = _COMPACT.fullmatch(text) or _MOMENT.fullmatch(text)
    try:
        return _read_match(found, day_first=day_first)
    except (ValueError, OverflowError):
        raise ValueError(f"is no time that can be read: {_SHAPE}") from None


def _read_match(found: re.Match[str] | None, *, day_first: bool) -> datetime:
    if found is None:
        raise ValueError
    day, rest = _day(found[1], day_first=day_first), found[found.re.groups]
    return day if rest is None else _with_clock(day, rest.strip())


@lru_cache(maxsize=4096)
def _day(text: str, *, day_first: bool) -> datetime:
    if text.isdigit():
        return datetime(int(text[:4]), int(text[4:6]), int(text[6:]))  # noqa: DTZ001  # the zone follows from the file
    first, second, third = re.split(r"[./-]", text)
    if len(first) == 4:
        return datetime(int(first), int(second), int(third))  # noqa: DTZ001
    if len(third) != 4:
        raise ValueError
    # 4.3.2026 is how those write who put the day first.
    month, day = (second, first) if day_first or "." in text else (first, second)
    return datetime(int(third), int(month), int(day))  # noqa: DTZ001


def _with_clock(day: datetime, text: str) -> datetime:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError
    if found[7] is not None:
        return day.replace(hour=int(found[7]), minute=int(found[8]), second=int(found[9] or 0))
    hour, half = int(found[1]), (found[5] or "")[:1].lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if half == "p" else 0)
    microsecond = int((found[4] or "0")[:6].ljust(6, "0"))
    moment = day.replace(hour=hour, minute=int(found[2]), second=int(found[3] or 0), microsecond=microsecond)
    return moment if found[6] is None else moment.replace(tzinfo=_offset(found[6]))


def _offset(text: str) -> tzinfo:
    if text in ("Z", "UTC", "GMT"):
        return UTC
    ahead = timedelta(hours=int(text[1:3]), minutes=int(text[3:].lstrip(":") or 0))
    return timezone(ahead if text[0] == "+" else -ahead)


class Clock:
    """Turns a file's local times into UTC, row after row.

    Where the clocks go back, an hour exists twice: a row belongs to the first one, unless that would put it before (in a file
    whose newest row comes first: after) the row above it.
    """

    def __init__(self, zone: tzinfo, *, newest_first: bool = False) -> None:
        """A clock for one file.

        Args:
            zone: of times that name none.
            newest_first: the file's rows go back in time.
        """
        self._zone = zone
        self._newest_first = newest_first
        self._above: dict[str, datetime] = {}

    def utc(self, series: str, moment: datetime, *, is_repeated: bool = False) -> datetime:
        """The moment in UTC.

        Args:
            series: what the row belongs to: the rows of each series are in order.
            moment: a local time, or one with its own zone.
            is_repeated: the row is exactly the one above, and so not another hour's.

        Raises:
            ValueError: the clocks skip that time.
        """
        above = self._above.get(series)
        if is_repeated and above is not None:
            return above
        found = moment.astimezone(UTC) if moment.tzinfo is not None else self._of_local(moment, above)
        self._above[series] = found
        return found

    def _of_local(self, moment: datetime, above: datetime | None) -> datetime:
        before = self._zone.utcoffset(moment.replace(tzinfo=self._zone))
        after = self._zone.utcoffset(moment.replace(tzinfo=self._zone, fold=1))
        if before is None or after is None:
            raise ValueError("has no offset from UTC: tell another --zone")
        first = (moment - before).replace(tzinfo=UTC)
        if before == after:
            return first
        if before < after:
            raise ValueError("does not exist in the zone, since the clocks go forward there: tell the right --zone")
        second = (moment - after).replace(tzinfo=UTC)
        if self._newest_first:
            return second if above is None or second < above or first >= above else first
        return first if above is None or first > above or second <= above else second
