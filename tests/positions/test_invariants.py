"""The ledger's invariants: a sound fold passes, each kind of broken one is named."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from hookfill.kernel.errors import LedgerError
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill, open_position
from hookfill.positions.invariants import EXPIRY, check_ledger

D = Decimal
T0 = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
ONE, TEN = D(1), D(10)
OLD, NEW, ENTRY, EXIT = (UUID(int=number) for number in range(1, 5))


@dataclass(frozen=True)
class Fill:
    order_id: UUID
    position_id: UUID
    side: str
    quantity: Decimal
    price: Decimal
    multiplier: Decimal = TEN
    commission: Decimal = ONE
    adjustment: Decimal = Decimal(0)
    bar_low: Decimal | None = None
    bar_high: Decimal | None = None
    price_source: str = "candle"


@dataclass(frozen=True)
class Order:
    order_id: UUID
    side: str
    quantity: Decimal
    status: str
    fills: tuple[Fill, ...]


def new_position(position_id: UUID, side: Side, quantity: str, price: str):
    return open_position(
        position_id=position_id,
        strategy_id=UUID(int=9),
        symbol="X",
        side=side,
        quantity=D(quantity),
        price=D(price),
        multiplier=D(10),
        commission=D(1),
        at=T0,
    )


HELD = new_position(OLD, Side.BUY, "3", "100")
LEFT, _ = apply_fill(HELD, Side.SELL, D(3), D(110), D(1), at=T0)
MADE = new_position(NEW, Side.SELL, "2", "110")
SALE = Fill(EXIT, OLD, "sell", D(3), D(110), bar_low=D(109), bar_high=D(110))
SHORT = Fill(ENTRY, NEW, "sell", D(2), D(110), bar_low=D(110), bar_high=D(112))
LEAVE = Order(EXIT, "sell", D(3), "filled", (SALE,))
ENTER = Order(ENTRY, "sell", D(2), "filled", (SHORT,))
DENIED = Order(UUID(int=7), "buy", D(2), "denied", ())


def check(orders=(LEAVE, ENTER, DENIED), after=None, cash="5498") -> None:
    check_ledger({OLD: HELD}, after or {OLD: LEFT, NEW: MADE}, orders, cash_before=D(0), cash_after=D(cash))


def test_a_sound_fold_passes():
    check()
    check_ledger({OLD: HELD}, {OLD: HELD}, (), cash_before=D(5), cash_after=D(5))
    halves = tuple(replace(SALE, quantity=D(part)) for part in ("1", "2"))
    check(orders=(replace(LEAVE, fills=halves), ENTER), cash="5497")


def test_only_what_has_ended_is_settled_at_nothing():
    worthless, _ = apply_fill(HELD, Side.SELL, D(3), D(0), D(1), at=T0, may_be_worthless=True)
    settled = replace(SALE, price=D(0), bar_low=None, bar_high=None, price_source=EXPIRY)
    check(orders=(replace(LEAVE, fills=(settled,)), ENTER), after={OLD: worthless, NEW: MADE}, cash="2198")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"orders": (replace(LEAVE, fills=(replace(SALE, order_id=ENTRY),)), ENTER)}, "has a fill of order"),
        ({"orders": (replace(LEAVE, side="buy"), ENTER)}, "has a fill of order"),
        ({"orders": (replace(LEAVE, quantity=D(2)), ENTER)}, "with 3 filled"),
        ({"orders": (replace(LEAVE, quantity=D(4)), ENTER)}, "with 3 filled"),
        ({"orders": (replace(LEAVE, status="partially_filled"), ENTER)}, "partially_filled with 3 filled"),
        ({"orders": (replace(LEAVE, fills=(replace(SALE, bar_high=D(109)),)), ENTER)}, "outside its bar"),
        ({"orders": (replace(LEAVE, fills=(replace(SALE, bar_low=D(111)),)), ENTER)}, "outside its bar"),
        ({"orders": (replace(LEAVE, fills=(replace(SALE, price=D(0), bar_low=None),)), ENTER)}, "outside its bar"),
        ({"orders": (replace(LEAVE, fills=(replace(SALE, price=D(-1), price_source=EXPIRY),)), ENTER)}, "outside its bar"),
        ({"orders": (LEAVE,)}, "has no fill"),
        ({"after": {OLD: LEFT}}, "its fills add up to"),
        ({"after": {OLD: HELD, NEW: MADE}}, "its fills add up to"),
        ({"after": {OLD: LEFT, NEW: replace(MADE, quantity=D(2))}}, "its fills add up to"),
        ({"after": {OLD: replace(LEFT, status="open"), NEW: MADE}}, "is open with quantity 0"),
        ({"after": {OLD: replace(LEFT, closed_at=None), NEW: MADE}}, "closing time None"),
        ({"after": {OLD: replace(LEFT, cost=D(1)), NEW: MADE}}, "cost 1"),
        ({"after": {OLD: LEFT, NEW: replace(MADE, average_price=D(0))}}, "average price 0"),
        ({"cash": "5498.01"}, "cash went from 0 to 5498.01"),
    ],
)
def test_each_broken_fold_is_named(broken, says):
    with pytest.raises(LedgerError, match=says):
        check(**broken)
