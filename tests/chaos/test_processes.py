"""Single processes and connections end in every way they can: the others go on, and nobody has to restart anything."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hookfill.accounts.store import NewStrategy
from hookfill.inbox.spool import Spool
from hookfill.postgres import server as postgres_server
from hookfill.postgres.database import embedded
from hookfill.postgres.model import Database, ServerInfo
from support.database import add_strategy, query, value, wait_for_value, wait_until
from support.homes import own_home
from support.http import PREFIX, Sender
from support.server import Server
from support.stream import TRADE_EVERYTHING, Stream, alert, check_oracle

needs_posix = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")


@pytest.fixture(scope="module")
def shared(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests after which it works again as before: to start it takes longer than most of them."""
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url) as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Server:
    """The same, started again if a test has ended it."""
    return shared if shared.process.poll() is None else shared.start()


@pytest.fixture(scope="module")
def shared_embedded() -> Iterator[Server]:
    """One with a PostgreSQL of its own."""
    with own_home("hookfill home ") as home, Server(home) as server:
        yield server


@pytest.fixture
def embedded_server(shared_embedded: Server) -> Server:
    """The same, started again if a test has ended it."""
    return shared_embedded if shared_embedded.process.poll() is None else shared_embedded.start()


def worker_of(server: Server) -> psutil.Process:
    """The worker child, waited for."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        worker = server.worker()
        found[:] = [worker] if worker is not None else []
        return bool(found)

    wait_until(is_there, "the server has a worker")
    return found[0]


async def trade(server: Server, url: str, strategy: NewStrategy, chance: random.Random, count: int = 20) -> None:
    """Send some alerts and wait until they are decided."""
    stream = Stream(lambda: server.port, [strategy], [alert(number, chance) for number in range(count)])
    log = await stream.run()
    assert len(log.acknowledged) == count
    await asyncio.to_thread(wait_for_value, url, 0, "SELECT count(*) FROM signals WHERE status = 'pending'")


async def test_one_alert_a_thousand_times_against_two_servers_is_one_order(
    server: Server, tmp_path: Path, module_database: Database, chance: random.Random
) -> None:
    url = module_database.url
    counts = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM signals), (SELECT count(*) FROM orders)"
    with Server(tmp_path / "two", database_url=url) as two:
        strategy = await add_strategy(module_database, settings=TRADE_EVERYTHING)
        before = query(url, counts)[0]
        body = alert(1, chance)
        statuses: Counter[int] = Counter()

        async def send_twenty(number: int) -> None:
            sender = Sender((server, two)[number % 2].port)
            for _ in range(20):
                statuses[(await sender.post(PREFIX + strategy.secret, body)).status] += 1
            sender.close()

        await asyncio.gather(*(send_twenty(number) for number in range(50)))
        assert statuses == {200: 1000}
        of_account = "WHERE account_id = %s"
        await asyncio.to_thread(wait_for_value, url, "executed", f"SELECT status FROM signals {of_account}", strategy.account_id)
        assert [now - then for now, then in zip(query(url, counts)[0], before, strict=True)] == [1000, 1, 1]
        duplicates = f"SELECT count(*) FROM messages {of_account} AND state = 'duplicate'"
        assert value(url, duplicates, strategy.account_id) == 999


@needs_posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_ended_alone_is_replaced_or_stays_and_the_work_goes_on(
    server: Server, module_database: Database, chance: random.Random, number: int
) -> None:
    strategy = await add_strategy(module_database, settings=TRADE_EVERYTHING)
    await trade(server, module_database.url, strategy, chance)
    await asyncio.to_thread(lambda: worker_of(server).send_signal(number))
    await trade(server, module_database.url, strategy, chance)
    await asyncio.to_thread(worker_of, server)
    assert server.process.poll() is None


async def test_work_is_found_when_the_listening_connections_are_gone(
    server: Server, module_database: Database, chance: random.Random
) -> None:
    url = module_database.url
    strategy = await add_strategy(module_database, settings=TRADE_EVERYTHING)
    await trade(server, url, strategy, chance)
    # All of them: those that listen, those that notify, those that write.
    terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE %s AND datname = %s"
    name = module_database.connect_arguments["database"]
    for which in ("hookfill desk wake", "hookfill inbox", "hookfill %"):
        assert value(url, terminate, which, name) > 0
        await trade(server, url, strategy, chance)
    late = await add_strategy(module_database, settings=TRADE_EVERYTHING)
    await trade(server, url, late, chance)


@needs_posix
async def test_sigterm_in_a_burst_drains(server: Server, module_database: Database, size: Any, chance: random.Random) -> None:
    url, messages = module_database.url, "SELECT count(*) FROM messages"
    strategy = await add_strategy(module_database, settings=TRADE_EVERYTHING)
    before = value(url, messages)
    stream = Stream(lambda: server.port, [strategy], [alert(number, chance) for number in range(size.alerts)], connections=50)
    running = asyncio.create_task(stream.run())
    for kill in range(1, size.kills + 1):
        await stream.reached(kill * size.alerts // (size.kills + 1))
        worker = await asyncio.to_thread(worker_of, server)
        code = await asyncio.to_thread(server.stop)
        assert code == 0
        assert not worker.is_running()
        assert not (server.home / "listening.json").exists()
        await asyncio.to_thread(server.start)
    log = await running
    print(log.summary())
    assert set(log.statuses) == {200}
    print(await asyncio.to_thread(check_oracle, url, log))
    # Everyone had their answer, so nothing was stored twice.
    assert value(url, messages) - before <= size.alerts + 50 * size.kills


@needs_posix
async def test_a_worker_whose_server_was_killed_ends_by_itself(
    server: Server, module_database: Database, chance: random.Random
) -> None:
    """The last one with the server that they share."""
    strategy = await add_strategy(module_database, settings=TRADE_EVERYTHING)
    await trade(server, module_database.url, strategy, chance)
    worker = await asyncio.to_thread(worker_of, server)
    server.process.kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [worker], 20)
    assert not alive
    clients = "SELECT application_name FROM pg_stat_activity WHERE datname = %s AND application_name <> ''"
    name = module_database.connect_arguments["database"]
    await asyncio.to_thread(wait_until, lambda: not query(module_database.url, clients, name), "their connections are gone")


def kill_postgres(info: ServerInfo) -> None:
    """SIGKILL to the postmaster first, so that it can't tidy up, and to all its children."""
    postmaster = psutil.Process(info.pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=20)


