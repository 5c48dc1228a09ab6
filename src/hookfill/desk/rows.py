"""Orders and fills as rows that are ready to be stored (pure)."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hookfill.brokers.paper.rest import RestingOrder
from hookfill.kernel.money import ZERO
from hookfill.kernel.reasons import Reason


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill, ready to be stored; the bar's bounds are those of the price it was made at.

    Attributes:
        realized_pnl: what it realised, in account currency and gross of commission, ``adjustment`` included.
        adjustment: what a broker's own figure for the profit differs by from quantity × price × multiplier: conversion, rounding.
    """

    fill_id: UUID
    order_id: UUID
    position_id: UUID
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    multiplier: Decimal
    commission: Decimal
    realized_pnl: Decimal
    bar_low: Decimal | None
    bar_high: Decimal | None
    price_source: str
    filled_at: datetime
    adjustment: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rested:
    """An entry that rests on paper, as it stands now, with the fills that it got by what changed it.

    Attributes:
        reason, text: why it ended unfilled, or in part.
        is_new: it was made by it.
    """

    order: RestingOrder
    fills: tuple[Fill, ...] = ()
    reason: Reason | None = None
    text: str | None = None
    is_new: bool = False

    @property
    def order_id(self) -> UUID:
        """The order's."""
        return self.order.order_id

    @property
    def side(self) -> str:
        """``buy`` or ``sell``."""
        return self.order.side.value

    @property
    def quantity(self) -> Decimal:
        """What of it was not filled before these fills."""
        return self.order.left + sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def status(self) -> str:
        """As in the order lifecycle."""
        return self.order.status

    def then(self, later: "Rested") -> "Rested":
        """This change and a later one of the same order as one."""
        return replace(later, fills=self.fills + later.fills, is_new=self.is_new)


@dataclass(frozen=True, slots=True)
class Order:
    """One order, ready to be stored, with the fills it got; at a broker it has none yet."""

    order_id: UUID
    client_order_id: str
    signal_id: UUID | None
    position_id: UUID
    strategy_id: UUID
    symbol: str
    side: str
    order_type: str
    purpose: str
    exit_reason: str | None
    quantity: Decimal
    stop_price: Decimal | None
    status: str
    as_of: datetime
    fills: tuple[Fill, ...]
    broker_order_id: str | None = None
    limit_price: Decimal | None = None
