"""Where a benchmark takes place: a fresh home with its embedded PostgreSQL, a Hookfill server, strategies, the load generator."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from benchmarks import load
from benchmarks.cpu import Watched
from benchmarks.figures import BenchmarkError
from hookfill.accounts import store
from hookfill.edge.tradingview import PREFIX as TRADINGVIEW
from hookfill.home import Home
from hookfill.postgres import server
from hookfill.postgres.config import OVERRIDES_CONF
from hookfill.postgres.database import embedded
from hookfill.postgres.model import Database, ServerInfo
from hookfill.postgres.pool import connect

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60.0
POLL_READY_SECONDS = 0.005
POLL_DECIDED_SECONDS = 0.05
WORKER_LISTENS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'hookfill desk wake')"
HMAC_SECRET = secrets.token_hex(32)
CANDLES_KEY = secrets.token_hex(32)
OVERRIDES = "max_connections = 300\n"
"""The only setting that differs from an ordinary installation's: the reference needs as many connections as it has clients."""

_TRADE = '{{"symbol":"BTCUSDT","action":"{}","volume":0.01,"price":64000,"id":"benchmark-%012d"}}'
TRADES = (_TRADE.format("buy"), _TRADE.format("close"))
"""Bodies of alerts; ``%d`` is the number that makes each different."""

WIDE_LIMITS: Mapping[str, Any] = {
    "max_open_positions": "1000000",
    "max_positions_per_symbol": "1000000",
    "max_exposure": "1000000000",
    "max_exposure_pct": "1000000",
    "daily_loss_limit_pct": "0",
    "order_rate_per_minute": "1000000",
}
"""Limits that refuse nothing: a benchmark's alerts shall fill."""


@dataclass(slots=True)
class Stage:
    """A home with a running PostgreSQL and a load generator."""

    home: Path
    postgres: ServerInfo
    generator: ProcessPoolExecutor

    @property
    def database(self) -> Database:
        """Hookfill's own database."""
        return embedded(self.postgres)

    async def send(self, work: load.Load) -> load.Outcome:
        """Let the load generator do its work in its own process."""
        return await asyncio.get_running_loop().run_in_executor(self.generator, load.run, work)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection to Hookfill's database."""
        connection = await connect(self.database, name="benchmark")
        try:
            yield connection
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A server process, and how long after its start it answered requests and was there with its worker."""

    process: asyncio.subprocess.Process
    port: int
    answered_in_seconds: float
    complete_in_seconds: float

    def watched(self, stage: Stage) -> Watched:
        """Its processes: the API, its worker if it has one, and PostgreSQL."""
        children = [c.pid for c in psutil.Process(self.process.pid).children() if "worker" in c.cmdline()]
        workers = {"worker": children[0]} if children else {}
        return {"server": self.process.pid, **workers, "postgres": stage.postgres.pid}


@contextlib.contextmanager
def fresh_home() -> Iterator[Path]:
    """A home folder that is removed with all that was started in it."""
    home = Path(tempfile.mkdtemp(prefix="hookfill-benchmark-"))
    home.chmod(0o755)  # as root, PostgreSQL runs as a user of its own
    try:
        yield home
    finally:
        if (home / "postgres" / "place.json").exists():
            server.remove(home)
        shutil.rmtree(home, ignore_errors=True)


@contextlib.asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Set a fresh stage."""
    with fresh_home() as home, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as generator:
        info = await asyncio.to_thread(server.ensure_running, home)
        (info.data_dir / OVERRIDES_CONF).write_text(OVERRIDES, encoding="utf-8")
        (info.data_dir / OVERRIDES_CONF).chmod(0o644)
        await asyncio.to_thread(server.stop, home)
        info = await asyncio.to_thread(server.ensure_running, home)
        stage = Stage(home, info, generator)
        async with stage.connection():  # keeps the server from being stopped as unused when a Hookfill leaves
            yield stage


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without settings of Hookfill's, and with some for the process to be started."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKFILL_") and name != "DATABASE_URL"}
    return kept | settings


