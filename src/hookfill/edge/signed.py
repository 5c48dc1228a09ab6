"""``POST /webhook``: the signed door, for senders that can compute an HMAC or put the secret into the body."""

import hmac
import time

from hookfill.edge import http
from hookfill.edge.intake import Doors, delivery, refuse, refuse_unread
from hookfill.inbox.model import Delivery, NewSignal, Receipt
from hookfill.kernel.ids import new_id
from hookfill.kernel.reasons import Reason, explain
from hookfill.kernel.strict_json import StrictJsonError, loads
from hookfill.signals.model import Alert
from hookfill.signals.reading import SIGNED_DOOR
from hookfill.signals.signed import FieldError, parse_signed, signed_key

PATH = "/webhook"
DOOR = SIGNED_DOOR
SIGNATURE_HEADER = b"x-webhook-signature"
VARIANT = "A"
"""The engine that acts on the signal; the split between A and B is 0 % as long as only A is there."""


def handle(doors: Doors, request: http.Request, answer: http.Answer) -> None:
    """Serve one delivery."""
    started = time.perf_counter()
    destination = doors.secrets.signed_door
    payload, broken = _payload(request)
    outcome = parse_signed(payload) if broken is None else ()
    item = delivery(doors, request, DOOR, destination.account_id, destination.strategy_id)
    if request.refusal is not None:
        _refuse(doors, refuse_unread(item, request), answer, 413 if not request.body else 400, close=True)
    elif not _is_authentic(doors.hmac_secret, request, payload):
        _refuse(doors, refuse(item, "refused", Reason.SIGNATURE_INVALID), answer, 401)
    elif broken is not None:
        reason = Reason.JSON_INVALID if request.body else Reason.BODY_EMPTY
        _refuse(doors, refuse(item, "malformed", reason, str(broken)), answer, 400)
    elif isinstance(outcome, Alert):
        _accept(doors, item, outcome, answer, started)
    else:
        _refuse(doors, refuse(item, "malformed", Reason.PAYLOAD_INVALID, _summary(outcome)), answer, 400, outcome)


def _payload(request: http.Request) -> tuple[object, StrictJsonError | None]:
    if request.refusal is not None:
        return None, None
    try:
        return loads(request.body), None
    except StrictJsonError as error:
        return None, error


def _is_authentic(hmac_secret: str | None, request: http.Request, payload: object) -> bool:
    """A signature that is there must be right; without one, the body's ``secret`` must be."""
    if hmac_secret is None:
        return True
    given = request.headers.get(SIGNATURE_HEADER)
    if given is not None:
        wanted = hmac.digest(hmac_secret.encode(), request.body, "sha256").hex().encode()
        return hmac.compare_digest(given.strip().lower().removeprefix(b"sha256="), wanted)
    secret = payload.get("secret") if isinstance(payload, dict) else None
    return isinstance(secret, str) and hmac.compare_digest(secret.encode(), hmac_secret.encode())


def _accept(doors: Doors, item: Delivery, alert: Alert, answer: http.Answer, started: float) -> None:
    item.gate_key = signed_key(alert)
    signal = item.signal = NewSignal(new_id(), experiment_id=new_id(), variant=VARIANT)

    def tell(receipt: Receipt) -> None:
        content: dict[str, object] = {"status": "ACCEPTED", "signal_id": signal.signal_id}
        if receipt.fresh:
            content |= {"experiment_id": signal.experiment_id, "variant": VARIANT}
        else:
            content = {"status": "DUPLICATE", "signal_id": receipt.signal_id}
        content["request_id"] = item.message_id
        content["processing_time_ms"] = round((time.perf_counter() - started) * 1000, 3)
        answer(201 if receipt.fresh else 200, http.to_json(content), ())

    doors.store(item, answer, tell)


def _refuse(
    doors: Doors, item: Delivery, answer: http.Answer, status: int, errors: tuple[FieldError, ...] = (), *, close: bool = False
) -> None:
    assert item.reason is not None
    details = [{"field": error.field, "message": error.message} for error in errors]
    content: dict[str, object] = {
        "status": "REJECTED",
        "error": explain(Reason(item.reason)),
        "details": details or [{"field": "body", "message": item.error}],
        "request_id": item.message_id,
    }
    doors.store(item, answer, lambda _: answer(status, http.to_json(content), http.CLOSE if close else ()))


def _summary(errors: tuple[FieldError, ...]) -> str:
    return "; ".join(f"{error.field}: {error.message}" for error in errors)
