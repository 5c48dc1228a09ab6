"""``/api/v1/reconciliations``: did an alert get lost? TradingView's own log, and an indicator's ledgers, against what arrived."""

import asyncio
import codecs
import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from hookfill.accounts.store import accounts_of_user
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import ACQUIRE_SECONDS, Trader
from hookfill.api.automated_signals import NO_ACCOUNT, OwnJournal
from hookfill.api.models import Problem
from hookfill.api.reconciliation_models import LedgerComparison, LogComparison
from hookfill.edge.backfill import backfill as bring_in
from hookfill.inbox.alert_log import UnreadableLog, read_alert_log
from hookfill.journal.compare import Comparison
from hookfill.journal.findings import answer
from hookfill.journal.ledgers import compare_days
from hookfill.journal.reconcile import compare_log
from hookfill.journal.sessions import to_new_york
from hookfill.kernel.clock import utc_now
from hookfill.kernel.times import EARLIEST, LATEST
from hookfill.postgres.tenancy import as_user

router = APIRouter(prefix="/api/v1/reconciliations", tags=["reconciliations"], responses={**PROBLEMS, **NOT_FOUND})
LOG_LIMIT = 8 * 1024 * 1024
"""The largest log, in bytes; the command line takes any."""
UPLOADS = 2 * LOG_LIMIT
"""How much of logs may be in memory at the same time, in bytes."""
UPLOAD_SECONDS = 60.0
MOST_FINDINGS = 1_000
MOST_DAYS = 92
USUAL_DAYS = 7
CSV = "text/csv"
_BUSY = "Other logs are being compared: try again in a moment."
_EXAMPLE = (
    "Alert ID,Ticker,Name,Description,Time\n"
    '3403239073,"CME_MINI:MNQ1!, 1m",Any alert,"{""event_type"":""HEARTBEAT"",""timestamp"":""2025-12-11T07:57:00""}",'
    "2025-12-11T12:58:00Z\n"
)
_BODY = {
    "requestBody": {
        "required": True,
        "description": f"The file that TradingView's alert log exports, at most {LOG_LIMIT} bytes, UTF-8 or UTF-16.",
        "content": {CSV: {"schema": {"type": "string"}, "examples": {"log": {"value": _EXAMPLE}}}},
    }
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    408: {"model": Problem, "description": "The file took longer than a minute to come."},
    413: {"model": Problem, "description": "The file is too large: use the command line."},
    415: {"model": Problem, "description": "The Content-Type is not text/csv."},
}
Day = Annotated[date, Field(ge=EARLIEST.date(), lt=LATEST.date())]


@router.post(
    "/alert-log",
    summary="Compare TradingView's alert log with what arrived",
    response_model=LogComparison,
    responses=_REFUSALS,
    openapi_extra=_BODY,
)
async def alert_log(
    request: Request,
    user_id: Trader,
    account_id: Annotated[UUID | None, Query(description="Only this account's messages; left out: those of all of yours.")] = None,
    backfill: Annotated[bool, Query(description="Bring in what is missing, as of when it was fired.")] = False,
) -> Json:
    """Alerts are compared by their bodies first, then by trade, event and time.

    With `backfill=1` missing telemetry and exports are stored with the source `backfill`, in the account that is named, else in
    your default one, and go the usual way; the answer tells what was missing before. Strategies' alerts are compared as well, but
    no trade is made after the fact: `hookfill import alerts` replays them.
    """
    searched, target = await _accounts(request, user_id, account_id)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != CSV:
        raise HTTPException(415, f"Send the log as it is, with the header Content-Type: {CSV}.")
    try:
        async with request.app.state.uploads.hold(LOG_LIMIT, ACQUIRE_SECONDS):
            body = await _whole(request)
            found = await _compare(request, user_id, searched, body)
    except TimeoutError as error:
        raise HTTPException(503, _BUSY, {"Retry-After": "5"}) from error
    missing = [one for one in found.missing if one.can_backfill]
    done = None
    if backfill and missing:
        # Whose they become was looked up as the caller; no person may write messages by themselves.
        async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            done = await bring_in(connection, target, missing, utc_now())
    facts = None if done is None else {"stored": done.stored, "malformed": done.malformed}
    return Json({**answer(found, MOST_FINDINGS), "backfilled": facts})


async def _accounts(request: Request, user_id: UUID, account_id: UUID | None) -> tuple[list[UUID], UUID]:
    """Where to look, and whose the missing ones become.

    Raises:
        HTTPException: 404, the named account is none of the caller's, or they have none at all.
    """
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, user_id):
        own: list[UUID] = [row["account_id"] for row in await accounts_of_user(connection, user_id)]
    chosen = [one for one in own if account_id in (None, one)]
    if not chosen:
        raise HTTPException(404, NO_ACCOUNT)
    return chosen, chosen[0]


async def _whole(request: Request) -> bytes:
    """The body, once it is there.

    Raises:
        HTTPException: 413 or 408.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LOG_LIMIT:
                    text = f"The log is larger than {LOG_LIMIT} bytes: use `hookfill reconcile FILE.csv`, or export fewer days."
                    raise HTTPException(413, text, {"Connection": "close"})
    except TimeoutError as error:
        raise HTTPException(408, "The log took too long to come: send it again.", {"Connection": "close"}) from error
    return bytes(body)


async def _compare(request: Request, user_id: UUID, searched: Sequence[UUID], body: bytes) -> Comparison:
    """Compare as the caller, who sees only their own.

    Raises:
        RequestValidationError: it is no alert log; the text says where.
    """
    is_utf16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        lines = io.StringIO(body.decode("utf-16" if is_utf16 else "utf-8-sig"), newline="")
        async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, user_id):
            return await compare_log(connection, searched, read_alert_log(lines))
    except UnicodeError:
        raise _no_log("It is not written in UTF-8 or UTF-16: save it as UTF-8.") from None
    except UnreadableLog as error:
        raise _no_log(str(error)) from None


def _no_log(text: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": text}])


@router.get("/ledger", summary="Compare an indicator's ledgers with the journal", response_model=LedgerComparison)
async def ledger(
    journal: OwnJournal,
    date_from: Annotated[Day | None, Query(description="The first New York day of signal bars; left out: a week's.")] = None,
    date_to: Annotated[Day | None, Query(description="The last day, included; left out: today.")] = None,
) -> Json:
    """What telemetry never brought, what the ledgers lack on days that a whole export covers, and fields that differ.

    An `error` is an alert that was lost, or another trade than the ledger's; an `info` is explained by when things were told. At
    most 92 days at once.
    """
    last = date_to or (date_from + timedelta(days=USUAL_DAYS - 1) if date_from else to_new_york(utc_now()).date())
    first = date_from or max(last - timedelta(days=USUAL_DAYS - 1), EARLIEST.date())
    if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
        text = f"date_from must not be later than date_to, and they must span at most {MOST_DAYS} days"
        raise RequestValidationError([{"type": "value_error", "loc": ("query", "date_from"), "msg": text}])
    found = await compare_days(journal.connection, journal.account_id, first, last)
    return Json({"account_id": journal.account_id, **found.answer(MOST_FINDINGS)})
