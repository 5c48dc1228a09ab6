"""Invariants of the ledger, checked before an account's transaction commits.

They cost microseconds and stay on in production: a broken ledger must never be stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NoReturn, Protocol
from uuid import UUID

from hookfill.kernel.errors import LedgerError
from hookfill.kernel.money import ZERO
from hookfill.orders.model import Side
from hookfill.positions.apply import cash_change
from hookfill.positions.model import Position

EXPIRY = "expiry"
"""The source of the price at which an option that has ended is settled: the only one that may be 0."""


class MadeFill(Protocol):
    """A fill that the fold made."""

    @property
    def order_id(self) -> UUID:
        """The order that it fills."""
        ...

    @property
    def position_id(self) -> UUID:
        """The position that it changes."""
        ...

    @property
    def side(self) -> str:
        """``buy`` or ``sell``."""
        ...

    @property
    def quantity(self) -> Decimal:
        """Its size, positive."""
        ...

    @property
    def price(self) -> Decimal:
        """What was paid or got."""
        ...

    @property
    def multiplier(self) -> Decimal:
        """Units per contract or lot."""
        ...

    @property
    def commission(self) -> Decimal:
        """In account currency."""
        ...

    @property
    def adjustment(self) -> Decimal:
        """What a broker's own figure for the realised profit adds, in account currency."""
        ...

    @property
    def price_source(self) -> str:
        """Where its price came from."""
        ...

    @property
    def bar_low(self) -> Decimal | None:
        """The low of the bar that its price came from, None if it came from none."""
        ...

    @property
    def bar_high(self) -> Decimal | None:
        """The high of that bar."""
        ...


class MadeOrder(Protocol):
    """An order that the fold made, with all its fills."""

    @property
    def order_id(self) -> UUID:
        """Its id."""
        ...

    @property
    def side(self) -> str:
        """``buy`` or ``sell``."""
        ...

    @property
    def quantity(self) -> Decimal:
        """Its size, positive."""
        ...

    @property
    def status(self) -> str:
        """As in the order lifecycle."""
        ...

    @property
    def fills(self) -> tuple[MadeFill, ...]:
        """All that it got."""
        ...


def check_ledger(
    before: Mapping[UUID, Position],
    after: Mapping[UUID, Position],
    orders: Iterable[MadeOrder],
    *,
    cash_before: Decimal,
    cash_after: Decimal,
) -> None:
    """Check one account's fold as a whole.

    Args:
        before: the account's positions as they were gathered, by id.
        after: the same and the new ones as they will be written.
        orders: every order that the fold made.
        cash_before: the account's cash as gathered.
        cash_after: the same as it will be written.

    Raises:
        LedgerError: an order's fills are not its own, exceed it or contradict its status, a fill lies outside its bar, a position
            is not the sum of its fills or contradicts its own status, or cash is not what the fills left.
    """
    made: list[MadeFill] = []
    for order in orders:
        _check_order(order)
        made.extend(order.fills)
    for fill in made:
        _check_inside_bar(fill)
    _check_quantities(before, after, made)
    for position in after.values():
        _check_position(position)
    effect = sum((cash_change(Side(f.side), f.quantity, f.price, f.multiplier, f.commission) + f.adjustment for f in made), ZERO)
    if cash_before + effect != cash_after:
        _broken(f"cash went from {cash_before:f} to {cash_after:f} while the fills change it by {effect:f}")


def _check_order(order: MadeOrder) -> None:
    for fill in order.fills:
        if fill.order_id != order.order_id or fill.side != order.side:
            _broken(f"order {order.order_id} ({order.side}) has a fill of order {fill.order_id} ({fill.side})")
    filled = sum((fill.quantity for fill in order.fills), ZERO)
    if filled > order.quantity or (filled == order.quantity) != (order.status == "filled"):
        _broken(f"order {order.order_id} of {order.quantity:f} is {order.status} with {filled:f} filled")


def _check_inside_bar(fill: MadeFill) -> None:
    too_low = fill.bar_low is not None and fill.price < fill.bar_low
    too_high = fill.bar_high is not None and fill.price > fill.bar_high
    is_worthless = fill.price == ZERO and fill.price_source == EXPIRY
    if too_low or too_high or fill.price < ZERO or (fill.price == ZERO and not is_worthless):
        _broken(f"order {fill.order_id} filled at {fill.price:f}, outside its bar {fill.bar_low} to {fill.bar_high}")


def _check_quantities(before: Mapping[UUID, Position], after: Mapping[UUID, Position], fills: Iterable[MadeFill]) -> None:
    expected: defaultdict[UUID, Decimal] = defaultdict(lambda: ZERO)
    for position_id, position in before.items():
        expected[position_id] = position.quantity
    for fill in fills:
        expected[fill.position_id] += Side(fill.side).sign * fill.quantity
    for position_id, quantity in expected.items():
        held = after.get(position_id)
        if held is None or held.quantity != quantity:
            _broken(f"position {position_id} holds {held and held.quantity}, its fills add up to {quantity:f}")
    for position_id in after.keys() - expected.keys():
        _broken(f"position {position_id} has no fill")


def _check_position(position: Position) -> None:
    is_closed = position.status == "closed"
    is_empty = position.quantity == ZERO and position.cost == ZERO
    if is_closed != is_empty or is_closed != (position.closed_at is not None) or position.average_price <= ZERO:
        _broken(
            f"position {position.position_id} is {position.status} with quantity {position.quantity:f}, cost {position.cost:f}, "
            f"average price {position.average_price:f} and closing time {position.closed_at}"
        )


def _broken(what: str) -> NoReturn:
    raise LedgerError(f"The ledger would be broken: {what}. Nothing was stored. This is a defect: please report it.")
