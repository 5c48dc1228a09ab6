"""``/api/automated-signals``: the trade journal, its statistics, calendar and quality; events come in by ``edge.telemetry``."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.responses import StreamingResponse

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import ACQUIRE_SECONDS, User
from hookfill.api.automated_signal_models import (
    EXAMPLE_TRADE_ID,
    Dashboard,
    DirectionName,
    EventCursor,
    JournalDay,
    JournalQuality,
    JournalStatistics,
    JournalTrade,
    NewYorkDay,
    SessionName,
    StatusName,
    TradeCursor,
    TradeLife,
    TradeText,
)
from hookfill.api.paging import PAGED, next_headers
from hookfill.exports.reading import find_account
from hookfill.journal.days import calendar_of, quality_days
from hookfill.journal.known_days import KnownDays
from hookfill.journal.model import TradeState
from hookfill.journal.quality import quality_of
from hookfill.journal.reading import (
    FIRST_DAY,
    LAST_DAY,
    EventPlace,
    Known,
    Place,
    Question,
    read_brief_trades,
    read_columns,
    read_events,
    read_freshness,
    read_open_trades,
    read_trade,
    read_trades,
)
from hookfill.journal.records import Columns
from hookfill.journal.results import DEFAULT_POLICY, DEFAULT_TARGET, MOST_TARGET, Policy
from hookfill.journal.sessions import to_new_york
from hookfill.journal.statistics import select, statistics_of
from hookfill.journal.store import catch_up
from hookfill.journal.table import head, lines
from hookfill.kernel.clock import utc_now
from hookfill.postgres.tenancy import as_user

router = APIRouter(prefix="/api/automated-signals", tags=["trade journal"], responses={**PROBLEMS, **NOT_FOUND})
NO_ACCOUNT = "There is no account of this id among yours: GET /api/v1/accounts lists them."
MISSING = "There is no trade of this id in this account's journal: GET /api/automated-signals/trades lists them."
CSV_PAGE = 1_000
"""Trades of a CSV file that are read at once."""
SHOWN_OPEN = 100
DASHBOARD_DAYS, QUALITY_DAYS, CALENDAR_DAYS = 42, 7, 366
_PAGES: dict[int | str, dict[str, Any]] = {200: {"headers": PAGED}}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "One line per trade, newest first.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}
_FIELDS = tuple(field.name for field in fields(TradeState) if field.name != "events")


@dataclass(frozen=True, slots=True)
class Journal:
    """An account's journal, read through a connection that sees only what is the caller's; ``known``: what was read before."""

    account_id: UUID
    connection: asyncpg.Connection
    known: KnownDays


async def _account(
    request: Request,
    user_id: User,
    account_id: Annotated[UUID | None, Query(description="Which account; left out: the default one.")] = None,
) -> UUID:
    """One of the caller's accounts, with what waits to be read folded first, so that who has just sent something sees it."""
    pool = request.app.state.pool
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, user_id):
        found = await find_account(connection, user_id, account_id)
    if found is None:
        raise HTTPException(404, NO_ACCOUNT)
    await catch_up(pool, [found])
    return found


JournalAccount = Annotated[UUID, Depends(_account, scope="function")]


async def _journal(request: Request, user_id: User, account_id: JournalAccount) -> AsyncIterator[Journal]:
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, user_id):
        yield Journal(account_id, connection, request.app.state.known_days)


OwnJournal = Annotated[Journal, Depends(_journal, scope="function")]


@dataclass(frozen=True, slots=True)
class Span:
    """New York days, both included; None: not told."""

    first: date | None
    last: date | None


def _span(
    date_from: Annotated[
        NewYorkDay | None, Query(description="The first day (New York) of signals.", examples=["2026-01-01"])
    ] = None,
    date_to: Annotated[NewYorkDay | None, Query(description="The last day, included.", examples=["2026-12-31"])] = None,
) -> Span:
    if date_from is not None and date_to is not None and date_from > date_to:
        fault = {"type": "value_error", "loc": ("query", "date_from"), "msg": "date_from must not be later than date_to"}
        raise RequestValidationError([fault])
    return Span(date_from, date_to)


Days = Annotated[Span, Depends(_span)]
_Session = Annotated[SessionName | None, Query(description="Only of this session.", examples=["NY AM"])]
_Direction = Annotated[DirectionName | None, Query(description="Only this way.", examples=["Bullish"])]
_Setup = Annotated[TradeText | None, Query(description="Only of this setup_id.", examples=["FVG_CORE_HTF_ALIGNED"])]


