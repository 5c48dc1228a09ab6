"""What the fake Alpaca keeps: orders with their guarding legs, and positions that net per symbol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import uuid4

OPEN = ("new", "accepted", "partially_filled", "held")


@dataclass(eq=False)
class Order:
    """An order that was taken."""

    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    kind: str = "market"
    limit: Decimal | None = None
    stop: Decimal | None = None
    force: str = "day"
    order_class: str = "simple"
    status: str = "accepted"
    filled: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    legs: "list[Order]" = field(default_factory=list)
    order_id: str = field(default_factory=lambda: str(uuid4()))
    changed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """The order that a body of ``POST /v2/orders`` asks for."""
        assert isinstance(body["qty"], str), "quantities go as text, so that none is rounded"
        order = cls(
            body["client_order_id"],
            body["symbol"],
            body["side"],
            Decimal(body["qty"]),
            body["type"],
            Decimal(body["limit_price"]) if "limit_price" in body else None,
            Decimal(body["stop_price"]) if "stop_price" in body else None,
            body["time_in_force"],
            body.get("order_class", "simple"),
        )
        other = "sell" if order.side == "buy" else "buy"
        if "take_profit" in body:
            level = Decimal(body["take_profit"]["limit_price"])
            order.legs.append(cls(str(uuid4()), order.symbol, other, order.quantity, "limit", limit=level, status="held"))
        if "stop_loss" in body:
            level = Decimal(body["stop_loss"]["stop_price"])
            order.legs.append(cls(str(uuid4()), order.symbol, other, order.quantity, "stop", stop=level, status="held"))
        return order

    @property
    def is_open(self) -> bool:
        """Whether more may come of it."""
        return self.status in OPEN

    @property
    def price(self) -> Decimal | None:
        """Volume-weighted."""
        return self.spent / self.filled if self.filled else None

    def fill(self, part: Decimal, price: Decimal) -> None:
        """So much more of it is filled."""
        self.filled, self.spent, self.last_price = self.filled + part, self.spent + part * price, price
        assert self.filled <= self.quantity
        self.status = "filled" if self.filled == self.quantity else "partially_filled"
        self.changed["filled_at"] = stamp()

    def end(self, status: str) -> None:
        """It ends."""
        self.status = status
        self.changed["failed_at" if status == "rejected" else f"{status}_at"] = stamp()

    def event(self, name: str) -> dict[str, Any]:
        """An update about it as it stands."""
        return {"event": name, "timestamp": stamp(), "order": self.told()}

    def told(self) -> dict[str, Any]:
        """As Alpaca shows it."""
        return {
            "id": self.order_id,
            "client_order_id": self.client_order_id,
            "created_at": stamp(),
            "updated_at": stamp(),
            "submitted_at": stamp(),
            "filled_at": None,
            "canceled_at": None,
            "symbol": self.symbol,
            "qty": str(self.quantity),
            "filled_qty": str(self.filled),
            "filled_avg_price": None if self.price is None else str(self.price),
            "order_class": self.order_class,
            "type": self.kind,
            "side": self.side,
            "time_in_force": self.force,
            "limit_price": None if self.limit is None else str(self.limit),
            "stop_price": None if self.stop is None else str(self.stop),
            "status": self.status,
            "legs": [leg.told() for leg in self.legs] or None,
            **self.changed,
        }


def matched(order: Order, price: Decimal) -> bool:
    """Whether the market's price fills an order at once."""
    if order.kind == "market":
        return True
    is_buy = order.side == "buy"
    if order.kind == "limit" and order.limit is not None:
        return price <= order.limit if is_buy else price >= order.limit
    return order.stop is not None and (price >= order.stop if is_buy else price <= order.stop)


class Positions:
    """Quantities by symbol, negative is short."""

    def __init__(self) -> None:
        self.held: dict[str, Decimal] = {}
        self.paid: dict[str, Decimal] = {}

    def move(self, symbol: str, quantity: Decimal, price: Decimal, coin_fee: Decimal) -> None:
        """Something was dealt; a fee for coins is taken out of those bought."""
        if "/" in symbol and quantity > 0:
            quantity -= quantity * coin_fee
        self.held[symbol] = self.held.get(symbol, Decimal(0)) + quantity
        self.paid[symbol] = price
        if self.held[symbol] == 0:
            del self.held[symbol]

    def available(self, symbol: str, orders: Sequence[Order]) -> Decimal:
        """What no open order holds."""
        sides = {"sell"} if self.held.get(symbol, Decimal(0)) > 0 else {"buy"}
        holding = [leg for one in orders for leg in (one, *one.legs) if leg.symbol == symbol and leg.is_open and leg.side in sides]
        kept = max((one.quantity - one.filled for one in holding), default=Decimal(0))
        return max(abs(self.held.get(symbol, Decimal(0))) - kept, Decimal(0))

    def told(self, prices: Mapping[str, Decimal], orders: Sequence[Order]) -> list[dict[str, Any]]:
        """As Alpaca shows them: coins without the slash."""
        return [
            {
                "asset_id": str(uuid4()),
                "symbol": symbol.replace("/", ""),
                "qty": str(quantity),
                "qty_available": str(self.available(symbol, orders)),
                "side": "long" if quantity > 0 else "short",
                "avg_entry_price": str(self.paid[symbol]),
                "current_price": str(prices[symbol]),
                "unrealized_pl": str((prices[symbol] - self.paid[symbol]) * quantity),
            }
            for symbol, quantity in self.held.items()
        ]

    def value(self, prices: Mapping[str, Decimal]) -> Decimal:
        """What they are worth."""
        return sum((prices[symbol] * quantity for symbol, quantity in self.held.items()), Decimal(0))


def stamp() -> str:
    """Now, as Alpaca writes it: with nine decimals."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
