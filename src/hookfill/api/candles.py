"""``GET /api/v1/candles``: bars for charts and programs, and what is stored of them; ``edge.candles`` is where they are pushed."""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import asyncpg
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError

from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import ACQUIRE_SECONDS, Asking
from hookfill.api.candle_models import Bar, CandleSymbol, CursorText, PlaceText, Series, Timeframe, TimeOfDay, ZonedMoment
from hookfill.api.fields import TimeZone
from hookfill.api.paging import PAGED, next_headers
from hookfill.market.aggregate import DayRule
from hookfill.market.reading import SQL, Cursor, Page, Question, read_candles
from hookfill.market.series import Place, Stock, take_stock
from hookfill.market.timeframes import bar_seconds
from hookfill.postgres.tenancy import as_user

router = APIRouter(prefix="/api/v1", tags=["market data"], responses=PROBLEMS)
MOST_BARS = 50_000
CLOSED_SECONDS = 300
"""How long a client may use an answer about the past without asking again: bars may still be added to it."""
_GZIP_FROM_BYTES = 1_024
_GZIP_LEVEL = 1  # a page of 5,000 bars in a few milliseconds, at a sixth of its size
_HEADERS: dict[str, Any] = {
    **PAGED,
    "X-Candles-Source": {"description": "The timeframe that the bars were made of, or their own.", "schema": {"type": "string"}},
    "X-Candles-Forming": {
        "description": "The timestamp of the last bar if it has not closed yet: its values still change.",
        "schema": {"type": "integer"},
    },
    "ETag": {
        "description": "Send it as If-None-Match to be answered 304 as long as nothing changed.",
        "schema": {"type": "string"},
    },
}


async def _reader(request: Request, caller: Asking) -> AsyncIterator[asyncpg.Connection]:
    if not (caller.may("read") or caller.may("candles")):
        raise HTTPException(403, "This API key lacks the scopes read and candles: make one with POST /api/v1/api-keys, or log in.")
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, caller.user_id):
        yield connection


Reader = Annotated[asyncpg.Connection, Depends(_reader, scope="function")]
"""A connection as the caller, who may read or push candles."""


def _days(
    day_boundary: Annotated[
        TimeOfDay | None,
        Query(
            description="When days begin, as HH:MM in `zone`; from 12:00 on it begins the next date's day. Left out with `zone` "
            "given: 00:00. Bars of days, weeks and months are then made anew of bars within the day, also where they are stored.",
            examples=["17:00"],
        ),
    ] = None,
    zone: Annotated[
        TimeZone | None, Query(description="The zone of `day_boundary`; left out: UTC.", examples=["America/New_York"])
    ] = None,
) -> DayRule | None:
    if day_boundary is None and zone is None:
        return None
    return DayRule(time.fromisoformat(day_boundary or "00:00"), UTC if zone is None else ZoneInfo(zone))


