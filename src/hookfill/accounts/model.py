"""Accounts and strategies as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Account:
    """A trading account.

    Attributes:
        cash: what is left after paying for positions at full notional; equity = cash + Σ quantity·mark·multiplier.
        balance: starting cash plus realised profit and loss, net of commissions.
        day: the local day (in ``time_zone``) to which ``day_start_balance`` and ``day_realized`` belong.
        timeline_at: the latest moment that has been decided (UTC); None before the first.
        limits: overrides of ``risk.model.Limits`` by field name.
    """

    account_id: UUID
    currency: str
    time_zone: str
    cash: Decimal
    balance: Decimal
    day: date
    day_start_balance: Decimal
    day_realized: Decimal
    timeline_at: datetime | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy: where alerts arrive and how they are traded.

    ``settings`` holds one section per room that reads it: ``sizing`` and ``policy`` (orders), ``exits`` (exits), ``filters``
    (engines), ``market`` (risk: extended_hours, use_alert_price).
    """

    account_id: UUID
    strategy_id: UUID
    name: str
    engine: str
    is_enabled: bool = True
    risk_override_pct: Decimal | None = None
    allowed_pairs: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
