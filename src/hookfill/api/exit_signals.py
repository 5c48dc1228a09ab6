"""``/api/v1/exit-signals``: positions being left and left."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import Own, User
from hookfill.api.fields import TradedSymbol
from hookfill.api.models import Amount, Model, OrderStatus, PositionState
from hookfill.api.paging import Limit, Offset
from hookfill.desk.exit_signals import list_exit_signals

router = APIRouter(prefix="/api/v1/exit-signals", tags=["positions"], responses=PROBLEMS)


class ExitState(StrEnum):
    """Which exits are asked for."""

    DUE = "due"
    TAKEN = "taken"
    ALL = "all"


class ExitSignal(Model):
    """One exit: the order that leaves a position, wholly or in part."""

    id: UUID = Field(description="The order's.")
    account_id: UUID
    strategy_id: UUID
    strategy_name: str | None
    signal_id: UUID | None = Field(description="None: an exit rule of the position asked for it.")
    position_id: UUID | None
    position_status: PositionState | None
    symbol: str
    side: Literal["buy", "sell"]
    exit_reason: str | None
    status: OrderStatus
    quantity: Amount
    filled_quantity: Amount
    level: Amount | None = Field(description="The stop's or target's price; null for an exit at the market.")
    entry_price: Amount | None = Field(description="The position's average price.")
    exit_price: Amount | None
    realized_pnl: Amount | None = Field(description="Gross of commission, in the account's currency.")
    commission: Amount | None
    reason: str | None = Field(description="The code of what kept it from being filled.")
    opened_at: datetime | None = Field(description="When the position was opened, UTC.")
    as_of: datetime = Field(description="The moment as of which it was made, UTC.")
    filled_at: datetime | None
    created_at: datetime


@router.get("", summary="Exits, newest first", response_model=list[ExitSignal])
async def exit_signals(
    connection: Own,
    user_id: User,
    status: Annotated[ExitState, Query(description="due: on their way to a broker; taken: filled.")] = ExitState.ALL,
    symbol: Annotated[TradedSymbol | None, Query(description="Only of this symbol.")] = None,
    account_id: Annotated[UUID | None, Query(description="Only this account's.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """Why, at which level and price, and what it brought."""
    found = await list_exit_signals(
        connection, user_id, state=status.value, symbol=symbol, account_id=account_id, limit=limit, offset=offset
    )
    return Json(found)
