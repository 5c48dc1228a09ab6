"""What agents tell by themselves: prices, and the account with its positions and deals."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from fastapi import APIRouter, Request
from pydantic import TypeAdapter, ValidationError

from hookfill.api.agent_auth import MACHINE_PROBLEMS, KnownAgent
from hookfill.api.agent_models import (
    PositionsAnswer,
    PositionsRequest,
    PricesAnswer,
    PricesRequest,
    ReportedAccount,
    ReportedDeal,
    ReportedPosition,
    ReportedPrice,
)
from hookfill.api.answers import Json
from hookfill.api.auth import ACQUIRE_SECONDS
from hookfill.api.strict_body import StrictRoute
from hookfill.brokers.mt5.model import our_symbol
from hookfill.brokers.mt5.reconcile import Seen
from hookfill.brokers.mt5.reports import Report, take_report
from hookfill.brokers.mt5.store import SQL, Agent
from hookfill.kernel.money import as_price
from hookfill.market.ingest import read_candles
from hookfill.market.model import Quote
from hookfill.market.store import move_account_prices, move_prices, store_candles
from hookfill.postgres.tenancy import as_user

AHEAD = timedelta(seconds=60)
"""How far a price's time may lie ahead of our clock; more means that the broker's offset is not known, and the price is ignored."""
_LOG = structlog.get_logger("hookfill.agents")
_POSITIONS = TypeAdapter(list[ReportedPosition])
_ACCOUNT = TypeAdapter(ReportedAccount)
router = APIRouter(prefix="/api/v1/agents", tags=["agents' own"], responses=MACHINE_PROBLEMS, route_class=StrictRoute)


@router.post("/{agent_id}/prices", summary="Push prices", response_model=PricesAnswer)
async def prices(request: Request, agent: KnownAgent, told: PricesRequest) -> Json:
    """The middle of bid and ask becomes the symbol's price, unless a newer one is known.

    Prices from the owner's agents serve every account; those from others only the agent's own.
    """
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        async with as_user(connection, agent.user_id):
            account = await connection.fetchrow(SQL.symbol_map.sql, agent.account_id)
            quotes = _quotes(told.prices, account["symbol_map"], account["now"])
            if quotes and not agent.is_owner:
                accepted = await move_account_prices(connection, agent.account_id, quotes)
        if quotes and agent.is_owner:
            async with connection.transaction():  # as the installation: a person may not write what everybody shares
                accepted = await move_prices(connection, quotes)
    if not quotes:
        accepted = 0
    return Json({"accepted": accepted, "ignored": len(told.prices) - accepted})


def _quotes(told: Iterable[ReportedPrice], symbol_map: Mapping[str, str], now: datetime) -> list[Quote]:
    """The newest usable price of each symbol; a time slightly ahead of our clock counts as now."""
    newest: dict[str, Quote] = {}
    for one in told:
        symbol = our_symbol(one.symbol, symbol_map)
        if one.bid is None or one.ask is None or one.bid > one.ask or one.time > now + AHEAD or not symbol:
            continue
        quote = Quote(symbol, as_price((one.bid + one.ask) / 2), min(one.time, now), "agent")
        if symbol not in newest or newest[symbol].at < quote.at:
            newest[symbol] = quote
    return list(newest.values())


@router.post("/{agent_id}/positions", summary="Report the account, its positions and deals", response_model=PositionsAnswer)
async def positions(request: Request, agent: KnownAgent, told: PositionsRequest) -> Json:
    """Kept as the latest that is known of the broker's side, and compared with our books; a difference that lasts is an alarm.

    Deals that were made without a job of ours (a stop, a target, by hand) are booked, each once.
    """
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection, as_user(connection, agent.user_id):
        seen = await feed(connection, agent, told.taken_at, told.account, told.positions, told.deals)
    return Json({"differences": seen})


async def feed(
    connection: asyncpg.Connection,
    agent: Agent,
    taken_at: datetime | None,
    account: ReportedAccount | None,
    held: Sequence[ReportedPosition] | None,
    deals: Sequence[ReportedDeal] = (),
) -> list[dict[str, Any]]:
    """Take a report in the view of the agent's user; returns the differences as they are answered.

    Args:
        taken_at: when the terminal was looked at; None, or a time ahead of ours: now.
    """
    row = await connection.fetchrow(SQL.symbol_map.sql, agent.account_id)
    now, symbol_map = row["now"], row["symbol_map"]
    report = Report(
        now if taken_at is None else min(taken_at, now),
        None if account is None else account.model_dump(exclude_none=True),
        None if held is None else [{**one.model_dump(), "symbol": our_symbol(one.symbol, symbol_map)} for one in held],
        [_deal(one) for one in deals],
    )
    return [difference_answer(one, now) for one in await take_report(connection, agent, report, now)]


def _deal(deal: ReportedDeal) -> dict[str, Any]:
    return {
        "deal_id": deal.deal_id,
        "symbol": deal.symbol,
        "side": deal.side,
        "quantity": deal.volume,
        "price": deal.price,
        "magic": deal.magic,
        "reason": deal.reason,
        "profit": None if deal.profit is None else deal.profit - (deal.commission or 0),
        "dealt_at": deal.time,
    }


def difference_answer(seen: Seen, now: datetime) -> dict[str, Any]:
    """A difference as the API answers it."""
    one = seen.difference
    return {
        "kind": one.kind,
        "symbol": one.symbol,
        "magic": one.magic,
        "ours": one.ours,
        "theirs": one.theirs,
        "since": seen.since,
        "is_lasting": seen.is_lasting(now),
        "text": one.text,
    }


async def feed_answer(connection: asyncpg.Connection, agent: Agent, output_data: Mapping[str, Any]) -> None:
    """Take what an agent answered to a question about positions or account for a report, as far as it is one."""
    try:
        held = _POSITIONS.validate_python(output_data["positions"]) if "positions" in output_data else None
        account = output_data.get("account", output_data if "balance" in output_data else None)
        known = None if account is None else _ACCOUNT.validate_python(account)
    except ValidationError as error:
        _LOG.warning("agents_answer_unusable", agent_id=str(agent.agent_id), faults=error.error_count())
        return
    if held is not None or known is not None:
        await feed(connection, agent, None, known, held)


async def keep_candles(connection: asyncpg.Connection, agent: Agent, job_id: UUID, told: object) -> None:
    """Store the closed bars that an agent of the owner's was asked for, all or none; candles are shared, so others' are not.

    Args:
        connection: of the installation's own role, outside of any person's view.
        told: the bars as the agent sent them, without symbol and timeframe: those are the question's.
    """
    asked = await connection.fetchrow(SQL.bars_asked_for.sql, agent.account_id, job_id) if agent.is_owner else None
    if asked is None or not isinstance(told, list) or not told:
        return
    named = {
        "symbol": our_symbol(asked["input_data"]["symbol"], asked["symbol_map"]),
        "timeframe": asked["input_data"]["timeframe"],
    }
    bars = [{**bar, **named} if isinstance(bar, dict) else bar for bar in told]
    candles, faults = await asyncio.to_thread(read_candles, {"candles": bars}, asked["now"])
    if faults:
        _LOG.warning("agents_candles_refused", agent_id=str(agent.agent_id), place=list(faults[0].place), text=faults[0].text)
        return
    closed = [candle for candle in candles if candle.closes_at <= asked["now"]]  # the last bar is still forming
    if closed:
        async with connection.transaction():
            await store_candles(connection, closed, asked["now"])
