"""Finds a file's timeframe from how far its bars lie apart (pure)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from hookfill.market.timeframes import TIMEFRAMES

LEAST_GAPS = 3
LEAST_SHARE = 0.4
"""How many of the gaps must have the bars' length: of a share's four-hour bars every other gap is a night."""
MOST_SHORTER = 0.05
"""How many may be shorter: where the clocks change, or where a session ends early."""
MOST_OTHER = 0.2
"""How many may have another timeframe's length; more of them are a second timeframe's bars."""
_HOUR, _DAY = 3_600, 86_400
_BY_SECONDS = {seconds: name for name, seconds in TIMEFRAMES.items()}


def spacing(series: Iterable[Sequence[datetime]]) -> tuple[str | None, str]:
    """The timeframe of bars that open at these moments, or None; and why it is none, to be read after "The timeframe is unknown:".

    Args:
        series: each series' moments in any order; repeated ones count once.
    """
    gaps: Counter[int] = Counter()
    for moments in series:
        ordered = sorted(set(moments))
        gaps.update(_rounded(later - earlier) for earlier, later in pairwise(int(moment.timestamp()) for moment in ordered))
    total = gaps.total()
    if total < LEAST_GAPS:
        return None, "the file has too few bars to find it from their distances"
    usual, number = min(gaps.items(), key=lambda gap: (-gap[1], gap[0]))
    shorter = sum(count for seconds, count in gaps.items() if seconds < usual)
    other = max((count for seconds, count in gaps.items() if seconds in _BY_SECONDS and seconds != usual), default=0)
    if number < LEAST_SHARE * total or shorter > MOST_SHORTER * total or other > MOST_OTHER * total:
        return None, "its bars lie unevenly far apart"
    if usual not in _BY_SECONDS:
        return None, f"its bars are {usual:,} seconds apart, which no timeframe of {', '.join(TIMEFRAMES)} is"
    return _BY_SECONDS[usual], ""


def _rounded(seconds: int) -> int:
    """The nominal length of days, weeks and months that summer time, holidays and the calendar make longer or shorter."""
    if abs(seconds - _DAY) <= _HOUR:
        return _DAY
    if 6 * _DAY - _HOUR <= seconds <= 8 * _DAY + _HOUR:
        return 7 * _DAY
    if 26 * _DAY <= seconds <= 35 * _DAY:
        return 30 * _DAY
    return seconds
