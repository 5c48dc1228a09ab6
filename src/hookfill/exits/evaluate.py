"""When to leave a position: what one bar or one price does to it.

The order of prices inside a bar is unknown, so the rules are fixed and never favour the trader:

- A bar that opened at or after ``marked_until`` counts in full. One that opened before it and closes after it counts as a single
  price, its close: what it did earlier may have been before the position was there. One that closes at or before it is accounted
  for already and changes nothing, so feeding a bar twice, or a small bar after the large one around it, is harmless.
- Levels in force at the bar's start decide. Of the stop and the trailing stop the tighter one is in force. If a stop and the target
  lie in one bar, the stop counts.
- The bar's high and low move the trailing stop and the break-even stop for the next bar, never for the same.
- Partial targets that a bar reaches are taken in order; a stop in the same bar comes before all of them.
- A position whose time is up (``timing``) or that is older than its longest hold is left at the close, unless a level was hit in
  that bar.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from hookfill.exits.model import BarOutcome, Exit, ExitReason, ExitRules
from hookfill.kernel.errors import LedgerError
from hookfill.kernel.money import ZERO, floor_to_step
from hookfill.market.model import Candle, Instrument
from hookfill.orders.ticks import to_tick
from hookfill.positions.model import Position, Target

HUNDRED = Decimal(100)
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """The prices of a bar that count for the position, and the bounds that a fill must keep."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    at: datetime
    bar_low: Decimal | None
    bar_high: Decimal | None


def on_bar(position: Position, candle: Candle, rules: ExitRules, instrument: Instrument) -> BarOutcome:
    """The position marked by a closed bar of its symbol, and the exit that is due.

    Args:
        position: open, or closing (then it is marked, and no second exit is asked for); a closed one stays as it is.
        candle: a bar of the same symbol, of any timeframe.
        rules: the strategy's exits when the position was opened.
        instrument: of the symbol: trailing stops lie on its tick grid.

    Raises:
        LedgerError: the bar is of another symbol.
    """
    if candle.symbol != position.symbol:
        raise LedgerError(
            f"A bar of {candle.symbol} can't mark a position in {position.symbol}. This is a defect: please report it."
        )
    if candle.opened_at >= position.marked_until:
        seen = _Seen(candle.open, candle.high, candle.low, candle.close, candle.closes_at, candle.low, candle.high)
    else:
        seen = _Seen(candle.close, candle.close, candle.close, candle.close, candle.closes_at, candle.low, candle.high)
    return _judge(position, seen, rules, instrument)


def on_price(position: Position, price: Decimal, at: datetime, rules: ExitRules, instrument: Instrument) -> BarOutcome:
    """The position marked by a bare price that was true at ``at`` (UTC): a bar whose four prices are one.

    A price at or before ``marked_until`` changes nothing.
    """
    return _judge(position, _Seen(price, price, price, price, at, None, None), rules, instrument)


def _judge(position: Position, seen: _Seen, rules: ExitRules, instrument: Instrument) -> BarOutcome:
    if position.status == "closed" or seen.at <= position.marked_until:
        return BarOutcome(position, None)
    # A trailing stop that needs no arming protects from the entry on: its first level stands before the first bar.
    ready = _raise_stops(position, rules, instrument)
    stopped = _stop_due(ready, seen) if position.status == "open" else None
    if stopped is not None:
        return BarOutcome(_marked(ready, seen, ready.best_price), stopped)
    partial = _partial_due(ready, seen, instrument) if position.status == "open" and position.targets else ()
    is_all_left = bool(partial) and partial[-1].quantity is None
    due = partial[-1] if is_all_left else _exit_due(ready, seen, rules) if position.status == "open" else None
    if due is not None:
        return BarOutcome(_marked(ready, seen, ready.best_price), due, partial[:-1] if is_all_left else partial)
    best = max(ready.best_price, seen.high) if ready.side > 0 else min(ready.best_price, seen.low)
    return BarOutcome(_raise_stops(_marked(ready, seen, best), rules, instrument), None, partial)


def _marked(position: Position, seen: _Seen, best: Decimal) -> Position:
    return replace(position, mark=seen.close, marked_at=seen.at, marked_until=seen.at, best_price=best)


def without(position: Position, number: int) -> Position:
    """The position once its partial target of this number is taken: those before it, which were too small to take, go with it."""
    return replace(position, targets=tuple(target for target in position.targets if target.number > number))


def _stop_due(position: Position, seen: _Seen) -> Exit | None:
    stop, reason = _stop_in_force(position)
    if stop is None or not (seen.low <= stop if position.side > 0 else seen.high >= stop):
        return None
    return Exit(reason, stop, seen.open, seen.bar_low, seen.bar_high, seen.at)


