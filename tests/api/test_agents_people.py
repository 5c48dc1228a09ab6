"""Agents as their owners see them: pairing, names, revoking, jobs for people; and who is let in."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from hookfill.api import agent_models, job_models
from hookfill.kernel.lifecycle import JOB
from support.agents import TRADE, TestAgent, lapse, new_agent, new_connection, new_job
from support.house import TOKEN, House

OTHER = "canary-other-token-5e02f7a4c9"
MACHINE = (
    ("GET", "jobs/next"), ("POST", "heartbeat"), ("POST", "jobs/{job}/result"), ("POST", "prices"), ("POST", "positions"),
)  # fmt: skip
BODIES = {
    "jobs/{job}/result": {"lease_token": "1", "status": "failed"},
    "prices": {"prices": []},
    "positions": {
        "taken_at": "2026-03-02T12:00:00Z", "account": {"balance": 1, "equity": 1, "currency": "USD"}, "positions": []
    },
}  # fmt: skip


async def send(house: House, method: str, path: str, body: object = None, token: str = TOKEN) -> httpx.Response:
    return await house.client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})


def test_the_documented_states_are_the_lifecycles() -> None:
    assert set(JOB.steps) == set(job_models.JobStatus)


@pytest.mark.parametrize(
    "model",
    [
        agent_models.PairRequest, agent_models.RenameRequest, agent_models.HeartbeatRequest, agent_models.ResultRequest,
        agent_models.PricesRequest, agent_models.PositionsRequest, job_models.BarsQuestion,
    ],
)  # fmt: skip
def test_the_documented_examples_can_be_read(model: Any) -> None:
    [example] = model.model_json_schema()["examples"]
    model.model_validate(example)


async def test_pair_list_rename_revoke(house: House) -> None:
    connected = await new_connection(house)
    body = {"broker_connection_id": str(connected.broker_connection_id), "label": "Attic"}
    answer = await send(house, "POST", "/api/v1/agents/pair", body)
    assert answer.status_code == 201
    paired = answer.json()
    TypeAdapter(agent_models.Paired).validate_json(answer.content)
    stored = await house.pool.fetchrow("SELECT * FROM agents")
    assert paired["pairing_key"] not in str(dict(stored))
    [listed] = (await house.get("/api/v1/agents")).json()
    TypeAdapter(agent_models.AgentAnswer).validate_python(listed)
    assert (listed["label"], listed["status"], listed["heartbeat_at"]) == ("Attic", "offline", None)
    path = f"/api/v1/agents/{paired['agent_id']}"
    assert (await send(house, "PATCH", path, {"label": "Cellar"})).status_code == 204
    assert (await house.get("/api/v1/agents")).json()[0]["label"] == "Cellar"
    assert (await send(house, "DELETE", path)).status_code == 204
    assert (await house.get("/api/v1/agents")).json() == []
    assert (await send(house, "DELETE", path)).status_code == 404
    agent = TestAgent(house.client, UUID(paired["agent_id"]), paired["pairing_key"], connected.account_id)
    assert (await agent.post("heartbeat")).status_code == 401


async def test_only_metatrader_connections_of_ones_own_are_paired(house: House) -> None:
    paper = await new_connection(house, kind="paper")
    foreign = await new_connection(house, await house.new_user(OTHER))
    for connection_id, status in ((paper.broker_connection_id, 409), (foreign.broker_connection_id, 404), (uuid4(), 404)):
        answer = await send(house, "POST", "/api/v1/agents/pair", {"broker_connection_id": str(connection_id)})
        assert answer.status_code == status
    assert await house.pool.fetchval("SELECT count(*) FROM agents") == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"broker_connection_id": "x"},
        {"broker_connection_id": str(uuid4()), "label": ""},
        {"broker_connection_id": str(uuid4()), "x": 1},
    ],
)
async def test_a_pairing_that_cant_be_read(house: House, body: dict[str, str]) -> None:
    assert (await send(house, "POST", "/api/v1/agents/pair", body)).status_code == 422


async def test_every_wrong_identity_gets_the_same_answer(house: House) -> None:
    agent, other = await new_agent(house), await new_agent(house)
    revoked = await new_agent(house)
    await send(house, "DELETE", f"/api/v1/agents/{revoked.agent_id}")
    user_id = await house.new_user(OTHER)
    disabled = await new_agent(house, await new_connection(house, user_id), OTHER)
    await house.pool.execute("UPDATE users SET is_disabled = true WHERE user_id = $1", user_id)
    claims = [
        (agent.agent_id, {}),
        (agent.agent_id, {"X-Agent-Id": str(agent.agent_id)}),
        (agent.agent_id, {"X-Agent-Key": agent.key}),
        (agent.agent_id, {**agent.headers, "X-Agent-Key": ""}),
        (agent.agent_id, {**agent.headers, "X-Agent-Key": agent.key + "x"}),
        (agent.agent_id, {**agent.headers, "X-Agent-Id": "1"}),
        (agent.agent_id, other.headers),
        (other.agent_id, agent.headers),
        (agent.agent_id, {"Authorization": f"Bearer {TOKEN}"}),
        (revoked.agent_id, revoked.headers),
        (disabled.agent_id, disabled.headers),
        (unknown := uuid4(), {**agent.headers, "X-Agent-Id": str(unknown)}),
    ]
    answers = set()
    for path_id, headers in claims:
        for method, rest in MACHINE:
            path = f"/api/v1/agents/{path_id}/{rest.format(job=uuid4())}"
            answer = await house.client.request(method, path, json=BODIES.get(rest, {}), headers=headers)
            answers.add((answer.status_code, answer.content, answer.headers["www-authenticate"]))
    assert len(answers) == 1
    assert answers.pop()[0] == 401


async def test_every_right_identity_is_let_in(house: House) -> None:
    agent = await new_agent(house)
    for method, rest in MACHINE:
        path = agent.path(rest.format(job=uuid4()))
        answer = await house.client.request(method, path, json=BODIES.get(rest, {}), headers=agent.headers)
        assert answer.status_code == (404 if "result" in rest else 200), answer.text


async def test_what_is_anothers_does_not_exist(house: House) -> None:
    agent = await new_agent(house)
    job_id = await new_job(house, agent.account_id, "get_account", input_data={})
    await house.new_user(OTHER)
    question = {"job_type": "get_account"}
    for method, path, body in (
        ("PATCH", f"/api/v1/agents/{agent.agent_id}", {"label": "x"}),
        ("DELETE", f"/api/v1/agents/{agent.agent_id}", None),
        ("POST", f"/api/v1/agents/{agent.agent_id}/jobs", question),
        ("GET", f"/api/v1/jobs/{job_id}", None),
        ("POST", f"/api/v1/jobs/{job_id}/cancel", None),
        ("GET", f"/api/v1/accounts/{agent.account_id}/reconciliation", None),
    ):
        foreign = await send(house, method, path, body, OTHER)
        unknown = await send(house, method, re.sub(r"[0-9a-f-]{36}", str(uuid4()), path), body, OTHER)
        assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content), path
        assert foreign.status_code == 404, path
    for path in ("/api/v1/agents", "/api/v1/jobs", f"/api/v1/jobs?account_id={agent.account_id}", "/api/v1/alarms"):
        assert (await send(house, "GET", path, token=OTHER)).json() == []
    assert (await agent.post("heartbeat")).status_code == 200
    assert (await house.get(f"/api/v1/jobs/{job_id}")).json()["status"] == "pending"


async def test_a_revoked_agents_job_goes_to_another(house: House) -> None:
    connected = await new_connection(house)
    leaving, staying = await new_agent(house, connected), await new_agent(house, connected)
    await new_job(house, connected.account_id)
    first = await leaving.next()
    assert await staying.next() is None
    await send(house, "DELETE", f"/api/v1/agents/{leaving.agent_id}")
    second = await staying.next()
    assert (second["job_id"], second["attempt"]) == (first["job_id"], 2)


async def test_a_question_and_its_answer(house: House) -> None:
    connected = await new_connection(house, symbol_map={"*": ".r"})
    agent = await new_agent(house, connected)
    question = {
        "job_type": "get_candles",
        "input_data": {"symbol": "eurusd", "timeframe": "1h", "from": "2026-03-02T10:00:00Z", "limit": 2},
    }
    answer = await send(house, "POST", f"/api/v1/agents/{agent.agent_id}/jobs", question)
    assert answer.status_code == 201, answer.text
    job_id = answer.json()["job_id"]
    job = await agent.next()
    assert job["job_id"] == job_id
    assert job["input_data"] == {"symbol": "EURUSD.r", "timeframe": "H1", "from": "2026-03-02T10:00:00+00:00", "limit": 2}
    bars = [
        {"timestamp": f"2026-03-02T{hour}:00:00Z", "open": 1.08, "high": 1.09, "low": 1.07, "close": 1.085, "volume": 5}
        for hour in (10, 11)
    ]
    told = await agent.result(job, output_data={"symbol": "EURUSD.r", "timeframe": "H1", "candles": bars})
    assert told.status_code == 200, told.text
    stored = (await house.get(f"/api/v1/jobs/{job_id}")).json()
    TypeAdapter(job_models.JobAnswer).validate_python(stored)
    assert (stored["status"], len(stored["result"]["output_data"]["candles"])) == ("completed", 2)
    rows = await house.pool.fetch("SELECT symbol, timeframe FROM market_data_candles")
    assert [tuple(row) for row in rows] == [("EURUSD", "H1")] * 2


@pytest.mark.parametrize("bars", [[{"timestamp": "2026-03-02T10:00:00Z", "open": 1, "high": 0.5, "low": 2, "close": 1}], [1], []])
async def test_bars_that_cant_be_used_are_shown_and_not_stored(house: House, bars: list[object]) -> None:
    agent = await new_agent(house)
    await new_job(house, agent.account_id, "get_candles", input_data={"symbol": "EURUSD", "timeframe": "H1"})
    assert (await agent.result(await agent.next(), output_data={"candles": bars})).status_code == 200
    assert await house.pool.fetchval("SELECT count(*) FROM market_data_candles") == 0


async def test_bars_of_another_users_agent_are_not_shared(house: House) -> None:
    agent = await new_agent(house, await new_connection(house, await house.new_user(OTHER)), OTHER)
    await new_job(house, agent.account_id, "get_candles", input_data={"symbol": "EURUSD", "timeframe": "H1"})
    bar = {"timestamp": "2026-03-02T10:00:00Z", "open": 1, "high": 2, "low": 1, "close": 1}
    assert (await agent.result(await agent.next(), output_data={"candles": [bar]})).status_code == 200
    assert await house.pool.fetchval("SELECT count(*) FROM market_data_candles") == 0


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"job_type": "trade", "input_data": TRADE},
        {"job_type": "close_position"},
        {"job_type": "get_account", "input_data": {"x": 1}},
        {"job_type": "get_candles"},
        {"job_type": "get_candles", "input_data": {"symbol": "EURUSD", "timeframe": "7x"}},
        {"job_type": "get_candles", "input_data": {"symbol": "", "timeframe": "H1"}},
        {"job_type": "get_candles", "input_data": {"symbol": "EURUSD", "timeframe": "H1", "limit": 5001}},
        {"job_type": "get_candles", "input_data": {"symbol": "EURUSD", "timeframe": "H1", "from": "never"}},
    ],
)
async def test_questions_that_cant_be_asked(house: House, question: dict[str, object]) -> None:
    agent = await new_agent(house)
    assert (await send(house, "POST", f"/api/v1/agents/{agent.agent_id}/jobs", question)).status_code == 422
    assert (await house.get("/api/v1/jobs")).json() == []


async def test_jobs_are_listed_and_filtered(house: House) -> None:
    agent, other = await new_agent(house), await new_agent(house)
    first = await new_job(house, agent.account_id)
    second = await new_job(house, other.account_id, "get_account", input_data={})
    await agent.result(await agent.next(), fill_price="1.08010", profit=-1.5)
    listed = (await house.get("/api/v1/jobs")).json()
    assert [job["id"] for job in listed] == [str(second), str(first)]
    assert (listed[1]["result"]["fill_price"], listed[1]["result"]["profit"]) == (1.0801, -1.5)
    assert (await house.get("/api/v1/jobs", status="completed")).json() == listed[1:]
    assert (await house.get("/api/v1/jobs", account_id=other.account_id)).json() == listed[:1]
    assert (await house.get("/api/v1/jobs", limit=1, offset=1)).json() == listed[1:]


async def test_only_what_no_agent_has_in_hand_is_cancelled(house: House) -> None:
    agent = await new_agent(house)
    taken, waiting = await new_job(house, agent.account_id), await new_job(house, agent.account_id)
    await agent.next()
    assert (await send(house, "POST", f"/api/v1/jobs/{waiting}/cancel")).status_code == 204
    assert (await house.get(f"/api/v1/jobs/{waiting}")).json()["status"] == "cancelled"
    again = await send(house, "POST", f"/api/v1/jobs/{waiting}/cancel")
    assert (again.status_code, again.json()["detail"]) == (409, "This job is over: it is cancelled.")
    held = await send(house, "POST", f"/api/v1/jobs/{taken}/cancel")
    assert held.status_code == 409
    await lapse(house, taken)  # what an earlier agent did is not known: it still can't be cancelled
    assert (await send(house, "POST", f"/api/v1/jobs/{taken}/cancel")).status_code == 409
