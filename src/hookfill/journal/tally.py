"""Counting what trades came to, group by group (pure); figures at any target follow from the counts."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from hookfill.journal.model import Status
from hookfill.journal.records import R_UNIT, STATUSES, UNTOLD, Array, Columns
from hookfill.journal.results import MOST_TARGET, R_STEP, End, Policy

RATE_STEP = Decimal("0.0001")
_REACHES, _ENDS = MOST_TARGET + 1, len(End)


@dataclass(frozen=True, slots=True)
class Figures:
    """What some trades came to; R at six places, rates at four."""

    trades: int
    decided: int
    wins: int
    losses: int
    break_evens: int
    win_rate: Decimal | None
    expectancy: Decimal | None
    profit_factor: Decimal | None
    total_r: Decimal
    average_mfe: Decimal | None
    average_mae: Decimal | None


class Outcomes:
    """What became of trades under a policy, side by side: read once, whatever the trades are grouped by."""

    def __init__(self, columns: Columns, policy: Policy) -> None:
        records = columns.records
        reach, end = records[f"{policy}_reach"], records[f"{policy}_end"]
        self.cells = reach.astype(np.int64) * _ENDS + end
        self.own = np.flatnonzero(end == End.TARGET)
        self.own_reach, self.own_r = reach[self.own].astype(np.int64), records["own_r"][self.own]
        counts = records["status"] != STATUSES.index(Status.CANCELLED)
        self.mfe, self.unmoved = _told(records[f"{policy}_mfe"], counts)
        self.mae, self.unfallen = _told(records["mae"], counts)


def _told(values: Array, counts: Array) -> tuple[Array, Array]:
    """The values, 0 where a trade told none that counts, and which trades those are: most tell one, so that they are few."""
    is_told = counts & (values != UNTOLD)
    return np.where(is_told, values, 0), np.flatnonzero(~is_told)


class Tally:
    """How often groups of trades reached what and ended how under a policy: figures at any target follow from it."""

    def __init__(self, outcomes: Outcomes, groups: Array, count: int) -> None:
        groups = groups.astype(np.int64)
        cells = groups * (_REACHES * _ENDS) + outcomes.cells
        counts = np.bincount(cells, minlength=count * _REACHES * _ENDS).reshape(count, _REACHES, _ENDS)
        self._up_to = counts.cumsum(axis=1)
        """Of each group by reach: how many reached no more, by their end."""
        self._trades = self._up_to[:, -1].sum(axis=1)
        owners = groups[outcomes.own] * _REACHES + outcomes.own_reach
        self._own = [_up_to(owners, outcomes.own_r, outcomes.own_r * sign > 0, count) for sign in (1, -1)]
        """The same of the results at own targets: the wins, then the losses; of each their sums and how many there are."""
        self._mfe = self._means_of(groups, outcomes.mfe, outcomes.unmoved)
        self._mae = self._means_of(groups, outcomes.mae, outcomes.unfallen)

    def _means_of(self, groups: Array, values: Array, untold: Array) -> tuple[Array, Array]:
        """Of each group the sum of its values, and how many trades told one."""
        return _sum(groups, values, len(self._trades)), self._trades - np.bincount(groups[untold], minlength=len(self._trades))

    def figures(self, target: int) -> list[Figures]:
        """Each group's."""
        below = self._up_to[:, target - 1]
        stopped = below[:, End.STOP]
        wins = self._trades - below.sum(axis=1)
        decided = self._trades - below[:, End.NONE]
        gain, loss, losses = wins * (target * R_UNIT), stopped * -R_UNIT, stopped
        (own_gain, own_wins), (own_loss, own_losses) = ((sums[:, target - 1], own[:, target - 1]) for sums, own in self._own)
        gain, wins, loss, losses = gain + own_gain, wins + own_wins, loss + own_loss, losses + own_losses
        rows = zip(self._trades, decided, wins, losses, gain, loss, *self._mfe, *self._mae, strict=True)
        return [_figures(*(int(value) for value in row)) for row in rows]


def _figures(
    trades: int, decided: int, wins: int, losses: int, gain: int, loss: int, mfe: int, mfe_trades: int, mae: int, mae_trades: int
) -> Figures:
    return Figures(
        trades=trades,
        decided=decided,
        wins=wins,
        losses=losses,
        break_evens=decided - wins - losses,
        win_rate=_ratio(wins, decided),
        expectancy=mean_r(gain + loss, decided),
        profit_factor=_ratio(gain, -loss),
        total_r=r_of(gain + loss),
        average_mfe=mean_r(mfe, mfe_trades),
        average_mae=mean_r(mae, mae_trades),
    )


def _sum(groups: Array, values: Array, count: int) -> Array:
    """Of each group the sum of its values, in whole numbers."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, groups, values)
    return sums


def _up_to(owners: Array, results: Array, chosen: Array, count: int) -> tuple[Array, Array]:
    """Of each group by reach: the sums of the chosen results of those that reached no more, and how many there are."""
    owners = owners[chosen]
    sums, counts = _sum(owners, results[chosen], count * _REACHES), np.bincount(owners, minlength=count * _REACHES)
    return sums.reshape(count, _REACHES).cumsum(axis=1), counts.reshape(count, _REACHES).cumsum(axis=1)


def r_of(millionths: int) -> Decimal:
    """Whole millionths as R."""
    return Decimal(int(millionths)).scaleb(-6)


def mean_r(millionths: int, count: int) -> Decimal | None:
    """A mean of R at six places; None: there is nothing."""
    return (Decimal(millionths) / (count * R_UNIT)).quantize(R_STEP, rounding=ROUND_HALF_EVEN) if count else None


def _ratio(part: int, whole: int) -> Decimal | None:
    return (Decimal(part) / whole).quantize(RATE_STEP, rounding=ROUND_HALF_EVEN) if whole else None
