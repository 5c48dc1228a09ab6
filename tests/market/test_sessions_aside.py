"""The exchanges' sessions come from a process of their own, and the one that trades never imports what they are made with."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookfill.market.sessions import are_loaded, futures_sessions, load_exchange_sessions, stock_sessions
from hookfill.market.sessions_aside import load_sessions_aside

TELLS = """
import asyncio, json, sys
from hookfill.market.sessions import are_loaded, futures_sessions, stock_sessions
from hookfill.market.sessions_aside import load_sessions_aside

before = are_loaded()
asyncio.run(load_sessions_aside())
after = are_loaded()
both = [[list(found().opens), list(found().closes)] for found in (stock_sessions, futures_sessions)]
json.dump({"loaded": [before, after], "pandas": "pandas" in sys.modules, "both": both}, sys.stdout)
"""


@pytest.fixture
def unloaded() -> Iterator[None]:
    stock_sessions.cache_clear()
    futures_sessions.cache_clear()
    yield
    load_exchange_sessions()


def test_they_are_the_same_and_the_library_stays_away() -> None:
    told = json.loads(subprocess.run([sys.executable, "-c", TELLS], check=True, capture_output=True).stdout)
    assert told["loaded"] == [False, True]
    assert told["pandas"] is False
    assert told["both"] == [[list(found().opens), list(found().closes)] for found in (stock_sessions, futures_sessions)]


async def test_what_is_loaded_is_not_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def starts(*_: str, **__: Any) -> None:
        raise AssertionError("a process was started")

    load_exchange_sessions()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", starts)
    await load_sessions_aside()


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_reader_that_fails_leaves_it_to_the_first_question(
    unloaded: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_there: bool
) -> None:
    failing = _program(tmp_path, "exit 3")
    monkeypatch.setattr(sys, "executable", str(failing if is_there else tmp_path / "nowhere"))
    await load_sessions_aside()
    assert not are_loaded()
    assert len(stock_sessions().opens) > 30_000


async def test_a_reader_does_not_outlive_who_waits_for_it(unloaded: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[asyncio.subprocess.Process] = []
    runs = asyncio.Event()
    start = asyncio.create_subprocess_exec

    async def starts(*command: str, **streams: Any) -> asyncio.subprocess.Process:
        started.append(await start(*command, **streams))
        runs.set()
        return started[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", starts)
    monkeypatch.setattr(sys, "executable", str(_program(tmp_path, "exec tail -f /dev/null")))
    waiting = asyncio.create_task(load_sessions_aside())
    await runs.wait()
    assert os.getsid(started[0].pid) != os.getsid(0)  # a terminal's Ctrl-C does not reach it
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert started[0].returncode not in (None, 0)


def _program(folder: Path, text: str) -> Path:
    program = folder / "reader"
    program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    program.chmod(0o755)
    return program
