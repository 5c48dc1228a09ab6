"""What an answer of Alpaca's to a call means: was it done, may it have been done, shall it be tried again (pure)."""

import json
from collections.abc import Mapping
from typing import Any

from hookfill.brokers.port import KnownAlready, NotNow, Refused, Unknown

MOST_PAUSE_SECONDS = 30.0
MOST_WORDS = 500


def failure_of(status: int, body: str, headers: Mapping[str, str]) -> Exception:
    """The error that an answer of 300 or more stands for.

    429 comes before anything is done. What a gateway says (500 and more) tells nothing about what stands behind it. All else below
    500 is Alpaca's own refusal, and nothing was done.
    """
    words = _words(body)
    if status == 429:
        return NotNow(f"Alpaca takes no more requests for now: {words}", _after(headers))
    if status >= 500 or status == 408:
        return Unknown(f"Alpaca answered {status}: {words}")
    if status == 422 and "client_order_id" in words and "unique" in words:
        return KnownAlready(words)
    return Refused(f"{words} (Alpaca answered {status})")


def is_missing(status: int) -> bool:
    """Whether what was looked for is not there."""
    return status == 404


def pause(attempt: int, chance: float, after_seconds: float | None = None, *, first: float = 0.5) -> float:
    """How long to wait before another try, in seconds: twice as long each time, between half of it and all of it by chance.

    Args:
        attempt: how many have failed, from 1.
        chance: 0 to below 1; spreads many programs that failed at the same moment.
        after_seconds: what the server asked for, which is kept to.
    """
    grown: float = min(first * 2.0 ** min(attempt - 1, 10), MOST_PAUSE_SECONDS)
    spread: float = grown * (0.5 + chance / 2)
    return spread if after_seconds is None else max(min(after_seconds, MOST_PAUSE_SECONDS), spread)


def _words(body: str) -> str:
    """What Alpaca says, with its code."""
    try:
        told: Any = json.loads(body)
    except ValueError:
        told = None
    if isinstance(told, dict) and isinstance(told.get("message"), str):
        code = f" ({told['code']})" if isinstance(told.get("code"), int) else ""
        return f"{told['message'][:MOST_WORDS]}{code}"
    return " ".join(body.split())[:MOST_WORDS] or "no reason given"


def _after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
