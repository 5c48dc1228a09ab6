"""``POST /api/automated-signals/webhook``: what an indicator tells of its trades, in any of its formats.

What is told is checked here to answer for it, and read by the journal's worker, from the stored bytes. An event carries its own
time, so the same bytes are the same event for good.
"""

import hashlib

import structlog

from hookfill.edge import http
from hookfill.edge.intake import Doors, delivery, has_token, mend, refuse, refuse_unread
from hookfill.inbox.model import Delivery
from hookfill.journal.grammar import Unreadable, check
from hookfill.journal.model import DOOR, Reading
from hookfill.kernel.reasons import Reason

PATH = "/api/automated-signals/webhook"
TOKEN_HEADER = b"x-telemetry-token"
_UNSTORED = (503, b'{"success":false,"error":"The message could not be stored: send it again."}')
_LOG = structlog.get_logger("hookfill.edge")


def handle(doors: Doors, request: http.Request, answer: http.Answer) -> None:
    """Serve one delivery."""
    item = delivery(doors, request, DOOR, doors.secrets.signed_door.account_id, None)
    reading = None
    status, close = 400, False
    if request.refusal is not None:
        refuse_unread(item, request)
        status, close = 400 if request.body else 413, True
    elif not has_token(request, doors.telemetry_token, TOKEN_HEADER):
        refuse(item, "refused", Reason.TOKEN_INVALID)
        status = 401
    else:
        reading = judge(item, item.body) or mend(doors, item, judge)
    if reading is None:
        content = http.to_json({"success": False, "error": item.error})
        doors.store(item, answer, lambda _: answer(status, content, http.CLOSE if close else ()), _UNSTORED)
    else:
        content = http.to_json(_told(reading))
        doors.store(item, answer, lambda _: answer(200, content, ()), _UNSTORED)


def judge(item: Delivery, body: bytes) -> Reading | None:
    """Check a body on behalf of a delivery and mark this accordingly; None: it can't be used. Never raises."""
    try:
        reading = check(body)
    except Unreadable as error:
        refuse(item, "malformed", error.reason, error.detail)
        return None
    except Exception:
        _LOG.exception("telemetry_not_read")
        refuse(item, "malformed", Reason.PAYLOAD_INVALID, "reading it failed by a defect of Hookfill's: please report it")
        return None
    item.state, item.seen_us = "received", 0
    item.gate_key = hashlib.sha256(DOOR.encode() + b"\x00" + body).digest()
    return reading


def _told(reading: Reading) -> dict[str, object]:
    if reading.schema_version is None:
        return {"success": True, "message": "Legacy payload processed (existing handler)"}
    return {
        "success": True,
        "message": f"Telemetry event {reading.event_type} processed",
        "trade_id": reading.trade_id,
        "event_type": reading.event_type,
        "schema_version": reading.schema_version,
    }
