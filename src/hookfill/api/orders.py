"""``/api/v1/orders``: orders and their fills; entries that rest can be cancelled."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Trader, User
from hookfill.api.models import Order, OrderStatus
from hookfill.api.paging import Limit, Offset
from hookfill.api.strategies import CONFLICT
from hookfill.orders.store import NotCancellable, cancel_order, list_orders

router = APIRouter(prefix="/api/v1/orders", tags=["orders"], responses=PROBLEMS)


@router.get("", summary="Orders with their fills, newest first", response_model=list[Order])
async def orders(
    connection: Own,
    user_id: User,
    signal_id: Annotated[UUID | None, Query(description="Only those that this signal led to.")] = None,
    status: Annotated[OrderStatus | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """What was ordered and what was filled."""
    return Json(await list_orders(connection, user_id, signal_id=signal_id, status=status, limit=limit, offset=offset))


@router.post("/{order_id}/cancel", summary="Cancel an entry that rests", response_model=Order, responses={**NOT_FOUND, **CONFLICT})
async def cancel(
    connection: Own,
    user_id: Trader,
    order_id: Annotated[UUID, Path(description="The order's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])],
) -> Json:
    """On paper nothing of it fills from the answer on; at Alpaca it is asked for within a second. Its status follows later.

    What had filled before stays. Asking again changes nothing; an order that has ended, or is at MetaTrader, answers 409.
    """
    try:
        order = await cancel_order(connection, user_id, order_id)
    except NotCancellable as refused:
        raise HTTPException(409, str(refused)) from None
    if order is None:
        raise HTTPException(404, "There is no order of this id among your own: GET /api/v1/orders shows them.")
    return Json(order)
