"""Money and quantities: ``Decimal`` only, quantized here and nowhere else.

Bounds: a price or an amount has at most 15 digits before and 10 after the decimal point, a quantity at most 12 and 8. They are
wide enough for every market that Hookfill trades and narrow enough that products stay exact in a 50-digit context.
"""

import decimal
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal, InvalidOperation

from hookfill.kernel.errors import HookfillError

ZERO = Decimal(0)
PRICE_STEP = Decimal("0.0000000001")
QUANTITY_STEP = Decimal("0.00000001")
MAX_PRICE = Decimal(10) ** 15
MAX_QUANTITY = Decimal(10) ** 12
MOST_PLACES = 60
"""Decimal places that a number may come with: PostgreSQL's and Python's own bounds lie where nobody would look for them."""

# Python's own default of 28 digits would round the product of a large price and a large quantity.
decimal.DefaultContext.prec = 50
decimal.setcontext(decimal.Context(prec=50))


class InvalidNumber(HookfillError, ValueError):
    """A number is not finite, out of bounds, or not a number at all."""


def decimal_from(value: object, name: str, *, limit: Decimal = MAX_PRICE) -> Decimal:
    """Read a finite number from what JSON, CSV or text brings.

    Args:
        value: an int, Decimal or text such as ``"1.0716"``; a float is taken by its shortest decimal text.
        name: the field's name, for the error text.
        limit: the largest absolute value accepted.

    Raises:
        InvalidNumber: NaN, infinity, booleans, text that is no number, a value beyond ``limit``, or more than 60 decimal places.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidNumber(f"{name} must be a number; send it as a plain JSON number or as text.")
    if isinstance(value, str) and len(value) > 40:
        raise InvalidNumber(f"{name} is too long for a number; send at most 40 characters.")
    if isinstance(value, int) and not -(10**40) < value < 10**40:
        raise InvalidNumber(f"{name} is out of bounds; its size must be below {limit}.")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise InvalidNumber(f"{name} is not a number; send digits such as 1.0716.") from None
    if not number.is_finite():
        raise InvalidNumber(f"{name} must be finite; NaN and infinity are refused.")
    # Compared without abs(), which rounds and so overflows on text such as 1e9999999999.
    if number.copy_abs() > limit:
        raise InvalidNumber(f"{name} is out of bounds; its size must be below {limit}.")
    if number.as_tuple().exponent < -MOST_PLACES:  # type: ignore[operator]  # is finite
        raise InvalidNumber(f"{name} has more than {MOST_PLACES} decimal places; send fewer.")
    return number


def as_price(value: Decimal) -> Decimal:
    """A price or money amount at 10 places, half to even."""
    return value.quantize(PRICE_STEP, rounding=ROUND_HALF_EVEN)


def divide(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient at price precision (10 places, half to even)."""
    return as_price(numerator / denominator)


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` whose size does not exceed ``value``'s (toward zero)."""
    return (value / step).to_integral_value(rounding=ROUND_DOWN) * step


def round_to_tick(price: Decimal, tick: Decimal, *, up: bool) -> Decimal:
    """``price`` (positive) moved to the tick grid, up or down (a buy limit goes down, a sell limit up)."""
    return (price / tick).to_integral_value(rounding=ROUND_UP if up else ROUND_DOWN) * tick


def plain(value: Decimal) -> str:
    """Decimal text without exponent and trailing zeros, as it goes into JSON and tables."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
