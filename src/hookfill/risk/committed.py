"""The capital that a position or an order holds."""

from decimal import Decimal

from hookfill.kernel.money import as_price


def committed_capital(quantity: Decimal, price: Decimal, *, multiplier: Decimal, margin_rate: Decimal) -> Decimal:
    """Notional times margin rate, in the instrument's currency at 10 places; never negative.

    Args:
        quantity: signed or not: a short position commits as much as a long one.
        price: the mark of a position, or the price at which an order is expected to fill.
        multiplier: units per contract or lot.
        margin_rate: capital per notional (1 means fully paid).
    """
    return as_price(abs(quantity) * price * multiplier * margin_rate)
