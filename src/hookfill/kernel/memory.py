"""What a long-running process does with memory that it no longer needs."""

import contextlib
import ctypes
import gc
import sys

LARGE_BYTES = 4 * 1024 * 1024
"""Less than this is cheaper to keep: a fresh page costs more than the arithmetic on it."""
KEPT_BYTES = 2 * LARGE_BYTES
COLLECT_AFTER = 50_000
"""Objects between two looks for garbage cycles; alerts and decisions make none, so the default of 700 costs time for nothing."""
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
"""Both from glibc's ``malloc.h``."""


def give_back_large_blocks() -> None:
    """From now on blocks of ``LARGE_BYTES`` and more go back to the system as soon as they are free, and grow without being copied.

    Of what is smaller, up to ``KEPT_BYTES`` are kept for the next that need them. glibc begins much like this, but keeps blocks of
    the size that it has seen freed: a server would stay as large as its largest requests made it. Other C libraries are left as
    they are.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
            libc.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def collect_seldom() -> None:
    """Let the collector of garbage cycles look seldom, and never at what is there now: call it once all has started."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
