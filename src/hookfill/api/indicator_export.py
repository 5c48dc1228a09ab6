"""``/api/indicator-export``: batches of an indicator's exports, which of them are missing, and imports on demand.

``ledgers`` has what they add up to; ``edge.indicator_export`` is where they are pushed.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, HTTPException, Path, Query

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Trader, User
from hookfill.api.export_models import ExportBatch, ExportRun, ExportType, Imported, ImportRefused, WholeBatch
from hookfill.api.paging import Limit, Offset
from hookfill.exports.envelope import ALL_SIGNALS, CONFIRMED_SIGNALS
from hookfill.exports.reading import Filters, find_account, get_batch, list_batches, list_runs
from hookfill.exports.runs import Run
from hookfill.exports.store import find_batch, find_latest, import_one
from hookfill.kernel.reasons import Reason, explain

router = APIRouter(tags=["indicator exports"], responses=PROBLEMS)
MISSING = "There is no batch of this id among yours: GET /api/indicator-export/batches lists them."
NONE_YET = "There is no valid batch of this kind among yours: let the indicator export first."
NO_ACCOUNT = "There is no account of this id among yours: GET /api/v1/accounts lists them."
_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"model": ImportRefused, "description": "The batch is of the other kind, or its envelope is invalid."}
}
BatchId = Annotated[int, Path(ge=1, le=(1 << 63) - 1, description="The batch's id.", examples=[12])]
DryRun = Annotated[bool, Query(description="Only tell what the import would do.")]


async def _account(
    connection: Own,
    user_id: User,
    account_id: Annotated[UUID | None, Query(description="Which account; left out: the default one.")] = None,
) -> UUID:
    found = await find_account(connection, user_id, account_id)
    if found is None:
        raise HTTPException(404, NO_ACCOUNT)
    return found


ExportAccount = Annotated[UUID, Depends(_account, scope="function")]
"""One of the caller's accounts; 404 for another's."""


@router.get(
    "/api/indicator-export/batches",
    summary="Batches of exports, newest first",
    response_model=list[ExportBatch],
    responses=NOT_FOUND,
)
async def batches(
    connection: Own,
    account_id: ExportAccount,
    event_type: Annotated[ExportType | None, Query(description="Only of this kind.")] = None,
    is_valid: Annotated[bool | None, Query(description="Only those that can be imported, or only the others.")] = None,
    is_imported: Annotated[bool | None, Query(description="Only those that have been imported, or only the others.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """What came in, what can't be imported and why, and what importing did."""
    filters = Filters(event_type, is_valid=is_valid, is_imported=is_imported)
    return Json(await list_batches(connection, account_id, filters, limit=limit, offset=offset))


@router.get("/api/indicator-export/batches/{batch_id}", summary="One batch", response_model=WholeBatch, responses=NOT_FOUND)
async def batch(connection: Own, batch_id: BatchId) -> Json:
    """One batch with what it holds."""
    found = await get_batch(connection, batch_id)
    if found is None:
        raise HTTPException(404, MISSING)
    return Json(found)


@router.get(
    "/api/indicator-export/runs",
    summary="Exports, newest first, with what is missing of them",
    response_model=list[ExportRun],
    responses=NOT_FOUND,
)
async def runs(
    connection: Own,
    account_id: ExportAccount,
    event_type: Annotated[ExportType | None, Query(description="Only of this kind.")] = None,
    limit: Limit = 50,
) -> Json:
    """An export is what came of one kind and one total without a pause of more than 6 hours.

    A number that comes again with other content begins the next export. Repeats of the same content count once, and for the next
    export too where they can belong to it. Only the newest 50,000 deliveries are looked at.
    """
    return Json([_run(run) for run in (await list_runs(connection, account_id, event_type))[:limit]])


def _run(run: Run) -> dict[str, Any]:
    missing_count = run.missing_count
    return {
        "event_type": run.event_type,
        "total_signals": run.total_signals,
        "batch_size": run.batch_size,
        "began_at": run.began_at,
        "ended_at": run.ended_at,
        "expected_batches": run.expected,
        "is_complete": None if missing_count is None else missing_count == 0,
        "present": sorted(run.batches),
        "missing": run.missing,
        "missing_count": missing_count,
    }


@router.post(
    "/api/indicator-export/import/{batch_id}",
    summary="Import a batch of confirmed signals",
    response_model=Imported,
    responses={**NOT_FOUND, **_REFUSED},
)
async def import_confirmed(connection: Own, _user_id: Trader, batch_id: BatchId, dry_run: DryRun = False) -> Json:
    """The worker imports every valid batch by itself; importing again changes nothing.

    A row that can't be used is skipped and named with its reason, the others go in. Of each field the newest export's value wins,
    and null erases nothing.
    """
    return await _import(connection, await find_batch(connection, batch_id), CONFIRMED_SIGNALS, dry_run=dry_run)


@router.post(
    "/api/all-signals/import/{batch_id}",
    summary="Import a batch of all signals",
    response_model=Imported,
    responses={**NOT_FOUND, **_REFUSED},
)
async def import_all(connection: Own, _user_id: Trader, batch_id: BatchId, dry_run: DryRun = False) -> Json:
    """As with confirmed signals."""
    return await _import(connection, await find_batch(connection, batch_id), ALL_SIGNALS, dry_run=dry_run)


@router.post(
    "/api/indicator-export/import-latest",
    summary="Import the newest batch",
    response_model=Imported,
    responses={**NOT_FOUND, **_REFUSED},
)
async def import_latest(
    connection: Own,
    _user_id: Trader,
    account_id: ExportAccount,
    event_type: Annotated[ExportType, Query(description="Of which kind.")] = ExportType.CONFIRMED,
    dry_run: DryRun = False,
) -> Json:
    """The newest valid batch of a kind, by when it came."""
    found = await find_latest(connection, account_id, event_type)
    if found is None:
        raise HTTPException(404, NONE_YET)
    return await _import(connection, found, event_type, dry_run=dry_run)


async def _import(connection: asyncpg.Connection, found: Mapping[str, Any] | None, event_type: str, *, dry_run: bool) -> Json:
    if found is None:
        raise HTTPException(404, MISSING)
    if found["event_type"] != event_type:
        return _refused(Reason.WRONG_EVENT_TYPE, f"it is of {found['event_type'] or 'no kind'}")
    if not found["is_valid"]:
        return _refused(Reason.BATCH_INVALID, "")
    result = await import_one(connection, found, dry_run=dry_run)
    return Json({"success": True, "batch_id": found["batch_id"], "event_type": event_type, "dry_run": dry_run, **result})


def _refused(reason: Reason, figures: str) -> Json:
    return Json({"success": False, "error": reason, "detail": explain(reason, figures)}, 409)
