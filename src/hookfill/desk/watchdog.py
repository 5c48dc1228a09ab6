"""Ends a computation that does not come to an end by itself, such as a user's engine caught in a loop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hookfill.kernel.errors import HookfillError


class TookTooLong(HookfillError):
    """Deciding took longer than any decision may."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Whatever runs within, in Python, is interrupted when it takes longer; and again each time it takes so long once more.

    The second time is for who is interrupted, makes the best of it and goes on, as the council does when one agent is caught.

    It works by the process's alarm clock, so in the main thread and not on Windows only; elsewhere nothing is bounded.

    Raises:
        TookTooLong: it did.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"Deciding took longer than {seconds:g} s: look for a loop without an end in the strategy's engine.")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
