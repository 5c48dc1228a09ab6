"""``/api/v1/user-settings``: what holds for all of a user's accounts."""

from dataclasses import asdict

from fastapi import APIRouter

from hookfill.accounts import user_settings as store
from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.auth import Own, Trader, User
from hookfill.api.models_accounts import UserSettingsAnswer, UserSettingsChange
from hookfill.api.strict_body import StrictRoute

router = APIRouter(prefix="/api/v1/user-settings", tags=["accounts"], responses=PROBLEMS, route_class=StrictRoute)


@router.get("", summary="Your settings", response_model=UserSettingsAnswer)
async def user_settings(connection: Own, user_id: User) -> Json:
    """What was never set is as its default says."""
    return Json(asdict(await store.user_settings(connection, user_id)))


@router.patch("", summary="Change your settings", response_model=UserSettingsAnswer)
async def change_user_settings(connection: Own, user_id: Trader, asked: UserSettingsChange) -> Json:
    """Counts for the next alert that is decided. An account's own limit and a strategy's own sizing win over these."""
    return Json(asdict(await store.change_user_settings(connection, user_id, asked.given())))
