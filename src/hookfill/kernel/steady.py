"""A clock for how long something takes, apart from ``clock`` so that pure modules can't reach it by way of ``ids``."""

import sys
import time


def steady_seconds() -> float:
    """Seconds of a clock that nobody sets and that goes on while the machine sleeps (where the system has one)."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
