"""The worker process: settings → database → the desk, the journal, the exports, and what is looked after beside them.

The desk comes first: the journal and the exports have connections of their own and work in small portions, so that trading does not
wait for them.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Protocol

import asyncpg
import structlog

from hookfill.accounts.flag_board import open_board
from hookfill.accounts.vault import Vault
from hookfill.brokers.alpaca.worker import AlpacaWorker, Places
from hookfill.brokers.mt5.reports import watch_agents
from hookfill.desk.worker import Worker
from hookfill.engines.flags import flags_from
from hookfill.exports.worker import exports_loop
from hookfill.home import Home
from hookfill.journal.watch import watch_journals
from hookfill.journal.worker import journal_loop
from hookfill.kernel.memory import collect_seldom
from hookfill.market.sessions_aside import load_sessions_aside
from hookfill.ops.heart import Heart
from hookfill.ops.notify import Notifier
from hookfill.ops.pulse import Pulse
from hookfill.postgres.database import resolve
from hookfill.postgres.model import Database
from hookfill.postgres.pool import DATABASE_ERRORS, connect, open_pool
from hookfill.settings import Feed, Settings
from hookfill.starting import Listening, close_pool, prepare

DESK_SECONDS = 10.0
"""For one statement of the worker's: a database host that vanished must not stop all trading until TCP gives it up."""
ALPACA_CONNECTIONS = 4
"""Opened as they are needed: one where nobody trades at Alpaca."""
JOURNAL_CONNECTIONS = 4
"""One for each loop, one for who watches, and one for the heartbeat."""
FEED_CONNECTIONS = 3
"""One for prices, one for chains, one to spare."""
WATCH_SECONDS = 30.0
"""How often it is looked for accounts whose agents or indicators are silent."""
SESSIONS_AFTER_SECONDS = 5.0
_LOG = structlog.get_logger("hookfill.working")


class Runs(Protocol):
    """What works until it is stopped."""

    @property
    def pulse(self) -> Pulse:
        """How it fares."""

    async def run(self) -> None:
        """Work; raises only what ends the process."""

    def stop(self) -> None:
        """End ``run`` after the work in hand."""


async def serve_worker(settings: Settings, home: Home, *, is_tied: bool, on_ready: Callable[[Listening], None]) -> None:
    """Decide for accounts, and keep journals and ledgers, until a signal ends it.

    Args:
        is_tied: it also ends when standard input ends, which the parent holds open.
    """
    database = (
        await prepare(settings, home) if not is_tied else await asyncio.to_thread(resolve, settings.database_url, home.folder)
    )
    async with contextlib.AsyncExitStack() as stack:
        pool = await _pool(stack, database, "desk", settings.desk_concurrency + 2, only_looks_up=True)
        journals = await _pool(stack, database, "journal", JOURNAL_CONNECTIONS)
        desk_connect = partial(connect, database, name="desk wake")
        board = await stack.enter_async_context(open_board(partial(connect, database, name="flags"), flags_from))
        worker = Worker(
            pool,
            desk_connect,
            is_simulated=settings.is_simulated,
            concurrency=settings.desk_concurrency,
            flags=lambda: board.flags,
            split_percentage=settings.ab_split_percentage,
            limits=settings.limits,
        )
        loops: list[Runs] = [
            worker,
            journal_loop(journals, partial(connect, database, name="journal wake")),
            exports_loop(journals, partial(connect, database, name="exports wake")),
        ]
        loops.append(await _alpaca(stack, settings, home, database))
        if settings.market_feed is Feed.ALPACA:
            loops.append(await _feed_loop(stack, settings, database))
        _stop_when_told(loops, is_tied=is_tied)
        loading = asyncio.create_task(_load_sessions_early(0 if settings.is_simulated else SESSIONS_AFTER_SECONDS))
        silent_after = timedelta(minutes=settings.journal_silent_minutes)
        pulses = [loop.pulse for loop in loops]
        looks = [
            _watch(pool, agents := Pulse("agents"), watch_agents),
            _watch(journals, quiet := Pulse("journals"), partial(watch_journals, silent_after=silent_after)),
        ]
        heart = Heart(journals, [*pulses, agents, quiet], _notifier(settings))
        watching = [asyncio.create_task(work) for work in (*looks, heart.run())]
        collect_seldom()
        on_ready(Listening("", os.getpid()))
        try:
            await _run_all(loops)
        finally:
            for task in (*watching, loading):
                task.cancel()
            await asyncio.gather(*watching, loading, return_exceptions=True)


