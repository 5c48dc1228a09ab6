"""``hookfill demo`` from start to end: what its sample day is there to show, does show, in every run the same."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest

from hookfill.demo.run_day import Day, run_day
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
TIMEOUT_SECONDS = 300


@pytest.fixture(scope="module")
def runs() -> list[dict[str, Any]]:
    """What two runs as commands print; neither leaves anything behind."""
    return [run_demo(), run_demo()]


def run_demo() -> dict[str, Any]:
    before = leftovers()
    command = [sys.executable, "-m", "hookfill", "demo", "--once", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS, env=foreign_settings())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert leftovers() == before
    found: dict[str, Any] = json.loads(done.stdout, parse_float=Decimal)
    return found


def foreign_settings() -> dict[str, str]:
    """The demo must not touch the user's own installation."""
    return os.environ | {
        "HOOKFILL_HOME": "/nowhere",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "HMAC_SECRET": "mine",
    }


def leftovers() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("hookfill-demo-*"))


def test_the_summary_has_the_promised_keys(runs: list[dict[str, Any]]) -> None:
    assert set(runs[0]) >= KEYS
    assert set(runs[0]["alert_to_fill_ms"]) == {"p50", "p99"}


def test_two_runs_come_to_the_same(runs: list[dict[str, Any]]) -> None:
    first, second = ({name: run[name] for name in run if name not in {"alert_to_fill_ms", "seconds"}} for run in runs)
    assert first == second


def test_messages_come_out_as_they_were_meant(runs: list[dict[str, Any]]) -> None:
    found = runs[0]
    assert found["alerts"] == sum(INTENTS.values())
    assert found["duplicates"] == INTENTS[Intent.RESEND]
    assert found["malformed"] == INTENTS[Intent.MALFORMED]
    assert found["failed"] == found["pending"] == found["refused"] == 0


def test_refusals_are_those_that_were_meant(runs: list[dict[str, Any]]) -> None:
    found = runs[0]
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


def test_every_alert_comes_to_one_end(runs: list[dict[str, Any]]) -> None:
    found = runs[0]
    ends = ("duplicates", "malformed", "discarded", "rejected", "executed")
    assert found["alerts"] == sum(found[end] for end in ends)
    traded = INTENTS[Intent.TRADE] + INTENTS[Intent.NO_POSITION]
    incidental = sum(found["rejected_reasons"].get(reason, 0) for reason in INCIDENTAL)
    assert found["executed"] == traded - incidental


def test_trades_add_up(runs: list[dict[str, Any]]) -> None:
    found = runs[0]
    assert found["orders"] == found["fills"] > 200
    assert found["positions_closed"] == sum(found["exits"].values())
    assert 0 <= found["positions_opened"] - found["positions_closed"] <= 4
    assert found["orders"] == found["positions_opened"] + found["positions_closed"]
    assert found["realized_pnl"] != 0
    assert abs(found["equity"] - 100_000) < 1_000


def test_positions_are_left_in_every_way(runs: list[dict[str, Any]]) -> None:
    assert set(runs[0]["exits"]) >= {"signal", "stop_loss", "take_profit", "trailing_stop", "break_even", "max_hold"}


async def test_the_ledger_is_sound_afterwards() -> None:
    homes: list[Path] = []

    async def look(day: Day) -> None:
        homes.append(Path(day.home))
        running = find_running(homes[0])
        assert running is not None
        connection = await connect(embedded(running), name="test")
        try:
            broken = [invariant for invariant in await check_ledger(connection) if not invariant.holds]
        finally:
            await connection.close()
        assert not broken

    await run_day(keep=False, on_start=lambda *_: None, on_progress=lambda _: None, on_end=look)
    assert leftovers().isdisjoint(homes)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_interrupted(number: signal.Signals) -> None:
    before = leftovers()
    command = [sys.executable, "-m", "hookfill", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "until Ctrl-C" in line:
                break
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert "Traceback" not in err
    assert children
    assert not psutil.wait_procs(children, timeout=TIMEOUT_SECONDS)[1]
    assert leftovers() == before
