"""Identifiers: UUID version 7 (RFC 9562), so that ids sort by the time at which they were made."""

import hashlib
from datetime import datetime
from uuid import UUID, SafeUUID

from uuid_utils import uuid7

from hookfill.kernel.clock import to_us

NIL = UUID(int=0)
"""Stands for "all accounts" where a row needs an account id first (a global halt)."""


# Each alert needs three ids, and the class's own way to set a number that is known to be right takes longer than making it.
_set_int = UUID.__dict__["int"].__set__
_set_is_safe = UUID.__dict__["is_safe"].__set__


def new_id() -> UUID:
    """A new UUIDv7; ids made by one process ascend strictly."""
    made = object.__new__(UUID)
    _set_int(made, uuid7().int)
    _set_is_safe(made, SafeUUID.unknown)
    return made


def derived_id(at: datetime, *parts: str | UUID) -> UUID:
    """A UUIDv7 that follows from ``at`` and ``parts`` alone.

    Decisions name what they make with it: deciding the same thing again gives the same ids, so a second order or fill for the same
    cause collides with the first instead of standing beside it.
    """
    milliseconds = to_us(at) // 1000
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    random_bits = int.from_bytes(digest[:10], "big")
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (random_bits >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random_bits & (1 << 62) - 1
    return UUID(int=value)


def earliest_id(at: datetime) -> UUID:
    """The least id that can have been made at ``at`` or later: where to start looking in rows ordered by their ids."""
    return UUID(int=(to_us(at) // 1000) << 80)
