"""What an experiment between two engines came to: pairs of outcomes, and how sure their difference is (pure).

Each signal is one pair: what the account would have made by engine A's verdict and what by engine B's, at the same quote. The
difference is taken pair by pair, so that a good or bad market, which both engines meet, does not count for either.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hookfill.kernel.money import ZERO, divide

RESAMPLES = 2_000
"""How often the differences are drawn again."""
CONFIDENCE_PERCENT = 95
SEED = 20260101
"""The same pairs give the same interval, whoever asks."""
_MOST_DRAWS = 4_000_000
"""Differences drawn in one go: 32 MB of indices."""
_PLACES = 10


@dataclass(frozen=True, slots=True)
class Side:
    """What one engine's verdict on one signal led to.

    Attributes:
        approved: its verdict; None when it gave none.
        pnl: what its trade realised net of commission, in account currency; None: it made no trade, or that is not closed.
        is_open: it made a trade that is not closed, or whose order is still on its way.
    """

    approved: bool | None = None
    pnl: Decimal | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides of one signal that asked for an entry; ``barred``: the account could make none, whatever an engine thought."""

    a: Side
    b: Side
    barred: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is too early to compare."""
        return self.a.is_open or self.b.is_open

    @property
    def difference(self) -> Decimal:
        """What B made more than A; a side without a trade made 0."""
        return (self.b.pnl or ZERO) - (self.a.pnl or ZERO)


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """One engine's trades. ``win_rate`` and ``expectancy`` are of closed trades; None where there are none.

    Attributes:
        approved: signals that it would have entered on.
        wins: closed trades that made more than 0 net of commission.
        expectancy: average net result of a closed trade.
    """

    approved: int
    trades: int
    open_trades: int
    wins: int
    win_rate: Decimal | None
    expectancy: Decimal | None
    pnl: Decimal


@dataclass(frozen=True, slots=True)
class Agreement:
    """The two verdicts side by side, over signals that both judged; ``rate`` is the share on which they agree."""

    both: int
    only_a: int
    only_b: int
    neither: int
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Difference:
    """B less A, pair by pair.

    Attributes:
        pairs: how many closed pairs it is made of.
        mean: per pair; ``low`` and ``high`` bound it with ``CONFIDENCE_PERCENT``. None below two pairs.
    """

    pairs: int
    total: Decimal
    mean: Decimal | None
    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class Results:
    """All of it.

    Attributes:
        judged: signals that asked for an entry and were judged by both engines.
        barred: those on which the account could not have entered, whatever an engine thought: a risk check, or no size.
        open_pairs: those that are not closed yet and left out of what is compared.
    """

    judged: int
    barred: int
    open_pairs: int
    a: VariantFigures
    b: VariantFigures
    agreement: Agreement
    difference: Difference


def results(pairs: Sequence[Pair]) -> Results:
    """What pairs came to; only closed ones that the account could have traded are compared.

    Args:
        pairs: of signals that asked for an entry and that both engines judged, in an order that does not change.
    """
    compared = [pair for pair in pairs if not pair.is_open and not pair.barred]
    return Results(
        judged=len(pairs),
        barred=sum(pair.barred for pair in pairs),
        open_pairs=sum(pair.is_open and not pair.barred for pair in pairs),
        a=_variant([pair.a for pair in pairs]),
        b=_variant([pair.b for pair in pairs]),
        agreement=_agreement(pairs),
        difference=_difference([pair.difference for pair in compared]),
    )


def _variant(sides: Sequence[Side]) -> VariantFigures:
    closed = [side.pnl for side in sides if side.pnl is not None]
    wins, total, still_open = sum(pnl > ZERO for pnl in closed), sum(closed, ZERO), sum(side.is_open for side in sides)
    return VariantFigures(
        approved=sum(side.approved is True for side in sides),
        trades=len(closed) + still_open,
        open_trades=still_open,
        wins=wins,
        win_rate=_share(wins, len(closed)),
        expectancy=divide(total, Decimal(len(closed))) if closed else None,
        pnl=total,
    )


def _agreement(pairs: Iterable[Pair]) -> Agreement:
    verdicts = [(pair.a.approved, pair.b.approved) for pair in pairs]
    both, neither = verdicts.count((True, True)), verdicts.count((False, False))
    only_a, only_b = verdicts.count((True, False)), verdicts.count((False, True))
    return Agreement(both, only_a, only_b, neither, _share(both + neither, both + neither + only_a + only_b))


def _difference(differences: Sequence[Decimal]) -> Difference:
    count, total = len(differences), sum(differences, ZERO)
    if not count:
        return Difference(0, ZERO, None, None, None)
    low, high = bootstrap([float(one) for one in differences]) if count > 1 else (None, None)
    return Difference(count, total, divide(total, Decimal(count)), _decimal(low), _decimal(high))


def bootstrap(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean: no assumption about how results are distributed, fat tails included.

    Args:
        values: at least one. The same values in the same order give the same interval.
    """
    drawn = _resampled_means(np.asarray(values, dtype=np.float64), resamples, np.random.Generator(np.random.PCG64(seed)))
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return float(low), float(high)


def _resampled_means(values: NDArray[np.float64], resamples: int, chance: np.random.Generator) -> NDArray[np.float64]:
    count = len(values)
    at_once = max(1, _MOST_DRAWS // count)
    means: list[NDArray[np.float64]] = []
    for first in range(0, resamples, at_once):
        places = chance.integers(0, count, (min(at_once, resamples - first), count), dtype=np.int32)
        means.append(values[places].mean(axis=1))
    return np.concatenate(means)


def _share(part: int, whole: int) -> Decimal | None:
    return divide(Decimal(part), Decimal(whole)) if whole else None


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(round(value, _PLACES)))
