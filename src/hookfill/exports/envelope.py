"""An export batch's envelope: what kind of batch it is, which one of how many, and whether it can be imported (pure)."""

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal

from hookfill.kernel.strict_json import loads

DOOR = "indicator_export"
"""The door's name in ``messages``."""
CONFIRMED_SIGNALS = "INDICATOR_EXPORT_V2"
ALL_SIGNALS = "ALL_SIGNALS_EXPORT"
EVENT_TYPES = (CONFIRMED_SIGNALS, ALL_SIGNALS)
"""What can be imported."""
_LONGEST_EVENT_TYPE = 100
_LARGEST = (1 << 31) - 1
_NUMBERS = ("batch_number", "batch_size", "total_signals")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a batch says of itself.

    Attributes:
        event_type: as told, at most 100 characters; None: it names none.
        batch_number, batch_size, total_signals: None where they are missing or no whole number from 0 to 2,147,483,647.
        signals_count: how many signals it holds; 0 where ``signals`` is no array.
        payload_sha256: hexadecimal, over Python's ``json.dumps(data, sort_keys=True)``, so that spaces and order of fields make
            no difference.
        validation_error: why it can't be imported; None: it can.
    """

    event_type: str | None
    batch_number: int | None
    batch_size: int | None
    total_signals: int | None
    signals_count: int
    payload_sha256: str
    validation_error: str | None = None

    @property
    def is_valid(self) -> bool:
        """Whether it can be imported."""
        return self.validation_error is None


def read_envelope(body: bytes) -> Envelope:
    """What a batch says of itself.

    Raises:
        StrictJsonError: the body is no strict JSON.
    """
    data = loads(body)
    digest = _digest(body)
    if not isinstance(data, dict):
        return Envelope(
            None, None, None, None, 0, digest, "The batch is no object: send {event_type, batch_number, …, signals: […]}."
        )
    told = data.get("event_type")
    event_type = told[:_LONGEST_EVENT_TYPE] if isinstance(told, str) else None
    numbers = {name: _whole(data.get(name)) for name in _NUMBERS}
    signals = data.get("signals", [])
    wrong = [name for name, number in numbers.items() if number is None and data.get(name) is not None]
    error = None
    if told not in EVENT_TYPES:
        error = f"event_type is not one of {', '.join(EVENT_TYPES)}."
    elif not isinstance(signals, list):
        error = "signals is no array."
    elif wrong:
        error = f"{' and '.join(wrong)} must be a whole number from 0 to {_LARGEST}."
    return Envelope(
        event_type,
        **numbers,
        signals_count=len(signals) if isinstance(signals, list) else 0,
        payload_sha256=digest,
        validation_error=error,
    )


def _digest(body: bytes) -> str:
    """Of the document as Python's own ``json`` reads it: ``loads`` above keeps exact decimals, which would be written otherwise."""
    canonical = json.dumps(json.loads(body.decode("utf-8-sig")), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _whole(value: object) -> int | None:
    """A whole number from 0 to 2,147,483,647, also where it is written as 15.0."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= _LARGEST or value != int(value):
        return None
    return int(value)
