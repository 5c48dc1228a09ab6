"""When a strategy may enter: trading windows by the clock of their own time zone (pure).

A window belongs to the days on which it begins. One that ends at or before the time at which it begins runs over midnight into the
next day; one that begins and ends at the same time lasts a day. Windows are read off the wall clock: on the day on which clocks are
put forward, the hour that is left out is nobody's; on the day on which they are put back, the hour that comes twice counts twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from re import ASCII
from re import compile as pattern
from zoneinfo import ZoneInfo

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.times import is_time_zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_WINDOWS = 50
_TIME = pattern(r"(\d{2}):(\d{2})", ASCII)
_DAY_MINUTES = 1440
_NAMES = {"days", "from", "to", "time_zone"}


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the day: ``begin`` (inclusive) and ``end`` (exclusive) in minutes since midnight, days 0 (Monday) to 6."""

    days: frozenset[int]
    begin: int
    end: int
    time_zone: str


def windows_from(section: object) -> tuple[Window, ...]:
    """Read a strategy's ``windows`` section; none at all means: any time.

    An example: ``[{"days": ["mon", "fri"], "from": "09:30", "to": "16:00", "time_zone": "America/New_York"}]``. Days left out are
    all days, and a time zone left out is UTC.

    Raises:
        ConfigurationError: an unknown name or an unusable value.
    """
    if section is None:
        return ()
    if isinstance(section, str) or not isinstance(section, Sequence):
        raise ConfigurationError('windows must be a list such as [{"days": ["mon"], "from": "09:30", "to": "16:00"}].')
    if len(section) > MOST_WINDOWS:
        raise ConfigurationError(f"windows holds {len(section)} windows; at most {MOST_WINDOWS} are read.")
    return tuple(_window(entry, f"windows[{number}]") for number, entry in enumerate(section))


def is_within(windows: Sequence[Window], at: datetime) -> bool:
    """Whether a moment (UTC) lies in one of the windows; with none there is no limit."""
    return not windows or any(_holds(window, at) for window in windows)


def _holds(window: Window, at: datetime) -> bool:
    local = at.astimezone(_zone(window.time_zone))
    minute, today = local.hour * 60 + local.minute, local.weekday()
    if window.begin < window.end:
        return today in window.days and window.begin <= minute < window.end
    yesterday = (today - 1) % 7
    return (today in window.days and minute >= window.begin) or (yesterday in window.days and minute < window.end)


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _window(entry: object, name: str) -> Window:
    if not isinstance(entry, Mapping):
        raise ConfigurationError(f'{name} must be an object such as {{"from": "09:30", "to": "16:00"}}.')
    for key in entry:
        if key not in _NAMES:
            raise ConfigurationError(f"{name} has no setting {key!r}; known are {', '.join(sorted(_NAMES))}.")
    return Window(
        days=_days(entry.get("days"), f"{name}.days"),
        begin=_minute(entry.get("from"), f"{name}.from", most=_DAY_MINUTES - 1),
        end=_minute(entry.get("to"), f"{name}.to", most=_DAY_MINUTES),
        time_zone=_time_zone(entry.get("time_zone"), f"{name}.time_zone"),
    )


def _days(value: object, name: str) -> frozenset[int]:
    if value is None:
        return frozenset(range(7))
    if isinstance(value, str) or not isinstance(value, Sequence) or not value or any(day not in DAYS for day in value):
        raise ConfigurationError(f"{name} must list some of {', '.join(DAYS)}; leave it out for all days.")
    return frozenset(DAYS.index(day) for day in value)


def _minute(value: object, name: str, *, most: int) -> int:
    """A time of day as minutes since midnight; a window may end at 24:00."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    minute = int(found[1]) * 60 + int(found[2]) if found is not None and int(found[2]) < 60 else None
    if minute is None or minute > most:
        raise ConfigurationError(f"{name} must be a time of day such as 09:30, at most {most // 60:02d}:{most % 60:02d}.")
    return minute


def _time_zone(value: object, name: str) -> str:
    if value is None:
        return "UTC"
    if not isinstance(value, str) or not is_time_zone(value):
        raise ConfigurationError(f"{name} must be an IANA name such as America/New_York.")
    return value
