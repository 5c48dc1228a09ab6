"""``hookfill agent`` as a process of its own: killed, frozen, stopped; and its other commands."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
import structlog
from typer.testing import CliRunner

from hookfill.brokers.mt5.agent.simulated import SimulatedTerminal
from hookfill.cli.main import app
from support.fake_hookfill import AGENT_ID, AGENT_KEY, FakeHookfill
from support.server import LAUNCHER

WAIT_SECONDS = 40
SOON = {"hookfill.brokers.mt5.agent.execute.LOOK_SECONDS": [0.02] * 6}
"""As many looks for what the terminal may show late, but sooner: the simulated one shows all at once."""


class Program:
    """``hookfill agent run --simulated``."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.terminal = folder / "terminal"
        self._command = [sys.executable, "-c", LAUNCHER, "agent", "run", "--simulated", "--simulated-state", str(self.terminal)]
        self._command += ["--server", url, "--agent-id", AGENT_ID, "--home", str(folder / "home"), "--simulated-still"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, failpoint: str = "") -> Self:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("HOOKFILL_")}
        environment = kept | {"HOOKFILL_AGENT_KEY": AGENT_KEY, "HOOKFILL_AGENT_FAILPOINT": failpoint}
        environment["TEST_CONSTANTS"] = json.dumps(SOON)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        return self

    def wait_until_frozen(self) -> None:
        """Wait until it has stopped itself, which the system tells its parent."""
        assert self.process is not None
        told = threading.Thread(
            target=os.waitid, args=(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT), daemon=True
        )
        told.start()
        told.join(WAIT_SECONDS)
        assert not told.is_alive(), "it goes on"
        assert self.process.poll() is None, "it has ended"

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(WAIT_SECONDS)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT_SECONDS)

    def deals(self, terminal: Path | None = None) -> int:
        """How many deals the terminal has seen."""
        world = SimulatedTerminal(terminal or self.terminal)
        try:
            return len(world.book().deals)
        finally:
            world.close()

    def deals_while_frozen(self) -> int:
        """The same of a copy: another of its threads may have been stopped with the terminal's file locked."""
        copy = self.folder / "as it was frozen"
        copy.mkdir()
        for file in self.folder.glob(f"{self.terminal.name}*"):
            shutil.copy(file, copy)
        return self.deals(copy / self.terminal.name)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands that run in this process set its logging up."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


@pytest.fixture
def fake() -> FakeHookfill:
    return FakeHookfill()


@pytest.fixture
def program(fake: FakeHookfill, tmp_path: Path) -> Iterator[Program]:
    with fake.listening() as url:
        program = Program(url, tmp_path)
        yield program
        program.kill()


@pytest.mark.parametrize("step", ["after_order", "after_outcome", "after_report"])
def test_killed_after_the_order_it_tells_the_result_and_orders_once(fake: FakeHookfill, program: Program, step: str) -> None:
    job = fake.add("trade", side="buy")
    assert program.start(step).wait() == -signal.SIGKILL
    assert program.deals() == 1
    program.start()
    fake.bell.wait(lambda: job.status == "completed", "the job completed", WAIT_SECONDS)
    program.kill()
    assert program.deals() == 1
    assert job.attempts == 1


def test_killed_before_the_order_it_never_orders(fake: FakeHookfill, program: Program) -> None:
    job = fake.add("trade", side="buy")
    assert program.start("after_journal").wait() == -signal.SIGKILL
    program.start()
    fake.bell.wait(lambda: job.status == "failed", "the job failed", WAIT_SECONDS)
    assert program.deals() == 0


@pytest.mark.parametrize("step", ["stop_after_journal", "stop_after_order"])
def test_frozen_past_its_lease_it_neither_orders_late_nor_twice(fake: FakeHookfill, program: Program, step: str) -> None:
    job = fake.add("trade", side="buy", life_seconds=3000)
    program.start(step)
    program.wait_until_frozen()
    had_ordered = program.deals_while_frozen()
    fake.lapse()
    other = fake.answer("GET", f"/api/v1/agents/{AGENT_ID}/jobs/next", {"x-agent-id": AGENT_ID, "x-agent-key": AGENT_KEY}, b"")[1]
    assert other["attempt"] == 2
    fake.lapse()  # the other one died
    assert program.process is not None
    program.process.send_signal(signal.SIGCONT)
    fake.bell.wait(lambda: job.status == "completed", "the job completed", WAIT_SECONDS)
    assert job.attempts >= 3
    assert program.deals() == 1
    assert had_ordered == (1 if step == "stop_after_order" else 0)


def test_sigterm_ends_it_in_order_and_no_secret_is_logged(fake: FakeHookfill, program: Program) -> None:
    job = fake.add("trade", side="buy")
    program.start()
    fake.bell.wait(lambda: job.status == "completed", "the job completed", WAIT_SECONDS)
    second = Program("http://127.0.0.1:1", program.folder)
    assert second.start().wait() == 1
    assert program.process is not None
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0
    log = program.log.read_text(encoding="utf-8")
    assert "runs already" in log
    assert "job_reported" in log
    assert AGENT_KEY not in log


def test_a_refused_key_ends_it_with_one_line(fake: FakeHookfill, program: Program) -> None:
    fake.is_revoked = True
    assert program.start().wait() == 1
    log = program.log.read_text(encoding="utf-8")
    assert "hookfill agent pair" in log
    assert "Traceback" not in log


def test_pair_and_status(fake: FakeHookfill, tmp_path: Path) -> None:
    place = tmp_path / "home" / "agent" / "agent.json"
    arguments = ["--home", str(tmp_path / "home"), "--json"]
    with fake.listening() as url:
        given = ["agent", "pair", "--server", url, "--token", "token-1", "--connection", "c-1"]
        paired = CliRunner().invoke(app, [*given, *arguments])
    assert paired.exit_code == 0, paired.output
    assert json.loads(paired.stdout) == {"agent_id": AGENT_ID, "config": str(place)}
    assert place.stat().st_mode & 0o777 == 0o600
    status = json.loads(CliRunner().invoke(app, ["agent", "status", *arguments]).stdout)
    assert (status["agent_id"], status["server"]) == (AGENT_ID, url)
    assert AGENT_KEY not in json.dumps(status)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status"], "agent pair"),
        (["run", "--simulated"], "agent pair"),
        (["run", "--simulated", "--agent-id", AGENT_ID], "--agent-key"),
        (["run", "--server", "http://x", "--agent-id", "1", "--agent-key", "k"], "UUID"),
        (["run", "--server", "http://x", "--agent-id", AGENT_ID, "--agent-key", "k"], "--simulated"),
        (
            [
                "run",
                "--simulated",
                "--simulated-price",
                "EURUSD",
                "--server",
                "http://x",
                "--agent-id",
                AGENT_ID,
                "--agent-key",
                "k",
            ],
            "=1.085",
        ),
    ],
)
def test_wrong_options_are_told(tmp_path: Path, arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["agent", *arguments, "--home", str(tmp_path)], env={"HOOKFILL_AGENT_KEY": None})
    assert result.exit_code == 1
    assert says in result.stderr
