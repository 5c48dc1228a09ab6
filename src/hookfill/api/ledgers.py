"""``/api/ledgers``: the trades that an indicator's exports tell of, page by page and as CSV."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.responses import StreamingResponse

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import ACQUIRE_SECONDS, Own, User
from hookfill.api.export_models import ConfirmedTrade, LedgerCursor, LedgerDirection, SignalledTrade, Word
from hookfill.api.indicator_export import ExportAccount
from hookfill.api.paging import PAGED, Limit, next_headers
from hookfill.exports.grammar import ALL, CONFIRMED
from hookfill.exports.model import Ledger
from hookfill.exports.reading import Place, Question, read_page
from hookfill.exports.table import head, lines
from hookfill.kernel.times import EARLIEST, LATEST
from hookfill.postgres.tenancy import as_user

router = APIRouter(prefix="/api/ledgers", tags=["indicator exports"], responses={**PROBLEMS, **NOT_FOUND})
PAGE = 2_000
"""Trades of a CSV file that are read at once."""
_PAGES: dict[int | str, dict[str, Any]] = {200: {"headers": PAGED}}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "One line per trade, newest first.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}
Day = Annotated[date, Field(ge=EARLIEST.date(), lt=LATEST.date())]
Direction = Annotated[LedgerDirection | None, Query(description="Only this way.")]
Cursor = Annotated[LedgerCursor | None, Query(description="The page before's X-Next-Cursor.")]


def _days(
    first: Annotated[Day | None, Query(alias="from", description="The first day (New York) of the signal bar.")] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day, included.")] = None,
) -> Question:
    if first is not None and last is not None and first > last:
        fault = {"type": "value_error", "loc": ("query", "from"), "msg": "from must not be later than to"}
        raise RequestValidationError([fault])
    return Question(first, last)


Days = Annotated[Question, Depends(_days)]


def _confirmed(
    days: Days,
    direction: Direction = None,
    session: Annotated[Word | None, Query(description="Only of this session, in any case.", examples=["NY AM"])] = None,
    completed: Annotated[bool | None, Query(description="Only those that are over, or only the others.")] = None,
) -> Question:
    return replace(days, direction=direction, session=session, completed=completed)


def _all(
    days: Days,
    direction: Direction = None,
    status: Annotated[Word | None, Query(description="Only in this state, in any case.", examples=["CONFIRMED"])] = None,
) -> Question:
    return replace(days, direction=direction, status=status)


@router.get("/confirmed", summary="Confirmed signals, newest first", response_model=list[ConfirmedTrade], responses=_PAGES)
async def confirmed(
    request: Request,
    connection: Own,
    account_id: ExportAccount,
    question: Annotated[Question, Depends(_confirmed)],
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Json:
    """What INDICATOR_EXPORT_V2 batches add up to: of each field the newest export's value."""
    return await _page(request, connection, account_id, CONFIRMED, question, cursor, limit)


@router.get("/all", summary="All signals, newest first", response_model=list[SignalledTrade], responses=_PAGES)
async def every(
    request: Request,
    connection: Own,
    account_id: ExportAccount,
    question: Annotated[Question, Depends(_all)],
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Json:
    """What ALL_SIGNALS_EXPORT batches add up to: of each field the newest export's value."""
    return await _page(request, connection, account_id, ALL, question, cursor, limit)


async def _page(
    request: Request,
    connection: asyncpg.Connection,
    account_id: UUID,
    ledger: Ledger,
    question: Question,
    cursor: str | None,
    limit: int,
) -> Json:
    behind = None if cursor is None else Place.parse(cursor)
    rows, following = await read_page(connection, account_id, ledger, replace(question, behind=behind), limit)
    return Json(rows, headers=next_headers(request, following))


@router.get("/confirmed.csv", summary="Confirmed signals as CSV", response_class=Response, responses=_CSV)
async def confirmed_csv(
    request: Request, user_id: User, account_id: ExportAccount, question: Annotated[Question, Depends(_confirmed)]
) -> StreamingResponse:
    """All of them, newest first; text that a spreadsheet would run as a formula has an apostrophe in front."""
    return _file(request.app.state.pool, user_id, account_id, CONFIRMED, question, "confirmed-signals.csv")


@router.get("/all.csv", summary="All signals as CSV", response_class=Response, responses=_CSV)
async def all_csv(
    request: Request, user_id: User, account_id: ExportAccount, question: Annotated[Question, Depends(_all)]
) -> StreamingResponse:
    """All of them, newest first; text that a spreadsheet would run as a formula has an apostrophe in front."""
    return _file(request.app.state.pool, user_id, account_id, ALL, question, "all-signals.csv")


def _file(pool: asyncpg.Pool, user_id: UUID, account_id: UUID, ledger: Ledger, question: Question, name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    parts = _parts(pool, user_id, account_id, ledger, question)
    return StreamingResponse(parts, media_type="text/csv", headers=headers)


async def _parts(pool: asyncpg.Pool, user_id: UUID, account_id: UUID, ledger: Ledger, question: Question) -> AsyncIterator[bytes]:
    """The file page by page: no connection is held while a slow reader takes its time."""
    yield head(ledger)
    while True:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, user_id):
            rows, following = await read_page(connection, account_id, ledger, question, PAGE)
        if rows:
            yield lines(ledger, rows)
        if following is None:
            return
        question = replace(question, behind=following)
