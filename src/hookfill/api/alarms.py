"""``/api/v1/alarms`` and an account's reconciliation: where something needs a person."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query

from hookfill.api.account import MISSING
from hookfill.api.agent_reports import difference_answer
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own
from hookfill.api.job_models import Alarm, Reconciliation
from hookfill.api.paging import Limit, Offset
from hookfill.brokers.mt5.model import magic_of
from hookfill.brokers.mt5.reconcile import is_foreign
from hookfill.brokers.mt5.reports import seen_from, theirs_from
from hookfill.brokers.mt5.store import SQL, own_accounts
from hookfill.kernel.clock import utc_now
from hookfill.kernel.ids import NIL
from hookfill.ops.alarms import list_alarms

router = APIRouter(prefix="/api/v1", tags=["alarms"], responses=PROBLEMS)
_AMOUNTS = ("volume", "price_open", "price_current", "sl", "tp", "profit")
_ACCOUNT_AMOUNTS = ("balance", "equity", "margin")


@router.get("/alarms", summary="Alarms, newest first", response_model=list[Alarm])
async def alarms(
    connection: Own,
    in_force: Annotated[bool | None, Query(description="Only those in force, or only those that are over.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """What needs a person: broker and books that differ, accounts that no agent works for, indicators that fell silent."""
    mine = [*await own_accounts(connection), NIL]  # the installation's own are the owner's to see
    rows = await list_alarms(connection, mine, in_force=in_force, limit=limit, offset=offset)
    found = [dict(row) for row in rows]
    return Json([{"id": one.pop("alarm_id"), **one} for one in found])


@router.get(
    "/accounts/{account_id}/reconciliation",
    summary="What the broker holds, and where our books differ",
    response_model=Reconciliation,
    responses=NOT_FOUND,
)
async def reconciliation(connection: Own, account_id: Annotated[UUID, Path(description="The account's id.")]) -> Json:
    """The latest that an agent told of the account. Positions of ours are at GET /api/v1/positions."""
    row = await connection.fetchrow(SQL.get_snapshot.sql, account_id)
    if row is None:
        raise HTTPException(404, MISSING)
    strategies = await connection.fetch(SQL.strategies_known.sql, account_id)
    magics = frozenset(magic_of(strategy["strategy_id"]) for strategy in strategies)
    now = utc_now()
    return Json(
        {
            "account_id": account_id,
            "agent_id": row["agent_id"],
            "taken_at": row["taken_at"],
            "account": None if row["account"] is None else _exact(row["account"], _ACCOUNT_AMOUNTS),
            "positions": [_position(one, magics) for one in row["positions"] or ()],
            "differences": [difference_answer(seen_from(one), now) for one in row["differences"] or ()],
        }
    )


def _position(stored: Mapping[str, Any], magics: frozenset[int]) -> dict[str, Any]:
    return {**_exact(stored, _AMOUNTS), "is_foreign": is_foreign(theirs_from(stored), magics)}


def _exact(stored: Mapping[str, Any], amounts: tuple[str, ...]) -> dict[str, Any]:
    """Stored JSON with its amounts as the numbers that they are."""
    return {name: Decimal(value) if name in amounts and isinstance(value, str) else value for name, value in stored.items()}
