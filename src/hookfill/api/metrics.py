"""``/metrics``: figures for Prometheus."""

import hmac

from fastapi import APIRouter, HTTPException, Request, Response

from hookfill.api.models import Problem
from hookfill.api.vital_signs import Process, ask_database
from hookfill.inbox.tally import BOUNDS
from hookfill.ops.metrics import CONTENT_TYPE, Figures, exposition

ANSWER_SECONDS = 1.0
REFUSED = "Send the header `Authorization: Bearer TOKEN` with what HOOKFILL_METRICS_TOKEN is set to."

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format, version 0.0.4."},
        401: {"model": Problem, "description": "HOOKFILL_METRICS_TOKEN is set, and this is not it."},
    },
)
async def metrics(request: Request) -> Response:
    """Messages, acknowledgements, queues, the spool, connections, workers and feeds. Needs no token unless one is set."""
    process: Process = request.app.state.process
    if process.metrics_token is not None:
        given = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, f"Bearer {process.metrics_token}".encode()):
            raise HTTPException(401, REFUSED, {"WWW-Authenticate": 'Bearer realm="hookfill metrics"'})
    figures = Figures(
        messages=dict(process.tally.messages),
        bounds=BOUNDS,
        buckets=list(process.tally.buckets),
        acknowledged_seconds=process.tally.seconds,
        spooled_bytes=process.spooled_bytes(),
        is_spooling=process.is_spooling(),
        uptime_seconds=process.uptime_seconds,
        pools=process.pool_use(),
        vitals=await ask_database(request.app.state.pool, ANSWER_SECONDS, process.uptime_seconds),
    )
    return Response(exposition(figures), media_type=CONTENT_TYPE)
