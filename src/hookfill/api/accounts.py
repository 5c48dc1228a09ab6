"""``/api/v1/accounts/{account_id}``: one trading account, money in and out, and its equity curve."""

from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, HTTPException, Path, Query

from hookfill.accounts import trading
from hookfill.api.account import MISSING, Defaults
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Trader, User
from hookfill.api.fields import Moment
from hookfill.api.models_accounts import AccountChange, AccountDetails, EquityPoint, MovedAnswer, MovementAnswer, MovementRequest
from hookfill.api.paging import Limit, Offset
from hookfill.api.strategies import CONFLICT
from hookfill.api.strict_body import StrictRoute
from hookfill.brokers.paper.costs import costs_from, merged
from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.summary import account_summary
from hookfill.kernel.money import ZERO, plain
from hookfill.market.model import InstrumentKind
from hookfill.risk.model import DEFAULT_LIMITS, Limits

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"], responses=PROBLEMS, route_class=StrictRoute)
AccountId = Annotated[UUID, Path(description="The account's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own: the same request with the same key moves the money once.",
    ),
]


@router.get("/{account_id}", summary="One account", response_model=AccountDetails, responses=NOT_FOUND)
async def account_details(connection: Own, user_id: User, account_id: AccountId, defaults: Defaults) -> Json:
    """Its figures, limits and what can be changed of it."""
    return Json(await _details(connection, user_id, account_id, defaults))


@router.patch("/{account_id}", summary="Change an account", response_model=AccountDetails, responses=NOT_FOUND)
async def change_account(connection: Own, user_id: Trader, account_id: AccountId, asked: AccountChange, defaults: Defaults) -> Json:
    """Its name, time zone, limits, costs or symbol map; limits and costs count for what is decided next."""
    row = await _locked(connection, account_id)
    given = asked.given()
    if "costs" in given:
        given["costs"] = merged(row["costs"], _plain(asked.costs.given()))
    if "limits" in given:
        limits = asked.limits.given()
        given["limits"] = {name: None if value is None else plain(value) for name, value in limits.items()}
    await trading.change_account(connection, account_id, given)
    return Json(await _details(connection, user_id, account_id, defaults))


@router.post(
    "/{account_id}/deposits",
    status_code=201,
    summary="Put money in",
    response_model=MovedAnswer,
    responses={**NOT_FOUND, **CONFLICT},
)
async def deposit(
    connection: Own, user_id: Trader, account_id: AccountId, asked: MovementRequest, idempotency_key: IdempotencyKey = None
) -> Json:
    """Of a paper account. What was realised, today's loss included, stays as it is."""
    return await _move(connection, user_id, account_id, asked.amount, asked.note, idempotency_key)


@router.post(
    "/{account_id}/withdrawals",
    status_code=201,
    summary="Take money out",
    response_model=MovedAnswer,
    responses={**NOT_FOUND, **CONFLICT},
)
async def withdrawal(
    connection: Own, user_id: Trader, account_id: AccountId, asked: MovementRequest, idempotency_key: IdempotencyKey = None
) -> Json:
    """Of a paper account: neither unrealised profit nor what open positions need can be taken out."""
    return await _move(connection, user_id, account_id, -asked.amount, asked.note, idempotency_key)


@router.get(
    "/{account_id}/movements",
    summary="Money put in and taken out, newest first",
    response_model=list[MovementAnswer],
    responses=NOT_FOUND,
)
async def movements(connection: Own, user_id: User, account_id: AccountId, limit: Limit = 50, offset: Offset = 0) -> Json:
    """Deposits and withdrawals."""
    await _details(connection, user_id, account_id)
    return Json(await trading.movements(connection, account_id, limit=limit, offset=offset))


@router.get("/{account_id}/equity", summary="The equity curve", response_model=list[EquityPoint], responses=NOT_FOUND)
async def equity(
    connection: Own,
    user_id: User,
    account_id: AccountId,
    since: Annotated[Moment | None, Query(alias="from", description="From this minute on; left out: from the first.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Up to this moment; left out: up to now.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="How many at most: the newest of the span.")] = 1_000,
) -> Json:
    """One point for every minute in which something changed, oldest first."""
    await _details(connection, user_id, account_id)
    first = None if since is None else trading.equity_minute(since)
    return Json(await trading.equity_points(connection, account_id, since=first, until=until, limit=limit))


async def _locked(connection: Own, account_id: UUID) -> Any:
    row = await trading.lock_own_account(connection, account_id)
    if row is None:
        raise HTTPException(404, MISSING)
    return row


async def _summary(connection: Own, user_id: UUID, account_id: UUID, defaults: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    for found in await account_summary(connection, user_id, defaults):
        if found["id"] == account_id:
            return found
    raise HTTPException(404, MISSING)


async def _details(connection: Own, user_id: UUID, account_id: UUID, defaults: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    found = await _summary(connection, user_id, account_id, defaults)
    extras = await trading.account_extras(connection, account_id)
    return {**found, **extras, "costs": _costs(costs_from(extras["costs"])), "default_limits": asdict(defaults)}


def _costs(model: PaperModel) -> dict[str, Any]:
    return {
        "slippage_bps": model.slippage_bps,
        "commission": {kind.value: model.commission.get(kind, ZERO) for kind in InstrumentKind},
        "option_spread_fraction": model.option_spread_fraction,
        "volume_cap_pct": model.volume_cap_pct,
    }


def _plain(value: Any) -> Any:
    """Amounts as text, as they are stored."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return plain(value) if isinstance(value, Decimal) else value


async def _move(connection: Own, user_id: UUID, account_id: UUID, change: Decimal, note: str | None, key: str | None) -> Json:
    """Move money under the account's lock, and put the point on its equity curve."""
    row = await _locked(connection, account_id)
    before = await _summary(connection, user_id, account_id)
    identity = trading.movement_id(account_id, key)
    try:
        if not await trading.is_moved(connection, account_id, identity):
            free = min(before["equity"], before["balance"]) - before["committed"]
            trading.check_movement(row, change, free)
        moved = await trading.move_cash(connection, account_id, identity, change, note)
    except trading.CashRefused as refused:
        raise HTTPException(409, str(refused)) from None
    if not moved.is_repeat:
        await trading.record_equity(connection, account_id, before["as_of"], before["equity"] + change, moved.balance, moved.cash)
    told = {"id": moved.movement_id, "kind": moved.kind, "amount": moved.amount, "note": moved.note, "created_at": moved.created_at}
    return Json({**told, "cash": moved.cash, "balance": moved.balance}, 201)
