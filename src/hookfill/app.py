"""The API process: settings → database → writer, doors and API (``working`` puts the worker process together).

``hookfill serve`` runs the API in this process and the worker in a child: deciding a burst never delays an acknowledgement, and
each uses a core of its own. The child ends when this process is gone, however it went.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import structlog
import uvicorn
from pydantic import SecretStr

from hookfill.accounts.callers import Recognition
from hookfill.accounts.flag_board import FlagBoard, open_board
from hookfill.accounts.foreign_tokens import ForeignTokens
from hookfill.accounts.key_sets import KeySet
from hookfill.accounts.secret_cache import SecretCache
from hookfill.accounts.tokens import AccessTokens
from hookfill.accounts.users import RegistrationRules, is_owner_unclaimed
from hookfill.accounts.vault import Vault
from hookfill.api.build import build_api
from hookfill.api.people import People
from hookfill.api.vital_signs import Process
from hookfill.api.waking import Waking
from hookfill.edge.direct import DoorProtocol
from hookfill.edge.intake import Doors
from hookfill.edge.rate import RateLimit
from hookfill.edge.router import Router
from hookfill.engines.flags import Flags, flags_from
from hookfill.engines.router import split_in_force
from hookfill.home import Home
from hookfill.inbox.spool import Spool
from hookfill.inbox.writer import Writer
from hookfill.kernel.errors import ConfigurationError, HookfillError
from hookfill.kernel.memory import collect_seldom
from hookfill.postgres import server
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect, open_pool
from hookfill.settings import Mode, Registration, Settings
from hookfill.starting import Listening, close_pool, prepare

BACKLOG = 4096
"""Connections that may wait to be accepted: alerts come in bursts at bar closes."""
KEEP_ALIVE_SECONDS = 75
DRAIN_SECONDS = 10
WORKER_SECONDS = 5.0
"""For the worker to finish what it has in hand."""
RESTART_SECONDS = 1.0
WATCH_SECONDS = 1.0
"""How often the embedded PostgreSQL is looked after."""
API_SECONDS = 10.0
"""How long one statement of a reading request may take."""
_LOG = structlog.get_logger("hookfill.app")


async def serve_api(settings: Settings, home: Home, *, with_worker: bool, on_ready: Callable[[Listening], None]) -> None:
    """Serve doors and API until a signal ends it; ``with_worker``: keep a worker process beside it."""
    _allow_many_connections()
    database = await prepare(settings, home)
    with _listen(settings.host, settings.port) as listener:
        host, port = listener.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        people = await _people(settings, home, database)
        async with (
            open_board(partial(connect, database, name="flags", timeout_seconds=1.0), flags_from) as board,
            _api(settings, home, database, url, people, board) as (application, waking),
            contextlib.AsyncExitStack() as stack,
        ):
            if database.is_embedded:
                await stack.enter_async_context(_kept_running(home))
            if with_worker:
                await stack.enter_async_context(_worker_process(home))
            web = _Web(web_config(application), waking.stop)
            serving = asyncio.create_task(web.serve(sockets=[listener]))
            await _started(web, serving)
            collect_seldom()
            home.write_listening(url, os.getpid())
            on_ready(Listening(url, os.getpid(), people.has_owner, people.rules.setup_token))
            await serving
    home.forget_listening(os.getpid())
    if database.is_embedded:
        await asyncio.to_thread(server.stop_if_unused, home.folder)


async def _people(settings: Settings, home: Home, database: Database) -> People:
    """How people are recognised and admitted. In production the first one must bring a token that only this machine's user sees."""
    connection = await connect(database, name="start")
    try:
        has_owner = not await is_owner_unclaimed(connection)
    finally:
        await connection.close()
    if has_owner:
        home.forget_setup_token()
    is_open, needs_setup = settings.registration is Registration.OPEN, settings.mode is Mode.PRODUCTION
    return People(
        recognition=Recognition(AccessTokens(home.jwt_secret(settings)), _foreign_tokens(settings)),
        rules=RegistrationRules(is_open, needs_setup, home.setup_token() if needs_setup and not has_owner else None),
        has_owner=has_owner,
        on_owner=home.forget_setup_token,
    )


def _foreign_tokens(settings: Settings) -> ForeignTokens | None:
    if settings.supabase_jwt_secret is None and settings.supabase_jwks is None:
        return None
    return ForeignTokens(
        secret=settings.supabase_jwt_secret.get_secret_value() if settings.supabase_jwt_secret is not None else None,
        keys=KeySet(settings.supabase_jwks) if settings.supabase_jwks is not None else None,
        issuer=settings.supabase_issuer,
        may_create_users=settings.supabase_auto_create or settings.registration is Registration.OPEN,
    )


