"""``/api/v1/jobs``: what agents were asked to do, for people; questions for an agent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, HTTPException, Path, Query

from hookfill.api.agents import MISSING as AGENT_MISSING
from hookfill.api.agents import AgentId
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Trader
from hookfill.api.job_models import AccountQuestion, BarsQuestion, JobAnswer, JobStatus, NewJob
from hookfill.api.models import Problem
from hookfill.api.paging import Limit, Offset
from hookfill.api.strict_body import TOO_LARGE, StrictRoute
from hookfill.brokers.mt5.model import JobType, broker_symbol
from hookfill.brokers.mt5.store import SQL, add_question, announce_results, own_accounts

router = APIRouter(prefix="/api/v1", tags=["jobs"], responses={**PROBLEMS, **TOO_LARGE}, route_class=StrictRoute)
MISSING = "There is no job of this id among yours: GET /api/v1/jobs lists them."
RUNNING = "An agent has this job in hand: what it does can't be taken back. Wait for its result."
OVER = "This job is over: it is {status}."
CANCELLED = "cancelled by its owner"
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "An agent has it in hand, or it is over."}}
_AMOUNTS = ("fill_price", "filled_volume", "profit", "commission")
JobId = Annotated[UUID, Path(description="The job's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]


@router.get("/jobs", summary="Jobs, newest first", response_model=list[JobAnswer])
async def jobs(
    connection: Own,
    status: Annotated[JobStatus | None, Query(description="Only those in this state.")] = None,
    account_id: Annotated[UUID | None, Query(description="Only this account's.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """Trades, closes and questions for your agents, with what came of them."""
    mine = [one for one in await own_accounts(connection) if account_id in (None, one)]
    rows = await connection.fetch(SQL.list_jobs.sql, mine, status, limit, offset)
    return Json([_job(row) for row in rows])


@router.get("/jobs/{job_id}", summary="One job", response_model=JobAnswer, responses=NOT_FOUND)
async def job(connection: Own, job_id: JobId) -> Json:
    """One job with its result."""
    row = await connection.fetchrow(SQL.get_job.sql, await own_accounts(connection), job_id)
    if row is None:
        raise HTTPException(404, MISSING)
    return Json(_job(row))


def _job(row: Mapping[str, Any]) -> dict[str, Any]:
    known = dict(row)
    result = known["result"]
    if result is not None:
        known["result"] = {
            name: Decimal(value) if name in _AMOUNTS and isinstance(value, str) else value for name, value in result.items()
        }
    return {"id": known.pop("job_id"), **known}


@router.post(
    "/agents/{agent_id}/jobs",
    status_code=201,
    summary="Ask an agent something",
    response_model=NewJob,
    responses=NOT_FOUND,
)
async def ask(
    connection: Own,
    _user_id: Trader,
    agent_id: AgentId,
    wanted: Annotated[AccountQuestion | BarsQuestion, Body(discriminator="job_type")],
) -> Json:
    """Questions only: trades come from signals. The answer is the job's ``result``; it waits for an agent for five minutes."""
    row = await connection.fetchrow(SQL.agents_account.sql, agent_id)
    if row is None:
        raise HTTPException(404, AGENT_MISSING)
    input_data = wanted.input_data.model_dump(by_alias=True, exclude_none=True)
    if isinstance(wanted, BarsQuestion):
        input_data["symbol"] = broker_symbol(wanted.input_data.symbol.upper(), row["symbol_map"])
    return Json({"job_id": await add_question(connection, row["account_id"], JobType(wanted.job_type), input_data)}, 201)


@router.post("/jobs/{job_id}/cancel", status_code=204, summary="Cancel a job", responses={**NOT_FOUND, **_CONFLICT})
async def cancel(connection: Own, _user_id: Trader, job_id: JobId) -> None:
    """Only one that no agent has taken yet; its order and signal end with it."""
    row = await connection.fetchrow(SQL.get_job.sql, await own_accounts(connection), job_id)
    if row is None:
        raise HTTPException(404, MISSING)
    status = await connection.fetchval(SQL.cancel_job.sql, row["account_id"], job_id, CANCELLED)
    if status == "running":
        raise HTTPException(409, RUNNING)
    if status != "done":
        raise HTTPException(409, OVER.format(status=status))
    await announce_results(connection, row["account_id"])
