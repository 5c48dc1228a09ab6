"""The demo as a whole: a temporary installation, one strategy, the sample day, and what came of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.accounts.store import create_strategy, default_account, owner_id
from hookfill.demo.installation import READY_SECONDS, DemoFailed, Installation, temporary_installation, until_idle
from hookfill.demo.replay_day import Event, read_events, replay
from hookfill.demo.sample_day import ALLOWED_PAIRS, STRATEGY_SETTINGS
from hookfill.desk.summary import activity
from hookfill.ops.queue import worker_listens
from hookfill.postgres.pool import connect
from hookfill.postgres.sql import load

SQL = load(__package__)
STRATEGY = "Sample day"
SETTLE_SECONDS = 60
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Day:
    """What the replay came to.

    Attributes:
        counts: the figures of the day as ``desk.summary.activity`` gives them, and ``seconds``, how long the replay took.
        url: where the server listens, and ``token`` the owner's token to read on.
        story_id: a signal whose story is worth reading.
    """

    counts: Mapping[str, Any]
    url: str
    token: str
    home: str
    story_id: UUID | None


async def run_day(
    *,
    keep: bool,
    on_start: Callable[[Installation, list[Event]], None],
    on_progress: Callable[[int], None],
    on_end: Callable[[Day], Awaitable[None]],
) -> None:
    """Run the demo; the installation lives until ``on_end`` has returned.

    Raises:
        DemoFailed: the installation did not come up, or did not finish the day.
    """
    events = read_events()
    async with temporary_installation(keep=keep) as place:
        connection = await connect(place.database, name="demo")
        try:
            user_id = await owner_id(connection)
            account_id = await default_account(connection, user_id)
            strategy = await create_strategy(
                connection, account_id, STRATEGY, settings=STRATEGY_SETTINGS, allowed_pairs=ALLOWED_PAIRS
            )
            await _until_worker_listens(connection)
            await until_idle(place.process.pid)
            on_start(place, events)
            started = time.perf_counter()
            await replay(place.url, f"/api/v1/webhooks/tv/{strategy.secret}", place.candles_key, events, on_progress)
            await _settle(connection)
            seconds = round(time.perf_counter() - started, 2)
            day = await _summarize(connection, user_id, place, seconds)
        finally:
            await connection.close()
        await on_end(day)


async def _until_worker_listens(connection: asyncpg.Connection) -> None:
    """The doors open first; what comes before the worker is up would only show how long that takes."""

    async def listens() -> bool:
        return await worker_listens(connection)

    await _until(listens, READY_SECONDS, "The demo's worker did not come up: look above for why.")


async def _settle(connection: asyncpg.Connection) -> None:
    """Wait until every signal is decided and every position has seen the last price."""

    async def is_settled() -> bool:
        return not await connection.fetchval(SQL.unfinished.sql)

    await _until(is_settled, SETTLE_SECONDS, "The day's last messages were not decided. Please report it.")


async def _until(is_so: Callable[[], Awaitable[bool]], patience_seconds: float, complaint: str) -> None:
    give_up = time.monotonic() + patience_seconds
    while not await is_so():
        if time.monotonic() > give_up:
            raise DemoFailed(complaint)
        await asyncio.sleep(LOOK_SECONDS)


async def _summarize(connection: asyncpg.Connection, user_id: UUID, place: Installation, seconds: float) -> Day:
    counts = {**await activity(connection, user_id), "seconds": seconds}
    story_id = await connection.fetchval(SQL.last_story.sql)
    return Day(counts, place.url, place.token, str(place.home.folder), story_id)
