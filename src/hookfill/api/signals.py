"""``/api/v1/signals``: signals and their stories."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, User
from hookfill.api.models import Signal, SignalStatus, Story
from hookfill.api.paging import Limit, Offset
from hookfill.desk.story import story
from hookfill.signals.store import get_signal, list_signals

router = APIRouter(prefix="/api/v1/signals", tags=["signals"], responses=PROBLEMS)
MISSING = "There is no signal of this id among yours: GET /api/v1/signals lists them."
SignalId = Annotated[UUID, Path(description="The signal's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]


@router.get("", summary="Signals, newest first", response_model=list[Signal])
async def signals(
    connection: Own,
    user_id: User,
    status: Annotated[SignalStatus | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """Every alert that could be read, with what became of it."""
    return Json(await list_signals(connection, user_id, status=status, limit=limit, offset=offset))


@router.get("/{signal_id}", summary="One signal", response_model=Signal, responses=NOT_FOUND)
async def signal(connection: Own, user_id: User, signal_id: SignalId) -> Json:
    """One signal with the message that it was read from."""
    found = await get_signal(connection, user_id, signal_id)
    if found is None:
        raise HTTPException(404, MISSING)
    return Json(found)


@router.get("/{signal_id}/story", summary="Everything that happened to a signal", response_model=Story, responses=NOT_FOUND)
async def signal_story(connection: Own, user_id: User, signal_id: SignalId) -> Json:
    """Message, parse, duplicate gate, every check with its figures, size, orders, fills, position, exit: in order, with times.

    A message's id is understood too: duplicates and malformed messages, which became no signal, have a story as well.
    """
    told = await story(connection, user_id, signal_id)
    if told is None:
        raise HTTPException(404, "There is no signal or message of this id among yours: GET /api/v1/signals lists signals.")
    return Json(told)
