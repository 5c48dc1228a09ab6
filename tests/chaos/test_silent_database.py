"""PostgreSQL accepts and says nothing, refuses, or vanishes: every answer within three seconds, and everything recovers alone."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hookfill.accounts.store import NewStrategy
from hookfill.inbox.spool import Spool
from hookfill.postgres.model import Database, ServerInfo
from support.database import add_strategy, value, wait_for_value, wait_until
from support.http import PREFIX, Answer, Sender
from support.proxy import Proxy
from support.server import CANDLES_KEY, Server
from support.stream import TRADE_EVERYTHING, Log, Stream, alert, check_oracle

BOUND_SECONDS = 3.0
"""TradingView gives up after three seconds."""
KEY = f"X-API-KEY: {CANDLES_KEY}"


@pytest.fixture
async def proxy(postgres: ServerInfo, database: Database) -> AsyncIterator[Proxy]:
    async with Proxy(postgres) as proxy:
        yield proxy


async def send(server: Server, path: str, body: bytes) -> Answer:
    """One request over a connection of its own; the answer must be there in time and be 2xx or 503."""
    sender = Sender(server.port)
    started = time.monotonic()
    answer = await sender.post(path, body, KEY)
    elapsed = time.monotonic() - started
    sender.close()
    assert elapsed < BOUND_SECONDS, f"{path.removeprefix(PREFIX)[:12]}: {elapsed:.1f} s"
    assert 200 <= answer.status < 300 or answer.status == 503
    return answer


def candles() -> bytes:
    bar = {"symbol": f"C{uuid.uuid4().hex[:8]}", "timeframe": "M5", "timestamp": "2026-01-05T10:00:00Z"}
    return json.dumps({"candles": [bar | {"open": 1, "high": 2, "low": 1, "close": 2, "volume": 1}]}).encode()


def signed() -> bytes:
    fields = {"symbol": f"T{uuid.uuid4().hex[:8]}", "direction": "long", "timeframe": "5m"}
    return json.dumps(fields | {"timestamp": datetime.now(UTC).isoformat()}).encode()


@pytest.mark.parametrize("trouble", ["black_hole", "refuse"])
async def test_every_door_answers_in_time_while_the_database_is_away(
    server_home: Path, proxy: Proxy, database: Database, chance: random.Random, trouble: str
) -> None:
    far = proxy.url(database.connect_arguments["database"])
    server = Server(server_home, database_url=far)
    try:
        await asyncio.to_thread(server.start)
        strategy = await add_strategy(database, settings=TRADE_EVERYTHING)
        stream = Stream(lambda: server.port, [strategy], [alert(number, chance) for number in range(20)])
        log = await stream.run()
        assert (await send(server, "/api/v1/candles", candles())).status == 201
        getattr(proxy, trouble)()
        late = await add_strategy(database, settings=TRADE_EVERYTHING)
        log = await away(server, strategy, late, chance, log)
        proxy.restore()
        await asyncio.to_thread(wait_until, Spool(server_home / "spool").is_empty, "the spool is written on")
        await asyncio.to_thread(recovered, database, server, late, chance)
        print(log.summary())
        print(await asyncio.to_thread(check_signals, database.url, log))
    finally:
        proxy.restore()
        await asyncio.to_thread(server.__exit__)


async def away(server: Server, strategy: NewStrategy, late: NewStrategy, chance: random.Random, log: Log) -> Log:
    """Everything that may be sent while the database is away, at once and one after the other."""
    bodies = [alert(number, chance) for number in range(40)]
    for round_ in range(2):
        answers = await asyncio.gather(
            *(send(server, PREFIX + strategy.secret, body) for body in bodies[round_ * 20 : round_ * 20 + 20]),
            *(send(server, PREFIX + f"unknown-{number}-{round_}", bodies[0]) for number in range(20)),
            *(send(server, PREFIX + late.secret, bodies[0]) for _ in range(3)),
            *(send(server, "/webhook", signed()) for _ in range(5)),
            *(send(server, "/api/v1/candles", candles()) for _ in range(6)),
        )
        assert {answer.status for answer in answers[:20]} == {200}, "known secrets are spooled"
        assert {answer.status for answer in answers[43:48]} == {201}, "signed messages are spooled"
    log.acknowledged |= {json.loads(body)["id"] for body in bodies}
    return log


def recovered(database: Database, server: Server, late: NewStrategy, chance: random.Random) -> None:
    """All doors are back, the strategy made meanwhile is known, the worker decides."""

    def is_answered(path: str, body: bytes, status: int) -> bool:
        return asyncio.run(send(server, path, body)).status == status

    wait_until(lambda: is_answered(PREFIX + late.secret, alert(1, chance), 200), "the new strategy is known", 15)
    wait_until(lambda: is_answered("/api/v1/candles", candles(), 201), "candles are stored", 15)
    wait_for_value(database.url, 0, "SELECT count(*) FROM signals WHERE status = 'pending'")


def check_signals(url: str, log: Log) -> dict[str, int]:
    """The oracle for the stream's own account, whose alerts carry ids."""
    found = value(
        url,
        "SELECT count(DISTINCT convert_from(body, 'UTF8')::jsonb->>'id') FROM messages JOIN signals USING (account_id, message_id) "
        "WHERE convert_from(body, 'UTF8')::jsonb->>'id' = ANY(%s) AND messages.state = 'processed'",
        list(log.acknowledged),
    )
    assert found == len(log.acknowledged)
    return {"stored": found}


