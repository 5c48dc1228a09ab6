"""Waiting for what other threads and tasks bring about: who changes something rings, and who waits looks again at each ring."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress

PATIENCE_SECONDS = 30.0


class Bell:
    """Rung from any thread, heard in any thread and any event loop."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._rings = 0
        self._listeners: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def ring(self) -> None:
        """Something has changed. Call it after the change, and without a lock that a waiter's condition takes."""
        with self._rung:
            self._rings += 1
            self._rung.notify_all()
            for loop, heard in self._listeners:
                with suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                    loop.call_soon_threadsafe(heard.set)

    def wait(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait in this thread until a condition holds. Past the bound it fails with ``what``."""
        give_up = time.monotonic() + seconds
        while True:
            before = self._rings
            if condition():
                return
            with self._rung:
                while self._rings == before:
                    if not self._rung.wait(give_up - time.monotonic()):
                        raise AssertionError(f"still not after {seconds:g} s: {what}")

    async def until(self, condition: Callable[[], object], what: str, seconds: float | None = PATIENCE_SECONDS) -> None:
        """The same in an event loop; without bound for None, which is for the one who is waited for."""
        here = asyncio.get_running_loop(), asyncio.Event()
        with self._rung:
            self._listeners.append(here)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    here[1].clear()
                    if condition():
                        return
                    await here[1].wait()
        except TimeoutError:
            raise AssertionError(f"still not after {seconds:g} s: {what}") from None
        finally:
            with self._rung:
                self._listeners.remove(here)
