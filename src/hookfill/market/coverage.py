"""What is stored of a series of bars, and what is missing although the market was open (pure).

Bars are missing where the market's calendar has room for them: nights, weekends and holidays of an exchange are no gaps. Of days,
weeks and months a date counts as missing if more than half of its hours of trade lie in the pause, since platforms begin days at
different hours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hookfill.market.calendar import TradingDay, trading_days
from hookfill.market.model import Instrument
from hookfill.market.timeframes import bar_close, bar_seconds


@dataclass(frozen=True, slots=True)
class Break:
    """A bar that does not follow the one before it at once, or the first or last of a page.

    Attributes:
        opened_at: the bar's opening (UTC).
        previous_at: the opening of the bar before; None: the page begins here.
        number: the bar's place in the page, from 1.
    """

    opened_at: datetime
    previous_at: datetime | None
    number: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars without a gap between them, from the first one's opening to the last one's close (UTC)."""

    begins_at: datetime
    ends_at: datetime
    bars: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A pause in which bars are missing: from the close of the bar before to the opening of the one behind it (UTC)."""

    begins_at: datetime
    ends_at: datetime
    missing: int


def describe(
    instrument: Instrument, timeframe: str, breaks: Sequence[Break], *, is_continued: bool = False
) -> tuple[list[Stretch], list[Gap]]:
    """Stretches and gaps of a page of bars.

    Args:
        breaks: the first bar, every bar behind a longer pause, and the last one, ascending. Pauses in which nothing is missing may
            be among them.
        is_continued: the first bar was the last of the page before, which told of it.
    """
    stretches: list[Stretch] = []
    gaps: list[Gap] = []
    if not breaks:
        return stretches, gaps
    begins_at, number, last = breaks[0].opened_at, breaks[0].number, breaks[-1]
    if is_continued:
        begins_at, number = bar_close(timeframe, begins_at), number + 1
    for one in breaks:
        gap = None if one.previous_at is None else find_gap(instrument, timeframe, one.previous_at, one.opened_at)
        if gap is None:
            continue
        if one.number > number:
            stretches.append(Stretch(begins_at, gap.begins_at, one.number - number))
        gaps.append(gap)
        begins_at, number = one.opened_at, one.number
    if last.number >= number:
        stretches.append(Stretch(begins_at, bar_close(timeframe, last.opened_at), last.number - number + 1))
    return stretches, gaps


def find_gap(instrument: Instrument, timeframe: str, before: datetime, behind: datetime) -> Gap | None:
    """The gap between two neighbouring bars that opened at ``before`` and ``behind``; None: nothing is missing."""
    begins_at = bar_close(timeframe, before)
    if begins_at >= behind:
        return None
    missing = missing_bars(instrument, timeframe, begins_at, behind)
    return Gap(begins_at, behind, missing) if missing else None


def missing_bars(instrument: Instrument, timeframe: str, start: datetime, end: datetime) -> int:
    """How many whole bars the market's calendar has room for in ``start <= t < end``."""
    days = trading_days(instrument, start, end)
    if timeframe in ("D1", "W1", "MN1"):
        return _periods(timeframe, days, start, end)
    step = timedelta(seconds=bar_seconds(timeframe))
    return sum((min(day.closes_at, end) - max(day.opens_at, start)) // step for day in days)


def _periods(timeframe: str, days: Iterable[TradingDay], start: datetime, end: datetime) -> int:
    """How many days, weeks or months lie in the pause by more than half of one of their days."""
    dates = [day.date for day in days if 2 * (min(day.closes_at, end) - max(day.opens_at, start)) > day.closes_at - day.opens_at]
    match timeframe:
        case "W1":
            return len({date.isocalendar()[:2] for date in dates})
        case "MN1":
            return len({(date.year, date.month) for date in dates})
        case _:
            return len(dates)
