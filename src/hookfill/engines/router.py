"""Which of the two engines acts on a signal: chosen by a hash, so that anybody can work it out again."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from hookfill.engines.flags import Flags
from hookfill.signals.model import Alert

Variant = Literal["A", "B"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What was chosen and by which numbers.

    Attributes:
        assignment_hash: the SHA-256 of ``symbol:timeframe:timestamp``, in hex; its first eight digits modulo 100 are compared.
        split_percentage: the share of the signals that go to B.
    """

    variant: Variant
    assignment_hash: str
    split_percentage: int


def assign(symbol: str, timeframe: str, timestamp_text: str, split: int) -> tuple[Variant, str]:
    """The variant that acts on a signal, and the hash it follows from.

    Args:
        symbol, timeframe: as the alert names them.
        timestamp_text: see ``timestamp_text``.
        split: percent of all signals that go to B, 0 to 100.
    """
    assignment_hash = hashlib.sha256(f"{symbol}:{timeframe}:{timestamp_text}".encode()).hexdigest()
    return ("B" if int(assignment_hash[:8], 16) % 100 < split else "A"), assignment_hash


def assign_alert(alert: Alert, as_of: datetime, split: int) -> Assignment:
    """The same for an alert that was understood.

    Args:
        as_of: what stands for the alert's own time when it carries none.
    """
    moment = alert.fired_at or alert.bar_at or as_of
    variant, assignment_hash = assign(alert.symbol, alert.timeframe or "", timestamp_text(moment), split)
    return Assignment(variant, assignment_hash, split)


def timestamp_text(moment: datetime) -> str:
    """A moment as it is hashed: ISO 8601 in UTC with Z, fractions only where there are any (``2026-02-05T12:00:00Z``)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def split_in_force(flags: Flags, split_percentage: int) -> int:
    """The share of the signals that go to B: ``AB_SPLIT_PERCENTAGE`` while variant B is enabled, else none."""
    return split_percentage if flags.enable_variant_b else 0
