"""Counts what the doors take in, for ``/metrics``: plain numbers of the server's one thread, since every alert pays for them."""

from bisect import bisect_left
from collections import defaultdict

from hookfill.inbox.model import Receipt

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0)
"""Upper bounds of the latency histogram's buckets, in seconds; one more bucket holds what takes longer."""
UNSTORED = "unstored"
"""The state of a message that neither the database nor the spool could take."""


class Tally:
    """What came since the process started.

    Attributes:
        messages: how many, by door and state.
        buckets: how many acknowledgements took at most ``BOUNDS`` seconds and longer than the bound before.
        seconds: what they took together.
    """

    __slots__ = ("buckets", "messages", "seconds")

    def __init__(self) -> None:
        self.messages: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def note(self, door: str, state: str, outcome: Receipt | Exception, seconds: float) -> None:
        """One delivery was answered, so many seconds after it had been taken in hand."""
        if not isinstance(outcome, Receipt):
            state = UNSTORED
        elif not outcome.fresh:
            state = "duplicate"
        self.messages[door, state] += 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