def _partial_due(position: Position, seen: _Seen, instrument: Instrument) -> tuple[Exit, ...]:
    """The partial targets that are reached and large enough to take; one that takes all that is left has no quantity."""
    due: list[Exit] = []
    left, last = abs(position.quantity), position.target_price
    for target in position.targets:
        is_beyond = last is not None and position.side * (target.price - last) >= ZERO  # all is left at the target before it
        if is_beyond or not _is_reached(target.price, seen, position.side):
            break
        quantity = _share(target, left, instrument)
        if quantity <= ZERO:
            continue
        left -= quantity
        reason = ExitReason.TAKE_PROFIT if left == ZERO else ExitReason.PARTIAL_TARGET
        asked = None if left == ZERO else quantity
        due.append(Exit(reason, target.price, seen.open, seen.bar_low, seen.bar_high, seen.at, asked, target.number))
        if left == ZERO:
            break
    return tuple(due)


def _share(target: Target, left: Decimal, instrument: Instrument) -> Decimal:
    """How much of ``left`` a partial target takes, in whole lot steps; 0: too little to trade."""
    return left if target.percent == target.of else floor_to_step(left * target.percent / target.of, instrument.lot_step)


def past_target(before: Position, after: Position, instrument: Instrument) -> Position:
    """``after`` a broker has filled the partial target that came first for the position ``before``: without that target."""
    for target in before.targets:
        if _share(target, abs(before.quantity), instrument) > ZERO:
            return without(after, target.number)
    return after


def _is_reached(target: Decimal, seen: _Seen, side: int) -> bool:
    return seen.high >= target if side > 0 else seen.low <= target


def _exit_due(position: Position, seen: _Seen, rules: ExitRules) -> Exit | None:
    """All that leaves the whole position but its stops."""
    target = position.target_price
    if target is not None and _is_reached(target, seen, position.side):
        return Exit(ExitReason.TAKE_PROFIT, target, seen.open, seen.bar_low, seen.bar_high, seen.at)
    reason = None
    if rules.max_hold_hours is not None and seen.at - position.opened_at >= _hours(rules.max_hold_hours):
        reason = ExitReason.MAX_HOLD
    if position.leave_at is not None and seen.at >= position.leave_at:
        reason = ExitReason(position.leave_for or ExitReason.MAX_HOLD)
    return None if reason is None else Exit(reason, None, seen.close, seen.bar_low, seen.bar_high, seen.at)


def _stop_in_force(position: Position) -> tuple[Decimal | None, ExitReason]:
    # Another entry may have moved the average price, and its alert the stop.
    is_break_even = position.at_break_even and position.stop_price == position.average_price
    reason = ExitReason.BREAK_EVEN if is_break_even else ExitReason.STOP_LOSS
    if position.trailing_stop is not None and _is_tighter(position.trailing_stop, position.stop_price, position.side):
        return position.trailing_stop, ExitReason.TRAILING_STOP
    return position.stop_price, reason


def _raise_stops(position: Position, rules: ExitRules, instrument: Instrument) -> Position:
    """Move the trailing and the break-even stop to what the best price so far gives; never against the position."""
    gain = position.side * (position.best_price - position.average_price)
    trailing = _trailing_level(position, gain, rules, instrument)
    if trailing is not None and _is_tighter(trailing, position.trailing_stop, position.side):
        position = replace(position, trailing_stop=trailing)
    if _reached_break_even(position, gain, rules) and _is_tighter(position.average_price, position.stop_price, position.side):
        position = replace(position, stop_price=position.average_price, at_break_even=True)
    return position


def _trailing_level(position: Position, gain: Decimal, rules: ExitRules, instrument: Instrument) -> Decimal | None:
    if rules.trailing_percent is None:
        return None
    arm = rules.trailing_arm_percent
    if arm is not None and gain * HUNDRED < arm * position.average_price:
        return None
    best = position.best_price
    level = best * (HUNDRED - position.side * rules.trailing_percent) / HUNDRED
    return to_tick(level, instrument, up=position.side < 0, beside=best)


def _reached_break_even(position: Position, gain: Decimal, rules: ExitRules) -> bool:
    if rules.break_even_at_r is None or position.initial_risk is None or position.at_break_even:
        return False
    return position.initial_risk > ZERO and gain >= rules.break_even_at_r * position.initial_risk


def _is_tighter(level: Decimal, than: Decimal | None, side: int) -> bool:
    return than is None or side * (level - than) > ZERO


def _hours(hours: Decimal) -> timedelta:
    return timedelta(microseconds=int(hours * _HOUR_US))
