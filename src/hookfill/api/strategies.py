"""``/api/v1/strategies``: what alerts are sent to."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.exceptions import RequestValidationError

from hookfill.accounts import strategies as store
from hookfill.accounts.alert_template import alert_template
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Trader, User
from hookfill.api.models import Problem
from hookfill.api.models_strategies import (
    AlertTemplates,
    NewSecretAnswer,
    NewStrategyAnswer,
    NewStrategyRequest,
    RotateRequest,
    StrategyAnswer,
    StrategyChange,
    StrategySettings,
)
from hookfill.api.paging import Limit, Offset
from hookfill.api.strict_body import StrictRoute
from hookfill.desk.settings import rules_of
from hookfill.kernel.clock import utc_now
from hookfill.kernel.errors import ConfigurationError

router = APIRouter(prefix="/api/v1/strategies", tags=["strategies"], responses=PROBLEMS, route_class=StrictRoute)
MISSING = "There is no strategy of this id among yours: GET /api/v1/strategies lists them."
CONNECTION_MISSING = "There is no broker connection of this id among yours: GET /api/v1/broker-connections lists them."
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "Something stands against it: the text says what."}
}
StrategyId = Annotated[UUID, Path(description="The strategy's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]


@router.get("", summary="Strategies with their signal counts, newest first", response_model=list[StrategyAnswer])
async def strategies(connection: Own, user_id: User, limit: Limit = 50, offset: Offset = 0) -> Json:
    """Every strategy with its account, its settings and what became of its alerts."""
    return Json(await store.list_strategies(connection, user_id, limit=limit, offset=offset))


@router.post("", status_code=201, summary="Make a strategy", response_model=NewStrategyAnswer, responses=NOT_FOUND)
async def new_strategy(request: Request, connection: Own, user_id: Trader, asked: NewStrategyRequest) -> Json:
    """A strategy with a webhook URL of its own, which is its secret and is shown only now."""
    sections = _sections(asked.settings)
    account_id = await store.account_for(connection, user_id, asked.broker_connection_id)
    if account_id is None:
        raise HTTPException(404, CONNECTION_MISSING)
    made = await store.create(
        connection,
        account_id,
        asked.name,
        is_enabled=asked.is_enabled,
        engine=asked.engine.value,
        settings={name: section for name, section in sections.items() if section is not None},
        allowed_pairs=asked.allowed_pairs,
        risk_override_pct=asked.risk_override_pct,
    )
    return Json({"strategy_id": made.strategy_id, "webhook_url": webhook_url(request, made.secret)}, 201)


@router.get("/{strategy_id}", summary="One strategy", response_model=StrategyAnswer, responses=NOT_FOUND)
async def strategy(connection: Own, user_id: User, strategy_id: StrategyId) -> Json:
    """One strategy as the list shows it."""
    return Json(await _found(connection, user_id, strategy_id))


@router.patch("/{strategy_id}", summary="Change a strategy", response_model=StrategyAnswer, responses=NOT_FOUND)
async def change_strategy(connection: Own, user_id: Trader, strategy_id: StrategyId, asked: StrategyChange) -> Json:
    """Counts for the next alert that is decided. Positions that are open keep the exit rules that they were opened with."""
    columns = asked.given()
    sections: dict[str, Any] | None = {}
    if "settings" in columns:
        settings = columns.pop("settings")
        sections = None if settings is None else _sections(settings)
    if "engine" in columns:
        columns["engine"] = asked.engine.value
    if not await store.change(connection, user_id, strategy_id, columns, sections):
        raise HTTPException(404, MISSING)
    return Json(await _found(connection, user_id, strategy_id))


@router.delete(
    "/{strategy_id}", status_code=204, response_class=Response, summary="Delete a strategy", responses={**NOT_FOUND, **CONFLICT}
)
async def delete_strategy(connection: Own, user_id: Trader, strategy_id: StrategyId) -> Response:
    """Its signals go with it, and its webhook URL leads nowhere at once. Entries that no agent has begun are cancelled.

    Messages, orders, fills and positions are the account's ledger and stay; an open position still leaves by its exit rules.
    """
    try:
        if not await store.delete(connection, user_id, strategy_id):
            raise HTTPException(404, MISSING)
    except store.InUse as error:
        raise HTTPException(409, str(error)) from None
    return Response(status_code=204)


@router.get(
    "/{strategy_id}/alert-template", summary="Ready-made alert messages", response_model=AlertTemplates, responses=NOT_FOUND
)
async def strategy_alert_template(request: Request, connection: Own, user_id: User, strategy_id: StrategyId) -> Json:
    """Messages for TradingView's Message box with its placeholders, Pine v6 for `alert()`, and what to mind with this strategy."""
    return Json(alert_template(await _found(connection, user_id, strategy_id), request.app.state.base_url))


@router.post(
    "/{strategy_id}/rotate-secret", summary="Give a strategy a new webhook URL", response_model=NewSecretAnswer, responses=NOT_FOUND
)
async def rotate_secret(
    request: Request, connection: Own, user_id: Trader, strategy_id: StrategyId, asked: RotateRequest | None = None
) -> Json:
    """The new URL is shown only now; the one before it works for the overlap, so that alerts can be changed one by one."""
    overlap_seconds = (asked or RotateRequest()).overlap_seconds
    expire_at = utc_now() + timedelta(seconds=overlap_seconds)
    secret = await store.rotate_secret(connection, user_id, strategy_id, overlap_seconds)
    if secret is None:
        raise HTTPException(404, MISSING)
    return Json({"webhook_url": webhook_url(request, secret), "old_urls_expire_at": expire_at})


def webhook_url(request: Request, secret: str) -> str:
    """Where alerts with a secret go, as the outside reaches this server."""
    return f"{request.app.state.base_url}/api/v1/webhooks/tv/{secret}"


async def _found(connection: Own, user_id: UUID, strategy_id: UUID) -> dict[str, Any]:
    found = await store.get_strategy(connection, user_id, strategy_id)
    if found is None:
        raise HTTPException(404, MISSING)
    return found


def _sections(settings: StrategySettings | None) -> dict[str, Any]:
    """The sections as they are stored, read once as the desk will read them.

    Raises:
        RequestValidationError: one can't be used; it is named, with the reason.
    """
    sections = {} if settings is None else settings.sections()
    for name, section in sections.items():
        try:
            rules_of({} if section is None else {name: section})
        except ConfigurationError as error:
            raise RequestValidationError([{"type": "value_error", "loc": ("body", "settings", name), "msg": str(error)}]) from None
    return sections
