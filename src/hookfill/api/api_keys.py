"""``/api/v1/api-keys``: keys for programs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Response

from hookfill.accounts.api_keys import TooManyKeys, create_api_key, list_api_keys, revoke_api_key
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Asking, Own, Person, User
from hookfill.api.models import Problem
from hookfill.api.paging import Limit, Offset
from hookfill.api.people_models import ApiKey, ApiKeyRequest, NewApiKey
from hookfill.api.strict_body import StrictRoute

router = APIRouter(prefix="/api/v1/api-keys", tags=["people"], responses=PROBLEMS, route_class=StrictRoute)
MISSING = "There is no API key of this id in force among yours: GET /api/v1/api-keys lists them."
_FULL: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "There are as many keys as one may have."}}
KeyId = Annotated[UUID, Path(description="The key's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]


@router.post("", status_code=201, summary="Make an API key", response_model=NewApiKey, responses=_FULL)
async def create_key(connection: Own, user_id: Person, caller: Asking, wanted: ApiKeyRequest) -> Json:
    """The key is shown this once. An API key can't make another one."""
    if "candles" in wanted.scopes and caller.role != "owner":
        raise HTTPException(403, "Candles are everybody's, so only the owner's keys may push them: leave out the scope candles.")
    try:
        made = await create_api_key(connection, user_id, wanted.label, wanted.scopes)
    except TooManyKeys as error:
        raise HTTPException(409, str(error)) from None
    return Json({**made.stored, "key": made.key}, 201, {"Cache-Control": "no-store"})


@router.get("", summary="API keys, newest first", response_model=list[ApiKey])
async def list_keys(connection: Own, user_id: User, limit: Limit = 50, offset: Offset = 0) -> Json:
    """All that were made, with when they were last used; those taken back included."""
    return Json(await list_api_keys(connection, user_id, limit, offset))


@router.delete("/{key_id}", status_code=204, summary="Take an API key back", response_class=Response, responses=NOT_FOUND)
async def revoke_key(connection: Own, user_id: Person, key_id: KeyId) -> Response:
    """It stops working at once; at the candles door within ten seconds."""
    if not await revoke_api_key(connection, user_id, key_id):
        raise HTTPException(404, MISSING)
    return Response(status_code=204)
