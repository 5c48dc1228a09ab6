import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from hookfill.api import health, models
from hookfill.api.build import build_api
from hookfill.postgres.model import Database
from hookfill.postgres.pool import open_pool
from support.house import House


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a database that is there answers in time."""
    monkeypatch.setattr(health, "ANSWER_SECONDS", 60.0)


async def ask(api: FastAPI) -> dict[str, object]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://house") as client:
        answer = await client.get("/health")
    assert answer.status_code == 200
    TypeAdapter(models.Health).validate_json(answer.content)
    found: dict[str, object] = answer.json()
    return found


async def test_a_healthy_server(house: House) -> None:
    found = await ask(build_api(house.pool, "http://house"))
    assert (found["status"], found["database"], found["spooling"], found["oldest_pending_seconds"]) == ("ok", True, False, None)


async def test_spooling_is_a_trouble(house: House) -> None:
    found = await ask(build_api(house.pool, "http://house", is_spooling=lambda: True))
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
