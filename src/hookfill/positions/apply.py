"""Fills become positions and profit: pure arithmetic, exact to the last digit.

``cost`` is the exact Σ quantity × price behind what is open (positive for long and short alike); ``average_price`` is shown at
10 places. What a partial exit leaves behind is worth ``average_price`` × quantity exactly, and everything else of the cost is
released into the realised profit at once. So the sum of cash, realised and unrealised profit has no rounding in it, and the same
fill in any number of parts realises the same profit.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hookfill.kernel.errors import LedgerError
from hookfill.kernel.lifecycle import POSITION
from hookfill.kernel.money import PRICE_STEP, ZERO, divide
from hookfill.orders.model import Side
from hookfill.positions.model import Position


def open_position(
    *,
    position_id: UUID,
    strategy_id: UUID,
    symbol: str,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    multiplier: Decimal,
    commission: Decimal,
    at: datetime,
) -> Position:
    """A position made by its first fill, without exits: who makes it guards it.

    Its mark is the fill's price until a newer price comes, and bars that opened before ``at`` (UTC) will count by their close only.

    Args:
        position_id: of the new position.
        strategy_id: whose it is.
        symbol: what is traded.
        side: of the fill: buy for a long position.
        quantity: of the fill, positive.
        price: of the fill.
        multiplier: units per contract or lot.
        commission: of this fill, in account currency, not negative.
        at: when it filled, UTC.

    Raises:
        LedgerError: the fill is no usable one.
    """
    _check_fill(quantity, price, commission)
    return Position(
        position_id=position_id,
        strategy_id=strategy_id,
        symbol=symbol,
        quantity=side.sign * quantity,
        average_price=divide(quantity * price, quantity),
        cost=quantity * price,
        multiplier=multiplier,
        entries=1,
        opened_at=at,
        mark=price,
        marked_at=at,
        marked_until=at,
        best_price=price,
        commission=commission,
    )


def apply_fill(
    position: Position,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    commission: Decimal,
    *,
    at: datetime,
    exit_reason: str | None = None,
    is_new_entry: bool = True,
    may_be_worthless: bool = False,
) -> tuple[Position, Decimal]:
    """The position after one more fill, and the profit that this fill realised (gross of commission, account currency).

    The fill moves ``marked_until`` to ``at``: the position was held at that moment, so no earlier price can have closed it, and a
    bar that opened before it counts by its close only.

    Args:
        position: an open or closing position.
        side: of the fill; it grows or shrinks the position but never turns it.
        quantity: of the fill, positive.
        price: of the fill.
        commission: of the fill, in account currency, not negative.
        at: when it filled, UTC.
        exit_reason: why the position was left; kept when this fill closes it.
        is_new_entry: False for a further partial fill of an entry order that is counted already.
        may_be_worthless: the price may be 0: an option that has ended.

    Raises:
        LedgerError: the fill is no usable one, would cross zero, or the position is closed.
    """
    _check_fill(quantity, price, commission, least=ZERO if may_be_worthless else PRICE_STEP)
    if POSITION.is_terminal(position.status):
        raise LedgerError(
            f"Position {position.position_id} is closed and can't take another fill. This is a defect: please report it."
        )
    paid = replace(position, commission=position.commission + commission, marked_until=max(position.marked_until, at))
    if side.sign == position.side:
        return _grow(paid, quantity, price, is_new_entry=is_new_entry), ZERO
    if quantity > abs(position.quantity):
        raise LedgerError(
            f"A fill of {quantity:f} would turn position {position.position_id} of {position.quantity:f} to its other side; "
            "a reversal is two orders. This is a defect: please report it."
        )
    return _shrink(paid, quantity, price, at, exit_reason)


def _check_fill(quantity: Decimal, price: Decimal, commission: Decimal, *, least: Decimal = PRICE_STEP) -> None:
    if quantity <= ZERO or price < least or commission < ZERO:
        raise LedgerError(
            f"A fill needs a quantity above 0, a price of at least {least:f} and a commission of at least 0; this one has "
            f"{quantity:f}, {price:f} and {commission:f}. Check the prices that came in for the symbol."
        )


def _grow(position: Position, quantity: Decimal, price: Decimal, *, is_new_entry: bool) -> Position:
    cost = position.cost + quantity * price
    size = abs(position.quantity) + quantity
    return replace(
        position,
        quantity=position.side * size,
        cost=cost,
        average_price=divide(cost, size),
        entries=position.entries + is_new_entry,
    )


def _shrink(
    position: Position, quantity: Decimal, price: Decimal, at: datetime, exit_reason: str | None
) -> tuple[Position, Decimal]:
    remaining = abs(position.quantity) - quantity
    cost = position.average_price * remaining
    realized = position.side * (price * quantity - (position.cost - cost)) * position.multiplier
    realized_pnl = position.realized_pnl + realized
    if remaining > ZERO:
        return replace(position, quantity=position.side * remaining, cost=cost, realized_pnl=realized_pnl), realized
    closed = replace(
        position,
        quantity=ZERO,
        cost=ZERO,
        realized_pnl=realized_pnl,
        status=POSITION.move(position.status, "closed"),
        # Received times of two nodes may differ by a little; a position is never closed before it was opened.
        closed_at=max(at, position.opened_at),
        exit_reason=exit_reason,
    )
    return closed, realized


def unrealized(position: Position, mark: Decimal) -> Decimal:
    """The profit that closing all at ``mark`` would realise, gross of commission, in account currency."""
    return position.side * (mark * abs(position.quantity) - position.cost) * position.multiplier


def market_value(position: Position, mark: Decimal) -> Decimal:
    """What the position adds to equity beside cash at ``mark``: signed quantity × mark × multiplier."""
    return position.quantity * mark * position.multiplier


def cash_change(side: Side, quantity: Decimal, price: Decimal, multiplier: Decimal, commission: Decimal) -> Decimal:
    """What a fill does to the account's cash: a buy pays its full notional, a sale brings it, both pay the commission."""
    return -side.sign * quantity * price * multiplier - commission
