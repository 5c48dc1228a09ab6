"""``hookfill demo`` from start to end: what its sample day is there to show, does show, in every run the same."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest

from hookfill.demo.sample_alerts import Intent
from hookfill.demo.sample_day import make_day
from hookfill.ops.ledger import check_ledger
from hookfill.postgres.database import embedded
from hookfill.postgres.pool import connect
from hookfill.postgres.server import find_running

INTENTS = Counter(alert.intent for alert in make_day()[1])
DISCARDED = {
    Intent.ACTION_UNKNOWN,
    Intent.SYMBOL_MISSING,
    Intent.PLACEHOLDER_UNFILLED,
    Intent.TEXT_UNUSABLE,
    Intent.SIGNAL_STALE,
}
INCIDENTAL = {"no_position", "pyramiding_limit", "already_at_target"}
"""Refusals that also befall alerts that mean to trade: the chart believes in a position that has been left, or is still held."""
KEYS = {
    "alerts", "duplicates", "discarded", "rejected", "orders", "fills", "positions_opened", "positions_closed", "exits",
    "realized_pnl", "equity", "alert_to_fill_ms",
}  # fmt: skip
DEMO = [sys.executable, "-m", "hookfill", "demo"]
TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Lasting:
    """A demo that went on after its summary.

    Attributes:
        summary: what it printed.
        unsound: rules of the ledger that did not hold while its server still ran.
        remains: what its end by SIGTERM left.
    """

    summary: dict[str, Any]
    unsound: list[Any]
    remains: "Remains"


@dataclass(frozen=True)
class Remains:
    """What is left of an interrupted demo, and what it said on standard error."""

    err: str
    had_children: bool
    processes: list[psutil.Process]
    home: Path

    def check(self) -> None:
        assert "Traceback" not in self.err
        assert self.had_children
        assert not self.processes
        assert not self.home.exists()


@pytest.fixture(scope="module")
def lasting() -> Lasting:
    if sys.platform == "win32":
        pytest.skip("Windows has no such signals")
    with start("--json") as process:
        printed = ""
        while not printed.endswith("\n}\n"):
            printed += next_line(process)
        found = asyncio.run(unsound(home_of(process)))
        return Lasting(json.loads(printed, parse_float=Decimal), found, interrupt(process, signal.SIGTERM))


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    """What a run prints that ends by itself; it leaves nothing behind."""
    before = leftovers()
    command = [*DEMO, "--once", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS, env=foreign_settings())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert leftovers() == before
    found: dict[str, Any] = json.loads(done.stdout, parse_float=Decimal)
    return found


@contextlib.contextmanager
def start(*options: str) -> Iterator["subprocess.Popen[str]"]:
    command, pipe = [*DEMO, *options], subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=foreign_settings(), start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()  # it tidies up; has no effect on one that has ended
        process.communicate(timeout=TIMEOUT_SECONDS)


def next_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate(timeout=TIMEOUT_SECONDS)[1]
    return line


def home_of(process: "subprocess.Popen[str]") -> Path:
    """The temporary home, which its server was started with."""
    (command,) = [child.cmdline() for child in psutil.Process(process.pid).children() if "serve" in child.cmdline()]
    return Path(command[command.index("--home") + 1])


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals) -> Remains:
    """As a terminal does it: the demo, and all that it has started."""
    home, children = home_of(process), psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    return Remains(err, bool(children), psutil.wait_procs(children, timeout=TIMEOUT_SECONDS)[1], home)


async def unsound(home: Path) -> list[Any]:
    running = find_running(home)
    assert running is not None
    connection = await connect(embedded(running), name="test")
    try:
        return [invariant for invariant in await check_ledger(connection) if not invariant.holds]
    finally:
        await connection.close()


def foreign_settings() -> dict[str, str]:
    """The demo must not touch the user's own installation."""
    return os.environ | {
        "HOOKFILL_HOME": "/nowhere",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "HMAC_SECRET": "mine",
    }


def leftovers() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("hookfill-demo-*"))


def test_the_summary_has_the_promised_keys(run: dict[str, Any]) -> None:
    assert set(run) >= KEYS
    assert set(run["alert_to_fill_ms"]) == {"p50", "p99"}


def test_two_runs_come_to_the_same(run: dict[str, Any], lasting: Lasting) -> None:
    first, second = (
        {name: found[name] for name in found if name not in {"alert_to_fill_ms", "seconds"}} for found in (run, lasting.summary)
    )
    assert first == second


def test_messages_come_out_as_they_were_meant(run: dict[str, Any]) -> None:
    found = run
    assert found["alerts"] == sum(INTENTS.values())
    assert found["duplicates"] == INTENTS[Intent.RESEND]
    assert found["malformed"] == INTENTS[Intent.MALFORMED]
    assert found["failed"] == found["pending"] == found["refused"] == 0


def test_refusals_are_those_that_were_meant(run: dict[str, Any]) -> None:
    found = run
    assert found["discarded_reasons"] == {intent.value: INTENTS[intent] for intent in DISCARDED}
    meant = {
        intent.value: INTENTS[intent]
        for intent in Intent
        if intent not in DISCARDED | {Intent.TRADE, Intent.RESEND, Intent.MALFORMED}
    }
    rejected = found["rejected_reasons"]
    assert {reason: number for reason, number in rejected.items() if reason not in INCIDENTAL} == {
        reason: number for reason, number in meant.items() if reason not in INCIDENTAL
    }
    assert rejected["no_position"] >= meant["no_position"]
    assert found["discarded"] == sum(found["discarded_reasons"].values())
    assert found["rejected"] == sum(rejected.values())


def test_every_alert_comes_to_one_end(run: dict[str, Any]) -> None:
    found = run
    ends = ("duplicates", "malformed", "discarded", "rejected", "executed")
    assert found["alerts"] == sum(found[end] for end in ends)
    traded = INTENTS[Intent.TRADE] + INTENTS[Intent.NO_POSITION]
    incidental = sum(found["rejected_reasons"].get(reason, 0) for reason in INCIDENTAL)
    assert found["executed"] == traded - incidental


def test_trades_add_up(run: dict[str, Any]) -> None:
    found = run
    assert found["orders"] == found["fills"] > 200
    assert found["positions_closed"] == sum(found["exits"].values())
    assert 0 <= found["positions_opened"] - found["positions_closed"] <= 4
    assert found["orders"] == found["positions_opened"] + found["positions_closed"]
    assert found["realized_pnl"] != 0
    assert abs(found["equity"] - 100_000) < 1_000


def test_positions_are_left_in_every_way(run: dict[str, Any]) -> None:
    assert set(run["exits"]) >= {"signal", "stop_loss", "take_profit", "trailing_stop", "break_even", "max_hold"}


def test_the_ledger_is_sound_afterwards(lasting: Lasting) -> None:
    assert not lasting.unsound


def test_nothing_is_left_when_it_is_ended_after_the_day(lasting: Lasting) -> None:
    lasting.remains.check()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_nothing_is_left_when_it_is_interrupted_in_the_middle_of_the_day() -> None:
    with start() as process:
        while "Replaying" not in next_line(process):
            pass
        remains = interrupt(process, signal.SIGINT)
    remains.check()