@contextlib.asynccontextmanager
async def hookfill(home: Path, role: str) -> AsyncIterator[Running]:
    """``hookfill serve`` until it answers; stopped afterwards."""
    command = [sys.executable, "-m", "hookfill", "serve", "--role", role, "--home", str(home), "--port", "0"]
    settings = environment(HMAC_SECRET=HMAC_SECRET, MT5_API_KEY=CANDLES_KEY)
    async with started(command, settings) as (process, began):
        url = None
        while url is None or not _answers(f"{url}/webhook/test"):
            _check_alive(process, began)
            await asyncio.sleep(POLL_READY_SECONDS)
            url = Home(home).listening_url()
        answered_in = time.perf_counter() - began
        if role == "all":
            await _wait_for_worker(home)
        yield Running(process, int(url.rpartition(":")[2]), answered_in, time.perf_counter() - began)


async def _wait_for_worker(home: Path) -> None:
    info = await asyncio.to_thread(server.find_running, home)
    connection = await connect(embedded(info), name="benchmark")
    try:
        await _become_true(connection, WORKER_LISTENS, POLL_READY_SECONDS)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def started(command: list[str], settings: dict[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, float]]:
    """A process and when it was started; asked to leave afterwards and waited for."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, env=settings, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield process, began
    finally:
        ended_early = process.returncode
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
        if ended_early is not None:
            raise BenchmarkError(f"The server ended by itself, with exit code {ended_early}: what it said is above.")


async def wait_for(process: asyncio.subprocess.Process, began: float, url: str) -> float:
    """Wait until a started server answers; returns how long after its start."""
    while not _answers(url):
        _check_alive(process, began)
        await asyncio.sleep(POLL_READY_SECONDS)
    return time.perf_counter() - began


def _check_alive(process: asyncio.subprocess.Process, began: float) -> None:
    if process.returncode is not None:
        raise BenchmarkError(f"The server ended with exit code {process.returncode} before it was ready.")
    if time.perf_counter() - began > READY_SECONDS:
        raise BenchmarkError(f"The server was not ready after {READY_SECONDS:g} s.")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


async def create_strategies(stage: Stage, accounts: int) -> tuple[store.NewStrategy, ...]:
    """One strategy in each of some new accounts; the server learns of their secrets by the database's notification."""
    async with stage.connection() as connection, connection.transaction():
        owner = await store.owner_id(connection)
        made = []
        for _ in range(accounts):
            name = secrets.token_hex(8)
            account_id = await store.create_account(connection, owner, name, limits=WIDE_LIMITS)
            made.append(await store.create_strategy(connection, account_id, name))
    return tuple(made)


def trades(strategies: Sequence[store.NewStrategy], first_number: int = 0) -> load.Requests:
    """Alerts that open and close a position by turns in each strategy; they name the price to trade at."""
    return load.Requests(tuple(TRADINGVIEW + made.secret for made in strategies), TRADES, first_number=first_number)


def signed_alerts(first_number: int = 0) -> load.Requests:
    """Signed alerts, each in a symbol of its own, since the door takes repeats of a symbol within a minute for duplicates."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = f'{{"symbol":"X%012d","action":"BUY","timeframe":"5m","timestamp":"{now}"}}'
    return load.Requests(("/webhook",), (body,), HMAC_SECRET, first_number)


async def wait_until_decided(stage: Stage) -> None:
    """Wait until no signal is pending any more."""
    async with stage.connection() as connection:
        await _become_true(connection, "SELECT NOT EXISTS (SELECT FROM signals WHERE status = 'pending')", POLL_DECIDED_SECONDS)


async def _become_true(connection: asyncpg.Connection, question: str, every_seconds: float) -> None:
    while True:
        if await connection.fetchval(question):
            return
        await asyncio.sleep(every_seconds)
