"""Figures for Prometheus: what they count, who may read them, that no sender can make new labels."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hookfill.api import metrics as routes
from hookfill.api.build import build_api
from hookfill.api.vital_signs import Process
from hookfill.ops.heart import Heart
from hookfill.ops.metrics import CONTENT_TYPE
from hookfill.ops.pulse import Pulse
from hookfill.postgres.model import Database
from hookfill.postgres.pool import open_pool
from support.house import House

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a database that is there answers in time."""
    monkeypatch.setattr(routes, "ANSWER_SECONDS", 60.0)


def samples(text: str) -> Samples:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


async def read(house: House) -> Samples:
    answer = await house.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == CONTENT_TYPE
    return samples(answer.text)


def messages(found: Samples) -> dict[tuple[str, str], float]:
    return {
        (dict(labels)["door"], dict(labels)["state"]): value
        for (name, labels), value in found.items()
        if name == "hookfill_messages_total"
    }


async def test_messages_are_counted_by_door_and_state(house: House) -> None:
    strategy = await house.new_strategy()
    await house.alert(strategy, "buy EURUSD 0.1")
    await house.alert(strategy, "buy EURUSD 0.1")
    await house.alert(strategy, '{"symbol": ')
    await house.client.post("/api/v1/webhooks/tv/unknown-secret", content="buy EURUSD")
    await house.client.post("/webhook", content=b"{}")
    found = await read(house)
    assert messages(found) == {
        ("tradingview", "processed"): 1,
        ("tradingview", "duplicate"): 1,
        ("tradingview", "malformed"): 1,
        ("signed", "refused"): 1,
    }
    assert found["hookfill_acknowledgement_seconds_count", ()] == 4
    assert found["hookfill_acknowledgement_seconds_bucket", (("le", "+Inf"),)] == 4
    assert found["hookfill_acknowledgement_seconds_sum", ()] > 0


async def test_queues_workers_feeds_and_decisions_are_told(house: House) -> None:
    await house.bar(0, "1.0800 1.0810 1.0790 1.0805")
    strategy = await house.new_strategy()
    await house.alert(strategy, "buy EURUSD 0.01", 1)
    await house.decide()
    await house.alert(strategy, "close EURUSD", 2)
    await Heart(house.pool, [house.worker.pulse, Pulse("journal")]).beat()
    found = await read(house)
    assert found["hookfill_signals_total", (("status", "executed"),)] == 1
    assert found["hookfill_waiting", (("queue", "signals"),)] == 1
    assert found["hookfill_waiting_oldest_seconds", (("queue", "signals"),)] >= 0
    assert found["hookfill_worker_failures", (("worker", "desk"),)] == 0
    assert found["hookfill_worker_instances", (("worker", "journal"),)] == 1
    assert found["hookfill_database_up", ()] == 1
    assert found["hookfill_spooling", ()] == 0
    assert [name for name, _ in found if name == "hookfill_feed_age_seconds"]
    assert found["hookfill_candle_age_seconds", ()] >= 0


async def test_what_strangers_send_makes_no_label(house: House) -> None:
    """Paths, symbols, actions and reasons of their choice appear nowhere."""
    strategy = await house.new_strategy()
    for number in range(20):
        await house.alert(strategy, {"symbol": f"CANARY{number}", "action": f"canary{number}"})
        await house.client.get(f"/canary{number}")
    text = (await house.client.get("/metrics")).text
    assert "canary" not in text.lower()
    assert strategy.secret not in text


async def test_a_token_keeps_them_private(house: House) -> None:
    api = build_api(house.pool, "http://house", process=Process(metrics_token="canary-metrics-token"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://house") as client:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "canary-metrics-token"}):
            answer = await client.get("/metrics", headers=headers)
            assert answer.status_code == 401
            assert "canary" not in answer.text
        assert (await client.get("/metrics", headers={"Authorization": "Bearer canary-metrics-token"})).status_code == 200


async def test_without_the_database_the_process_still_tells_of_itself(database: Database) -> None:
    pool = await open_pool(database, name="test", max_size=1)
    process = Process(pools={"api": pool}, spooled_bytes=lambda: 42, is_spooling=lambda: True)
    await pool.close()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_api(pool, "http://house", process=process))) as client:
        found = samples((await client.get("http://house/metrics")).text)
    assert (found["hookfill_database_up", ()], found["hookfill_spool_bytes", ()], found["hookfill_spooling", ()]) == (0, 42, 1)
    assert found["hookfill_pool_connections", (("pool", "api"), ("state", "most"))] == 1
