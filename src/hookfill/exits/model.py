"""Exit rules and exit events."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from hookfill.positions.model import Position, Target


class DistanceKind(StrEnum):
    """The unit of a distance from the entry price."""

    PRICE = "price"
    PERCENT = "percent"
    PIPS = "pips"
    R = "r"
    """Multiples of the initial risk; for targets only."""


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance from the entry price: ``Distance(DistanceKind.PIPS, Decimal(50))``."""

    kind: DistanceKind
    value: Decimal


@dataclass(frozen=True, slots=True)
class PartialTarget:
    """A part of the position is left at a distance: ``percent`` of the whole position, floored to the lot step."""

    at: Distance
    percent: Decimal


@dataclass(frozen=True, slots=True)
class ExitRules:
    """A strategy's exits; None switches one off. The alert's own sl and tp win over ``stop`` and ``target``.

    Attributes:
        trailing_percent: the trailing stop's distance from the best price, in percent of it.
        trailing_arm_percent: the gain over the average price, in percent, that arms it.
        break_even_at_r: at this many R of gain the stop moves to the average price.
        max_hold_hours: leave at the first price at or after this age.
        targets: partial targets, nearest first. Where they add up to 100 %, the last takes all that is left; else the rest runs on.
        min_dte_days: an option is left when the session opens in which so few days to its expiration are left (0: on its last day).
            One that was bought later than that is not concerned.
        session_close_minutes: leave so long before the close of the day's session.
        week_close_minutes: leave so long before the close of the week's last session; means nothing where there are no week-ends.
        option_defaults: options are left by ``exits.rules.OPTION_DEFAULTS``, too, where nothing else is set.
    """

    stop: Distance | None = None
    target: Distance | None = None
    trailing_percent: Decimal | None = None
    trailing_arm_percent: Decimal | None = None
    break_even_at_r: Decimal | None = None
    max_hold_hours: Decimal | None = None
    targets: tuple[PartialTarget, ...] = ()
    min_dte_days: Decimal | None = None
    session_close_minutes: Decimal | None = None
    week_close_minutes: Decimal | None = None
    option_defaults: bool = True


class ExitReason(StrEnum):
    """Why a position was left."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    PARTIAL_TARGET = "partial_target"
    """A part of the position took its profit."""
    TRAILING_STOP = "trailing_stop"
    BREAK_EVEN = "break_even"
    MAX_HOLD = "max_hold"
    MIN_DTE = "min_dte"
    """An option came too close to its end."""
    SESSION_CLOSE = "session_close"
    WEEK_CLOSE = "week_close"
    EXPIRED = "expired"
    """An option ended: it was settled at what it was worth."""
    SIGNAL = "signal"
    """An alert asked for it."""
    STOP_OUT = "stop_out"
    """The broker closed it for want of margin."""
    MANUAL = "manual"
    """It was closed by hand at the terminal."""
    FLATTEN = "flatten"
    """A person asked to leave everything (`hookfill flatten`)."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A position shall be left. It knows all that a broker needs to price it, as a bar would.

    Attributes:
        reason: whose level was hit, or that the time is up.
        level: the stop's or target's price; None for an exit at the market.
        open: the first price at which the position could be left: the bar's open when the whole bar counts, else its close; the
            close for an exit at the market.
        low, high: the bounds of the bar in which it happened; None for a bare price.
        at: when it counts as having happened, UTC: the close of the bar.
        quantity: how much is left; None: all of it.
        target: of a partial target its number; 0 for all else.
    """

    reason: ExitReason
    level: Decimal | None
    open: Decimal
    low: Decimal | None
    high: Decimal | None
    at: datetime
    quantity: Decimal | None = None
    target: int = 0


@dataclass(frozen=True, slots=True)
class Levels:
    """A new position's exits: prices in force, and the price distance of one R (None without a stop)."""

    stop: Decimal | None
    target: Decimal | None
    initial_risk: Decimal | None
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class BarOutcome:
    """What a bar did to a position: its new marks and levels, and the exits that are due.

    Attributes:
        exit: all that is held is left, after ``partial`` if there are any; None: it is not.
        partial: partial targets that were reached, in order; the position still has them: ``evaluate.without`` takes one off.
    """

    position: Position
    exit: Exit | None
    partial: tuple[Exit, ...] = ()
