"""Statistics over trades (pure).

What a trade came to is defined in ``journal.results``; from there:

- decided: trades with a result; wins, losses, break_evens: those above, below and at 0;
- win_rate = wins ÷ decided; expectancy = sum of results ÷ decided; profit_factor = sum of the wins ÷ size of the sum of the losses
  (None without a loss);
- average_mfe: of the policy's move, average_mae: of the adverse move, each over trades that told one and were not cancelled;
- equity: the sum of the results of all trades that ended by a moment, in the order in which they ended under the policy (a trade
  that was decided and goes on counts at its latest event; trades of the same moment count together); drawdown: how far it lies
  below its highest, which is at least 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from hookfill.journal.model import Direction, Session
from hookfill.journal.records import DIRECTIONS, R_UNIT, SESSIONS, STATUSES, UNTOLD, Array, Columns
from hookfill.journal.results import TARGETS, End, Policy
from hookfill.journal.tally import Figures, Outcomes, Tally, mean_r, r_of
from hookfill.kernel.clock import EPOCH

MOST_POINTS = 250
"""Of an equity curve; one of more is thinned evenly, its first and last point stay."""
MOST_SETUPS = 200
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of the trades that have something in common; ``name`` is None where that was not told."""

    name: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class Target:
    """All trades with their target at ``target`` R, with and without the stop at the entry.

    ``better`` is the policy with the higher expectancy; None: they are equal, or one of them decided no trade.
    """

    target: int
    be: Figures
    no_be: Figures
    better: Policy | None


@dataclass(frozen=True, slots=True)
class Best:
    """The policy and target of the highest expectancy; of equals the nearer target, then ``be``."""

    policy: Policy
    target: int
    expectancy: Decimal
    decided: int


@dataclass(frozen=True, slots=True)
class Point:
    """The equity in R when some trade had ended."""

    at: datetime
    equity: Decimal


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of the equity from its highest, and the present one; R, not negative.

    ``from_at`` is when the highest before the deepest fall was reached (None: it was the beginning), ``at`` when it was deepest.
    """

    deepest: Decimal
    from_at: datetime | None
    at: datetime | None
    present: Decimal


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that is told of some trades under one policy and target; ``targets`` and ``best`` compare all of them.

    Attributes:
        by_status: how many trades stand where.
        final_mfe_trades, final_mfe_total, final_mfe_average: of completed trades whose final move is known.
        by_setup: the 200 most frequent; by_hour: of the signal in New York; by_weekday: likewise.
    """

    figures: Figures
    by_status: dict[str, int]
    final_mfe_trades: int
    final_mfe_total: Decimal
    final_mfe_average: Decimal | None
    targets: tuple[Target, ...]
    best: Best | None
    by_session: tuple[Group, ...]
    by_direction: tuple[Group, ...]
    by_setup: tuple[Group, ...]
    by_hour: tuple[Group, ...]
    by_weekday: tuple[Group, ...]
    equity: tuple[Point, ...]
    drawdown: Drawdown


def select(
    columns: Columns, session: Session | None = None, direction: Direction | None = None, setup: str | None = None
) -> Columns:
    """The trades of one session, direction and setup."""
    chosen = np.ones(len(columns.records), np.bool_)
    if session is not None:
        chosen &= columns.records["session"] == SESSIONS.index(session)
    if direction is not None:
        chosen &= columns.records["direction"] == DIRECTIONS.index(direction)
    if setup is not None:
        chosen &= columns.setups == (columns.names.index(setup) + 1 if setup in columns.names else -1)
    return columns if chosen.all() else columns.where(chosen)


def statistics_of(columns: Columns, policy: Policy, target: int) -> Statistics:
    """All figures of some trades."""
    records = columns.records
    outcomes = {policy: Outcomes(columns, policy) for policy in Policy}
    targets = _targets(outcomes[Policy.BE], outcomes[Policy.NO_BE])
    final = records["final_mfe"][records["final_mfe"] != UNTOLD]
    total = int(final.sum())
    equity, drawdown = equity_of(columns, policy, target)
    one = targets[target - 1]

    def grouped(groups: Array, names: Iterable[str | None]) -> tuple[Group, ...]:
        return _group_figures(outcomes[policy], groups, tuple(names), target)

    setups = sorted(grouped(columns.setups, (None, *columns.names)), key=lambda group: (-group.figures.trades, group.name or ""))
    counts = np.bincount(records["status"], minlength=len(STATUSES))
    return Statistics(
        figures=one.be if policy is Policy.BE else one.no_be,
        by_status={status.value: int(count) for status, count in zip(STATUSES, counts, strict=True)},
        final_mfe_trades=len(final),
        final_mfe_total=r_of(total),
        final_mfe_average=mean_r(total, len(final)),
        targets=targets,
        best=_best(targets),
        by_session=grouped(records["session"], SESSIONS),
        by_direction=grouped(records["direction"], DIRECTIONS),
        by_setup=tuple(setups[:MOST_SETUPS]),
        by_hour=grouped(records["hour"], map(str, range(24))),
        by_weekday=grouped((columns.days + 6) % 7, WEEKDAYS),
        equity=equity,
        drawdown=drawdown,
    )


