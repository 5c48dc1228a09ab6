"""Values of the shadow book as JSON and back, whatever fields they have (pure).

The ledger's own rows have a column for each field. What the shadow book holds is read by nobody but the desk, so it is kept as one
document: a field that a value gains is kept at once, and one that an older document lacks has its default.
"""

import types
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from hookfill.kernel.money import plain

Value = TypeVar("Value")


def to_json(value: Any) -> Any:
    """A value as plain JSON: numbers as text, times as ISO 8601."""
    match value:
        case Decimal():
            return plain(value)
        case datetime() | date():
            return value.isoformat()
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case tuple() | list():
            return [to_json(one) for one in value]
        case Mapping():
            return {str(name): to_json(one) for name, one in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def from_json(kind: type[Value], document: Mapping[str, Any]) -> Value:
    """A dataclass from what ``to_json`` made of it; members that it does not know are left aside.

    Raises:
        TypeError, ValueError: the document is of something else.
    """
    hints = _hints(cast("Hashable", kind))
    return kind(**{name: _read(hints[name], value) for name, value in document.items() if name in hints})


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    assert isinstance(kind, type)
    assert is_dataclass(kind)
    known = get_type_hints(kind)
    return {field.name: known[field.name] for field in fields(kind)}


def _read(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _read(next(one for one in get_args(hint) if one is not types.NoneType), value)
    if origin is tuple:
        return tuple(_read(get_args(hint)[0], one) for one in value)
    if hint is Decimal or hint is UUID:
        return hint(value)
    if hint is datetime or hint is date:
        return hint.fromisoformat(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    return from_json(hint, value) if is_dataclass(hint) and isinstance(hint, type) else value
