"""Numbers that are written in a few characters and are too large or too fine for any store."""

from decimal import Decimal

import pytest

from hookfill.kernel.money import InvalidNumber, decimal_from


@pytest.mark.parametrize("text", ["1e16", "-1e16", "1e9999999999", "-1e9999999999", "1e999999999999999999"])
def test_too_large_is_refused_whatever_its_exponent(text: str) -> None:
    with pytest.raises(InvalidNumber, match="out of bounds"):
        decimal_from(text, "price")


@pytest.mark.parametrize("text", ["1e-61", "-1e-61", "1e-9999999999", "0e-9999999999"])
def test_too_fine_is_refused_whatever_its_exponent(text: str) -> None:
    with pytest.raises(InvalidNumber, match="decimal places"):
        decimal_from(text, "price")


@pytest.mark.parametrize("text", ["1e15", "-1e15", "1e-60", "0", "-0", "0e5", "123456789012345.1234567890"])
def test_what_lies_on_the_bound_is_taken_exactly(text: str) -> None:
    assert decimal_from(text, "price") == Decimal(text)


def test_the_bound_of_a_number_far_beyond_any_integer_that_fits() -> None:
    with pytest.raises(InvalidNumber, match="out of bounds"):
        decimal_from(10**40, "price")