def group_figures(columns: Columns, groups: Array, names: tuple[str | None, ...], policy: Policy, target: int) -> tuple[Group, ...]:
    """The figures of each group that has trades; ``groups`` is of each trade the place of its group's name."""
    return _group_figures(Outcomes(columns, policy), groups, names, target)


def _group_figures(outcomes: Outcomes, groups: Array, names: tuple[str | None, ...], target: int) -> tuple[Group, ...]:
    found = Tally(outcomes, groups, len(names)).figures(target)
    return tuple(Group(name, figures) for name, figures in zip(names, found, strict=True) if figures.trades)


def _targets(with_break_even: Outcomes, without_break_even: Outcomes) -> tuple[Target, ...]:
    """The figures of all trades at each target under both policies."""
    everyone = np.zeros(len(with_break_even.cells), np.int64)
    be, no_be = Tally(with_break_even, everyone, 1), Tally(without_break_even, everyone, 1)
    found = []
    for target in TARGETS:
        with_be, without = be.figures(target)[0], no_be.figures(target)[0]
        better = None
        if with_be.expectancy is not None and without.expectancy is not None and with_be.expectancy != without.expectancy:
            better = Policy.BE if with_be.expectancy > without.expectancy else Policy.NO_BE
        found.append(Target(target, with_be, without, better))
    return tuple(found)


def _best(targets: Iterable[Target]) -> Best | None:
    best: Best | None = None
    for one in targets:
        for policy, figures in ((Policy.BE, one.be), (Policy.NO_BE, one.no_be)):
            if figures.expectancy is not None and (best is None or figures.expectancy > best.expectancy):
                best = Best(policy, one.target, figures.expectancy, figures.decided)
    return best


def results_of(columns: Columns, policy: Policy, target: int) -> tuple[Array, Array]:
    """What each trade came to in millionths of R, and which are decided."""
    reach, end = columns.records[f"{policy}_reach"], columns.records[f"{policy}_end"]
    by_end = np.array([0, 0, -R_UNIT, 0], np.int64)[end]
    below = np.where(end == End.TARGET, columns.records["own_r"], by_end)
    has_reached = reach >= target
    return np.where(has_reached, target * R_UNIT, below), has_reached | (end != End.NONE)


def equity_of(columns: Columns, policy: Policy, target: int) -> tuple[tuple[Point, ...], Drawdown]:
    """The equity in R, trade by trade as they ended, and its drawdown."""
    results, is_decided = results_of(columns, policy, target)
    results, ats = results[is_decided], columns.records[f"{policy}_at"][is_decided]
    if not len(results):
        return (), Drawdown(r_of(0), None, None, r_of(0))
    order = np.argsort(ats, kind="stable")  # quick with what is nearly in order, as the days' trades are
    ats, equity = ats[order], np.cumsum(results[order])
    is_last = np.append(ats[1:] != ats[:-1], True)
    ats, equity = ats[is_last], equity[is_last]
    highest = np.maximum.accumulate(np.maximum(equity, 0))
    fall = highest - equity
    deepest = int(np.argmax(fall))
    shown = np.unique(np.linspace(0, len(ats) - 1, MOST_POINTS).round().astype(np.int64))
    points = tuple(Point(_moment(at), r_of(value)) for at, value in zip(ats[shown], equity[shown], strict=True))
    if not fall[deepest]:
        return points, Drawdown(r_of(0), None, None, r_of(0))
    peak = highest[deepest]
    # The beginning is as high as 0, whenever the equity comes back to it.
    from_at = _moment(ats[int(np.argmax(equity == peak))]) if peak > 0 else None
    return points, Drawdown(r_of(fall[deepest]), from_at, _moment(ats[deepest]), r_of(fall[-1]))


def _moment(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(us))
