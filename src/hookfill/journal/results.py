"""What a trade came to, in R, under a policy and with a target (pure). All statistics rest on these definitions.

One R is the distance from entry to original stop. Policy ``no_be`` leaves the stop where it was; policy ``be`` moves it to the
entry once +1R was touched. With the target at n R a trade that was not cancelled comes to

- policy ``no_be``: +n when ``no_be_mfe`` ≥ n; else −1 when the original stop was hit;
- policy ``be``: +n when ``be_mfe`` ≥ n; else 0 when it ended at the entry, or at its stop after break-even was touched (``be_mfe``
  ≥ 1, or break-even was told as triggered by then); else −1 when it ended at its stop;
- either: what its own exit price makes, (exit − entry) ÷ R in its direction, when it ended at a target of its own
  (EXIT_TAKE_PROFIT) before +n; from +n on it counts as +n like any other;
- else nothing yet: it is undecided, and is left out of what counts results.

A trade without a told move has reached no target. Whole targets are compared with the moves as they were told, before any rounding.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import IntEnum, StrEnum

from hookfill.journal.model import Direction, EventType, Status, TradeState

MOST_TARGET = 20
TARGETS = range(1, MOST_TARGET + 1)
DEFAULT_TARGET = 2
"""The nearest at which the two policies can differ: with 1R for a target the stop never comes to the entry."""
R_STEP = Decimal("0.000001")
LARGEST_R = Decimal(1_000_000)
"""Moves beyond it count as it: they come of a stop that was told wrong."""
_ONE_R = Decimal(1)
_ZERO = Decimal(0)


class Policy(StrEnum):
    """Whether the stop goes to the entry at +1R."""

    BE = "be"
    NO_BE = "no_be"


DEFAULT_POLICY = Policy.BE
"""As the indicator trades: its own exits are those of the trade whose stop goes to the entry."""


class End(IntEnum):
    """How a trade ended under a policy."""

    NONE = 0
    """It has not, as far as was told."""
    ENTRY = 1
    STOP = 2
    TARGET = 3
    """At a target of its own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trade under one policy, whatever the target.

    Attributes:
        reach: the greatest whole R that it touched, 0 to 20.
        end: how it ended.
        own_r: the result at its own target in R, six places; set if ``end`` is TARGET.
        at: when it ended (UTC); of one that has not, its latest event.
    """

    reach: int
    end: End
    own_r: Decimal | None
    at: datetime


def as_r(value: Decimal) -> Decimal:
    """R as it is shown and counted: six places, half to even, within ±1,000,000. The only place where R is rounded."""
    return max(-LARGEST_R, min(LARGEST_R, value)).quantize(R_STEP, rounding=ROUND_HALF_EVEN)


def outcome_of(state: TradeState, policy: Policy) -> Outcome:
    """What became of a trade under a policy."""
    if state.status is Status.CANCELLED:
        return Outcome(0, End.NONE, None, state.last_event_at)
    move = state.be_mfe if policy is Policy.BE else state.no_be_mfe
    end, at = _end_be(state) if policy is Policy.BE else _end_no_be(state)
    own_r = _own_r(state) if end is End.TARGET else None
    if end is End.TARGET and own_r is None:
        end = End.NONE  # nothing is known of what it made
    reached = max((value for value in (move, own_r) if value is not None), default=_ZERO)
    return Outcome(math.floor(max(_ZERO, min(Decimal(MOST_TARGET), reached))), end, own_r, at or state.last_event_at)


def result_of(outcome: Outcome, target: int) -> Decimal | None:
    """What a trade came to with its target at ``target`` R; None: undecided."""
    if outcome.reach >= target:
        return Decimal(target)
    return {End.NONE: None, End.ENTRY: _ZERO, End.STOP: -_ONE_R, End.TARGET: outcome.own_r}[outcome.end]


def _end_be(state: TradeState) -> tuple[End, datetime | None]:
    if state.exit is None:
        return End.NONE, None
    kind, at = state.exit.event_type, state.exit.at
    if kind is EventType.EXIT_TAKE_PROFIT:
        return End.TARGET, at
    is_triggered = state.be_triggered_at is not None and state.be_triggered_at <= at
    has_touched = is_triggered or (state.be_mfe is not None and state.be_mfe >= _ONE_R)
    return (End.ENTRY if kind is EventType.EXIT_BREAK_EVEN or has_touched else End.STOP), at


def _end_no_be(state: TradeState) -> tuple[End, datetime | None]:
    if state.exit is not None and state.exit.event_type is EventType.EXIT_TAKE_PROFIT:
        return End.TARGET, state.exit.at
    return (End.NONE, None) if state.stopped_at is None else (End.STOP, state.stopped_at)


def _own_r(state: TradeState) -> Decimal | None:
    """What its own exit price makes; None: a price is not known, or entry and stop are the same."""
    entry, stop = state.entry_price, state.stop_loss
    price = state.exit.price if state.exit is not None else None
    if entry is None or stop is None or price is None or entry == stop:
        return None
    is_long = stop < entry if state.direction is None else state.direction is Direction.BULLISH
    gained = price - entry if is_long else entry - price
    return as_r(gained / abs(entry - stop))
