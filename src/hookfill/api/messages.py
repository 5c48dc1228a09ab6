"""``/api/v1/messages``: what came in through the doors, and the repair of what is malformed."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query

from hookfill.api.answers import NOT_FOUND, PROBLEMS, Json
from hookfill.api.auth import Connection, Own, Trader, User
from hookfill.api.message_models import Message, MessageDetail, MessageState, Repaired, RepairPreview
from hookfill.api.models import Problem
from hookfill.api.paging import Limit, Offset
from hookfill.edge.repairs import NotRepairable, propose, send_repaired
from hookfill.inbox.repair import RULES, RuleName, rules_named
from hookfill.inbox.store import message_of, messages_of
from hookfill.postgres.tenancy import as_user

router = APIRouter(prefix="/api/v1/messages", tags=["messages"], responses=PROBLEMS)
MISSING = "There is no message of this id among yours: GET /api/v1/messages lists them."
MessageId = Annotated[UUID, Path(description="The message's id.", examples=["019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"])]
OneRule = Annotated[RuleName | None, Query(description="Apply this rule only; without it, all that find their fault.")]


@router.get("", summary="Messages, newest first", response_model=list[Message])
async def messages(
    connection: Own,
    user_id: User,
    state: Annotated[MessageState | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Json:
    """What came in through the doors: also what is malformed, repeated or refused. Bodies are cut after 4,000 bytes."""
    return Json([_told(row) for row in await messages_of(connection, user_id, state=state, limit=limit, offset=offset)])


@router.get("/{message_id}", summary="One message", response_model=MessageDetail, responses=NOT_FOUND)
async def message(connection: Own, user_id: User, message_id: MessageId) -> Json:
    """One message with its whole body and its headers."""
    found = await message_of(connection, user_id, message_id)
    if found is None:
        raise HTTPException(404, MISSING)
    repaired = found["repaired_body"]
    return Json(_told(found) | {"headers": found["headers"], "repaired_body": None if repaired is None else _text(repaired)})


@router.get("/{message_id}/repair", summary="What repairing a message would do", response_model=RepairPreview, responses=NOT_FOUND)
async def repair_preview(connection: Own, user_id: User, message_id: MessageId, rule: OneRule = None) -> Json:
    """Before and after, and whether the message's door would understand it then. Nothing is changed."""
    found = await message_of(connection, user_id, message_id)
    if found is None:
        raise HTTPException(404, MISSING)
    proposal = propose(found, rules_named(rule))
    applied = proposal.repair.rules if proposal.repair is not None else ()
    return Json(
        {
            "message_id": message_id,
            "state": found["state"],
            "is_repairable": proposal.problem is None,
            "problem": proposal.problem,
            "rules": [
                {"name": known.name, "title": known.title, "is_trusted": known.is_trusted}
                for known in RULES
                if known.name in applied
            ],
            "before": _text(found["body"]),
            "after": _text(proposal.repair.body) if proposal.repair is not None else None,
        }
    )


@router.post(
    "/{message_id}/repair",
    summary="Repair a message and send it on",
    response_model=Repaired,
    responses={**NOT_FOUND, 409: {"model": Problem, "description": "It is not malformed (any more), or can't be repaired."}},
)
async def repair(connection: Connection, user_id: Trader, message_id: MessageId, rule: OneRule = None) -> Json:
    """Do what the preview shows: the message goes on through the duplicate gate as if it had come in like that, an alert as of now.

    What came stays stored beside what was made of it. Of two who ask at the same time, one gets 409.
    """
    async with as_user(connection, user_id):  # whose it is; what follows touches tables that no person may write to
        found = await message_of(connection, user_id, message_id)
    if found is None:
        raise HTTPException(404, MISSING)
    try:
        done = await send_repaired(connection, found["account_id"], message_id, rules_named(rule))
    except NotRepairable as error:
        raise HTTPException(409, str(error)) from error
    return Json({"message_id": message_id, "state": done.state, "signal_id": done.signal_id, "repaired_by": done.rules})


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("account_id", "strategy_id", "signal_id", "door", "source", "state", "reason", "content_type", "bytes")
    return {
        "id": row["message_id"],
        **{name: row[name] for name in names},
        "error_message": row["error"],
        "body": _text(row["body"]),
        "repaired_by": row["repaired_by"].split(", ") if row["repaired_by"] else [],
        **{name: row[name] for name in ("received_at", "as_of", "stored_at")},
    }


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
