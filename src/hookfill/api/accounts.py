"""``/api/v1/accounts/{account_id}``: one trading account, money in and out, and its equity curve."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, HTTPException, Path, Query

from hookfill.accounts import trading
from hookfill.api.account import MISSING
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Trader, User
from hookfill.api.fields import Moment
from hookfill.api.models_accounts import AccountChange, AccountDetails, EquityPoint, MovedAnswer, MovementAnswer, MovementRequest
from hookfill.api.paging import Limit, Offset
from hookfill.api.strategies import CONFLICT
from hookfill.api.strict_body import StrictRoute
from hookfill.desk.summary import account_summary
from hookfill.kernel.money import plain

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
async def account_details(connection: Own, user_id: User, account_id: AccountId) -> Json:
    """Its figures, limits and what can be changed of it."""
    return Json(await _details(connection, user_id, account_id))


@router.patch("/{account_id}", summary="Change an account", response_model=AccountDetails, responses=NOT_FOUND)
async def change_account(connection: Own, user_id: Trader, account_id: AccountId, asked: AccountChange) -> Json:
    """Its name, time zone, limits or symbol map; limits count for the next alert that is decided."""
    await _locked(connection, account_id)
    given = asked.given()
    if "limits" in given:
        limits = asked.limits.given()
        given["limits"] = {name: None if value is None else plain(value) for name, value in limits.items()}
    await trading.change_account(connection, account_id, given)
    return Json(await _details(connection, user_id, account_id))


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


async def _summary(connection: Own, user_id: UUID, account_id: UUID) -> dict[str, Any]:
    for found in await account_summary(connection, user_id):
        if found["id"] == account_id:
            return found
    raise HTTPException(404, MISSING)


async def _details(connection: Own, user_id: UUID, account_id: UUID) -> dict[str, Any]:
    found = await _summary(connection, user_id, account_id)
    return {**found, **await trading.account_extras(connection, account_id)}


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
