"""Loads the exchanges' sessions in a process of its own, so that one that trades is not held up by it.

The library behind them takes a second of computing, during which whatever else runs in the same process waits again and again, and
pandas stays with some 65 MB; its result has one.
"""

import asyncio
import contextlib
import json
import os
import sys
from typing import get_args

import structlog

from hookfill.market.sessions import Calendar, are_loaded, read_hours, take_hours

_LOG = structlog.get_logger("hookfill.market")


async def load_sessions_aside() -> None:
    """Load them, unless they are; should it fail, the first question about a share or a future loads them itself."""
    if are_loaded():
        return
    try:
        told = await _read_aside()
    except OSError as error:  # there may be no room for another process
        _LOG.warning("sessions_not_loaded", error=f"{type(error).__name__}: {error}")
    else:
        take_hours(json.loads(told))


async def _read_aside() -> bytes:
    reader = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in a terminal is for the server, which ends it
    )
    try:
        told, _ = await reader.communicate()
    finally:
        if reader.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                reader.kill()
            await reader.wait()
    if reader.returncode:
        raise ChildProcessError(f"it ended with exit code {reader.returncode}")
    return told


def _tell() -> None:
    if hasattr(os, "nice"):
        os.nice(10)  # nothing waits for it
    json.dump({name: read_hours(name) for name in get_args(Calendar)}, sys.stdout)


if __name__ == "__main__":
    _tell()
