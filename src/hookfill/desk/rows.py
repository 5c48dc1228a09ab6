"""Orders and fills as rows that are ready to be stored (pure)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


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