async def test_the_worker_does_not_wait_for_ever_for_a_host_that_vanished(
    tmp_path: Path, proxy: Proxy, database: Database, chance: random.Random
) -> None:
    far = proxy.url(database.connect_arguments["database"])
    worker = Server(tmp_path / "worker", database_url=far, role="worker", constants={"hookfill.working.DESK_SECONDS": 0.5})
    with Server(tmp_path / "api", database_url=database.url, role="api") as server:
        strategy = await add_strategy(database, settings=TRADE_EVERYTHING)
        try:
            worker.launch()
            log = Log()
            for _ in range(3):
                stream = Stream(lambda: server.port, [strategy], [alert(number, chance) for number in range(20)], log=log)
                await stream.run()
                pending = "SELECT count(*) FROM signals WHERE status = 'pending'"
                await asyncio.to_thread(wait_for_value, database.url, 0, pending)
                proxy.abandon()
            await asyncio.to_thread(check_oracle, database.url, log)
        finally:
            await asyncio.to_thread(worker.__exit__)


async def test_sigterm_ends_the_server_while_the_database_is_silent(
    server_home: Path, proxy: Proxy, database: Database, chance: random.Random
) -> None:
    patience = {"hookfill.app.WORKER_SECONDS": 0.5, "hookfill.starting.CLOSE_SECONDS": 0.3}
    server = Server(server_home, database_url=proxy.url(database.connect_arguments["database"]), constants=patience)
    try:
        await asyncio.to_thread(server.start)
        strategy = await add_strategy(database, settings=TRADE_EVERYTHING)
        stream = Stream(lambda: server.port, [strategy], [alert(number, chance) for number in range(20)])
        log = await stream.run()
        await asyncio.to_thread(wait_for_value, database.url, 0, "SELECT count(*) FROM signals WHERE status = 'pending'")
        proxy.black_hole()
        more = Stream(lambda: server.port, [strategy], [alert(number, chance) for number in range(20)], log=log)
        await more.run()
        assert await asyncio.to_thread(server.stop) == 0
        proxy.restore()
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(wait_until, Spool(server_home / "spool").is_empty, "the spool is written on")
        print(await asyncio.to_thread(check_oracle, database.url, log))
    finally:
        proxy.restore()
        await asyncio.to_thread(server.__exit__)
