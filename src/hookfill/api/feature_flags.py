"""``/api/v1/feature-flags``: what may be switched while everything runs, for the whole installation."""

from typing import Any

from fastapi import APIRouter

from hookfill.accounts.flags import StoredFlag, set_flag, stored_flags
from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import Connection, Own, Owner
from hookfill.api.flag_models import FeatureFlag, FlagChange
from hookfill.api.strict_body import StrictRoute
from hookfill.engines.flags import FLAGS

router = APIRouter(prefix="/api/v1/feature-flags", tags=["flags"], responses=PROBLEMS, route_class=StrictRoute)


@router.get("", summary="Feature flags", response_model=list[FeatureFlag])
async def feature_flags(connection: Own) -> Json:
    """Every flag, as it is now. They hold for the whole installation; only its owner can switch them."""
    stored = await stored_flags(connection)
    return Json([_answer(name, stored.get(name)) for name in FLAGS])


@router.post("", summary="Switch a feature flag", response_model=FeatureFlag)
async def switch_flag(connection: Connection, owner: Owner, asked: FlagChange) -> Json:
    """Counts within a second, in every process. Setting a flag to what it is changes nothing, nor who set it so."""
    name = asked.name.value
    return Json(_answer(name, await set_flag(connection, name, owner, is_enabled=asked.is_enabled)))


def _answer(name: str, stored: StoredFlag | None) -> dict[str, Any]:
    return {
        "name": name,
        "is_enabled": stored is not None and stored.is_enabled,
        "description": FLAGS[name],
        "changed_by": None if stored is None else stored.changed_by,
        "changed_at": None if stored is None else stored.changed_at,
    }
