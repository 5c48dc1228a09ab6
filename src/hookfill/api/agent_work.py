"""What agents call: heartbeats, the next job, a job's result.

After the key was checked, everything is done in the view of the agent's user (row-level security).
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import structlog
from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError

from hookfill.api.agent_auth import MACHINE_PROBLEMS, Caller, Calling, KnownAgent, check_agent
from hookfill.api.agent_models import HeartbeatAnswer, HeartbeatRequest, NextJob, NoJobs, ResultAnswer, ResultRequest
from hookfill.api.agent_reports import feed_answer, keep_candles
from hookfill.api.answers import NOT_FOUND, Json
from hookfill.api.auth import ACQUIRE_SECONDS
from hookfill.api.models import Problem
from hookfill.api.strict_body import StrictRoute
from hookfill.api.waking import Waking
from hookfill.brokers.mt5.jobs import Fence, may_begin, shortcoming, stored_result
from hookfill.brokers.mt5.model import JobType
from hookfill.brokers.mt5.store import Agent, fence, finish_job, give_back, heartbeat, lease_job, lock_job
from hookfill.kernel.exact_json import dumps
from hookfill.postgres.tenancy import as_user

MOST_WAIT_SECONDS = 25
MOST_TERMINAL_BYTES = 64 * 1024
STALE = (
    "This lease is over: the job was offered again, and its result is no longer yours to tell. "
    "Drop it, do not act on it again, and ask for the next job; a report of your positions shows what was dealt."
)
ENDED = "The job was ended meanwhile ({status}) and takes no result: report your positions, so that what was dealt is seen."
JOB_MISSING = "There is no job of this id for this agent: ask for the next one."

_LOG = structlog.get_logger("hookfill.agents")
_STALE: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "The lease is over: do not act on the job."}}
router = APIRouter(prefix="/api/v1/agents", tags=["agents' own"], responses=MACHINE_PROBLEMS, route_class=StrictRoute)
JobId = Annotated[UUID, Path(description="The job's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]
Wait = Annotated[int, Query(ge=0, le=MOST_WAIT_SECONDS, description="Seconds to wait for a job if there is none now.")]


@router.post("/{agent_id}/heartbeat", summary="A sign of life", response_model=HeartbeatAnswer)
async def beat(request: Request, agent: KnownAgent, told: HeartbeatRequest) -> Json:
    """Keeps the agent online and renews its leases for 60 seconds; a lease that lapsed is gone."""
    info = told.model_dump(exclude_none=True)
    if len(dumps(info.get("terminal", {}))) > MOST_TERMINAL_BYTES:
        raise _unusable("terminal", f"Tell at most {MOST_TERMINAL_BYTES} bytes about the terminal.")
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, agent.user_id):
        now, leases = await heartbeat(connection, agent, info)
    held = [{**lease, "lease_token": str(lease["lease_token"])} for lease in leases]
    return Json({"status": "ok", "server_time": now, "leases": held})


@router.get("/{agent_id}/jobs/next", summary="The next job", response_model=NextJob | NoJobs)
async def next_job(request: Request, caller: Calling, wait: Wait = 0) -> Json:
    """The oldest job of the agent's account, leased for 60 seconds; without one, ``{"no_jobs": true}`` after ``wait`` seconds.

    While it waits it holds no database connection; a job that comes meanwhile is answered at once.
    """
    agent, job = await _lease(request, caller)
    if job is None and wait:
        job = await _wait_for_job(request, caller, agent.account_id, wait)
    return Json({"no_jobs": True} if job is None else _offer(job))


async def _lease(request: Request, caller: Caller) -> tuple[Agent, asyncpg.Record | None]:
    """Look for a job; the key is checked each time, since an agent may be revoked while it waits."""
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        agent = await check_agent(connection, caller.agent_id, caller.key)
        async with as_user(connection, agent.user_id):
            return agent, await lease_job(connection, agent)


async def _wait_for_job(request: Request, caller: Caller, account_id: UUID, seconds: float) -> asyncpg.Record | None:
    waking: Waking = request.app.state.waking
    now = asyncio.get_running_loop().time
    deadline = now() + seconds
    gone = asyncio.create_task(_hung_up(request))
    try:
        with waking.waiter(account_id) as woken:
            while not (gone.done() or waking.is_stopping) and now() < deadline:
                woken.clear()  # before the look: what comes after it sets the event again
                agent, job = await _lease(request, caller)
                if job is not None:
                    await asyncio.sleep(0)  # let a hang-up that has come by now be seen
                    return await _unless_gone(request, agent, job, gone)
                await _first_of(woken, gone, deadline - now())
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
    return None


async def _hung_up(request: Request) -> None:
    """Ends when the agent has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _first_of(woken: asyncio.Event, gone: asyncio.Task[None], seconds: float) -> None:
    waking = asyncio.create_task(woken.wait())
    try:
        await asyncio.wait({waking, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waking.cancel()


async def _unless_gone(request: Request, agent: Agent, job: asyncpg.Record, gone: asyncio.Task[None]) -> asyncpg.Record | None:
    """The job, or nothing when nobody is there to be told of it: it must not lie idle until the lease ends."""
    if not gone.done():
        return job
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, agent.user_id):
        await give_back(connection, agent, job)
    return None


def _offer(job: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "job_id": job["job_id"],
        "job_type": job["job_type"],
        "input_data": job["input_data"],
        "lease_token": str(job["lease_token"]),
        "leased_until": job["leased_until"],
        "expires_at": job["expires_at"],
        "attempt": job["attempts"],
        "may_act": may_begin(job["expires_at"], job["now"]),
    }


@router.post(
    "/{agent_id}/jobs/{job_id}/result",
    summary="What came of a job",
    response_model=ResultAnswer,
    responses={**NOT_FOUND, **_STALE},
)
async def result(request: Request, agent: KnownAgent, job_id: JobId, told: ResultRequest) -> Json:
    """Stored once, and only with the token of the newest lease. The same result again is acknowledged and changes nothing.

    A job that was only looked for is answered ``completed`` if it was found at the terminal, else ``failed`` or ``expired``.
    """
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        if told.status == "completed" and told.output_data and "candles" in told.output_data:
            await keep_candles(connection, agent, job_id, told.output_data["candles"])
        async with as_user(connection, agent.user_id):
            return await _take_result(connection, agent, job_id, told)


async def _take_result(connection: asyncpg.Connection, agent: Agent, job_id: UUID, told: ResultRequest) -> Json:
    job = await lock_job(connection, agent.account_id, job_id)
    if job is None:
        raise HTTPException(404, JOB_MISSING)
    match fence(job, told.lease_token):
        case Fence.STALE:
            _LOG.warning("job_result_too_late", job_id=str(job_id), agent_id=str(agent.agent_id), status=told.status)
            raise HTTPException(409, STALE)
        case Fence.ENDED:
            _LOG.warning("job_result_after_end", job_id=str(job_id), agent_id=str(agent.agent_id), status=told.status)
            raise HTTPException(409, ENDED.format(status=job["status"]))
        case Fence.DUPLICATE:
            return Json({"status": "ok", "job_status": job["status"], "duplicate": True})
        case Fence.ACCEPTED:
            await _store(connection, agent, job, told)
            return Json({"status": "ok", "job_status": told.status, "duplicate": False})


async def _store(connection: asyncpg.Connection, agent: Agent, job: Mapping[str, Any], told: ResultRequest) -> None:
    outcome = told.as_result()
    lacking = shortcoming(JobType(job["job_type"]), outcome)
    if lacking is not None:
        raise _unusable(*lacking)
    stored = stored_result(outcome, job["created_at"], job["now"])
    if told.output_data is not None and job["order_id"] is None:
        stored["output_data"] = told.output_data
    await finish_job(connection, agent.account_id, job, told.status, stored, told.error_message)
    if told.status == "completed" and told.output_data and job["job_type"] in ("get_positions", "get_account"):
        await feed_answer(connection, agent, told.output_data)


def _unusable(field: str, text: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body", field), "msg": text}])
