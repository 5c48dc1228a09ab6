"""``POST /api/indicator-export``: an indicator's tables in batches.

A batch is stored as any message is; when it is on disk, the batch is opened at once for its number, which the answer names. With
the database away there is no number yet: the import worker opens the batch when its message comes out of the spool.
"""

import asyncio
import hashlib

import structlog

from hookfill.edge import http
from hookfill.edge.intake import Doors, delivery, has_token, mend, refuse, refuse_unread
from hookfill.exports.envelope import DOOR, Envelope, read_envelope
from hookfill.exports.store import open_batches
from hookfill.inbox.model import Delivery, Receipt
from hookfill.kernel.reasons import Reason
from hookfill.kernel.strict_json import StrictJsonError
from hookfill.postgres.pool import DATABASE_ERRORS

PATH = "/api/indicator-export"
LIMIT = 256 * 1024
"""Largest body, in bytes (the contracts' limit)."""
TOKEN_HEADER = b"x-indicator-token"
OPEN_SECONDS = 1.5
"""For opening a batch: TradingView gives a request up after 3 s, and the message is safe already."""
KEPT_OF_STRANGERS = 64 * 1024
"""How much is kept of a batch without the token, in bytes."""
_UNSTORED = (500, b'{"status":"error","message":"The batch could not be stored: send it again."}')
_LOG = structlog.get_logger("hookfill.edge")


def handle(doors: Doors, request: http.Request, answer: http.Answer) -> None:
    """Serve one delivery."""
    may_come = has_token(request, doors.export_token, TOKEN_HEADER)
    if not may_come:
        request.body = request.body[:KEPT_OF_STRANGERS]
    item = delivery(doors, request, DOOR, doors.secrets.signed_door.account_id, None)
    if request.refusal is not None:
        refuse_unread(item, request)
        _refuse(doors, item, answer, 400 if request.body else 413, item.error, close=True)
    elif not may_come:
        _refuse(doors, refuse(item, "refused", Reason.TOKEN_INVALID), answer, 401, item.error)
    elif (envelope := judge(item, item.body) or mend(doors, item, judge)) is None:
        _refuse(doors, item, answer, 400, "Invalid JSON")
    else:
        _take(doors, item, envelope, answer)


def judge(item: Delivery, body: bytes) -> Envelope | None:
    """Read a body on behalf of a delivery and mark this accordingly; None: it is no JSON. Never raises.

    An envelope that is invalid is stored and opened like any other; it is only never imported.
    """
    try:
        envelope = read_envelope(body)
    except StrictJsonError as error:
        refuse(item, "malformed", Reason.JSON_INVALID if body else Reason.BODY_EMPTY, str(error))
        return None
    item.state, item.seen_us = "received", 0
    identity = f"{DOOR}\x00{envelope.event_type or ''}\x00{envelope.payload_sha256}"
    item.gate_key = hashlib.sha256(identity.encode()).digest()
    return envelope


def _take(doors: Doors, item: Delivery, envelope: Envelope, answer: http.Answer) -> None:
    told: dict[str, object] = {
        "event_type": envelope.event_type,
        "batch_number": envelope.batch_number,
        "signals_count": envelope.signals_count,
    }
    if not envelope.is_valid:
        told |= {"is_valid": False, "validation_error": envelope.validation_error}

    async def open_batch() -> None:
        batch_id = await _open(doors, item)
        answer(200, http.to_json({"status": "success", "batch_id": batch_id, **told}), ())

    def then(receipt: Receipt) -> None:
        if not receipt.fresh:
            answer(200, http.to_json({"status": "duplicate", **told}), ())
        elif receipt.spooled:
            answer(200, http.to_json({"status": "success", "batch_id": None, **told}), ())
        else:
            doors.keep(open_batch())

    doors.store(item, answer, then, _UNSTORED)


async def _open(doors: Doors, item: Delivery) -> int | None:
    """The batch's number; None where the database gave none in time: the message is safe, and the import worker goes on with it."""
    try:
        async with asyncio.timeout(OPEN_SECONDS), doors.exports_pool.acquire() as connection:
            opened = await open_batches(connection, item.account_id, [item.message_id])
    except DATABASE_ERRORS as error:
        _LOG.warning("export_not_opened", message_id=str(item.message_id), error=f"{type(error).__name__}: {error}")
        return None
    except Exception:  # a defect of ours: the sender is answered all the same
        _LOG.exception("export_not_opened", message_id=str(item.message_id))
        return None
    return opened.get(item.message_id)


def _refuse(doors: Doors, item: Delivery, answer: http.Answer, status: int, message: str | None, *, close: bool = False) -> None:
    content = http.to_json({"status": "error", "message": message})
    doors.store(item, answer, lambda _: answer(status, content, http.CLOSE if close else ()), _UNSTORED)
