"""The direction that an alert asks for."""

from hookfill.market.instruments import instrument_for
from hookfill.signals.model import Action, Alert


def direction(alert: Alert) -> int:
    """1 when the alert wants to be long, -1 short, 0 when it only closes (also a target of nothing).

    Of an alert that names an option by its symbol it is the view on the underlying: who buys a put wants that to fall.
    """
    contract = instrument_for(alert.symbol).option
    return _asked(alert) if contract is None or contract.right == "CALL" else -_asked(alert)


def _asked(alert: Alert) -> int:
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
