"""A temporary installation: a home of its own, the embedded database, and the real server in a process of its own.

It leaves nothing behind: however its block is left, server and database are stopped and the home is deleted.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from hookfill.home import Home
from hookfill.kernel.errors import HookfillError
from hookfill.postgres import server
from hookfill.postgres.database import embedded
from hookfill.postgres.model import Database
from hookfill.settings import Settings

READY_SECONDS = 120
STOP_SECONDS = 20
LOOK_SECONDS = 0.05
QUIET_LOOKS = 4
BUSY_SHARE = 0.3
"""Of one processor: below it, over so many looks, a process counts as idle."""
_FOREIGN = ("DATABASE_URL", "HMAC_SECRET", "MT5_API_KEY", "BASE_URL")
"""Settings of the user's own installation that must not reach this one, beside all that begin with HOOKFILL_."""


class DemoFailed(HookfillError):
    """The temporary installation did not come up or did not finish."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A running temporary installation.

    Attributes:
        url: where its server listens.
        token: the owner's bearer token.
        candles_key: the key of the candles door.
        database: its database.
        process: the server.
    """

    url: str
    token: str
    candles_key: str
    database: Database
    home: Home
    process: asyncio.subprocess.Process


@contextlib.asynccontextmanager
async def temporary_installation(*, keep: bool = False) -> AsyncIterator[Installation]:
    """Start one on simulated time, on a free port of this machine only.

    Args:
        keep: leave the home (without its running database) in place afterwards.

    Raises:
        DemoFailed: its server does not become ready.
    """
    folder = _make_folder()
    try:
        process = await _start(folder)
        try:
            url = await _ready(process)
            yield _describe(folder, url, process)
        finally:
            await _stop(process)
    finally:
        await asyncio.to_thread(server.stop if keep else _remove, folder)


def _make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hookfill-demo-"))
    if os.name == "posix" and os.geteuid() == 0:
        folder.chmod(0o711)  # the database server's own user passes through
    return folder


async def _start(folder: Path) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOOKFILL_") and name not in _FOREIGN}
    environment |= {"HOOKFILL_TIME": "messages", "HOOKFILL_LOG_LEVEL": "warning"}
    command = [sys.executable, "-m", "hookfill", "serve", "--home", str(folder), "--host", "127.0.0.1", "--port", "0", "--json"]
    return await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )


async def _ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        raise DemoFailed(f"The demo's server was not ready after {READY_SECONDS} s: try again, or look above for why.") from None
    if not line:
        raise DemoFailed("The demo's server ended before it was ready: look above for why.")
    return str(json.loads(line)["url"])


async def until_idle(pid: int) -> None:
    """Wait until a process and its children have done what they do at their start, such as loading calendars.

    It goes by their use of the processor, and gives up waiting after ``READY_SECONDS``: being early only costs speed.
    """
    quiet, looks = 0, int(READY_SECONDS / LOOK_SECONDS)
    used = _processor_seconds(pid)
    while quiet < QUIET_LOOKS and looks:
        await asyncio.sleep(LOOK_SECONDS)
        before, used = used, _processor_seconds(pid)
        quiet = quiet + 1 if used - before < BUSY_SHARE * LOOK_SECONDS else 0
        looks -= 1


def _processor_seconds(pid: int) -> float:
    seconds = 0.0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = member.cpu_times()
                seconds += times.user + times.system
    return seconds


def _describe(folder: Path, url: str, process: asyncio.subprocess.Process) -> Installation:
    home = Home.at(folder)
    settings = Settings.model_construct(owner_token=None, mt5_api_key=None)  # the defaults, whatever the environment says
    running = server.find_running(home.folder)
    if running is None:
        raise DemoFailed("The demo's database is gone: try again.")
    return Installation(url, home.owner_token(settings), home.candles_key(settings), embedded(running), home, process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError, HookfillError):
        server.remove(folder)
    shutil.rmtree(folder, ignore_errors=True)
