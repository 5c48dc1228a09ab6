import time
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from hookfill.api import health, models
from hookfill.api.build import build_api
from hookfill.api.vital_signs import Process
from hookfill.ops.heart import Heart
from hookfill.ops.pulse import Pulse
from hookfill.postgres.model import Database
from hookfill.postgres.pool import open_pool
from support.house import House


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a database that is there answers in time."""
    monkeypatch.setattr(health, "ANSWER_SECONDS", 60.0)


async def ask(api: FastAPI) -> dict[str, Any]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://house") as client:
        answer = await client.get("/health")
    assert answer.status_code == 200
    TypeAdapter(models.Health).validate_json(answer.content)
    found: dict[str, Any] = answer.json()
    return found


async def test_a_healthy_server(house: House) -> None:
    found = await ask(build_api(house.pool, "http://house"))
    assert (found["status"], found["database"], found["spooling"], found["oldest_pending_seconds"]) == ("ok", True, False, None)


async def test_spooling_is_a_trouble(house: House) -> None:
    found = await ask(build_api(house.pool, "http://house", process=Process(is_spooling=lambda: True)))
    assert (found["status"], found["database"], found["spooling"]) == ("degraded", True, True)


@pytest.mark.parametrize(("seconds", "status"), [(30, "ok"), (90, "degraded")])
async def test_a_signal_that_waits_too_long_is_a_trouble(house: House, seconds: int, status: str) -> None:
    await house.alert(await house.new_strategy(), "close EURUSD")
    await house.pool.execute("UPDATE signals SET created_at = clock_timestamp() - make_interval(secs => $1)", seconds)
    found = await ask(build_api(house.pool, "http://house"))
    assert found["status"] == status
    assert found["oldest_pending_seconds"] == pytest.approx(seconds, abs=20)


@pytest.mark.parametrize(("seconds", "status"), [(30, "ok"), (90, "degraded")])
async def test_telemetry_that_nobody_reads_is_a_trouble(house: House, seconds: int, status: str) -> None:
    await house.client.post("/api/automated-signals/webhook", json={"type": "ENTRY", "signal_id": "T1"})
    await house.pool.execute("UPDATE messages SET received_at = clock_timestamp() - make_interval(secs => $1)", seconds)
    found = await ask(build_api(house.pool, "http://house"))
    assert found["status"] == status
    assert found["oldest_unread_seconds"] == pytest.approx(seconds, abs=20)


async def test_a_database_that_is_gone_is_a_trouble(database: Database) -> None:
    pool = await open_pool(database, name="test", max_size=1)
    await pool.close()
    found = await ask(build_api(pool, "http://house"))
    assert (found["status"], found["database"], found["oldest_pending_seconds"]) == ("degraded", False, None)


async def test_a_database_that_does_not_answer_in_time(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.01)
    held = [await pool.acquire() for _ in range(pool.get_max_size())]
    try:
        assert (await ask(build_api(pool, "http://house")))["database"] is False
    finally:
        for connection in held:
            await pool.release(connection)


async def test_workers_and_feeds_are_told(house: House) -> None:
    await house.bar(0, "1.0800 1.0810 1.0790 1.0805")
    pulse = Pulse("desk")
    pulse.succeeded()
    await Heart(house.pool, [pulse]).beat()
    found = await ask(build_api(house.pool, "http://house"))
    assert found["status"] == "ok"
    [worker] = found["workers"]
    assert (worker["name"], worker["state"], worker["instances"], worker["consecutive_failures"]) == ("desk", "ok", 1, 0)
    assert worker["last_success_at"] is not None
    [feed] = found["feeds"]
    assert (feed["symbols"], feed["newest_at"]) == (1, "2026-03-02T12:01:00Z")
    assert 0 <= feed["heard_seconds"] < 60
    assert 0 <= found["newest_candle_seconds"] < 60
    assert found["uptime_seconds"] >= 0


async def test_a_worker_that_keeps_failing_is_a_trouble_whose_text_is_not_told(house: House) -> None:
    pulse = Pulse("journal")
    for _ in range(3):
        pulse.failed(ValueError("canary"))
    await Heart(house.pool, [pulse]).beat()
    await house.pool.execute("UPDATE alarms SET cleared_at = now()")
    found = await ask(build_api(house.pool, "http://house"))
    assert (found["status"], found["workers"][0]["state"], found["workers"][0]["consecutive_failures"]) == (
        "degraded",
        "failing",
        3,
    )
    assert "canary" not in str(found)


async def test_a_worker_that_is_not_heard_of_is_a_trouble(house: House) -> None:
    await Heart(house.pool, [Pulse("desk")]).beat()
    await house.pool.execute("UPDATE workers SET heartbeat_at = heartbeat_at - interval '1 minute'")
    found = await ask(build_api(house.pool, "http://house"))
    assert (found["status"], found["workers"][0]["state"], found["workers"][0]["instances"]) == ("degraded", "silent", 0)


async def test_a_desk_that_was_stopped_and_did_not_come_back_is_a_trouble(house: House) -> None:
    """A worker that ends properly takes its row along; alerts are acknowledged all the same, and no stop is watched."""
    heart = Heart(house.pool, [Pulse("desk"), Pulse("journal")])
    await heart.beat()
    await heart._leave()
    just_started, long_up = (Process(started=time.monotonic() - seconds) for seconds in (0, 31))
    assert (await ask(build_api(house.pool, "http://house", process=just_started)))["status"] == "ok"
    api = build_api(house.pool, "http://house", process=long_up)
    found = await ask(api)
    [desk] = found["workers"]
    assert (found["status"], desk["name"], desk["state"], desk["instances"]) == ("degraded", "desk", "silent", 0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://house") as client:
        assert 'hookfill_worker_instances{worker="desk"} 0.0' in (await client.get("/metrics")).text
    await Heart(house.pool, [Pulse("desk")]).beat()
    assert (await ask(api))["status"] == "ok"


async def test_the_owner_sees_the_installations_own_alarms_and_nobody_else_does(house: House) -> None:
    pulse = Pulse("desk")
    for _ in range(3):
        pulse.failed("trouble")
    await Heart(house.pool, [pulse]).beat()
    token = "canary-other-token-5e02f7a4c9"
    await house.new_user(token)
    [alarm] = (await house.get("/api/v1/alarms")).json()
    assert (alarm["kind"], alarm["subject"]) == ("worker_failing", "desk")
    other = await house.client.get("/api/v1/alarms", headers={"Authorization": f"Bearer {token}"})
    assert other.json() == []
