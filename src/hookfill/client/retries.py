"""Sending a request until it is answered, as long as that is safe.

Three kinds of requests (``Repeat``): what changes nothing or is the same once and twice (reading, candles) is tried again; an alert
is tried again only while the server would still take the same bytes for the same message; nothing else ever is.
"""

import email.utils
from collections.abc import Callable
from dataclasses import dataclass

from hookfill.client.errors import InvalidArgument, Unavailable
from hookfill.client.steps import Answer, Exchange, NoAnswer, Pause, Program, Repeat, Request, the_time

DUPLICATE_SECONDS = 60
"""For so long after it got a message the server takes the same bytes for the same message."""
WINDOW_SECONDS = 50.0
"""How long the client sends an alert again, from the beginning of the first attempt: what is under way still arrives in time."""
_PASSING = frozenset({408, 425, 429})
_PARTS = 4
"""An attempt waits for a free connection, connects, sends and reads, each up to its timeout."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and after what pauses, a request is tried again.

    The pauses double from ``least_seconds`` up to ``most_seconds``, each shortened by chance by up to a half, so that many clients
    don't come back at once. Should the server ask for a longer pause (``Retry-After``), it gets it, up to ``patience_seconds``;
    beyond that the call fails and tells how long.
    """

    attempts: int = 5
    least_seconds: float = 0.25
    most_seconds: float = 8.0
    patience_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what would never end or never begin."""
        if not 1 <= self.attempts <= 100:
            raise InvalidArgument("attempts must lie between 1 (never again) and 100.")
        if not 0 < self.least_seconds <= self.most_seconds <= 3600 or not 0 <= self.patience_seconds <= 3600:
            raise InvalidArgument("The pauses must be above 0, the least not above the most, and none above 3600 seconds.")

    def pause_seconds(self, failures: int, chance: float) -> float:
        """How long to wait after so many failures in a row; ``chance`` lies between 0 and 1."""
        whole: float = min(self.least_seconds * 2 ** min(failures - 1, 60), self.most_seconds)
        return whole * (1 - chance / 2)


def send(
    request: Request, repeat: Repeat, timeout_seconds: float, retries: Retries, chance: Callable[[], float]
) -> Program[Answer]:
    """Send a request until there is an answer that stands, or no further attempt is allowed.

    Args:
        chance: draws a number from 0 to 1.

    Raises:
        Unavailable: no answer came, or none but "not now".
    """
    now = (yield from the_time()).at
    end = now + WINDOW_SECONDS if repeat is Repeat.IN_WINDOW else None
    failures, arrived = 0, False
    while True:
        seconds = timeout_seconds if end is None else min(timeout_seconds, (end - now) / _PARTS)
        reply = yield Exchange(request, seconds, end)
        last = reply.outcome
        assert last is not None, "an exchange has an outcome"
        if isinstance(last, Answer) and not _is_passing(last):
            return last
        failures += 1
        arrived = arrived or _may_have_arrived(last)
        asked = _retry_after_seconds(last)
        pause = max(retries.pause_seconds(failures, chance()), asked or 0.0)
        is_last = repeat is Repeat.NEVER or failures >= retries.attempts or (asked or 0.0) > retries.patience_seconds
        if is_last or (end is not None and reply.at + pause >= end):
            raise _given_up(last, repeat, failures, arrived=arrived, asked=asked)
        now = (yield Pause(pause)).at
        if end is not None and now >= end:  # the machine slept, or was very busy
            raise _given_up(last, repeat, failures, arrived=arrived, asked=asked)


def _is_passing(answer: Answer) -> bool:
    """Whether the same request may be served a little later."""
    return answer.status >= 500 or answer.status in _PASSING


def _may_have_arrived(outcome: Answer | NoAnswer) -> bool:
    return outcome.may_have_arrived if isinstance(outcome, NoAnswer) else outcome.status >= 500


def _retry_after_seconds(outcome: Answer | NoAnswer) -> float | None:
    """What the server asks for: seconds, or a date, which is read against the answer's own, so that no clock matters."""
    if isinstance(outcome, NoAnswer):
        return None
    text = outcome.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until, now = (email.utils.parsedate_to_datetime(moment) for moment in (text, outcome.headers.get("date", "")))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no date, or one with a zone and one without
        return None


_ADVICE = {
    Repeat.ALWAYS: "Is `hookfill serve` running there? Sending the same again later is safe.",
    Repeat.IN_WINDOW: (
        "The alert may have arrived: look at your signals before you send it again, for the server takes the same bytes for the "
        f"same alert only within {DUPLICATE_SECONDS} s."
    ),
    Repeat.NEVER: "It may have been done: look before you ask for it again.",
}


def _given_up(last: Answer | NoAnswer, repeat: Repeat, attempts: int, *, arrived: bool, asked: float | None) -> Unavailable:
    what = f"does not answer ({last.kind})" if isinstance(last, NoAnswer) else f"answers {last.status}"
    advice = _ADVICE[repeat] if arrived or repeat is Repeat.ALWAYS else "Nothing was done: try again later."
    pause = "" if asked is None else f" It asks to be left alone for {asked:g} s."
    text = f"The server {what}, after {attempts} attempt{'s' if attempts > 1 else ''}.{pause} {advice}"
    return Unavailable(text, may_have_arrived=arrived, retry_after_seconds=asked)
