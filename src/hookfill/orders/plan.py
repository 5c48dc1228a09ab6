"""What an alert means for the strategy's position in its symbol: which orders to make, in which sequence.

Legs that close come before the leg that opens, so that a reversal is two orders and no single fill crosses zero. An alert that asks
to leave never opens anything, whatever was lost before it; a target is absolute, so that the next one mends what a lost alert left.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_never

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import ZERO, plain
from hookfill.kernel.reasons import Reason
from hookfill.orders.model import Leg, Plan, Policy, Side
from hookfill.orders.sections import check_section
from hookfill.signals.model import Action, Alert

ENTRY = "entry"
EXIT = "exit"
ON_OPPOSITE = ("reverse", "close", "ignore")
_MOST_ENTRIES = 1_000
_DEFAULT = Policy()


def policy_from(section: object) -> Policy:
    """Read a strategy's ``policy`` section, for example ``{"on_opposite": "close", "pyramiding": 3}``.

    Raises:
        ConfigurationError: an unknown name or an unusable value.
    """
    settings = check_section(section, ("on_opposite", "pyramiding"), "policy")
    return Policy(on_opposite=_on_opposite(settings), pyramiding=_pyramiding(settings))


def _on_opposite(settings: Mapping[str, object]) -> str:
    value = settings.get("on_opposite", _DEFAULT.on_opposite)
    if not isinstance(value, str) or value not in ON_OPPOSITE:
        raise ConfigurationError(f"policy.on_opposite must be one of {', '.join(ON_OPPOSITE)}; it is {value!r}.")
    return value


def _pyramiding(settings: Mapping[str, object]) -> int:
    value = settings.get("pyramiding", _DEFAULT.pyramiding)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_ENTRIES:
        raise ConfigurationError(f"policy.pyramiding must be a whole number from 1 to {_MOST_ENTRIES}; it is {value!r}.")
    return value


def plan(alert: Alert, current: Decimal, entries: int, policy: Policy) -> Plan:
    """The legs that take the position from what it is to what the alert asks for.

    Args:
        alert: what is asked.
        current: the strategy's signed quantity in the alert's symbol; 0 when flat, negative when short.
        entries: how many entries built it (0 when flat).
        policy: the strategy's ``on_opposite`` and ``pyramiding``. Both govern buy and sell alerts; a target is TradingView's own
            account of the position, and the orders are the difference to it.
    """
    match alert.action:
        case Action.BUY:
            return _enter(Side.BUY, alert, current, entries, policy)
        case Action.SELL:
            return _enter(Side.SELL, alert, current, entries, policy)
        case Action.CLOSE:
            return _close(alert, current)
        case Action.TARGET:
            return _aim(alert, current)
        case _:
            assert_never(alert.action)


def _enter(side: Side, alert: Alert, current: Decimal, entries: int, policy: Policy) -> Plan:
    entry = Leg(ENTRY, side, alert.quantity)
    held = _sign(current)
    if held == 0:
        return Plan((entry,))
    if held == side.sign:
        if entries >= policy.pyramiding:
            detail = f"{_describe(current)}, {entries} of at most {policy.pyramiding} entries"
            return Plan((), Reason.PYRAMIDING_LIMIT, detail)
        return Plan((entry,), adds_to_position=True)
    if policy.on_opposite == "ignore":
        return Plan((), Reason.OPPOSITE_IGNORED, _describe(current))
    closing = _closing(current, abs(current))
    return Plan((closing, entry) if policy.on_opposite == "reverse" else (closing,))


def _close(alert: Alert, current: Decimal) -> Plan:
    held = _sign(current)
    if held == 0:
        return Plan((), Reason.NO_POSITION, "flat")
    if alert.close_side is not None and alert.close_side != held:
        wanted = "long" if alert.close_side > 0 else "short"
        return Plan((), Reason.NO_POSITION, f"the alert closes a {wanted} position; held is {_describe(current)}")
    asked = abs(current) if alert.quantity is None else min(alert.quantity, abs(current))
    return Plan((_closing(current, asked),))


def _aim(alert: Alert, current: Decimal) -> Plan:
    if alert.target is not None:
        return _aim_at_quantity(alert.target, current)
    if alert.target_side is None:
        return Plan((), Reason.ACTION_MISSING, "a target needs a side or a quantity")
    return _aim_at_side(alert.target_side, alert, current)


def _aim_at_quantity(target: Decimal, current: Decimal) -> Plan:
    if target == current:
        return Plan((), Reason.ALREADY_AT_TARGET, _describe(current))
    if _sign(target) != _sign(current):
        return Plan(_turn(current, _sign(target), abs(target)))
    difference = abs(target) - abs(current)
    if difference < 0:
        return Plan((_closing(current, -difference),))
    return Plan((Leg(ENTRY, _side(_sign(target)), difference),), adds_to_position=True)


def _aim_at_side(target_side: int, alert: Alert, current: Decimal) -> Plan:
    # On that side already, an alert without a size may be an addition or a partial exit: neither is guessed.
    if target_side == _sign(current):
        return Plan((), Reason.ALREADY_AT_TARGET, _describe(current))
    return Plan(_turn(current, target_side, _entry_size(target_side, alert, current)))


def _entry_size(target_side: int, alert: Alert, current: Decimal) -> Decimal | None:
    """The size of the new position, None if the alert does not tell.

    The alert's quantity is the size of TradingView's order. On a reversal that order closes the old position as well, so only what
    is left of it after closing enters; with nothing there to close it tells nothing.
    """
    previous = alert.previous_side
    if alert.quantity is None or (previous is not None and previous * target_side >= 0):
        return alert.quantity
    if current == ZERO:
        return alert.quantity if previous is None else None
    left = alert.quantity - abs(current)
    return left if left > ZERO else None


def _turn(current: Decimal, to_side: int, quantity: Decimal | None) -> tuple[Leg, ...]:
    """Leave what is held, if anything, then enter on ``to_side``, unless that is flat."""
    leave = (_closing(current, abs(current)),) if current != ZERO else ()
    enter = (Leg(ENTRY, _side(to_side), quantity),) if to_side != 0 else ()
    return leave + enter


def _closing(current: Decimal, quantity: Decimal) -> Leg:
    return Leg(EXIT, _side(-_sign(current)), quantity)


def _side(sign: int) -> Side:
    return Side.BUY if sign > 0 else Side.SELL


def _sign(quantity: Decimal) -> int:
    return (quantity > 0) - (quantity < 0)


def _describe(current: Decimal) -> str:
    if current == ZERO:
        return "flat"
    return f"{plain(abs(current))} {'long' if current > 0 else 'short'}"
