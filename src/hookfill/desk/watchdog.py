"""Ends a computation that does not come to an end by itself, such as a user's engine caught in a loop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType

from hookfill.kernel.errors import HookfillError


class TookTooLong(HookfillError):
    """Deciding took longer than any decision may."""


class _Alarm:
    """Rings while something runs within; to be entered again and again, one at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def at_most(seconds: float) -> Iterator[AbstractContextManager[None]]:
    """Gives a context: whatever runs within that, in Python, is interrupted when it takes longer; each entering counts anew.

    It is interrupted again each time it takes so long once more: for who is interrupted, makes the best of it and goes on, as the
    council does when one agent is caught.

    It works by the process's alarm clock, so in the main thread and not on Windows only; elsewhere nothing is bounded.

    Raises:
        TookTooLong: it did.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield nullcontext()
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"Deciding took longer than {seconds:g} s: look for a loop without an end in the strategy's engine.")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield _Alarm(seconds)
    finally:
        signal.signal(signal.SIGALRM, before)
