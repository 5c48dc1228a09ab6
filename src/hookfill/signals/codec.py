"""An alert as JSON, for the signal's row and back. Only what is set; numbers as text, times as ISO 8601 in UTC."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from hookfill.kernel.money import plain
from hookfill.signals.model import Action, Alert, OptionAsk

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
    if alert.option is not None:
        document["option"] = _option_to_json(alert.option)
    return document


def alert_from_json(document: Mapping[str, Any]) -> Alert:
    """The alert that ``alert_to_json`` wrote; members that it does not write are ignored."""
    fields: dict[str, Any] = {name: document[name] for name in _PLAIN if name in document}
    fields |= {name: Decimal(document[name]) for name in _NUMBERS if name in document}
    fields |= {name: datetime.fromisoformat(document[name]) for name in _TIMES if name in document}
    if "option" in document:
        fields["option"] = _option_from_json(document["option"])
    return Alert(symbol=document["symbol"], action=Action(document["action"]), **fields)


def _option_to_json(option: OptionAsk) -> dict[str, str]:
    document = {"right": option.right}
    if option.strike is not None:
        document["strike"] = plain(option.strike)
    if option.expiration is not None:
        document["expiration"] = option.expiration
    return document


def _option_from_json(document: Mapping[str, str]) -> OptionAsk:
    strike = document.get("strike")
    return OptionAsk(document["right"], None if strike is None else Decimal(strike), document.get("expiration"))
