"""An alert as JSON, for the signal's row. Only what is set; numbers as text, times as ISO 8601 in UTC."""

from typing import Any

from hookfill.kernel.money import plain
from hookfill.signals.model import Alert, OptionAsk

_NUMBERS = ("quantity", "price", "stop_loss", "take_profit", "target")
_TIMES = ("fired_at", "bar_at")
_PLAIN = ("target_side", "close_side", "previous_side", "timeframe", "max_lag_seconds", "dedupe_id", "comment")


def alert_to_json(alert: Alert) -> dict[str, Any]:
    """The alert's set fields as plain JSON values."""
    document: dict[str, Any] = {"symbol": alert.symbol, "action": alert.action.value}
    for name in _NUMBERS:
        if (number := getattr(alert, name)) is not None:
            document[name] = plain(number)
    for name in _PLAIN:
        if (value := getattr(alert, name)) is not None:
            document[name] = value
    for name in _TIMES:
        if (moment := getattr(alert, name)) is not None:
            document[name] = moment.isoformat()
    if alert.order_price is not None:
        document |= {"order_type": alert.order_type, "order_price": plain(alert.order_price), "time_in_force": alert.time_in_force}
    if alert.option is not None:
        document["option"] = _option_to_json(alert.option)
    return document


def _option_to_json(option: OptionAsk) -> dict[str, str]:
    document = {"right": option.right}
    if option.strike is not None:
        document["strike"] = plain(option.strike)
    if option.expiration is not None:
        document["expiration"] = option.expiration
    return document
