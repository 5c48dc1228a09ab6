"""Position-target semantics: what TradingView says the position is after the order, and what to do about it.

An alert of a TradingView strategy carries the order (``buy 10``) and the position after it (``long 5``). The position is the better
truth: on a reversal the order's size covers both legs, and after a lost alert only the position mends what was missed.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from hookfill.kernel.reasons import Reason
from hookfill.signals.actions import AlertRefused, Verb
from hookfill.signals.model import Action


class Source(Enum):
    """Which field the position comes from: they bind differently."""

    MARKET_POSITION = "market_position"
    """The position after the order, as TradingView keeps it."""
    POSITION_SIZE = "position_size"
    """A signed size that some send as a target and some as a plain size: it never turns an order against its own word."""
    SENTIMENT = "sentiment"
    """TradersPost: after the trade the position is on this side or flat. It limits the action and names no size."""


@dataclass(frozen=True, slots=True)
class Position:
    """The position an alert describes: sides are -1, 0 or 1, sizes absolute; None where it does not say."""

    source: Source
    side: int
    size: Decimal | None = None
    previous_side: int | None = None
    previous_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """The action with its target or the side it may close, as ``Alert`` has them."""

    action: Action
    close_side: int | None = None
    target: Decimal | None = None
    target_side: int | None = None


def resolve(verb: Verb | None, quantity: Decimal | None, position: Position) -> Wish:
    """What the alert asks for, given the position it describes.

    Raises:
        AlertRefused: the order can't lead to that position.
    """
    _check_size(position)
    if verb is None:
        return _aim(position)
    if verb.action is Action.CLOSE:
        return _close(verb, quantity, position)
    sign = 1 if verb.action is Action.BUY else -1
    if _direction(position) == -sign:
        raise _contradictory(f"a {verb.action} can't lead to {_describe(position)}")
    if position.side == 0:
        return _aim(position)
    if sign == -position.side:
        return _reduce(verb, quantity, position)
    # The position was on that side before, or a sentiment leaves it open: then the order adds to what is there.
    if position.size is None and (position.previous_side == position.side or position.source is Source.SENTIMENT):
        return Wish(verb.action)
    return _aim(position)


def _aim(position: Position) -> Wish:
    """Make the position what the alert says it is."""
    target = Decimal(0) if position.side == 0 else None
    if position.side != 0 and position.size is not None:
        target = position.size * position.side
    return Wish(Action.TARGET, target=target, target_side=position.side)


def _reduce(verb: Verb, quantity: Decimal | None, position: Position) -> Wish:
    """A sell that leaves a long position, or a buy that leaves a short one: a partial exit."""
    if position.source is Source.MARKET_POSITION and position.size is not None:
        return _aim(position)
    if quantity is None:
        raise _contradictory(f"a {verb.action} without quantity can't lead to {_describe(position)}")
    return Wish(Action.CLOSE, close_side=position.side)


def _close(verb: Verb, quantity: Decimal | None, position: Position) -> Wish:
    """A closing word beside a position: all of it, or down to what is left."""
    if position.source is not Source.MARKET_POSITION:
        return Wish(Action.CLOSE, close_side=verb.side)
    if verb.side is not None and _direction(position) == verb.side:
        raise _contradictory(f"closing can't lead to {_describe(position)}")
    if position.side == 0:
        return _aim(position) if verb.side is None else Wish(Action.CLOSE, close_side=verb.side)
    if verb.side == -position.side or _direction(position) == position.side:
        raise _contradictory(f"closing can't lead to {_describe(position)}")
    if position.size is not None:
        return _aim(position)
    if quantity is None:
        raise _contradictory(f"a close of everything can't lead to {_describe(position)}")
    return Wish(Action.CLOSE, close_side=position.side)


def _direction(position: Position) -> int:
    """1 if the position grew upward by the order, -1 if downward, 0 if the alert does not tell."""
    before = position.previous_side
    if before is None:
        return 0
    if position.side != before:
        return 1 if position.side > before else -1
    if position.size is None or position.previous_size is None:
        return 0
    grown = (position.size > position.previous_size) - (position.size < position.previous_size)
    return grown * position.side


def _check_size(position: Position) -> None:
    """Flat and a size, or a side and no size, contradict each other."""
    if position.size is not None and (position.size == 0) != (position.side == 0):
        raise _contradictory("the position's side and size disagree")


def _describe(position: Position) -> str:
    names = {1: "long", 0: "flat", -1: "short"}
    before = "" if position.previous_side is None else f" from {names[position.previous_side]}"
    return f"{position.source.value} {names[position.side]}{before}"


def _contradictory(detail: str) -> AlertRefused:
    return AlertRefused(Reason.ACTION_CONTRADICTORY, detail)
