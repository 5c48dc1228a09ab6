"""Timeframes: one spelling for each, its length, and when its bars close."""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from hookfill.kernel.errors import HookfillError

TIMEFRAMES = {
    "M1": 60,
    "M5": 300,
    "M15": 900,
    "M30": 1_800,
    "H1": 3_600,
    "H4": 14_400,
    "D1": 86_400,
    "W1": 604_800,
    "MN1": 2_592_000,
}
"""The timeframes in which candles are stored, in MetaTrader's names, with their length in seconds (MN1: nominal, 30 days)."""

_BY_SECONDS = {seconds: name for name, seconds in TIMEFRAMES.items()}

_UNIT_SECONDS = {
    "S": 1,
    "SEC": 1,
    "MIN": 60,
    "MINS": 60,
    "MINUTE": 60,
    "MINUTES": 60,
    "H": 3_600,
    "HR": 3_600,
    "HOUR": 3_600,
    "HOURS": 3_600,
    "D": 86_400,
    "DAY": 86_400,
    "DAILY": 86_400,
    "W": 604_800,
    "WEEK": 604_800,
    "WEEKLY": 604_800,
    "MN": 2_592_000,
    "MO": 2_592_000,
    "MONTH": 2_592_000,
    "MONTHLY": 2_592_000,
}
"""Units in upper case. A lone letter M is not here: it is the one whose case and place decide."""

_NUMBER_FIRST = re.compile(r"([0-9]{1,6})\s*([A-Za-z]*)")
_UNIT_FIRST = re.compile(r"([A-Za-z]+)([0-9]{1,6})?")


class InvalidTimeframe(HookfillError, ValueError):
    """A timeframe that candles are not stored in, or text that names none."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    """A timeframe's text, taken apart."""

    number: int
    unit: str
    number_first: bool


def normalize_timeframe(text: str | int) -> str:
    """The timeframe's one name: ``M1 M5 M15 M30 H1 H4 D1 W1 MN1``.

    Understands TradingView's notation (``5``, ``60``, ``240``, ``1D``, ``W``, ``1M`` for a month), MetaTrader's (``M5``,
    ``H4``, ``MN1``) and the common one (``1m`` for a minute, ``4h``, ``15min``). A number alone is minutes. Only the letter
    M depends on case and place: after a number ``m`` is minutes and ``M`` months; before one it is minutes; alone ``M`` is
    a month and ``m`` is refused.

    Raises:
        InvalidTimeframe: the text can't be read, or is a length that is not in the list.
    """
    name = _BY_SECONDS.get(_seconds(text) or 0)
    if name is None:
        shown = str(text)[:20]
        raise InvalidTimeframe(
            f"Timeframe {shown!r} is not supported; use one of {', '.join(TIMEFRAMES)} (or 1m, 5, 60, 1h, 1D …)."
        )
    return name


def closest_timeframe(text: str | int | None) -> str | None:
    """The stored timeframe nearest in ratio to a signal's own free text: ``3m`` gives M5, ``2h`` gives H1 (ties take the shorter).

    None when the text names no length of time (tick, range and Renko charts, or nothing at all).
    """
    seconds = None if text is None else _seconds(text)
    if not seconds:
        return None
    return min(TIMEFRAMES, key=lambda name: _ratio(TIMEFRAMES[name], seconds))


def bar_seconds(timeframe: str) -> int:
    """A bar's length in seconds (nominal for MN1: 30 days); ``timeframe`` is a normalised name.

    Raises:
        InvalidTimeframe: the name is not one of ``TIMEFRAMES``.
    """
    if timeframe not in TIMEFRAMES:
        raise InvalidTimeframe(f"Timeframe {timeframe!r} is not supported; use one of {', '.join(TIMEFRAMES)}.")
    return TIMEFRAMES[timeframe]


def bar_close(timeframe: str, opened_at: datetime) -> datetime:
    """When the bar that opened at ``opened_at`` (timezone-aware) closes, in the same zone.

    A month closes at the same time of day on the first of the next month. One that opened on the last day of a month (the first of
    the next one, in a zone east of UTC) closes on the last day of the next month.

    Raises:
        InvalidTimeframe: the name is not one of ``TIMEFRAMES``.
    """
    seconds = bar_seconds(timeframe)
    if timeframe != "MN1":
        return opened_at + timedelta(seconds=seconds)
    days_in_month = calendar.monthrange(opened_at.year, opened_at.month)[1]
    first_of_next = opened_at + timedelta(days=days_in_month - opened_at.day + 1)
    if opened_at.day < days_in_month:
        return first_of_next
    return first_of_next + timedelta(days=calendar.monthrange(first_of_next.year, first_of_next.month)[1] - 1)


def _ratio(one: int, other: int) -> Fraction:
    """How many times longer the longer one is; exact, so that ties are ties."""
    return Fraction(max(one, other), min(one, other))


def _seconds(text: str | int) -> int | None:
    """The length that ``text`` names; None if it names none."""
    spelling = _parse(text)
    if spelling is None:
        return None
    unit = _unit_seconds(spelling)
    return None if unit is None else spelling.number * unit


def _parse(text: str | int) -> _Spelling | None:
    """Number and unit, in either order; the number is 1 where there is none."""
    bare = str(text).strip()
    if isinstance(text, bool) or bare == "m":
        return None
    if match := _NUMBER_FIRST.fullmatch(bare):
        return _Spelling(int(match[1]), match[2], number_first=True)
    if match := _UNIT_FIRST.fullmatch(bare):
        return _Spelling(int(match[2] or 1), match[1], number_first=match[2] is None)
    return None


def _unit_seconds(spelling: _Spelling) -> int | None:
    """Seconds per unit, with M's special cases; None for an unknown unit."""
    unit = spelling.unit
    if unit == "":
        return 60
    if unit == "M":
        return _UNIT_SECONDS["MONTH"] if spelling.number_first else 60
    if unit == "m":
        return 60
    return _UNIT_SECONDS.get(unit.upper())
