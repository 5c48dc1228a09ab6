"""JSON as Hookfill writes it: amounts are exact plain JSON numbers, never binary floating point.

``Decimal("1.10")`` becomes ``1.1``, however many digits it has; who must not lose any reads the numbers as decimals (Python:
``json.loads(text, parse_float=Decimal)``). Times are ISO 8601 in UTC with ``Z``; identifiers are text.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from hookfill.kernel.money import plain


def dumps(value: Any, *, indent: bool = False) -> bytes:
    """A value as UTF-8 JSON.

    Args:
        value: dicts with text keys, lists, text, numbers, Decimal, UUID, datetime, date, dataclasses, None.
        indent: for people: two spaces per level, and a newline at the end.

    Raises:
        TypeError: it holds something else, or a Decimal that is not finite.
    """
    option = orjson.OPT_UTC_Z
    if indent:
        option |= orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(value, default=_other, option=option)


def _other(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(plain(value))
    if isinstance(value, UUID):  # asyncpg returns a subclass, which orjson does not take
        return str(value)
    raise TypeError(f"{type(value).__name__} {value!r} can't be written as JSON")
