"""Repair rules: what is known to go wrong with messages on their way, each as a pure function that puts it right.

A rule never changes valid JSON, and applied twice it changes nothing more. Only a body that a rule or several have made valid JSON
counts as repaired; whether it is a message that its door understands is for that door to say.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hookfill.kernel.strict_json import StrictJsonError, loads

# From left to right: quotes behind a digit outside a text, or a whole text, whose digits and quotes are its own. A text that is
# never closed reaches to the end.
_STRAY_QUOTES = re.compile(rb"""(?<=[0-9])(?P<stray>"+)|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)""", re.DOTALL)
_NOT_NUMBERS = re.compile(rb"""\b(?P<word>NaN)\b|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)""", re.DOTALL)


class RuleName(StrEnum):
    """The rules' names."""

    STRAY_QUOTE_AFTER_NUMBER = "stray_quote_after_number"
    NAN_AS_NULL = "nan_as_null"


@dataclass(frozen=True, slots=True)
class RepairRule:
    """One thing that goes wrong, and how it is put right.

    Attributes:
        name: as stored with the messages that it has repaired.
        title: what it does, in a few words.
        is_trusted: whether it may be applied without anybody looking (``AUTO_REPAIR``): there is only one thing that the sender can
            have meant.
        mend: the body without the fault; None where it has none of this kind.
    """

    name: RuleName
    title: str
    is_trusted: bool
    mend: Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class Repair:
    """A body that was made valid JSON, and the names of the rules that did it, in order."""

    body: bytes
    rules: tuple[RuleName, ...]

    @property
    def names(self) -> str:
        """The rules as they are stored."""
        return ", ".join(self.rules)


def stray_quote_after_number(body: bytes) -> bytes | None:
    """``"sl_price":25015.25",`` → ``"sl_price":25015.25,``: in JSON no number is followed by a quote.

    Pine scripts that put messages together by hand leave one behind (TradingView's alert log of 2025-11-14 has them).
    """
    return _changed(body, _STRAY_QUOTES.sub(lambda match: b"" if match["stray"] else match[0], body))


def nan_as_null(body: bytes) -> bytes | None:
    """``"sl":NaN`` → ``"sl":null``: what Pine writes for a value that is not there, and JSON has no word for."""
    return _changed(body, _NOT_NUMBERS.sub(lambda match: b"null" if match["word"] else match[0], body))


def _changed(before: bytes, after: bytes) -> bytes | None:
    return after if after != before else None


RULES: tuple[RepairRule, ...] = (
    RepairRule(RuleName.STRAY_QUOTE_AFTER_NUMBER, "Takes away a stray quote behind a number.", True, stray_quote_after_number),
    RepairRule(RuleName.NAN_AS_NULL, "Makes NaN null: the value is not there.", False, nan_as_null),
)
"""In the order in which they are tried."""


def repair(body: bytes, rules: tuple[RepairRule, ...] = RULES) -> Repair | None:
    """What the rules together make of a malformed body.

    Returns:
        None when no rule finds its fault, or the body is no valid JSON even so.
    """
    applied = []
    for rule in rules:
        mended = rule.mend(body)
        if mended is not None:
            body = mended
            applied.append(rule.name)
    if not applied:
        return None
    try:
        loads(body)
    except StrictJsonError:
        return None
    return Repair(body, tuple(applied))


def rules_named(name: RuleName | None) -> tuple[RepairRule, ...]:
    """The rule of a name; all of them for None."""
    return tuple(rule for rule in RULES if name is None or rule.name == name)


TRUSTED = tuple(rule for rule in RULES if rule.is_trusted)
