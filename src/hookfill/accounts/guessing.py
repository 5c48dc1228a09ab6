"""Limits guessing: so many attempts at a subject within a span of time. Pure: the caller brings the time.

Attempts are counted when they begin, so that many at once are no way around, and forgiven when they succeed.
"""

import ipaddress
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

MOST_SUBJECTS = 20_000
"""Held in memory; beyond it the one that was tried the longest ago is forgotten."""


@dataclass(slots=True)
class Guesses:
    """Attempts per subject (an e-mail address, a network) within the last ``seconds``.

    Attributes:
        most: attempts that are let through within ``seconds``.
        seconds: how long an attempt counts.
    """

    most: int
    seconds: float
    _attempts: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def wait(self, subject: str, now: float) -> int:
        """How many whole seconds until the next attempt is let through; 0: now."""
        attempts = self._attempts.get(subject)
        if attempts is None:
            return 0
        self._drop_old(attempts, now)
        if len(attempts) < self.most:
            return 0
        return max(1, math.ceil(attempts[0] + self.seconds - now))

    def note(self, subject: str, now: float) -> None:
        """An attempt begins."""
        attempts = self._attempts.setdefault(subject, deque(maxlen=self.most))
        self._drop_old(attempts, now)
        attempts.append(now)
        self._attempts.move_to_end(subject)
        while len(self._attempts) > MOST_SUBJECTS:
            self._attempts.popitem(last=False)

    def forgive(self, subject: str) -> None:
        """The latest attempt was right after all."""
        attempts = self._attempts.get(subject)
        if attempts:
            attempts.pop()
        if not attempts:
            self._attempts.pop(subject, None)

    def forget(self, subject: str) -> None:
        """Who had forgotten the password remembers it: nothing of before counts."""
        self._attempts.pop(subject, None)

    def _drop_old(self, attempts: deque[float], now: float) -> None:
        while attempts and attempts[0] + self.seconds <= now:
            attempts.popleft()


def network_of(address: str | None) -> str | None:
    """What is counted as one sender: an IPv4 address, or an IPv6 /64, which one subscriber has to itself.

    None for this machine itself: a reverse proxy on it stands for everybody, and must not be locked out by one of them.
    """
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return None
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
