"""``/api/v1/account`` and ``/api/v1/accounts``: what accounts are worth."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, User
from hookfill.api.models import Account
from hookfill.desk.summary import account_summary
from hookfill.risk.model import Limits

router = APIRouter(prefix="/api/v1", tags=["account"], responses=PROBLEMS)


async def _default_limits(request: Request) -> Limits:
    limits: Limits = request.app.state.limits
    return limits


Defaults = Annotated[Limits, Depends(_default_limits)]
"""The installation's limits, where an account has none of its own."""
MISSING = "There is no account of this id among yours: GET /api/v1/accounts lists them."


@router.get("/account", summary="One account's figures", response_model=Account, responses=NOT_FOUND)
async def account(
    connection: Own,
    user_id: User,
    defaults: Defaults,
    account_id: Annotated[UUID | None, Query(description="Which account; left out: the default one.")] = None,
) -> Json:
    """Equity, cash, what was realised today, open risk, limits and halts in force."""
    for found in await account_summary(connection, user_id, defaults):  # the default one is first
        if account_id in (None, found["id"]):
            return Json(found)
    raise HTTPException(404, MISSING)


@router.get("/accounts", summary="All accounts' figures", response_model=list[Account])
async def accounts(connection: Own, user_id: User, defaults: Defaults) -> Json:
    """The same for every account, the default one first."""
    return Json(await account_summary(connection, user_id, defaults))
