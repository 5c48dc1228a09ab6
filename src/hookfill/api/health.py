"""``/health``: whether this server does its work, for load balancers and watchdogs."""

from dataclasses import asdict
from importlib.metadata import version

from fastapi import APIRouter, Request

from hookfill.api.answers import Json
from hookfill.api.models import Health
from hookfill.api.vital_signs import Process, ask_database
from hookfill.ops.heart import Fares
from hookfill.ops.vitals import Vitals

ANSWER_SECONDS = 1.0
LATE_SECONDS = 60.0
"""A signal that waits longer than this for its decision, or a message for being read, is an alarm."""

router = APIRouter(tags=["health"])


@router.get("/health", summary="Whether the server does its work", response_model=Health)
async def health(request: Request) -> Json:
    """Always 200 while alerts are taken in: without the database they go to the spool, and the status says degraded."""
    process: Process = request.app.state.process
    is_spooling = process.is_spooling()
    vitals = await ask_database(request.app.state.pool, ANSWER_SECONDS, process.uptime_seconds)
    oldest = None if vitals is None else vitals.signals.oldest_seconds
    unread = None if vitals is None else vitals.messages.oldest_seconds
    return Json(
        {
            "status": "ok" if vitals is not None and not is_spooling and _is_well(vitals) else "degraded",
            "uptime_seconds": process.uptime_seconds,
            "database": vitals is not None,
            "spooling": is_spooling,
            "oldest_pending_seconds": oldest,
            "oldest_unread_seconds": unread,
            "alarms": None if vitals is None else vitals.alarms,
            "workers": [_worker(worker) for worker in vitals.workers] if vitals is not None else [],
            "feeds": [asdict(feed) for feed in vitals.feeds] if vitals is not None else [],
            "newest_candle_seconds": None if vitals is None else vitals.candle_seconds,
            "version": version("hookfill"),
        }
    )


def _is_well(vitals: Vitals) -> bool:
    is_late = max(vitals.signals.oldest_seconds or 0, vitals.messages.oldest_seconds or 0) > LATE_SECONDS
    return not (is_late or vitals.alarms or vitals.has_trouble_at_work)


def _worker(fares: Fares) -> dict[str, object]:
    return {name: getattr(fares, name) for name in ("name", "state", "instances", "last_success_at", "consecutive_failures")}
