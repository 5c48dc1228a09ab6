"""Reading one member of a telemetry message: numbers, names, times."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from hookfill.journal.formats import NUMBER_MEMBERS, REASON_MEMBERS, TIMES, TRADE_ID_MEMBERS
from hookfill.journal.sessions import parse_moment
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.money import MAX_PRICE, MOST_PLACES, InvalidNumber, decimal_from
from hookfill.kernel.reasons import Reason
from hookfill.kernel.times import InvalidTime

LONGEST_TRADE_ID = 100
LONGEST_TEXT = 200
_LAST_PLACE = 100
_ZERO = Decimal(0)

Told = Mapping[str, Any]
"""One JSON object of a message."""


class Unreadable(HookfillError, ValueError):
    """A message, or a member of a batch, that can't be used.

    Attributes:
        reason: its code.
        detail: what is wrong, where, and what to send instead; never a secret, values only in short.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def first_text(told: Told, names: tuple[str, ...]) -> str | None:
    """The first of the members that holds text, without spaces around it."""
    for name in names:
        value = told.get(name)
        if type(value) is str and (text := value.strip()):
            return text
    return None


def short_text(told: Told, name: str, longest: int = LONGEST_TEXT) -> str | None:
    """A member's text or whole number as text; None: it is absent, of another kind, empty or too long."""
    value = told.get(name)
    if type(value) is int:
        value = str(value)
    if type(value) is not str:
        return None
    text = value.strip()
    return text if 0 < len(text) <= longest else None


def trade_id(told: Told) -> str:
    """The trade that is told of.

    Raises:
        Unreadable: none is named, or its id is longer than 100 characters.
    """
    name = first_text(told, TRADE_ID_MEMBERS)
    if name is None:
        raise Unreadable(Reason.TRADE_ID_MISSING, "trade_id is missing: send the trade's id as text.")
    if len(name) > LONGEST_TRADE_ID:
        raise Unreadable(Reason.TRADE_ID_INVALID, f"trade_id is longer than {LONGEST_TRADE_ID} characters: send a shorter one.")
    return name


def number(value: object, name: str) -> Decimal | None:
    """A number, also as text; None: the value is of another kind.

    Raises:
        Unreadable: the number is out of bounds.
    """
    if type(value) is str:
        try:
            value = decimal_from(value, name)
        except InvalidNumber:
            return None
    elif type(value) is int:
        # Compared before it becomes a Decimal: no arithmetic on a number of any length.
        value = Decimal(value) if -(10**16) < value < 10**16 else MAX_PRICE
    elif type(value) is not Decimal:
        return None
    # With the 60 digits that JSON may bring, only a number below a tenth can have more than 60 places.
    if value.copy_abs() >= MAX_PRICE or (value.adjusted() < -1 and value.as_tuple().exponent < -MOST_PLACES):  # type: ignore[operator]  # is finite
        detail = f"{name} is out of bounds: send a number below {MAX_PRICE:,f} with at most {MOST_PLACES} places."
        raise Unreadable(Reason.NUMBER_INVALID, detail)
    return value


def numbers(told: Told) -> dict[str, Decimal]:
    """All numbers of an event that are told, by the event's own names.

    Raises:
        Unreadable: one is out of bounds.
    """
    found: dict[str, Decimal] = {}
    places: dict[str, int] = {}
    for name, value in told.items():
        known = NUMBER_MEMBERS.get(name)
        if known is None or value is None or (read := number(value, name)) is None:
            continue
        field, place = known
        if place < places.get(field, _LAST_PLACE):
            found[field], places[field] = read, place
    if "mae" in found and found["mae"] > 0:
        found["mae"] = _ZERO
    return found


def moment(told: Told) -> datetime | None:
    """When it happened (UTC); None: it is not told.

    Raises:
        Unreadable: what is told is no time, or lies outside 1990 to 2100.
    """
    try:
        for name in TIMES:
            value = told.get(name)
            if value is not None and value != "":
                return parse_moment(value, name)
        day, clock = told.get("date"), told.get("time")
        if type(day) is str and type(clock) is str and day and clock:
            return parse_moment(f"{day}T{clock}", "date and time")
    except InvalidTime as error:
        raise Unreadable(Reason.TIME_INVALID, str(error)) from None
    return None


def reason_told(told: Told) -> str | None:
    """Why a trade ended, as told."""
    text = first_text(told, REASON_MEMBERS)
    return text[:LONGEST_TEXT] if text else None


def table(told: Told, name: str) -> Told | None:
    """A member that is an object; None: it is not, or it is empty."""
    value = told.get(name)
    return value if type(value) is dict and value else None


def flag(told: Told, *names: str) -> bool | None:
    """The first of the members that is true or false."""
    for name in names:
        value = told.get(name)
        if type(value) is bool:
            return value
    return None
