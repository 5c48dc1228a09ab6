"""A message's body as something to show: the JSON value that it holds, else its text (pure)."""

from decimal import Decimal
from typing import Any

from hookfill.kernel.strict_json import StrictJsonError, loads

_LARGEST = 1 << 63
"""What JSON writers take as an integer ends here; beyond, a number is a Decimal."""


def body_value(body: bytes) -> Any:
    """The body's JSON value with exact numbers; what is no strict JSON is text, with U+FFFD for bytes that are no UTF-8."""
    try:
        return _writable(loads(body))
    except StrictJsonError:
        return body.decode("utf-8", "replace")


def _writable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _writable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_writable(member) for member in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -_LARGEST <= value < _LARGEST:
        return Decimal(value)
    return value
