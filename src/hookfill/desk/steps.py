"""A story's steps, and how figures are put into words (pure)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hookfill.kernel.money import plain

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_TEXTS = frozenset({"symbol", "allowed", "scope", "reason", "kind", "source", "currency", "account_currency"})
"""Figures that are text even when they look like a number, as the symbol 7203 does."""


class Steps:
    """The steps in order; each that has a time of its own says how long after the one before it came."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self._last: datetime | None = None

    def add(self, step: str, title: str, says: str, figures: Mapping[str, Any], *, at: datetime | None = None) -> None:
        """Add a step.

        Args:
            step: what kind of step it is.
            title: it in a few words.
            says: it in one sentence.
            figures: its numbers, JSON-ready but for Decimal, datetime and UUID.
            at: when it happened by the wall clock (UTC); None for what belongs to the step before.
        """
        elapsed = None
        if at is not None:
            # The clocks of two hosts may differ by a little; nothing happens before what led to it.
            latest = at if self._last is None else max(at, self._last)
            elapsed = None if self._last is None else round((latest - self._last).total_seconds() * 1000, 3)
            self._last = latest
        self.told.append({"step": step, "at": at, "elapsed_ms": elapsed, "title": title, "says": says, "figures": dict(figures)})


def numbers(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded figures, with the amounts that were stored as text as numbers again."""
    return {
        name: Decimal(value) if isinstance(value, str) and name not in _TEXTS and _NUMBER.fullmatch(value) else value
        for name, value in figures.items()
    }


def in_words(figures: Mapping[str, Any]) -> str:
    """Figures as ``age seconds 0.2, limit seconds 300``."""
    return ", ".join(f"{name.replace('_', ' ')} {word(value)}" for name, value in figures.items())


def word(value: Any) -> str:
    """One figure as text."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return plain(value)
        case float():
            return f"{value:.6g}"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        case _:
            return str(value)


def amount(value: str | None) -> Decimal | None:
    """A recorded amount as a number."""
    return None if value is None else Decimal(value)
