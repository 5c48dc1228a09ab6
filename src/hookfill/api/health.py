"""``/health``: whether this server does its work, for load balancers and watchdogs."""

import asyncio
from importlib.metadata import version

import asyncpg
from fastapi import APIRouter, Request

from hookfill.api.answers import UNREACHABLE, Json
from hookfill.api.models import Health
from hookfill.ops.queue import alarms_in_force, backlog
from hookfill.signals.store import oldest_pending_seconds

ANSWER_SECONDS = 1.0
LATE_SECONDS = 60.0
"""A signal that waits longer than this for its decision, or a message for being read, is an alarm."""

router = APIRouter(tags=["health"])


@router.get("/health", summary="Whether the server does its work", response_model=Health)
async def health(request: Request) -> Json:
    """Always 200 while alerts are taken in: without the database they go to the spool, and the status says degraded."""
    is_spooling = bool(request.app.state.is_spooling())
    is_answering, oldest, unread, alarms = await _ask(request.app.state.pool)
    is_late = max(oldest or 0, unread or 0) > LATE_SECONDS
    return Json(
        {
            "status": "degraded" if is_spooling or is_late or alarms or not is_answering else "ok",
            "database": is_answering,
            "spooling": is_spooling,
            "oldest_pending_seconds": oldest,
            "oldest_unread_seconds": unread,
            "alarms": alarms,
            "version": version("hookfill"),
        }
    )


async def _ask(pool: asyncpg.Pool) -> tuple[bool, float | None, float | None, int | None]:
    """Whether the database answers in time, ages of the oldest pending signal and unread message, how many alarms are in force."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS), pool.acquire() as connection:
            unread = (await backlog(connection)).oldest_seconds
            return True, await oldest_pending_seconds(connection), unread, await alarms_in_force(connection)
    except UNREACHABLE:
        return False, None, None, None