def _choice(days: Days, session: _Session = None, direction: _Direction = None, setup: _Setup = None) -> Question:
    return Question(days.first or FIRST_DAY, days.last or LAST_DAY, session, direction, None, setup)


Choice = Annotated[Question, Depends(_choice)]


def _listed(
    choice: Choice,
    status: Annotated[StatusName | None, Query(description="Only in this state.", examples=["ACTIVE"])] = None,
    day: Annotated[NewYorkDay | None, Query(alias="date", description="Only signals of this day (New York).")] = None,
) -> Question:
    first, last = (choice.first, choice.last) if day is None else (max(day, choice.first), min(day, choice.last))
    return Question(first, last, choice.session, choice.direction, status, choice.setup)


Listed = Annotated[Question, Depends(_listed)]
Target = Annotated[int, Query(ge=1, le=MOST_TARGET, description="At how many R a trade's target lies.", examples=[2])]
PolicyName = Annotated[Policy, Query(description="be: the stop goes to the entry at +1R; no_be: it stays.", examples=["be"])]


@router.get("/trades", summary="Trades, newest first", response_model=list[JournalTrade], responses=_PAGES)
async def trades(
    request: Request,
    journal: OwnJournal,
    question: Listed,
    cursor: Annotated[TradeCursor | None, Query(description="The page before's X-Next-Cursor.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
) -> Json:
    """Every trade that telemetry told of, as it stands. As long as there is a header `X-Next-Cursor`, more follow."""
    behind = None if cursor is None else Place.parse(cursor)
    found, following = await read_trades(journal.connection, journal.account_id, question, limit, behind)
    now = utc_now()
    return Json([_trade(one, now) for one in found], headers=next_headers(request, following))


@router.get("/trades.csv", summary="Trades as CSV", response_class=Response, responses=_CSV)
async def trades_csv(
    request: Request, user_id: User, account_id: JournalAccount, question: Listed, target: Target = DEFAULT_TARGET
) -> StreamingResponse:
    """All of them, newest first, with their results under both policies (`be_result`, `no_be_result`, in R) at the target.

    Text that a spreadsheet would run as a formula has an apostrophe in front.
    """
    headers = {"Content-Disposition": 'attachment; filename="trades.csv"', "Cache-Control": "private, no-cache"}
    parts = _csv(request.app.state.pool, user_id, account_id, question, target)
    return StreamingResponse(parts, media_type="text/csv", headers=headers)


async def _csv(pool: asyncpg.Pool, user_id: UUID, account_id: UUID, question: Question, target: int) -> AsyncIterator[bytes]:
    """The file page by page: no connection is held while a slow reader takes its time."""
    yield head()
    now, behind = utc_now(), None
    while True:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, user_id):
            states, behind = await read_brief_trades(connection, account_id, question, CSV_PAGE, behind)
        if states:
            yield lines(states, target, now)
        if behind is None:
            return


@router.get("/trades/{trade_id:path}", summary="One trade and its events", response_model=TradeLife, responses=_PAGES)
async def trade(
    request: Request,
    journal: OwnJournal,
    trade_id: Annotated[TradeText, Path(description="The trade's id.", examples=[EXAMPLE_TRADE_ID])],
    cursor: Annotated[EventCursor | None, Query(description="The page before's X-Next-Cursor.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many events at most.")] = 100,
) -> Json:
    """How it stands, and what was told of it, by event time. As long as there is a header `X-Next-Cursor`, more events follow."""
    known = await read_trade(journal.connection, journal.account_id, trade_id)
    if known is None:
        raise HTTPException(404, MISSING)
    behind = None if cursor is None else EventPlace.parse(cursor)
    events, following = await read_events(journal.connection, journal.account_id, trade_id, limit, behind)
    return Json({"state": _trade(known, utc_now()), "events": events}, headers=next_headers(request, following))


@router.get("/stats", summary="What the trades came to", response_model=JournalStatistics)
async def stats(journal: OwnJournal, choice: Choice, policy: PolicyName = DEFAULT_POLICY, target: Target = DEFAULT_TARGET) -> Json:
    """Counts, win rate, expectancy and more in R, by session, direction, setup, hour and weekday, for each target from 1R to 20R.

    What a trade came to with its target at n R: under `no_be` +n when no_be_mfe ≥ n, else −1 when the original stop was hit; under
    `be` +n when be_mfe ≥ n, else 0 when it ended at the entry after +1R, else −1 when it was stopped; a trade that ended at a
    target of its own, what its exit price makes. All others are undecided. Unless told otherwise, policy `be` and a target of 2R.
    """
    found = statistics_of(await _columns(journal, choice), policy, target)
    told = {field.name: getattr(found, field.name) for field in fields(found)}
    freshness = await read_freshness(journal.connection, journal.account_id)
    return Json({"policy": policy, "target": target, **told, "freshness": freshness})


@router.get("/calendar", summary="What each day's trades came to", response_model=list[JournalDay])
async def calendar(
    journal: OwnJournal, days: Days, choice: Choice, policy: PolicyName = DEFAULT_POLICY, target: Target = DEFAULT_TARGET
) -> Json:
    """The days (New York, of the signal) that have trades, in order; without `date_from` the last 366 days before `date_to`."""
    now = utc_now()
    first, last = _last_days(days, now, CALENDAR_DAYS)
    chosen = Question(first, last, choice.session, choice.direction, None, choice.setup)
    return Json(calendar_of(await _columns(journal, chosen), policy, target, now))


@router.get("/quality", summary="How complete trades were told", response_model=JournalQuality)
async def quality(journal: OwnJournal, days: Days, choice: Choice) -> Json:
    """Gaps and a score per day; without `date_from` the last 366 days before `date_to`. Each trade of `/trades` names its own.

    Gaps: `missing_session` (the id does not tell the signal bar's time), `missing_confirmation` (the ENTRY itself was not told),
    `missing_entry`, `missing_stop`, `missing_mae`, and `stale_mfe` (an open trade of which nothing was told for more than two
    minutes). A score is the share of the checks that apply which are passed, in percent.
    """
    now = utc_now()
    first, last = _last_days(days, now, CALENDAR_DAYS)
    chosen = Question(first, last, choice.session, choice.direction, None, choice.setup)
    return Json(quality_days(await _columns(journal, chosen), now))


@router.get("/dashboard-data", summary="What a dashboard shows", response_model=Dashboard)
async def dashboard(journal: OwnJournal, policy: PolicyName = DEFAULT_POLICY, target: Target = DEFAULT_TARGET) -> Json:
    """Today's figures, open trades, the last six weeks day by day, the last week's quality, and how current all that is."""
    freshness = await read_freshness(journal.connection, journal.account_id)
    now = freshness.now
    today = to_new_york(now).date()
    first = today - timedelta(days=DASHBOARD_DAYS - 1)
    recent = await read_columns(journal.connection, journal.account_id, first, today, journal.known)
    of_today = statistics_of(recent.where(recent.days == today.toordinal()), policy, target)
    open_trades, open_total = await read_open_trades(journal.connection, journal.account_id, SHOWN_OPEN)
    week = recent.where(recent.days > today.toordinal() - QUALITY_DAYS)
    return Json(
        {
            "policy": policy,
            "target": target,
            "today": {"date": today, "figures": of_today.figures, "by_status": of_today.by_status},
            "open_trades": [_trade(one, now) for one in open_trades],
            "open_total": open_total,
            "days": calendar_of(recent, policy, target, now),
            "quality": quality_days(week, now),
            "freshness": freshness,
        }
    )


async def _columns(journal: Journal, chosen: Question) -> Columns:
    columns = await read_columns(journal.connection, journal.account_id, chosen.first, chosen.last, journal.known)
    return select(columns, session=chosen.session, direction=chosen.direction, setup=chosen.setup)


def _last_days(days: Span, now: datetime, count: int) -> tuple[date, date]:
    """The days that were asked for, or so many up to the last one."""
    last = days.last or LAST_DAY
    latest = min(last, to_new_york(now).date() + timedelta(days=1))
    return days.first or max(FIRST_DAY, latest - timedelta(days=count - 1)), last


def _trade(known: Known, now: datetime) -> dict[str, Any]:
    state = known.state
    told = {name: getattr(state, name) for name in _FIELDS}
    quality = quality_of(state, now)
    told["exit"] = None if state.exit is None else asdict(state.exit)
    told["quality"] = {"checks": quality.checks, "score": quality.score, "gaps": quality.gaps}
    return {**told, "event_count": state.events, "updated_at": known.updated_at}
