"""Jobs go to one agent at a time, in order, in time, and results pass the fence once."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter

from hookfill.api import agent_models
from support.agents import lapse, new_agent, new_connection, new_job
from support.house import House

FILL = {"fill_price": 1.0801, "broker_order_id": 4711, "deal_ids": [1, "2"], "executed_at": "2026-03-02T12:00:01Z"}


async def row(house: House, job_id: str | UUID) -> dict[str, object]:
    return dict(await house.pool.fetchrow("SELECT * FROM jobs WHERE job_id = $1", UUID(str(job_id))))


async def test_without_jobs(house: House) -> None:
    assert await (await new_agent(house)).next() is None


async def test_a_job_is_leased_and_its_result_stored(house: House) -> None:
    agent = await new_agent(house)
    job_id = await new_job(house, agent.account_id)
    job = await agent.next()
    TypeAdapter(agent_models.NextJob).validate_python(job)
    assert (job["job_id"], job["job_type"], job["attempt"], job["may_act"]) == (str(job_id), "trade", 1, True)
    assert await agent.next() is None
    answer = await agent.result(job, **FILL)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "job_status": "completed", "duplicate": False})
    stored = await row(house, job_id)
    assert stored["status"] == "completed"
    assert stored["finished_at"] is not None
    told = stored["result"]
    assert isinstance(told, dict)
    assert (told["fill_price"], told["broker_order_id"], told["deal_ids"]) == ("1.0801", "4711", ["1", "2"])
    # The terminal's clock was months behind: nothing is dealt before it was asked for.
    assert datetime.fromisoformat(told["executed_at"]) == stored["created_at"]


async def test_the_same_result_twice_is_acknowledged_once(house: House) -> None:
    agent = await new_agent(house)
    job_id = await new_job(house, agent.account_id)
    job = await agent.next()
    await agent.result(job, **FILL)
    before = await row(house, job_id)
    again = await agent.result(job, **FILL, status="failed", error_message="no")
    assert (again.status_code, again.json()) == (200, {"status": "ok", "job_status": "completed", "duplicate": True})
    assert await row(house, job_id) == before


async def test_a_frozen_agent_comes_too_late(house: House) -> None:
    connected = await new_connection(house)
    frozen, other = await new_agent(house, connected), await new_agent(house, connected)
    job_id = await new_job(house, connected.account_id)
    first = await frozen.next()
    await lapse(house, job_id)
    second = await other.next()
    assert (second["job_id"], second["attempt"]) == (str(job_id), 2)
    assert int(second["lease_token"]) > int(first["lease_token"])
    before = await row(house, job_id)
    late = await frozen.result(first, **FILL)
    assert late.status_code == 409
    assert "do not act on it again" in late.json()["detail"]
    assert await row(house, job_id) == before
    assert (await other.result(second, **FILL)).json()["duplicate"] is False
    assert (await frozen.result(first, **FILL)).status_code == 409


async def test_a_lapsed_lease_that_nobody_took_is_still_good(house: House) -> None:
    agent = await new_agent(house)
    await new_job(house, agent.account_id)
    job = await agent.next()
    await lapse(house, job["job_id"])
    assert (await agent.result(job, **FILL)).status_code == 200


async def test_past_its_time_a_job_is_only_looked_for(house: House) -> None:
    agent = await new_agent(house)
    job_id = await new_job(house, agent.account_id)
    await agent.next()
    await lapse(house, job_id)
    await house.pool.execute("UPDATE jobs SET expires_at = clock_timestamp() - interval '1 second'")
    job = await agent.next()
    assert (job["attempt"], job["may_act"]) == (2, False)
    answer = await agent.result(job, status="expired", error_message="not found")
    assert answer.json()["job_status"] == "expired"
    assert (await row(house, job_id))["error_message"] == "not found"


async def test_an_expired_pending_job_is_not_offered(house: House) -> None:
    agent = await new_agent(house)
    await new_job(house, agent.account_id, seconds=-1)
    assert await agent.next() is None


async def test_oldest_first_and_what_it_depends_on_before(house: House) -> None:
    agent = await new_agent(house)
    closing = await new_job(house, agent.account_id, "close_position")
    entry = await new_job(house, agent.account_id, depends_on=closing)
    last = await new_job(house, agent.account_id, "get_positions", input_data={})
    first, second = await agent.next(), await agent.next()
    assert [first["job_id"], second["job_id"]] == [str(closing), str(last)]
    assert await agent.next() is None
    await agent.result(first, **FILL)
    assert await agent.next() is None  # until the desk has booked the close: had it done a part only, the entry would be cancelled
    await house.pool.execute("UPDATE jobs SET settled_at = clock_timestamp() WHERE job_id = $1", closing)
    assert (await agent.next())["job_id"] == str(entry)


async def test_what_depends_on_a_failure_is_not_offered(house: House) -> None:
    agent = await new_agent(house)
    closing = await new_job(house, agent.account_id, "close_position")
    await new_job(house, agent.account_id, depends_on=closing)
    await agent.result(await agent.next(), status="failed", error_code=10018, error_message="market closed")
    assert await agent.next() is None


async def test_a_burst_of_polls_hands_out_each_job_once(house: House) -> None:
    connected = await new_connection(house)
    agents = [await new_agent(house, connected), await new_agent(house, connected)]
    jobs = {str(await new_job(house, connected.account_id)) for _ in range(12)}
    found = await asyncio.gather(*(agents[number % 2].next() for number in range(20)))
    leased = [job["job_id"] for job in found if job is not None]
    assert len(leased) == len(set(leased))
    while (job := await agents[0].next()) is not None:  # a poll that ran into another's row lock may have come back empty
        leased.append(job["job_id"])
    assert sorted(leased) == sorted(jobs)
    assert len({job["lease_token"] for job in found if job is not None}) == sum(job is not None for job in found)


async def test_a_heartbeat_renews_what_is_held_and_nothing_else(house: House) -> None:
    agent = await new_agent(house)
    held, lapsed = await new_job(house, agent.account_id), await new_job(house, agent.account_id)
    await agent.next()
    await agent.next()
    await lapse(house, lapsed)
    await house.pool.execute("UPDATE jobs SET leased_until = clock_timestamp() + interval '1 second' WHERE job_id = $1", held)
    answer = await agent.post(
        "heartbeat", {"version": "0.1", "terminal": {"login": 1, "x": 1.5}, "broker_time_offset_seconds": 7200}
    )
    assert answer.status_code == 200
    beat = answer.json()
    TypeAdapter(agent_models.HeartbeatAnswer).validate_python(beat)
    [lease] = beat["leases"]
    assert lease["job_id"] == str(held)
    left = datetime.fromisoformat(lease["leased_until"]) - datetime.fromisoformat(beat["server_time"])
    assert timedelta(seconds=50) < left < timedelta(seconds=70)
    await agent.post("heartbeat")
    [listed] = (await house.get("/api/v1/agents")).json()
    assert listed["info"] == {"version": "0.1", "terminal": {"login": 1, "x": 1.5}, "broker_time_offset_seconds": 7200}
    assert (listed["status"], listed["jobs_in_hand"], listed["jobs_waiting"]) == ("online", 1, 0)


@pytest.mark.parametrize("status", ["cancelled", "expired"])
async def test_a_job_that_ended_without_the_agent_takes_no_result(house: House, status: str) -> None:
    agent = await new_agent(house)
    job_id = await new_job(house, agent.account_id)
    job = await agent.next()
    await house.pool.execute("UPDATE jobs SET status = $1 WHERE job_id = $2", status, job_id)
    answer = await agent.result(job, **FILL)
    assert answer.status_code == 409
    assert status in answer.json()["detail"]


async def test_jobs_of_others_do_not_exist(house: House) -> None:
    mine, other = await new_agent(house), await new_agent(house)
    job_id = await new_job(house, other.account_id)
    assert await mine.next() is None
    job = await other.next()
    foreign = await mine.result(job, **FILL)
    unknown = await mine.result({**job, "job_id": uuid4()}, **FILL)
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert foreign.status_code == 404
    assert (await row(house, job_id))["status"] == "running"


@pytest.mark.parametrize("where", ["output_data", "result"])
async def test_a_trades_fields_are_found_where_other_clients_put_them(house: House, where: str) -> None:
    agent = await new_agent(house)
    job_id = await new_job(house, agent.account_id)
    answer = await agent.result(await agent.next(), **{where: {**FILL, "commission": -0.7, "more": 1}}, extra=True)
    assert answer.status_code == 200, answer.text
    told = (await row(house, job_id))["result"]
    assert isinstance(told, dict)
    assert (told["fill_price"], told["commission"]) == ("1.0801", "0.7")
    assert "output_data" not in told


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"fill_price": 0},
        {"fill_price": -1},
        {"fill_price": 1e16},
        {"fill_price": "NaN"},
        {"fill_price": True},
        {"fill_price": 1.1, "filled_volume": 1e13},
        {"fill_price": 1.1, "filled_volume": -0.1},
        {"fill_price": 1.1, "profit": 1e15},
        {"fill_price": 1.1, "executed_at": "yesterday"},
        {"fill_price": 1.1, "executed_at": 10**30},
        {"fill_price": 1.1, "deal_ids": ["x" * 65]},
        {"fill_price": 1.1, "deal_ids": list(range(201))},
        {"fill_price": 1.1, "error_code": 2**40},
        {"fill_price": 1.1, "broker_order_id": [1]},
        {"fill_price": 1.1, "status": "done"},
        {"fill_price": 1.1, "lease_token": "x" * 65},
    ],
)
async def test_a_result_that_cant_be_booked_is_refused_and_changes_nothing(house: House, told: dict[str, object]) -> None:
    agent = await new_agent(house)
    job_id = await new_job(house, agent.account_id)
    job = await agent.next()
    before = await row(house, job_id)
    answer = await agent.result(job, **told)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"][0] == "body"
    assert await row(house, job_id) == before
    assert (await agent.result(job, **FILL)).status_code == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'{"lease_token":"\\u0000","status":"failed"}', b'{"a":1,"a":2}', b"[" * 5000])
async def test_bodies_that_cant_be_read(house: House, body: bytes) -> None:
    agent = await new_agent(house)
    job_id = await new_job(house, agent.account_id)
    answer = await house.client.post(agent.path(f"jobs/{job_id}/result"), content=body, headers=agent.headers)
    assert answer.status_code == 422


async def test_a_body_that_is_too_large(house: House) -> None:
    agent = await new_agent(house)
    answer = await house.client.post(agent.path("heartbeat"), content=b" " * 1_100_000, headers=agent.headers)
    assert answer.status_code == 413


async def test_a_terminal_that_tells_too_much(house: House) -> None:
    agent = await new_agent(house)
    assert (await agent.post("heartbeat", {"terminal": {"x": "y" * 70_000}})).status_code == 422
    assert (await agent.post("heartbeat", {"terminal": {"x": 10**50}})).status_code == 200
