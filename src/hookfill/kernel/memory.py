"""What a long-running process does with memory that it no longer needs."""

import contextlib
import ctypes
import sys

LARGE_BYTES = 1024 * 1024
_M_MMAP_THRESHOLD = -3
"""From glibc's ``malloc.h``."""


def give_back_large_blocks() -> None:
    """From now on blocks of ``LARGE_BYTES`` and more go back to the system as soon as they are free, and grow without being copied.

    glibc begins so, but keeps blocks of the size that it has seen freed: a server would stay as large as its largest requests made
    it. Other C libraries are left as they are.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
