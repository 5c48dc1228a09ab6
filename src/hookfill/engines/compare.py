"""Comparing prices and averages that were computed as floats."""

_ROUNDING = 1e-12


def compare(one: float | None, other: float | None, price: float | None) -> int | None:
    """1 if ``one`` is larger, -1 if smaller, None if either is unknown; 0 if they differ by no more than rounding at that price.

    Averages of an unmoving price differ in their last bits; that is no opinion.
    """
    if one is None or other is None or price is None:
        return None
    difference = one - other
    return 0 if abs(difference) <= _ROUNDING * price else (difference > 0) - (difference < 0)


def sign(number: float) -> int:
    """1, 0 or -1."""
    return (number > 0) - (number < 0)