def _question(
    symbol: Annotated[CandleSymbol, Query(description="Upper case or not, with an exchange in front or not.", examples=["EURUSD"])],
    timeframe: Annotated[Timeframe, Query(description="M1 M5 M15 M30 H1 H4 D1 W1 MN1, or 1m, 5, 60, 1h, 1D …", examples=["H1"])],
    days: Annotated[DayRule | None, Depends(_days)],
    start: Annotated[ZonedMoment | None, Query(alias="from", description="Bars that open then or later.")] = None,
    end: Annotated[ZonedMoment | None, Query(alias="to", description="Bars that open before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_BARS, description="Bars at most.")] = 1_000,
    cursor: Annotated[CursorText | None, Query(description="The page before's X-Next-Cursor.")] = None,
) -> Question:
    if start is not None and end is not None and start > end:
        fault = {"type": "value_error", "loc": ("query", "from"), "msg": "from must not be later than to"}
        raise RequestValidationError([fault])
    return Question(symbol, timeframe, start, end, limit, None if cursor is None else Cursor.parse(cursor), days)


@router.get(
    "/candles",
    summary="Candles, ascending",
    response_model=list[Bar],
    responses={200: {"headers": _HEADERS}, 304: {"description": "Nothing has changed since the answer with this ETag."}},
)
async def candles(request: Request, connection: Reader, question: Annotated[Question, Depends(_question)]) -> Response:
    """With `from`: the first `limit` bars from then on. Without: the newest ones before `to`, and older ones page by page.

    A timeframe of which nothing is stored is made of the largest stored smaller one that fits: of shares by the exchange's regular
    sessions, of currencies and metals by days from 17:00 New York time, of everything else by UTC days; `day_boundary` and `zone`
    ask for other days. Bars within the day are counted from its beginning. A page of such bars may hold less than `limit` although
    more follow: go on as long as there is a header `X-Next-Cursor`. The last bar may still be forming: `X-Candles-Forming` then
    names its timestamp.
    """
    now = await connection.fetchval(SQL.clock.sql)
    page = await read_candles(connection, question, now)
    is_past = question.end is not None and question.end < now - timedelta(seconds=bar_seconds(question.timeframe))
    return await _answer(request, page, _page_headers(request, page), is_past=is_past)


@router.get(
    "/candles/coverage",
    summary="What is stored, and what is missing",
    response_model=list[Series],
    responses={200: {"headers": PAGED}},
)
async def coverage(
    request: Request,
    connection: Reader,
    symbol: Annotated[CandleSymbol | None, Query(description="Only this one's.", examples=["EURUSD"])] = None,
    timeframe: Annotated[Timeframe | None, Query(description="Only this one.", examples=["H1"])] = None,
    cursor: Annotated[PlaceText | None, Query(description="The page before's X-Next-Cursor.")] = None,
) -> Json:
    """Of each symbol and timeframe the ranges without a gap, and the gaps: where the market was open and bars are missing.

    Nights, weekends and holidays of the market's calendar are no gaps. A page looks at a bounded number of bars: as long as there
    is a header `X-Next-Cursor`, more follow. A series may go on there: its first range then begins where its last one ended.
    """
    told, following = await take_stock(connection, symbol, timeframe, None if cursor is None else Place.parse(cursor))
    return Json([_series(stock) for stock in told], headers=next_headers(request, following))


def _series(stock: Stock) -> dict[str, Any]:
    return {
        "symbol": stock.symbol,
        "timeframe": stock.timeframe,
        "bars": stock.bars,
        "ranges": [{"from": one.begins_at, "to": one.ends_at, "bars": one.bars} for one in stock.stretches],
        "gaps": [{"from": gap.begins_at, "to": gap.ends_at, "missing_bars": gap.missing} for gap in stock.gaps],
    }


def _page_headers(request: Request, page: Page) -> dict[str, str]:
    headers = next_headers(request, page.next)
    if page.source is not None:
        headers["X-Candles-Source"] = page.source
    if page.forming_at is not None:
        headers["X-Candles-Forming"] = str(round(page.forming_at.timestamp() * 1000))
    return headers


async def _answer(request: Request, page: Page, headers: dict[str, str], *, is_past: bool) -> Response:
    """The page, compressed if the client takes that, or word that the client has it already."""
    told = b"\n".join(f"{name}: {value}".encode() for name, value in sorted(headers.items()))
    # Weak, since the same bars may come compressed or not.
    tag = f'W/"{hashlib.blake2b(page.body + told, digest_size=12).hexdigest()}"'
    headers |= {
        "ETag": tag,
        "Cache-Control": f"private, max-age={CLOSED_SECONDS}" if is_past else "private, no-cache",
        "Vary": "Accept-Encoding, Authorization, X-API-KEY",
    }
    if _has_tag(request, tag):
        return Response(status_code=304, headers=headers)
    body = page.body
    if len(body) >= _GZIP_FROM_BYTES and _takes_gzip(request):
        body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type="application/json")


def _has_tag(request: Request, tag: str) -> bool:
    known = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    bare = tag.removeprefix("W/")
    return any(one == "*" or one.removeprefix("W/") == bare for one in known)


def _takes_gzip(request: Request) -> bool:
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
