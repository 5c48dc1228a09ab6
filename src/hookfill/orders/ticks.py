"""Prices on the grid of their instrument."""

from decimal import Decimal

from hookfill.kernel.money import PRICE_STEP, ZERO, round_to_tick
from hookfill.market.model import Instrument


def to_tick(price: Decimal, instrument: Instrument, *, up: bool, beside: Decimal) -> Decimal:
    """``price`` on the instrument's tick grid, moved up or down, and still above zero.

    An instrument's tick may be a guess from its symbol. A market price off that grid shows that the real one is finer; rounding to
    the guess could then move a price by many percent, so the price keeps its full precision (10 places).

    Args:
        price: the price to move.
        instrument: whose grid it is.
        up: the direction in which it moves.
        beside: a price that this market has really shown.
    """
    step = instrument.tick if beside % instrument.tick == ZERO else PRICE_STEP
    rounded = round_to_tick(price, step, up=up)
    return rounded if rounded > ZERO else price
