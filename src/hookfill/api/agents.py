"""``/api/v1/agents``: programs beside MetaTrader terminals, as their owners see them."""

import secrets
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, HTTPException, Path, Response

from hookfill.accounts.store import hash_secret
from hookfill.api.agent_models import AgentAnswer, Paired, PairRequest, RenameRequest
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Trader
from hookfill.api.models import Problem
from hookfill.api.strict_body import TOO_LARGE, StrictRoute
from hookfill.brokers.mt5.jobs import presence
from hookfill.brokers.mt5.store import SQL, add_agent, revoke_agent

router = APIRouter(prefix="/api/v1/agents", tags=["agents"], responses={**PROBLEMS, **TOO_LARGE}, route_class=StrictRoute)
MISSING = "There is no agent of this id among yours: GET /api/v1/agents lists them."
CONNECTION_MISSING = "There is no broker connection of this id among yours: GET /api/v1/broker-connections lists them."
NOT_MT5 = "Agents serve MetaTrader terminals only: make a broker connection of kind mt5 and pair with that."
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "The connection is of another kind."}}
AgentId = Annotated[UUID, Path(description="The agent's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]


@router.post("/pair", status_code=201, summary="Pair a new agent", response_model=Paired, responses={**NOT_FOUND, **_CONFLICT})
async def pair(connection: Own, user_id: Trader, wanted: PairRequest) -> Json:
    """Give an agent its identity and its key, which is shown this once. A connection may have several agents."""
    found = await connection.fetchrow(SQL.connection_for_agent.sql, wanted.broker_connection_id)
    if found is None:
        raise HTTPException(404, CONNECTION_MISSING)
    if found["kind"] != "mt5":
        raise HTTPException(409, NOT_MT5)
    key = secrets.token_urlsafe(32)
    agent_id = await add_agent(connection, user_id, found, wanted.label, hash_secret(key))
    return Json({"agent_id": agent_id, "pairing_key": key}, 201)


@router.get("", summary="Agents, newest first", response_model=list[AgentAnswer])
async def agents(connection: Own) -> Json:
    """Your agents with their state; revoked ones are left out."""
    return Json([_agent(row) for row in await connection.fetch(SQL.list_agents.sql)])


def _agent(row: asyncpg.Record) -> dict[str, Any]:
    known = dict(row)
    now = known.pop("now")
    return {**known, "status": presence(known["heartbeat_at"], now)}


@router.patch("/{agent_id}", summary="Rename an agent", status_code=204, responses=NOT_FOUND)
async def rename(connection: Own, _user_id: Trader, agent_id: AgentId, wanted: RenameRequest) -> Response:
    """Call it something else."""
    if await connection.fetchrow(SQL.rename_agent.sql, wanted.label, agent_id) is None:
        raise HTTPException(404, MISSING)
    return Response(status_code=204)


@router.delete("/{agent_id}", summary="Revoke an agent", status_code=204, responses=NOT_FOUND)
async def revoke(connection: Own, _user_id: Trader, agent_id: AgentId) -> Response:
    """Refuse its key from now on, for good. What it had in hand is offered to another agent, which looks before it acts."""
    if not await revoke_agent(connection, agent_id):
        raise HTTPException(404, MISSING)
    return Response(status_code=204)
