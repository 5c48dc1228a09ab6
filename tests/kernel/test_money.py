"""Numbers: what is refused at the edge, and arithmetic that stays exact."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.money import (
    MAX_PRICE,
    InvalidNumber,
    as_price,
    decimal_from,
    divide,
    floor_to_step,
    plain,
    round_to_tick,
)

PRICES = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(10) ** 9, allow_nan=False, allow_infinity=False, places=6)
STEPS = st.sampled_from([Decimal("0.00000001"), Decimal("0.01"), Decimal("0.25"), Decimal(1), Decimal(5)])


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, Decimal(5)),
        ("1.0716", Decimal("1.0716")),
        (1.0716, Decimal("1.0716")),
        (Decimal("-3.5"), Decimal("-3.5")),
        ("1e3", Decimal(1000)),
        (int(MAX_PRICE), MAX_PRICE),
    ],
)
def test_numbers_are_read_exactly(value: object, number: Decimal) -> None:
    assert decimal_from(value, "price") == number


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        [],
        "",
        "abc",
        "NaN",
        "Infinity",
        "-inf",
        "1e400",
        float("nan"),
        float("inf"),
        Decimal("sNaN"),
        10**60,
        int(MAX_PRICE) + 1,
        "9" * 41,
    ],
)
def test_what_is_no_finite_bounded_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidNumber, match="price"):
        decimal_from(value, "price")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal(-(10**14)), max_value=Decimal(10**14), places=10))
def test_plain_text_reads_back_as_the_same_number(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert not (("." in text) and text.endswith(("0", ".")))


@given(PRICES, STEPS)
def test_flooring_goes_toward_zero_onto_the_grid(value: Decimal, step: Decimal) -> None:
    floored = floor_to_step(value, step)
    assert floored <= value < floored + step
    assert floored % step == 0
    assert floor_to_step(-value, step) == -floored


@given(PRICES, STEPS)
def test_ticks_round_the_way_that_is_asked_for(price: Decimal, tick: Decimal) -> None:
    up, down = round_to_tick(price, tick, up=True), round_to_tick(price, tick, up=False)
    assert down <= price <= up
    assert up - down in (0, tick)


def test_products_of_large_numbers_stay_exact() -> None:
    price, quantity = Decimal("123456789012345.1234567891"), Decimal("123456789012.12345678")
    assert (price * quantity) / quantity == price


def test_money_is_rounded_half_to_even_at_ten_places() -> None:
    assert as_price(Decimal("0.00000000005")) == 0
    assert as_price(Decimal("0.00000000015")) == Decimal("0.0000000002")
    assert divide(Decimal(2), Decimal(3)) == Decimal("0.6666666667")
