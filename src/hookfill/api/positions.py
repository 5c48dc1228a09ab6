"""``/api/v1/positions``: what is held, and what was."""

from typing import Annotated

from fastapi import APIRouter, Query

from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import Own, User
from hookfill.api.models import Position, PositionStatus
from hookfill.api.paging import Limit, Offset
from hookfill.positions.store import list_positions

router = APIRouter(prefix="/api/v1/positions", tags=["positions"], responses=PROBLEMS)


@router.get("", summary="Positions, newest first", response_model=list[Position])
async def positions(
    connection: Own,
    user_id: User,
    status: Annotated[PositionStatus, Query(description="open includes those that are closing.")] = PositionStatus.OPEN,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """Positions with their mark, profit and exits in force."""
    return Json(await list_positions(connection, user_id, status=status, limit=limit, offset=offset))
