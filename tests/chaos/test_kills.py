"""`kill -9` of everything, again and again, under a stream of alerts: nothing acknowledged is lost, nothing is done twice."""

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hookfill.postgres import server as postgres_server
from hookfill.postgres.database import embedded
from hookfill.postgres.model import Database
from support.database import add_strategy
from support.server import Server
from support.stream import TRADE_EVERYTHING, Stream, alert, check_oracle


def check_with_doctor(server: Server) -> None:
    """Hookfill's own witness must agree."""
    command = [sys.executable, "-m", "hookfill", "doctor", "--ledger", "--json", "--home", str(server.home)]
    done = subprocess.run(command, check=False, capture_output=True, env=server.environment)
    ledger = json.loads(done.stdout)["ledger"]
    assert ledger
    assert [entry for entry in ledger if entry["level"] != "ok"] == []


async def kill_again_and_again(
    server: Server, database: Database, size: Any, chance: random.Random, *, with_postgres: bool
) -> None:
    """Kill and restart while alerts stream in; then the oracle."""
    strategies = [await add_strategy(database, settings=TRADE_EVERYTHING) for _ in range(3)]
    bodies = [alert(number, chance) for number in range(size.alerts)]
    stream = Stream(lambda: server.port, strategies, bodies)
    running = asyncio.create_task(stream.run())
    for kill in range(1, size.kills + 1):
        await stream.reached(kill * size.alerts // (size.kills + 1) + chance.randrange(50))
        await asyncio.sleep(chance.random() * 0.05)
        server.kill(database=with_postgres)
        started = time.monotonic()
        await asyncio.to_thread(server.start)
        print(f"kill {kill}: serving again after {time.monotonic() - started:.2f} s")
    log = await running
    print(log.summary())
    assert len(log.acknowledged) == size.alerts
    states = await asyncio.to_thread(check_oracle, database.url, log)
    print(states)
    await asyncio.to_thread(check_with_doctor, server)
    assert states.get("executed", 0) > size.alerts // 2


async def test_the_server_and_its_worker(server_home: Path, database: Database, size: Any, chance: random.Random) -> None:
    with Server(server_home, database_url=database.url) as server:
        await kill_again_and_again(server, database, size, chance, with_postgres=False)


async def test_the_server_its_worker_and_the_embedded_postgresql(home: Path, size: Any, chance: random.Random) -> None:
    with Server(home) as server:
        info = postgres_server.find_running(home)
        assert info is not None
        await kill_again_and_again(server, embedded(info), size, chance, with_postgres=True)
