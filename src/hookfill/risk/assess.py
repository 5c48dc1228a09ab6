"""The order of the checks, and running them.

Gates come before any engine and make a signal ``discarded``; checks come after sizing and make it ``rejected``. Within each stage
all checks run and all results are kept with their numbers; the first refusal wins. An exit is stopped by nothing but a full halt.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hookfill.risk import checks
from hookfill.risk.model import Assessment, CheckResult, Entry


class Stage(StrEnum):
    """When a check runs; the value is the state of a signal that it refuses."""

    GATE = "discarded"
    CHECK = "rejected"


@dataclass(frozen=True, slots=True)
class Check:
    """A check with its place in the sequence; ``stops_exits`` is true of the halt alone."""

    run: Callable[[Entry], CheckResult]
    stage: Stage
    stops_exits: bool = False


CHECKS: tuple[Check, ...] = (
    Check(checks.halted, Stage.GATE, stops_exits=True),
    Check(checks.signal_stale, Stage.GATE),
    Check(checks.currency_unsupported, Stage.CHECK),
    Check(checks.market_closed, Stage.CHECK),
    Check(checks.outside_trading_window, Stage.CHECK),
    Check(checks.price_missing, Stage.CHECK),
    Check(checks.price_stale, Stage.CHECK),
    Check(checks.daily_loss_limit_reached, Stage.GATE),
    Check(checks.max_open_positions_exceeded, Stage.CHECK),
    Check(checks.max_positions_per_symbol_exceeded, Stage.CHECK),
    Check(checks.max_position_size_exceeded, Stage.CHECK),
    Check(checks.max_exposure_exceeded, Stage.CHECK),
    Check(checks.pair_not_allowed, Stage.CHECK),
    Check(checks.price_collar, Stage.CHECK),
    Check(checks.order_rate_exceeded, Stage.CHECK),
    Check(checks.insufficient_buying_power, Stage.CHECK),
)
"""Every check, in the design's order."""


def assess_gates(entry: Entry) -> Assessment:
    """Run the gates: before the engine, so the entry needs no size and no quote yet."""
    return _run(entry, Stage.GATE)


def assess_checks(entry: Entry) -> Assessment:
    """Run the checks: after sizing.

    Raises:
        ValueError: there is a quote, so the entry could be sized, and it has no size; passing it would skip the size limits.
    """
    if not entry.is_exit and entry.quote is not None and (entry.quantity is None or entry.resulting_quantity is None):
        raise ValueError("The risk checks need quantity and resulting_quantity; size the entry first. This is a defect: report it.")
    return _run(entry, Stage.CHECK)


def _run(entry: Entry, stage: Stage) -> Assessment:
    """Run the checks of one stage that concern this entry."""
    chosen = (check for check in CHECKS if check.stage is stage and (check.stops_exits or not entry.is_exit))
    return Assessment(tuple(check.run(entry) for check in chosen))
