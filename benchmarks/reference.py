"""What Hookfill is measured against, on the same PostgreSQL server: ``pgbench`` and the textbook application."""

import asyncio
import contextlib
import os
import resource
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import cpu
from benchmarks.figures import BenchmarkError
from benchmarks.stage import Running, Stage, environment, started, wait_for
from hookfill.postgres.binaries import program, wheel_folder

CONNECT_SECONDS = 0.02
"""What pgbench needs to open one connection: its time limit includes that, its rate does not."""
SETTLE_SECONDS = 0.1
"""Backends whose client has left need a moment to end; only then is their processor time to be found with their parent."""
TABLE = """
CREATE TABLE IF NOT EXISTS pgbench_alerts (
    id          bigserial PRIMARY KEY,
    body        text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
)
"""
SCRIPT = r"""\set number random(1, 1000000000)
INSERT INTO pgbench_alerts (body)
VALUES ('{"symbol":"BTCUSDT","action":"buy","volume":0.01,"price":64000,"id":"benchmark-' || :number || '"}');
"""


@dataclass(frozen=True, slots=True)
class Committed:
    """What pgbench did: single-row inserts per second, each its own commit; latencies in seconds when they were asked for."""

    per_second: float
    elapsed_seconds: float
    latencies: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)


async def commits_for(stage: Stage, connections: int, seconds: float) -> Committed:
    """As many inserts as ``connections`` clients can do in a closed loop."""
    return await _pgbench(stage, connections, "-T", str(max(1, round(seconds + connections * CONNECT_SECONDS))))


async def commits_of(stage: Stage, connections: int, count: int) -> Committed:
    """``count`` inserts in all, as fast as ``connections`` clients can."""
    return await _pgbench(stage, connections, "-t", str(-(-count // connections)))


async def commits_at(stage: Stage, connections: int, rate: float, seconds: float) -> Committed:
    """Inserts at scheduled times (open loop), with the latency of each from its scheduled time."""
    with tempfile.TemporaryDirectory() as folder:
        options = ("-T", str(max(1, round(seconds))), f"--rate={rate:g}", "--log", f"--log-prefix={folder}/log")
        done = await _pgbench(stage, connections, *options)
        return replace(done, latencies=_logged(Path(folder)))


def _logged(folder: Path) -> list[float]:
    """The latencies in pgbench's logs: the third column, in microseconds."""
    lines = [line for path in folder.iterdir() for line in path.read_text(encoding="ascii").splitlines()]
    return [int(line.split()[2]) / 1e6 for line in lines]


async def _pgbench(stage: Stage, connections: int, *options: str) -> Committed:
    async with stage.connection() as connection:
        await connection.execute(TABLE)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SCRIPT)
        script.flush()
        threads = str(min(connections, os.cpu_count() or 1))
        command = [str(program(wheel_folder(), "pgbench")), "-n", "-M", "prepared", "-c", str(connections), "-j", threads]
        watched = {"postgres": stage.postgres.pid}
        before, began = cpu.seconds(watched) | _children(), time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *command,
            *options,
            "-f",
            script.name,
            stage.database.url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        elapsed = time.perf_counter() - began
        await asyncio.sleep(SETTLE_SECONDS)
    if process.returncode != 0:
        raise BenchmarkError(f"pgbench failed: {errors.decode()}")
    per_second = next((float(line.split()[2]) for line in output.decode().splitlines() if line.startswith("tps =")), 0.0)
    if not per_second:
        raise BenchmarkError(f"pgbench did nothing in its time: give it more --seconds. It said: {output.decode()}")
    return Committed(per_second, elapsed, cpu=cpu.cores(before, cpu.seconds(watched) | _children(), elapsed))


def _children() -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"client": usage.ru_utime + usage.ru_stime}


@contextlib.asynccontextmanager
async def textbook(stage: Stage) -> AsyncIterator[Running]:
    """The textbook application under uvicorn, with uvloop and httptools as uvicorn chooses them by itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "benchmarks.baselines.textbook:app", "--port", str(port), "--backlog", "4096"]
    command += ["--no-access-log", "--log-level", "warning"]
    async with started(command, environment(TEXTBOOK_DATABASE_URL=stage.database.url)) as (process, began):
        seconds = await wait_for(process, began, f"http://127.0.0.1:{port}/openapi.json")
        yield Running(process, port, seconds, seconds)
