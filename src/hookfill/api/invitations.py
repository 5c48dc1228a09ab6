"""``/api/v1/invitations``: the owner lets people in."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Response

from hookfill.accounts.invitations import invite, list_invitations, revoke_invitation
from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Own, Owner
from hookfill.api.paging import Limit, Offset
from hookfill.api.people_models import Invitation, InvitationRequest, NewInvitation
from hookfill.api.strict_body import StrictRoute

router = APIRouter(prefix="/api/v1/invitations", tags=["people"], responses=PROBLEMS, route_class=StrictRoute)
MISSING = "There is no unused invitation of this id among yours: GET /api/v1/invitations lists them."
InvitationId = Annotated[UUID, Path(description="The invitation's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]


@router.post("", status_code=201, summary="Invite somebody", response_model=NewInvitation)
async def create_invitation(connection: Own, owner: Owner, wanted: InvitationRequest) -> Json:
    """A token with which one person may register within seven days; it is shown this once."""
    made = await invite(connection, owner, wanted.email)
    return Json({**made.stored, "token": made.token}, 201, {"Cache-Control": "no-store"})


@router.get("", summary="Invitations, newest first", response_model=list[Invitation])
async def invitations(connection: Own, owner: Owner, limit: Limit = 50, offset: Offset = 0) -> Json:
    """All that were made, with when they were accepted; those taken back are gone."""
    return Json(await list_invitations(connection, owner, limit, offset))


@router.delete("/{invitation_id}", status_code=204, summary="Take an invitation back", response_class=Response, responses=NOT_FOUND)
async def revoke(connection: Own, owner: Owner, invitation_id: InvitationId) -> Response:
    """Its token stops working; one that was accepted stays as it is."""
    if not await revoke_invitation(connection, owner, invitation_id):
        raise HTTPException(404, MISSING)
    return Response(status_code=204)
