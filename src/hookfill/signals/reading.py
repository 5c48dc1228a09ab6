"""Understands a stored message: the second half of what its door began (pure)."""

from hookfill.kernel.reasons import Reason
from hookfill.kernel.strict_json import StrictJsonError, loads
from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import OPERATOR_DOOR, Action, Alert, Unusable
from hookfill.signals.signed import parse_signed

SIGNED_DOOR = "signed"


def read_alert(door: str, body: bytes) -> Alert | Unusable:
    """The alert in a message's stored body (secrets masked).

    Args:
        door: where it came in: each speaks its own dialect.
        body: as stored.
    """
    if door == SIGNED_DOOR:
        return _read_signed(body)
    if door == OPERATOR_DOOR:
        return _read_operator(body)
    parsed = parse_alert(body)
    return parsed if isinstance(parsed, Alert | Unusable) else Unusable(parsed.reason, parsed.detail)


def _read_operator(body: bytes) -> Alert | Unusable:
    """What ``desk.control`` wrote: the position's symbol as it stands, which need not be one that alerts may name."""
    try:
        asked = loads(body)
    except StrictJsonError as error:
        return Unusable(Reason.JSON_INVALID, str(error))
    if not isinstance(asked, dict) or asked.get("action") != Action.CLOSE or not isinstance(asked.get("symbol"), str):
        return Unusable(Reason.PAYLOAD_INVALID, "an operator's message closes the position in a symbol")
    return Alert(symbol=asked["symbol"], action=Action.CLOSE, comment=asked.get("comment"))


def _read_signed(body: bytes) -> Alert | Unusable:
    try:
        parsed = parse_signed(loads(body))
    except StrictJsonError as error:
        return Unusable(Reason.JSON_INVALID, str(error))
    if isinstance(parsed, Alert):
        return parsed
    return Unusable(Reason.PAYLOAD_INVALID, "; ".join(f"{error.field}: {error.message}" for error in parsed))
