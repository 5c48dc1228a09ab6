"""The direction that an alert asks for."""

from hookfill.signals.model import Action, Alert


def direction(alert: Alert) -> int:
    """1 when the alert wants to be long, -1 short, 0 when it only closes (also a target of nothing)."""
    match alert.action:
        case Action.BUY:
            return 1
        case Action.SELL:
            return -1
        case Action.CLOSE:
            return 0
        case Action.TARGET:
            if alert.target is not None:
                return (alert.target > 0) - (alert.target < 0)
            return alert.target_side or 0