@needs_posix
async def test_the_embedded_postgresql_is_killed_under_load_and_started_again(
    embedded_server: Server, size: Any, chance: random.Random
) -> None:
    server, home = embedded_server, embedded_server.home
    info = postgres_server.find_running(home)
    assert info is not None
    strategies = [await add_strategy(embedded(info), settings=TRADE_EVERYTHING) for _ in range(3)]
    await trade(server, info.url(), strategies[0], chance)
    stream = Stream(lambda: server.port, strategies, [alert(number, chance) for number in range(size.alerts)])
    running = asyncio.create_task(stream.run())
    for kill in range(1, size.kills + 1):
        await stream.reached(kill * size.alerts // (size.kills + 1))
        started = time.monotonic()
        await asyncio.to_thread(kill_postgres, info)
        # Nobody but the server itself starts it again.
        await asyncio.to_thread(wait_until, lambda: postgres_server.find_running(home) is not None, "PostgreSQL is back")
        print(f"kill {kill}: PostgreSQL back after {time.monotonic() - started:.2f} s")
        info = postgres_server.find_running(home)
        assert info is not None
        await trade(server, info.url(), strategies[0], chance)
    log = await running
    print(log.summary())
    assert set(log.statuses) <= {200, 503}
    assert log.broken == 0
    assert max(log.seconds) < 10
    assert 503 not in log.statuses
    await asyncio.to_thread(wait_until, Spool(home / "spool").is_empty, "the spool is written on")
    print(await asyncio.to_thread(check_oracle, info.url(), log))


@needs_posix
async def test_sigterm_stops_the_embedded_postgresql_too(embedded_server: Server, chance: random.Random) -> None:
    home = embedded_server.home
    info = postgres_server.find_running(home)
    assert info is not None
    strategy = await add_strategy(embedded(info), settings=TRADE_EVERYTHING)
    await trade(embedded_server, info.url(), strategy, chance)
    assert await asyncio.to_thread(embedded_server.stop) == 0
    assert postgres_server.find_running(home) is None
