"""Day by day: what the trades signalled on each New York day came to, and how complete they were told (pure)."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from hookfill.journal.model import OPEN
from hookfill.journal.quality import STALE_AFTER, Gap, mean_score, score_tenths
from hookfill.journal.records import GAPS, STATUSES, UNTOLD, Array, Columns
from hookfill.journal.results import Policy
from hookfill.journal.statistics import group_figures
from hookfill.journal.tally import Figures
from hookfill.kernel.clock import to_us

_MOST_CHECKS = len(GAPS) + 1
_SCORES = np.array(
    [
        [score_tenths(checks, gaps) if checks >= gaps and checks else 0 for gaps in range(_MOST_CHECKS)]
        for checks in range(_MOST_CHECKS)
    ],
    np.int64,
)
_STALE = GAPS.index(Gap.STALE)


@dataclass(frozen=True, slots=True)
class Day:
    """A day's trades; ``open_trades`` are entered and have not ended, ``score`` is their quality in percent."""

    date: date
    figures: Figures
    open_trades: int
    score: Decimal


@dataclass(frozen=True, slots=True)
class DayQuality:
    """How complete a day's trades were told; ``gaps`` counts the trades that have each gap."""

    date: date
    trades: int
    trades_with_gaps: int
    score: Decimal
    gaps: dict[str, int]


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """The same of all days; ``score`` is None without trades."""

    trades: int
    trades_with_gaps: int
    score: Decimal | None
    gaps: dict[str, int]
    days: tuple[DayQuality, ...]


def calendar_of(columns: Columns, policy: Policy, target: int, now: datetime) -> tuple[Day, ...]:
    """The days that have trades, in order."""
    ordinals, places = np.unique(columns.days, return_inverse=True)
    names = tuple(date.fromordinal(int(day)).isoformat() for day in ordinals)
    figures = group_figures(columns, places, names, policy, target)
    is_open = np.isin(columns.records["status"], [STATUSES.index(status) for status in OPEN])
    open_trades = np.bincount(places[is_open], minlength=len(names))
    scores = _score_sums(columns, places, len(names), now)
    return tuple(
        Day(date.fromordinal(int(day)), group.figures, int(still_open), mean_score(int(tenths), group.figures.trades) or Decimal(0))
        for day, group, still_open, tenths in zip(ordinals, figures, open_trades, scores, strict=True)
    )


def quality_days(columns: Columns, now: datetime) -> QualitySummary:
    """The gaps of all trades, day by day."""
    ordinals, places = np.unique(columns.days, return_inverse=True)
    has = _has_gaps(columns, now)
    counts = [np.bincount(places[one], minlength=len(ordinals)) for one in has.T]
    gappy = np.bincount(places[has.any(axis=1)], minlength=len(ordinals))
    trades = np.bincount(places, minlength=len(ordinals))
    scores = _score_sums(columns, places, len(ordinals), now)
    days = tuple(
        DayQuality(
            date=date.fromordinal(int(day)),
            trades=int(trades[place]),
            trades_with_gaps=int(gappy[place]),
            score=mean_score(int(scores[place]), int(trades[place])) or Decimal(0),
            gaps={gap.value: int(count[place]) for gap, count in zip(GAPS, counts, strict=True)},
        )
        for place, day in enumerate(ordinals)
    )
    totals = {gap.value: int(count.sum()) for gap, count in zip(GAPS, counts, strict=True)}
    return QualitySummary(int(trades.sum()), int(gappy.sum()), mean_score(int(scores.sum()), int(trades.sum())), totals, days)


def _has_gaps(columns: Columns, now: datetime) -> Array:
    """One row per trade, one column per gap."""
    has: Array = (columns.records["gaps"][:, None] >> np.arange(len(GAPS))) & 1 == 1
    moved = columns.records["moved_at"]
    has[:, _STALE] = (moved != UNTOLD) & (moved < to_us(now - STALE_AFTER))
    return has


def _score_sums(columns: Columns, places: Array, count: int, now: datetime) -> Array:
    """The sum of each day's scores, in tenths of a percent."""
    checks = columns.records["checks"] + (columns.records["moved_at"] != UNTOLD)
    scores = _SCORES[checks, _has_gaps(columns, now).sum(axis=1)]
    sums = np.zeros(count, np.int64)
    np.add.at(sums, places, scores)
    return sums