@contextlib.asynccontextmanager
async def _api(
    settings: Settings, home: Home, database: Database, url: str, people: People, board: FlagBoard[Flags]
) -> AsyncIterator[tuple[Router, Waking]]:
    vault = Vault(home.credentials_key(settings))
    inbox_connect = partial(connect, database, name="inbox", timeout_seconds=1.0)
    writer = Writer(
        inbox_connect,
        Spool(home.folder / "spool", max_bytes=settings.spool_max_bytes),
        is_simulated=settings.is_simulated,
    )
    secrets = SecretCache(inbox_connect)
    await secrets.load()
    pool = await open_pool(database, name="api", min_size=1, max_size=8, command_timeout_seconds=API_SECONDS)
    candles_pool = await open_pool(database, name="candles", min_size=1, max_size=4, connect_timeout_seconds=1.0)
    writer.start()
    waking = Waking(pool, partial(connect, database, name="jobs wake"))
    running = [asyncio.create_task(secrets.run()), asyncio.create_task(waking.run())]
    split = partial(_split, board, settings.ab_split_percentage)
    doors = _doors(settings, home, writer, secrets, candles_pool=candles_pool, exports_pool=pool, split=split)
    try:
        api = build_api(
            pool,
            settings.base_url or url,
            process=Process(
                tally=writer.tally,
                is_spooling=lambda: writer.is_spooling,
                spooled_bytes=lambda: writer.spooled_bytes,
                pools={"api": pool, "candles": candles_pool},
                metrics_token=_text(settings.metrics_token),
            ),
            waking=waking,
            people=people,
            vault=vault,
            trades_live=settings.trades_live,
            limits=settings.limits,
        )
        yield Router(doors, api, settings.cors_origins), waking
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await writer.stop()
        await secrets.close()
        await asyncio.gather(close_pool(pool), close_pool(candles_pool))


def _doors(settings: Settings, home: Home, writer: Writer, secrets: SecretCache, **more: Any) -> Doors:
    return Doors(
        writer=writer,
        secrets=secrets,
        is_simulated=settings.is_simulated,
        hmac_secret=_text(settings.hmac_secret),
        candles_key=home.candles_key(settings),
        telemetry_token=_text(settings.telemetry_token),
        export_token=_text(settings.indicator_export_token),
        auto_repair=settings.auto_repair,
        candles_rate=RateLimit(settings.candle_requests_per_minute),
        **more,
    )


def _split(board: FlagBoard[Flags], split_percentage: int) -> int:
    return split_in_force(board.flags, split_percentage)


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


class _Web(uvicorn.Server):
    """A web server that ends what waits as soon as it is told to stop, and does not drain it for seconds."""

    def __init__(self, config: uvicorn.Config, end_waits: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_waits = end_waits

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        self._end_waits()
        await super().shutdown(sockets)


@contextlib.asynccontextmanager
async def _kept_running(home: Home) -> AsyncIterator[None]:
    """The embedded PostgreSQL is started again when something killed it: nobody else would."""
    watching = asyncio.create_task(_watch_postgres(home))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch_postgres(home: Home) -> None:
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            if not await asyncio.to_thread(server.is_ready, home.folder):
                _LOG.error("embedded_postgres_gone_starting")
                await asyncio.to_thread(server.ensure_running, home.folder)
        except (HookfillError, OSError) as error:
            _LOG.error("embedded_postgres_not_started", error=str(error))


def _allow_many_connections() -> None:
    """Let the process open as many files as its user may: a burst comes over more connections than the usual 1,024."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not there on Windows

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, because asyncio sends answers at once (TCP_NODELAY) only on what it knows to be TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"Can't listen on {host}:{port} ({error.strerror}): choose another --port.") from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def web_config(application: Router) -> uvicorn.Config:
    """How the web server serves the doors and the API."""
    return uvicorn.Config(
        application,
        http=DoorProtocol,
        ws="none",  # a library for websockets is installed, but no door speaks them
        lifespan="off",
        log_config=None,
        access_log=False,  # paths hold secrets
        proxy_headers=False,  # the forwarded address is kept with the message, nothing is decided by it
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=BACKLOG,
    )


async def _started(web: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    while not web.started:
        if serving.done():
            serving.result()
            raise ConfigurationError("The web server ended before it was up: see the log above.")
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def _worker_process(home: Home) -> AsyncIterator[None]:
    """A worker in a child process, started again whenever it ends, stopped with us."""
    stopping = asyncio.Event()
    keeper = asyncio.create_task(_keep_worker(home, stopping))
    try:
        yield
    finally:
        stopping.set()
        await keeper


async def _keep_worker(home: Home, stopping: asyncio.Event) -> None:
    command = [sys.executable, "-m", "hookfill", "serve", "--role", "worker", "--home", str(home.folder), "--tied"]
    while not stopping.is_set():
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        ended = asyncio.create_task(process.wait())
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not ended.done():
            assert process.stdin is not None
            process.stdin.close()  # the child takes this as the word to finish
            await asyncio.wait({ended}, timeout=WORKER_SECONDS)
            if not ended.done():  # it waits for a silent database; what it had in hand is rolled back and found again
                process.kill()
            await ended
        elif not stopping.is_set():
            _LOG.error("worker_ended_restarting", exit_code=process.returncode)
            await asyncio.sleep(RESTART_SECONDS)
