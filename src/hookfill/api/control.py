"""``/api/v1/halt``, ``resume``, ``flatten`` and ``halts``: the hand on the switch.

Only bearer tokens and API keys are understood, never cookies: no foreign page can press these buttons for who is logged in.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, HTTPException, Query, Request

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import ACQUIRE_SECONDS, Asking, Own, Trader, User
from hookfill.api.control_models import (
    FlattenAnswer,
    FlattenRequest,
    HaltAnswer,
    HaltRecord,
    HaltRequest,
    ResumeAnswer,
    ResumeRequest,
    TargetRequest,
)
from hookfill.api.models import Problem
from hookfill.api.paging import Limit, Offset
from hookfill.api.strict_body import TOO_LARGE, StrictRoute
from hookfill.desk import control
from hookfill.desk.control import Target
from hookfill.kernel.ids import NIL
from hookfill.postgres.tenancy import as_user
from hookfill.risk.halts import Scope

router = APIRouter(prefix="/api/v1", tags=["control"], responses={**PROBLEMS, **TOO_LARGE}, route_class=StrictRoute)
MISSING = "There is no account or strategy of this id among yours: GET /api/v1/accounts and /api/v1/strategies list them."
OWNERS = "Only the owner of this installation can halt or resume everybody's trading: use scope user for all of yours."
BUSY = "An account is being decided for without a pause: try again in a moment."
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "A full halt in force stops exits too."}}
MOST_COUNTED = 1_000


@router.post("/halt", status_code=201, summary="Halt trading", response_model=HaltAnswer, responses=NOT_FOUND)
async def halt(request: Request, caller: Asking, user_id: Trader, asked: HaltRequest) -> Json:
    """When this has answered, no order of the scope that the halt forbids is committed any more.

    Entries that wait for an agent or at a price are cancelled; by a full halt exits too. The same halt twice is one.
    """
    _check_scope(caller.role, asked)
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        target, row = await _halt(connection, user_id, asked, reduce_only=asked.reduce_only, reason=asked.reason)
        settled = await control.settle(connection, target, row)
    return Json({**_record(settled.halt), "busy_accounts": list(settled.busy)}, 201)


@router.post("/resume", summary="Lift halts", response_model=ResumeAnswer, responses=NOT_FOUND)
async def resume(caller: Asking, connection: Own, user_id: Trader, asked: ResumeRequest) -> Json:
    """The scope's own halts and the narrower ones within it; a wider one goes on."""
    _check_scope(caller.role, asked)
    target = await _target(connection, user_id, asked)
    lifted = await control.resume(connection, target, str(user_id))
    left = await control.list_halts(connection, user_id, in_force=True, limit=MOST_COUNTED, offset=0)
    return Json({"lifted": [_record(row) for row in lifted], "in_force": len(left)})


@router.post(
    "/flatten", status_code=201, summary="Leave positions", response_model=FlattenAnswer, responses={**NOT_FOUND, **_CONFLICT}
)
async def flatten(request: Request, caller: Asking, user_id: Trader, asked: FlattenRequest) -> Json:
    """Every open position of the scope is left at the market, and entries on their way as soon as they are there.

    Each is a signal of its own, decided within milliseconds; calling again asks for nothing twice.
    """
    _check_scope(caller.role, asked)
    row = None
    async with request.app.state.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        if asked.halt:
            target, row = await _halt(connection, user_id, asked, reduce_only=True, reason=asked.reason)
            row = (await control.settle(connection, target, row)).halt
        else:
            async with as_user(connection, user_id):
                target = await _target(connection, user_id, asked)
        try:
            leaving = await control.flatten(connection, target, reason=asked.reason, by=str(user_id))
        except control.FullyHalted as halted:
            raise HTTPException(409, str(halted)) from None
        except asyncpg.LockNotAvailableError:
            raise HTTPException(503, BUSY, {"Retry-After": "1"}) from None
    answer = {
        "positions": sum(one.is_open for one in leaving),
        "signal_ids": [one.signal_id for one in leaving],
        "leaving": [asdict(one) for one in leaving],
        "halt": None if row is None else _record(row),
    }
    return Json(answer, 201)


@router.get("/halts", summary="Halts, newest first", response_model=list[HaltRecord])
async def halts(
    connection: Own,
    user_id: User,
    in_force: Annotated[bool | None, Query(description="Only those in force, or only those that are over.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """Those of your accounts, and those of everybody's trading."""
    rows = await control.list_halts(connection, user_id, in_force=in_force, limit=limit, offset=offset)
    return Json([_record(row) for row in rows])


def _check_scope(role: str, asked: TargetRequest) -> None:
    if asked.scope is Scope.GLOBAL and role != "owner":
        raise HTTPException(403, OWNERS)


async def _target(connection: asyncpg.Connection, user_id: UUID, asked: TargetRequest) -> Target:
    target = await control.find_target(connection, user_id, asked.scope, asked.id, asked.symbol)
    if target is None:
        raise HTTPException(404, MISSING)
    return target


async def _halt(
    connection: asyncpg.Connection, user_id: UUID, asked: TargetRequest, *, reduce_only: bool, reason: str
) -> tuple[Target, asyncpg.Record]:
    """Committed when it returns, so that it can be waited for those who have not seen it."""
    async with as_user(connection, user_id):
        target = await _target(connection, user_id, asked)
        row = await control.put_in_force(connection, target, reduce_only=reduce_only, reason=reason, by=str(user_id))
    return target, row


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "scope", "strategy_id", "symbol", "reduce_only", "reason", "created_at", "user_id", "created_by", "settled_at", "lifted_at",
        "lifted_by",
    )  # fmt: skip
    account_id = None if row["account_id"] == NIL else row["account_id"]
    return {"id": row["halt_id"], "account_id": account_id, **{name: row[name] for name in names}}
