"""From an answer's bytes to a value, or to the error that says what to do."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from hookfill.client.errors import Fault, NotFound, Place, Refused, Unauthorized, Unavailable
from hookfill.client.steps import Answer, Request

T = TypeVar("T")
_LONGEST = 500
_SHOWN = 5
_STRANGER = "Something that is not Hookfill answers at the server's address: check base_url (https and not http, no further path)."


def read_as(kind: TypeAdapter[T], answer: Answer, request: Request) -> T:
    """An answer's value; raises as ``read_json`` and ``understand`` do."""
    return understand(kind, read_json(answer, request))


def understand(kind: TypeAdapter[T], given: object) -> T:
    """What was answered as a value.

    Raises:
        Unavailable: it has another form.
    """
    try:
        return kind.validate_python(given)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)[:_SHOWN])
        text = f"The server's answer can't be understood ({places}): the client must be as new as the server; update it."
        raise Unavailable(text) from None


def read_json(answer: Answer, request: Request, offset: int = 0) -> Any:
    """An answer's JSON, None for an empty one; numbers with a fraction are ``Decimal`` to the last digit.

    Args:
        offset: the place in the whole of what was pushed at which this request's candles began.

    Raises:
        Unauthorized, NotFound, Refused: the server refused the call.
        Unavailable: something else answered.
    """
    try:
        given = json.loads(answer.content, parse_float=Decimal) if answer.content else None
    except ValueError:
        if answer.status < 400:
            raise Unavailable(_STRANGER) from None
        given = None
    if 200 <= answer.status < 300:
        return given
    if answer.status < 400:
        raise Unavailable(_STRANGER)
    raise _refusal(answer.status, given, request, offset)


def _refusal(status: int, given: object, request: Request, offset: int) -> Refused:
    if status == 401 and request.who:
        return Unauthorized(request.who, status)
    told = given if isinstance(given, Mapping) else {}
    faults = tuple(Fault(fault.place, _clean(fault.text, request)) for fault in _faults(told, offset))
    detail = told.get("detail") or told.get("message") or told.get("error")
    if faults:
        shown = "; ".join(map(str, faults[:_SHOWN])) + (f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else "")
    else:
        shown = _clean(str(detail), request) if detail else "it gives no reason"
    kind = {401: Unauthorized, 404: NotFound}.get(status, Refused)
    return kind(f"The server refused the call ({status}): {shown}", status, faults)


def _faults(told: Mapping[str, Any], offset: int) -> list[Fault]:
    """The API lists them under ``detail``, the signed door under ``details``."""
    detail, details = told.get("detail"), told.get("details")
    if isinstance(detail, list):
        return [Fault(_place(entry.get("loc"), offset), str(entry.get("msg"))) for entry in detail if isinstance(entry, dict)]
    if isinstance(details, list):
        return [Fault((str(entry.get("field")),), str(entry.get("message"))) for entry in details if isinstance(entry, dict)]
    return []


def _place(given: object, offset: int) -> Place:
    """Without the word ``body`` in front; candles by their place in the whole of what was pushed."""
    place = tuple(part for part in given if isinstance(part, str | int)) if isinstance(given, Sequence) else ()
    if place[:1] == ("body",) and len(place) > 1:
        place = place[1:]
    if len(place) > 1 and place[0] == "candles" and isinstance(place[1], int):
        return (place[0], place[1] + offset, *place[2:])
    return place


def _clean(text: str, request: Request) -> str:
    """What somebody else wrote, with none of our secrets in it."""
    for secret in request.secrets:
        text = text.replace(secret, "***")
    return text[:_LONGEST]
