"""``/api/v1/broker-connections``: where strategies trade."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Request, Response

from hookfill.accounts import connections as store
from hookfill.accounts.store import DEFAULT_CASH
from hookfill.accounts.strategies import InUse
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Trader, User
from hookfill.api.models import Problem
from hookfill.api.models_accounts import ConnectionAnswer, ConnectionChange, NewConnectionAnswer, NewConnectionRequest
from hookfill.api.paging import Limit, Offset
from hookfill.api.strategies import CONFLICT, CONNECTION_MISSING
from hookfill.api.strict_body import StrictRoute

router = APIRouter(prefix="/api/v1/broker-connections", tags=["accounts"], responses=PROBLEMS, route_class=StrictRoute)
NOT_LIVE: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "Real money can't be traded here."}}
LIVE_REFUSED = (
    "This installation is not set up to trade real money: set APP_MODE=LIVE and ALPACA_LIVE_CONFIRMATION to the sentence that the "
    "settings' reference names, and start the server again; or leave paper out."
)
ConnectionId = Annotated[UUID, Path(description="The connection's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]


@router.get("", summary="Broker connections, newest first", response_model=list[ConnectionAnswer])
async def broker_connections(connection: Own, user_id: User, limit: Limit = 50, offset: Offset = 0) -> Json:
    """Every connection with its account. The default paper account needs none and is not among them."""
    return Json(await store.list_connections(connection, user_id, limit=limit, offset=offset))


@router.post("", status_code=201, summary="Make a broker connection", response_model=NewConnectionAnswer, responses=NOT_LIVE)
async def new_broker_connection(request: Request, connection: Own, user_id: Trader, asked: NewConnectionRequest) -> Json:
    """A connection with a trading account of its own.

    An mt5 one waits for an agent: `POST /api/v1/agents/pair`. One to Alpaca needs the credentials `key` and `secret`; the server
    trades it by itself, and sends entries once its positions there were compared with the books.
    """
    is_live = asked.kind == "alpaca" and not asked.paper
    if is_live and not request.app.state.trades_live:
        raise HTTPException(409, LIVE_REFUSED)
    default = DEFAULT_CASH if asked.kind == "paper" else Decimal(0)
    wanted = store.NewConnection(
        kind=asked.kind,
        label=asked.label,
        currency=asked.currency,
        time_zone=asked.time_zone,
        cash=asked.starting_cash if asked.starting_cash is not None else default,
        credentials=asked.credentials or {},
        symbol_map=asked.symbol_map or {},
        is_live=is_live,
    )
    broker_connection_id, account_id = await store.create(connection, user_id, request.app.state.vault, wanted)
    return Json({"broker_connection_id": broker_connection_id, "account_id": account_id}, 201)


@router.get("/{broker_connection_id}", summary="One broker connection", response_model=ConnectionAnswer, responses=NOT_FOUND)
async def broker_connection(connection: Own, user_id: User, broker_connection_id: ConnectionId) -> Json:
    """One connection as the list shows it."""
    return Json(await _found(connection, user_id, broker_connection_id))


@router.patch("/{broker_connection_id}", summary="Change a broker connection", response_model=ConnectionAnswer, responses=NOT_FOUND)
async def change_broker_connection(
    request: Request, connection: Own, user_id: Trader, broker_connection_id: ConnectionId, asked: ConnectionChange
) -> Json:
    """Its label, credentials or symbol map."""
    if not await store.change(connection, user_id, request.app.state.vault, broker_connection_id, asked.given()):
        raise HTTPException(404, CONNECTION_MISSING)
    return Json(await _found(connection, user_id, broker_connection_id))


@router.delete(
    "/{broker_connection_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a broker connection",
    responses={**NOT_FOUND, **CONFLICT},
)
async def delete_broker_connection(connection: Own, user_id: Trader, broker_connection_id: ConnectionId) -> Response:
    """Its credentials and agents go with it; its account stays with all that was traded on it.

    Refused (409) while a strategy trades there, a position is open or an order is under way: nothing is closed or deleted unasked.
    """
    try:
        if not await store.delete(connection, user_id, broker_connection_id):
            raise HTTPException(404, CONNECTION_MISSING)
    except InUse as error:
        raise HTTPException(409, str(error)) from None
    return Response(status_code=204)


async def _found(connection: Own, user_id: UUID, broker_connection_id: UUID) -> dict[str, Any]:
    found = await store.get_connection(connection, user_id, broker_connection_id)
    if found is None:
        raise HTTPException(404, CONNECTION_MISSING)
    return found
