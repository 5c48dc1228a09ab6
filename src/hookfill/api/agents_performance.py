"""``GET /api/v1/agents/performance``: what the engines' and the council's agents' opinions were worth.

These agents judge signals. The programs beside MetaTrader terminals, which ``/api/v1/agents`` is about else, are another kind: this
route stands before theirs, so that its name is no agent's id.
"""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import Own, User
from hookfill.api.experiment_models import Performance
from hookfill.desk.experiment_reads import get_performance

router = APIRouter(prefix="/api/v1", tags=["experiments"], responses=PROBLEMS)
MOST_MINUTES = 10_080


@router.get("/agents/performance", summary="How good the engines and the council's agents are", response_model=Performance)
async def agents_performance(
    connection: Own,
    user_id: User,
    strategy_id: Annotated[UUID | None, Query(description="Only on this strategy's signals.")] = None,
    horizon_minutes: Annotated[
        int | None,
        Query(
            ge=1,
            le=MOST_MINUTES,
            description="A call is right when the price went its way within so many minutes; left out: when the trade on the "
            "signal, in the account or else in the shadow book, made money in its direction.",
        ),
    ] = None,
) -> Json:
    """Calls, hit rate, confidence and calibration over signals that asked for an entry, of strategies with the engine ab."""
    horizon = None if horizon_minutes is None else timedelta(minutes=horizon_minutes)
    return Json(await get_performance(connection, user_id, strategy_id=strategy_id, horizon=horizon))
