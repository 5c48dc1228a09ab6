"""``/api/v1/experiments``, ``/shadow-positions`` and ``/shadow-trades``: two engines compared, signal by signal."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, User
from hookfill.api.experiment_models import (
    ExperimentResults,
    PairAnswer,
    PairDetail,
    ShadowPositionAnswer,
    ShadowTradeAnswer,
    Variant,
)
from hookfill.api.models import PositionStatus
from hookfill.api.paging import Limit, Offset
from hookfill.desk.experiment_reads import get_pair, get_results, list_pairs, list_shadow_positions, list_shadow_trades

router = APIRouter(prefix="/api/v1", tags=["experiments"], responses=PROBLEMS)
MISSING = "There is no experiment of this id among yours: GET /api/v1/experiments lists them."
ExperimentId = Annotated[
    UUID,
    Path(
        description="A pair's experiment id, as the signed door answers it and GET /api/v1/experiments lists it.",
        examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"],
    ),
]
GroupId = Annotated[
    UUID,
    Path(
        description="A pair's experiment id: the results of its strategy under the split in force then. Or a strategy's id: the "
        "results of all its pairs.",
        examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"],
    ),
]
OfStrategy = Annotated[UUID | None, Query(description="Only this strategy's.")]
OfVariant = Annotated[Variant | None, Query(description="Only of this engine: A the rules, B the council.")]


@router.get("/experiments", summary="Pairs, newest first", response_model=list[PairAnswer])
async def experiments(
    connection: Own, user_id: User, strategy_id: OfStrategy = None, limit: Limit = 50, offset: Offset = 0
) -> Json:
    """One pair per signal of a strategy with the engine ab: what each engine thought, who acted, and what came of either."""
    return Json(await list_pairs(connection, user_id, strategy_id=strategy_id, limit=limit, offset=offset))


@router.get("/experiments/{experiment_id}", summary="One pair", response_model=PairDetail, responses=NOT_FOUND)
async def experiment(connection: Own, user_id: User, experiment_id: ExperimentId) -> Json:
    """One signal's pair, with what every agent of the council thought."""
    found = await get_pair(connection, user_id, experiment_id)
    if found is None:
        raise HTTPException(404, MISSING)
    return Json(found)


@router.get(
    "/experiments/{experiment_id}/results",
    summary="What an experiment came to",
    response_model=ExperimentResults,
    responses=NOT_FOUND,
)
async def experiment_results(connection: Own, user_id: User, experiment_id: GroupId) -> Json:
    """Both engines over all pairs of the experiment: agreement, win rate, expectancy, and the paired difference with its bounds.

    The experiment that a pair belongs to is its strategy's under one split: pairs decided under another share of signals for B are
    another experiment. Only closed pairs are compared; those still open are counted.
    """
    found = await get_results(connection, user_id, experiment_id)
    if found is None:
        raise HTTPException(404, MISSING)
    return Json(found)


@router.get("/shadow-positions", summary="Shadow positions, newest first", response_model=list[ShadowPositionAnswer])
async def shadow_positions(
    connection: Own,
    user_id: User,
    status: Annotated[PositionStatus, Query(description="open includes those that are closing.")] = PositionStatus.OPEN,
    variant: OfVariant = None,
    strategy_id: OfStrategy = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """What the engine that was not chosen would hold, marked and left by the same prices and rules as the account's positions."""
    found = await list_shadow_positions(
        connection, user_id, status=status, variant=variant, strategy_id=strategy_id, limit=limit, offset=offset
    )
    return Json(found)


@router.get("/shadow-trades", summary="Fills of the shadow book, newest first", response_model=list[ShadowTradeAnswer])
async def shadow_trades(
    connection: Own,
    user_id: User,
    variant: OfVariant = None,
    strategy_id: OfStrategy = None,
    signal_id: Annotated[UUID | None, Query(description="Only those that this signal led to.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """What the engine that was not chosen would have bought and sold, at the same quotes and costs."""
    found = await list_shadow_trades(
        connection, user_id, variant=variant, strategy_id=strategy_id, signal_id=signal_id, limit=limit, offset=offset
    )
    return Json(found)
