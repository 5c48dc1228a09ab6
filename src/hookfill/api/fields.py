"""The kinds of values that people send: bounded text, exact amounts, names of symbols and time zones, moments."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from hookfill.kernel.money import as_price, decimal_from
from hookfill.kernel.times import is_time_zone, parse_time
from hookfill.signals.actions import AlertRefused
from hookfill.signals.fields import read_symbol

_SYMBOL = re.compile(r"[A-Z0-9._\-:/!^=&]{1,32}")


class Asked(BaseModel):
    """A request's body: a member that is not described here is refused, so that a slip never goes unnoticed."""

    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """The members that were sent, null ones included."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _line(value: str) -> str:
    text = value.strip()
    if not text:
        raise ValueError("it must not be empty")
    if not text.isprintable():
        raise ValueError("it must be one line of printable text")
    return text


Name = Annotated[str, AfterValidator(_line), StringConstraints(min_length=1, max_length=120)]
"""A name for people: one line."""
Note = Annotated[str, AfterValidator(_line), StringConstraints(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class Bounds:
    """An exact number with at most ten decimal places: ``Annotated[Decimal, Bounds(above="0", most="100")]``.

    Attributes:
        least: what it must at least be; or above: what it must be greater than.
        most: what it may at most be.
    """

    most: str
    least: str | None = None
    above: str | None = None

    def read(self, value: object) -> Decimal:
        """The number.

        Raises:
            ValueError: it is none, or out of bounds.
        """
        found = decimal_from(value, "it")
        if self.least is not None and found < Decimal(self.least):
            raise ValueError(f"it must be at least {self.least}")
        if self.above is not None and found <= Decimal(self.above):
            raise ValueError(f"it must be greater than {self.above}")
        if found > Decimal(self.most):
            raise ValueError(f"it must be at most {self.most}")
        if as_price(found) != found:
            raise ValueError("it must have at most 10 decimal places")
        return found

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read by ``read`` alone: pydantic's own decimals take more than we do."""
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A number between its bounds."""
        lowest = {"minimum": float(self.least)} if self.least is not None else {"exclusiveMinimum": float(self.above or 0)}
        return {"type": "number", **lowest, "maximum": float(self.most)}


def _symbol(value: str) -> str:
    symbol = value.strip().upper()
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError("a symbol has 1 to 32 letters, digits and . _ - : / ! ^ = & characters")
    return symbol


Symbol = Annotated[str, AfterValidator(_symbol), StringConstraints(max_length=40)]
"""A symbol as alerts name it; upper case."""


def _traded(value: str) -> str:
    try:
        return read_symbol(value)
    except AlertRefused as refused:
        raise ValueError(refused.detail) from None


TradedSymbol = Annotated[str, AfterValidator(_traded), StringConstraints(max_length=64)]
"""A symbol however alerts may spell it, as signals and positions have it: without an exchange in front, options by OCC."""


def _time_zone(value: str) -> str:
    if not is_time_zone(value):
        raise ValueError("it must be an IANA name such as America/New_York")
    return value


TimeZone = Annotated[str, AfterValidator(_time_zone), StringConstraints(min_length=1, max_length=64)]


def _moment(value: Any) -> datetime:
    return parse_time(value, "it")


Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
"""ISO 8601 (UTC without a zone), or Unix seconds or milliseconds; 1990 to 2100."""


def _symbol_map(value: dict[str, str]) -> dict[str, str]:
    return {key if key == "*" else _symbol(key): _broker_symbol(name, key) for key, name in value.items()}


def _broker_symbol(value: str, key: str) -> str:
    shortest = 0 if key == "*" else 1
    if not (shortest <= len(value) <= 32) or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError(f"a broker's symbol is {shortest} to 32 printable ASCII characters")
    return value


SymbolMap = Annotated[dict[str, str], AfterValidator(_symbol_map), Field(max_length=1_000)]
"""Our symbols to the broker's; the key ``*`` is a suffix for all others."""
