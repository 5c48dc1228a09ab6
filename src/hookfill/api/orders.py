"""``/api/v1/orders``: orders and their fills."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import Own, User
from hookfill.api.models import Order, OrderStatus
from hookfill.api.paging import Limit, Offset
from hookfill.orders.store import list_orders

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
