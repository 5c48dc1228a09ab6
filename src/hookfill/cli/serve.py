"""``hookfill serve``: the server and its worker."""

import contextlib
import gc
import signal
import sys
from collections.abc import Coroutine, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, read_settings, start_logging

if TYPE_CHECKING:
    from hookfill.home import Home
    from hookfill.settings import Settings
    from hookfill.starting import Listening


class Role(StrEnum):
    """Which part of the server this process is."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: HOOKFILL_HOST, else 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any free one; default: HOOKFILL_PORT, else 8000.")
    ] = None,
    home: HomeOption = None,
    role: Annotated[Role, typer.Option(help="api: doors and API only; worker: decisions only; all: both.")] = Role.ALL,
    as_json: JsonOption = False,
    tied: Annotated[bool, typer.Option("--tied", hidden=True)] = False,
) -> None:
    """Run the server until Ctrl-C or SIGTERM; what it has accepted by then is finished first."""
    guard = _Guard(is_deaf=tied)
    with _loading():
        from hookfill.home import Home

        settings = read_settings(home, host=host, port=port)
        start_logging(settings)
        place = Home.at(settings.home)

    def ready(listening: "Listening") -> None:
        guard.hand_over()
        if not tied:
            _announce(listening, settings, place, as_json=as_json)

    with _loading():  # only the half that is needed: the web framework and its routes take longer to load than all the rest
        if role is Role.WORKER:
            from hookfill.working import serve_worker

            serving = serve_worker(settings, place, is_tied=tied, on_ready=ready)
        else:
            from hookfill.app import serve_api

            serving = serve_api(settings, place, with_worker=role is Role.ALL, on_ready=ready)
    _run(serving)


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Modules stay: looking through them for garbage again and again while they come is a sixth of the time it takes."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Guard:
    """What Ctrl-C and SIGTERM do: end the start-up; once the server is up it handles them itself and finishes what it has.

    The web server raises the signal that ended it once more when it has drained; by then there is nothing left to interrupt. A
    worker that is tied to its server is deaf to both: a terminal sends Ctrl-C to all, and the server says when it is over.
    """

    def __init__(self, *, is_deaf: bool) -> None:
        self._is_over = is_deaf
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def hand_over(self) -> None:
        """The server is up."""
        self._is_over = True

    def _handle(self, number: int, _frame: object) -> None:
        if not self._is_over:
            raise SystemExit(128 + number)


def _run(main: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        import asyncio

        asyncio.run(main)
        return
    import uvloop

    from hookfill.kernel.memory import give_back_large_blocks

    give_back_large_blocks()
    uvloop.run(main)


def _announce(listening: "Listening", settings: "Settings", home: "Home", *, as_json: bool) -> None:
    from hookfill.cli.show import print_json

    if as_json:
        setup = {"setup_token": listening.setup_token} if listening.setup_token else {}
        print_json({"url": listening.url or None, "pid": listening.pid, **setup}, on_one_line=True)
        return
    if not listening.url:
        print(f"Hookfill's worker runs (process {listening.pid}).", flush=True)
        return
    lines = [
        f"Hookfill is ready: {listening.url}",
        f"  signed webhook   {(settings.base_url or listening.url).rstrip('/')}/webhook",
        "  TradingView      hookfill strategies create NAME prints a strategy's own URL",
        "  owner's token    hookfill token",
        f"  data             {home.folder}",
    ]
    if not listening.has_owner:
        lines.append("  first user       hookfill users create EMAIL --owner, or POST /api/v1/auth/register" + _setup(listening))
    if settings.is_simulated:
        lines.append("  time             simulated: messages carry it")
    print("\n".join(lines), flush=True)


def _setup(listening: "Listening") -> str:
    """What the first user must send besides, once."""
    return f" with\n                   setup_token {listening.setup_token}" if listening.setup_token else ""
