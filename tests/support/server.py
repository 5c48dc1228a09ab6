"""A real `hookfill serve` process: started, waited for by what it says, killed as a power cut would, its log kept for failures."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from hookfill.postgres import server as postgres_server

START_SECONDS = 60.0
STOP_SECONDS = 60.0
OWNER_TOKEN = "canary-owner-token-6f1d0c5e9b"
CANDLES_KEY = "canary-candles-key-83a7e4d2c1"
_OWN = (
    "HOOKFILL_",
    "DATABASE_URL",
    "HMAC_SECRET",
    "MT5_API_KEY",
    "BASE_URL",
    "JWT_SECRET",
    "SUPABASE_",
    "REGISTRATION",
    "ALPACA_",
    "MARKET_FEED",
    "APP_MODE",
    "MAX_",
    "NODE_ENV",
    "REDIS_URL",
)
_LAUNCH = Path(__file__).parent / "launch"
LAUNCHER = """
import importlib, json, os
for name, value in json.loads(os.environ.pop("TEST_CONSTANTS")).items():
    module, _, constant = name.rpartition(".")
    module = importlib.import_module(module)
    assert hasattr(module, constant), name
    setattr(module, constant, value)
from hookfill.cli.main import run
run()
"""

LIVE: "set[Server]" = set()
"""Servers that run now; their logs are shown with a failing test."""


class StartFailed(Exception):
    """The server did not come up; the text holds all it said."""


class Server:
    """One server process (and its worker child) on a home of its own, or on one that it shares."""

    def __init__(
        self,
        home: Path,
        *,
        database_url: str | None = None,
        role: str = "all",
        constants: Mapping[str, object] | None = None,
        worker_constants: Mapping[str, object] | None = None,
        **environment: str,
    ) -> None:
        """Prepare, don't start.

        Args:
            home: HOOKFILL_HOME.
            database_url: None for the home's embedded PostgreSQL.
            role: what to serve.
            constants: module constants to set in the process (not in its worker), such as time limits too long for a test.
            worker_constants: the same for its worker; a class's value is what other defaults its ``__init__`` shall have.
            environment: further environment variables.
        """
        self.home = home
        self.role = role
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
        self.environment = kept | {"HOOKFILL_OWNER_TOKEN": OWNER_TOKEN, "MT5_API_KEY": CANDLES_KEY} | environment
        if database_url is not None:
            self.environment["DATABASE_URL"] = database_url
        self._command = [sys.executable, "-m", "hookfill"]
        if constants:
            self._command = [sys.executable, "-c", LAUNCHER]
            self.environment["TEST_CONSTANTS"] = json.dumps(dict(constants))
        if worker_constants:
            self.environment["TEST_WORKER_CONSTANTS"] = json.dumps(dict(worker_constants))
            paths = (str(_LAUNCH), self.environment.get("PYTHONPATH"))
            self.environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def launch(self) -> Self:
        """Start the process and don't wait for it."""
        command = [*self._command, "serve", "--port", "0", "--home", str(self.home), "--role", self.role]
        self._process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        LIVE.add(self)
        return self

    def start(self) -> Self:
        """Start the process and wait until it listens.

        Raises:
            StartFailed: it ended, or did not listen in time.
        """
        self.launch()
        give_up = time.monotonic() + START_SECONDS
        while not self._is_listening():
            if self.process.poll() is not None or time.monotonic() > give_up:
                code = self.process.poll()
                self.kill()
                what = f"not listening after {START_SECONDS} s" if code is None else f"exit code {code}"
                raise StartFailed(f"{what}\n{self.output()}")
            time.sleep(0.01)
        return self

    def _is_listening(self) -> bool:
        try:
            found = json.loads((self.home / "listening.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        self.url = found["url"]
        return bool(found["pid"] == self.pid)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def worker(self) -> psutil.Process | None:
        """The worker child, if there is one now."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.pid).children():
                if "worker" in child.cmdline():
                    return child
        return None

    def kill(self, *, database: bool = False) -> None:
        """What a power cut does: SIGKILL to the parent, its children and, if asked, the embedded PostgreSQL."""
        victims = []
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(self.pid)
            victims = [parent, *parent.children(recursive=True)]
        if database and (info := postgres_server.find_running(self.home)) is not None:
            postmaster = psutil.Process(info.pid)
            victims += [postmaster, *postmaster.children(recursive=True)]
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        self.process.wait(STOP_SECONDS)
        psutil.wait_procs(victims, timeout=STOP_SECONDS)
        LIVE.discard(self)

    def stop(self) -> int:
        """SIGTERM, as an init system does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS)
        LIVE.discard(self)
        return code

    def output(self) -> str:
        """All that the process and its worker have said on standard output and error."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def memory_bytes(self) -> int:
        """Resident memory of the process that serves HTTP."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def __enter__(self) -> Self:
        """Start."""
        try:
            return self.start()
        except StartFailed:
            self._log.close()
            raise

    def __exit__(self, *exception: object) -> None:
        """Kill what is left, and forget the log; pytest shows it if the test fails."""
        if self._process is not None:
            self.kill()
        if exception[:1] != (None,):
            print(self.output()[-20_000:])
        self._log.close()
