"""``POST /api/v1/webhooks/tv/{webhook_secret}``: TradingView's own door; the secret in the path is all a user can set.

Always 200, whatever came in: TradingView drops alerts for good on a 4xx. An unknown secret gets the same answer as a known one
after the same time, and leaves nothing behind. Only when neither database nor spool can hold the message, 503 makes TradingView
resend.
"""

import asyncio
from uuid import UUID

import structlog

from hookfill.accounts.secret_cache import Destination
from hookfill.edge import http
from hookfill.edge.intake import Doors, delivery, mend, refuse, refuse_unread
from hookfill.inbox.model import Delivery, NewSignal, Receipt
from hookfill.inbox.spool import SpoolFull
from hookfill.kernel.ids import new_id
from hookfill.kernel.reasons import Reason
from hookfill.postgres.pool import DATABASE_ERRORS
from hookfill.signals.grammar import alert_key
from hookfill.signals.model import Malformed

PREFIX = "/api/v1/webhooks/tv/"
DOOR = "tradingview"
_LOG = structlog.get_logger("hookfill.edge")
_ANSWER = b'{"status":"ok"}'
_NOWHERE = UUID(int=0)
"""The strategy that unknown secrets seem to lead to."""


def handle(doors: Doors, request: http.Request, answer: http.Answer) -> None:
    """Serve one delivery."""
    secret = request.path[len(PREFIX) :]
    destination = doors.secrets.get(secret)
    if destination is not None:
        _store(doors, request, destination, answer)
        return
    item = _item(doors, request, Destination(new_id(), _NOWHERE))
    item.is_decoy = True
    decoy = doors.writer.submit(item)  # before anything is asked: so it is on its way as early as what a known secret brings
    doors.keep(_ask(doors, request, secret, answer, decoy))


async def _ask(doors: Doors, request: http.Request, secret: str, answer: http.Answer, decoy: asyncio.Future[Receipt]) -> None:
    """A secret that memory does not know: ask the database, while a decoy goes the same way and takes as long as storing would."""
    try:
        destination = await doors.secrets.find(secret)
        await decoy
    except (SpoolFull, *DATABASE_ERRORS):
        decoy.cancel()
        answer(503, http.UNAVAILABLE, http.RETRY)
        return
    if destination is None:
        _answer_ok(request, answer)
    else:
        _store(doors, request, destination, answer)


def _store(doors: Doors, request: http.Request, destination: Destination, answer: http.Answer) -> None:
    doors.store(_item(doors, request, destination), answer, lambda _: _answer_ok(request, answer))


def _item(doors: Doors, request: http.Request, destination: Destination) -> Delivery:
    """What there is to store of a request."""
    item = delivery(doors, request, DOOR, destination.account_id, destination.strategy_id)
    if request.refusal is not None:
        refuse_unread(item, request)
    else:
        judge(item, request.body)
        if item.state == "malformed":
            mend(doors, item, judge)
    return item


def judge(item: Delivery, body: bytes) -> None:
    """Read a body on behalf of a strategy's delivery and mark this accordingly. Never raises."""
    assert item.strategy_id is not None
    key = _key(item.strategy_id, body)
    if isinstance(key, Malformed):
        refuse(item, "malformed", key.reason, key.detail)
    else:
        item.state, item.gate_key, item.signal = "processed", key, NewSignal(new_id())


def _answer_ok(request: http.Request, answer: http.Answer) -> None:
    answer(200, _ANSWER, () if request.refusal is None else http.CLOSE)


def _key(strategy_id: UUID, body: bytes) -> bytes | Malformed:
    """The gate's key; should reading the body fail by a defect of ours, the message is still kept."""
    try:
        return alert_key(strategy_id, body)
    except Exception:
        _LOG.exception("alert_not_read")
        return Malformed(Reason.PAYLOAD_INVALID, "reading it failed by a defect of Hookfill's: please report it")
