"""What a long-running process does with memory that it no longer needs."""

import contextlib
import ctypes
import sys

LARGE_BYTES = 4 * 1024 * 1024
"""Less than this is cheaper to keep: a fresh page costs more than the arithmetic on it."""
KEPT_BYTES = 2 * LARGE_BYTES
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
