"""``POST /webhook``: the signed door, for senders that can compute an HMAC or put the secret into the body."""

import hmac
import time
from datetime import datetime
from functools import cache, partial

from hookfill.edge import http
from hookfill.edge.intake import Doors, delivery, mend, refuse, refuse_unread
from hookfill.engines.router import Variant, assign_alert
from hookfill.inbox.model import Delivery, NewSignal, Receipt
from hookfill.inbox.repair import TRUSTED, repair
from hookfill.kernel.ids import new_id
from hookfill.kernel.reasons import Reason, explain
from hookfill.kernel.strict_json import StrictJsonError, loads
from hookfill.signals.reading import SIGNED_DOOR
from hookfill.signals.signed import FieldError, SignedFields, read_signed, signed_key

PATH = "/webhook"
DOOR = SIGNED_DOOR
SIGNATURE_HEADER = b"x-webhook-signature"


def handle(doors: Doors, request: http.Request, answer: http.Answer) -> None:
    """Serve one delivery."""
    started = time.perf_counter()
    destination = doors.secrets.signed_door
    payload, broken = _payload(request.body) if request.refusal is None else (None, None)
    item = delivery(doors, request, DOOR, destination.account_id, destination.strategy_id)
    if request.refusal is not None:
        _refuse(doors, refuse_unread(item, request), answer, 413 if not request.body else 400, close=True)
    elif not _is_authentic(doors.hmac_secret, request, payload if broken is None else _mended_payload(doors, request)):
        _refuse(doors, refuse(item, "refused", Reason.SIGNATURE_INVALID), answer, 401)
    else:
        split = doors.split()
        errors = _judge(item, payload, broken, split)
        if errors is not None:
            mend(doors, item, partial(judge, split=split))
        if item.signal is None:
            _refuse(doors, item, answer, 400, errors or ())
        else:
            _accept(doors, item, answer, started)


def judge(item: Delivery, body: bytes, *, split: int | None = None) -> tuple[FieldError, ...] | None:
    """Read a body on behalf of a delivery that is known to be authentic, and mark this accordingly.

    Args:
        split: percent of the signals that variant B acts on; None: the desk chooses the variant when it decides.

    Returns:
        None for an alert; else which fields can't be used, of which there are none where the body can't be read at all.
    """
    return _judge(item, *_payload(body), split)


def _judge(item: Delivery, payload: object, broken: StrictJsonError | None, split: int | None) -> tuple[FieldError, ...] | None:
    if broken is not None:
        refuse(item, "malformed", Reason.JSON_INVALID if item.body else Reason.BODY_EMPTY, str(broken))
        return ()
    outcome = read_signed(payload)
    if not isinstance(outcome, SignedFields):
        refuse(item, "malformed", Reason.PAYLOAD_INVALID, _summary(outcome))
        return outcome
    item.state, item.gate_key = "processed", signed_key(outcome)
    item.signal = NewSignal(new_id(), new_id(), _variant(outcome, item.as_of, split), split)
    return None


def _variant(fields: SignedFields, as_of: datetime, split: int | None) -> Variant | None:
    """Which engine acts on the signal; a split of nothing is A without asking the hash."""
    if not split:
        return None if split is None else "A"
    return assign_alert(fields.alert(), as_of, split).variant


def _payload(body: bytes) -> tuple[object, StrictJsonError | None]:
    try:
        return loads(body), None
    except StrictJsonError as error:
        return None, error


def _mended_payload(doors: Doors, request: http.Request) -> object:
    """A broken body as it would be mended: the secret in it is what shows whether it may come in."""
    mended = repair(request.body, TRUSTED) if doors.auto_repair else None
    return None if mended is None else _payload(mended.body)[0]


def _is_authentic(hmac_secret: str | None, request: http.Request, payload: object) -> bool:
    """A signature that is there must be right; without one, the body's ``secret`` must be."""
    if hmac_secret is None:
        return True
    given = request.headers.get(SIGNATURE_HEADER)
    if given is not None:
        signer = _signer(hmac_secret).copy()
        signer.update(request.body)
        return hmac.compare_digest(given.strip().lower().removeprefix(b"sha256="), signer.hexdigest().encode())
    secret = payload.get("secret") if isinstance(payload, dict) else None
    return isinstance(secret, str) and hmac.compare_digest(secret.encode(), hmac_secret.encode())


@cache
def _signer(hmac_secret: str) -> hmac.HMAC:
    """What begins every signature: to copy it is quicker than to begin with the secret each time."""
    return hmac.new(hmac_secret.encode(), digestmod="sha256")


def _accept(doors: Doors, item: Delivery, answer: http.Answer, started: float) -> None:
    signal = item.signal
    assert signal is not None

    def tell(receipt: Receipt) -> None:
        content = {
            "status": "ACCEPTED",
            "signal_id": signal.signal_id,
            "experiment_id": signal.experiment_id,
            "variant": signal.variant,
            "request_id": item.message_id,
            "processing_time_ms": round((time.perf_counter() - started) * 1000, 3),
        }
        if not receipt.fresh:
            content |= {"status": "DUPLICATE", "signal_id": receipt.signal_id}
            del content["experiment_id"], content["variant"]
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
