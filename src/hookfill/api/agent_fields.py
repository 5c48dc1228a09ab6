"""The kinds of fields that agents and people send about terminals: bounded, finite, read exactly; times become UTC."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from hookfill.kernel.money import MAX_PRICE, MAX_QUANTITY, PRICE_STEP, QUANTITY_STEP, as_price, decimal_from
from hookfill.kernel.times import parse_time
from hookfill.market.timeframes import normalize_timeframe

MOST_ROWS = 2_000
"""Prices, positions or deals in one report."""
LONGEST_ERROR = 500
"""Characters kept of an error or a comment."""


def _positive(limit: Decimal, least: Decimal, *, zero_is_none: bool = False) -> Callable[[Any], Decimal | None]:
    """Reads a number from ``least`` to below ``limit``."""

    def read(value: Any) -> Decimal | None:
        if value is None:
            return None
        number = decimal_from(value, "it")
        if zero_is_none and number == 0:
            return None
        if not least <= number < limit:
            raise ValueError(f"it must be at least {least:f} and below {limit:f}")
        return _rounded(number)

    return read


def _rounded(number: Decimal) -> Decimal:
    """At ten places, as everything is stored; a number that has fewer stays as it was written."""
    rounded = as_price(number)
    return number if rounded == number else rounded


def _money(value: Any) -> Decimal | None:
    return None if value is None else _rounded(decimal_from(value, "it", limit=MAX_PRICE - 1))


def _paid(value: Any) -> Decimal | None:
    """A commission: MetaTrader books it as a negative amount; either sign means paid."""
    amount = _money(value)
    return None if amount is None else amount.copy_abs()


def _ticket(value: Any) -> str | None:
    """A terminal's number, as text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | str) or not len(text := str(value).strip()) <= 64:
        raise ValueError("it must be a whole number or a text of at most 64 characters")
    return text


def _moment(value: Any) -> datetime | None:
    return None if value is None else parse_time(value, "it")


def _magic(value: Any) -> int | None:
    """A magic number that the database can hold; another is none of ours."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("it must be a whole number")  # noqa: TRY004 - pydantic reports only ValueError
    return value if -(2**63) <= value < 2**63 else None


def read_timeframe(value: Any) -> str:
    """A timeframe such as M1, 5 or 1h by its name in our tables; a ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("send a timeframe such as M1, 5 or 1h")  # noqa: TRY004 - pydantic reports only ValueError
    return normalize_timeframe(value)


def shortened(value: Any) -> Any:
    """Text that is only shown: what is too long of it is cut."""
    return value[:LONGEST_ERROR] if isinstance(value, str) else value


def _storable(value: Any) -> Any:
    """Free-form JSON as it can be kept: nothing is booked from it, so numbers may become binary ones."""
    match value:
        case Decimal():
            return float(value)
        case bool() | str() | float() | None:
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else float(value)
        case dict():
            return {str(key): _storable(entry) for key, entry in value.items()}
        case _:
            return [_storable(entry) for entry in value]


def _object(value: Any) -> Any:
    return _storable(value) if isinstance(value, dict) else value


_NUMBER = {"type": "number", "minimum": float(PRICE_STEP), "exclusiveMaximum": float(MAX_PRICE)}
_LOTS = {"type": "number", "minimum": float(QUANTITY_STEP), "exclusiveMaximum": float(MAX_QUANTITY)}
_AMOUNT = {"type": "number", "minimum": 1 - float(MAX_PRICE), "maximum": float(MAX_PRICE) - 1}
_TIME = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "number", "minimum": 631_152_000, "exclusiveMaximum": 4_102_444_800},
    ],
    "description": "ISO 8601, in UTC where it has no zone, or Unix seconds or milliseconds; 1990 to 2100.",
}
_LEVEL = {
    "type": ["number", "null"],
    "minimum": 0,
    "exclusiveMaximum": float(MAX_PRICE),
    "description": "0 and null: there is none.",
}
Price = Annotated[Decimal, BeforeValidator(_positive(MAX_PRICE, PRICE_STEP)), WithJsonSchema(_NUMBER)]
Level = Annotated[Decimal | None, BeforeValidator(_positive(MAX_PRICE, PRICE_STEP, zero_is_none=True)), WithJsonSchema(_LEVEL)]
Volume = Annotated[Decimal, BeforeValidator(_positive(MAX_QUANTITY, QUANTITY_STEP)), WithJsonSchema(_LOTS)]
Money = Annotated[Decimal, BeforeValidator(_money), WithJsonSchema(_AMOUNT)]
Paid = Annotated[Decimal, BeforeValidator(_paid), WithJsonSchema(_AMOUNT)]
Ticket = Annotated[str, BeforeValidator(_ticket), WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "maxLength": 64})]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema(_TIME)]
Magic = Annotated[int | None, BeforeValidator(_magic), WithJsonSchema({"type": ["integer", "null"]})]
Side = Literal["buy", "sell"]
Symbol = Annotated[str, Field(min_length=1, max_length=64)]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Object = Annotated[dict[str, Any], BeforeValidator(_object)]


class Sent(BaseModel):
    """What a program sends; members that are not described here are ignored."""

    model_config = ConfigDict(extra="ignore")


class Asked(BaseModel):
    """What a person sends; a member that is not described here is a mistake."""

    model_config = ConfigDict(extra="forbid")