async def _load_sessions_early(after_seconds: float) -> None:
    """Load the exchange's sessions before the first alert about a share asks for them, but not while everything starts.

    On simulated time a whole day may come at once: there it can't wait.
    """
    await asyncio.sleep(after_seconds)
    await load_sessions_aside()


async def _alpaca(stack: contextlib.AsyncExitStack, settings: Settings, home: Home, database: Database) -> Runs:
    """What trades accounts at Alpaca; without any it only looks for them."""
    pool = await _pool(stack, database, "alpaca", ALPACA_CONNECTIONS)
    places = Places(settings.alpaca_paper_url, settings.alpaca_live_url, trades_live=settings.trades_live)
    vault = Vault(home.credentials_key(settings))
    return AlpacaWorker(pool, partial(connect, database, name="alpaca"), vault, places)


async def _feed_loop(stack: contextlib.AsyncExitStack, settings: Settings, database: Database) -> Runs:
    """What fetches market data from Alpaca."""
    # Imported here: Alpaca's library costs half a second and 20 MB or more, which only who fetches should pay.
    from hookfill.market.feeds.alpaca import AlpacaFeed, AlpacaKeys  # noqa: PLC0415
    from hookfill.market.feeds.loop import FeedLoop  # noqa: PLC0415
    from hookfill.market.feeds.session import Limits  # noqa: PLC0415

    assert settings.alpaca_api_key is not None, "the settings were checked"
    assert settings.alpaca_secret_key is not None, "the settings were checked"
    keys = AlpacaKeys(
        key=settings.alpaca_api_key.get_secret_value(),
        secret=settings.alpaca_secret_key.get_secret_value(),
        url=settings.alpaca_data_url,
        contracts_url=settings.alpaca_contracts_url,
        stock_feed=settings.alpaca_stock_feed.value,
        option_feed=settings.alpaca_option_feed.value,
    )
    feed = AlpacaFeed(keys, Limits(per_minute=settings.alpaca_requests_per_minute))
    pool = await _pool(stack, database, "feed", FEED_CONNECTIONS)
    feed_connect = partial(connect, database, name="feed leader")
    return FeedLoop(pool, feed_connect, feed, feed.close, quote_seconds=settings.alpaca_quote_seconds)


async def _pool(
    stack: contextlib.AsyncExitStack, database: Database, name: str, connections: int, *, only_looks_up: bool = False
) -> asyncpg.Pool:
    pool = await open_pool(
        database,
        name=name,
        min_size=1,
        max_size=connections,
        command_timeout_seconds=DESK_SECONDS,
        only_looks_up=only_looks_up,
    )
    stack.push_async_callback(close_pool, pool)
    return pool


async def _run_all(loops: list[Runs]) -> None:
    """Run until stopped. One that fails ends all, after the work in hand: the process is then started again."""
    running = [asyncio.create_task(loop.run()) for loop in loops]
    await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
    _stop_all(loops)
    await asyncio.gather(*running)


def _stop_all(loops: list[Runs]) -> None:
    for loop in loops:
        loop.stop()


async def _watch(pool: asyncpg.Pool, pulse: Pulse, look: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    """Look again and again, also while nothing else happens."""
    while True:
        try:
            async with pool.acquire() as connection:
                await look(connection)
        except DATABASE_ERRORS as error:
            _LOG.warning("not_watched", what=pulse.name, error=f"{type(error).__name__}: {error}")
            pulse.failed(error)
        except Exception as error:
            _LOG.exception("watching_failed", what=pulse.name)
            pulse.failed(error)
        else:
            pulse.succeeded()
        await asyncio.sleep(WATCH_SECONDS)


def _notifier(settings: Settings) -> Notifier | None:
    if settings.notify_url is None:
        return None
    return Notifier(settings.notify_url.get_secret_value(), allow_private=settings.notify_private)


def _stop_when_told(loops: list[Runs], *, is_tied: bool) -> None:
    loop = asyncio.get_running_loop()
    if is_tied:  # a terminal sends Ctrl-C to all: only the parent says when it is over
        # A daemon: it must not hold up the end of a worker that fails.
        threading.Thread(target=_stop_at_end_of_input, args=(loop, loops), daemon=True).start()
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in its event loop
            loop.add_signal_handler(number, _stop_all, loops)


def _stop_at_end_of_input(loop: asyncio.AbstractEventLoop, loops: list[Runs]) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the event loop is closed: the worker has ended already
        loop.call_soon_threadsafe(_stop_all, loops)
