"""Accounts and strategies as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class UserDefaults:
    """What an account's user has set for all their trading; the defaults here are those of a user who set nothing.

    Attributes:
        max_spread: the widest spread, in points, at which a broker's order is sent; 0 allows any.
        default_lot_size: lots of an entry when neither the alert nor the strategy names a size.
        stop_loss_pips, take_profit_pips: of orders at brokers that hold stops, when neither alert nor strategy names them; 0: none.
    """

    max_spread: Decimal = Decimal(30)
    default_lot_size: Decimal = Decimal("0.01")
    stop_loss_pips: Decimal = Decimal(50)
    take_profit_pips: Decimal = Decimal(100)


@dataclass(frozen=True, slots=True)
class Account:
    """A trading account.

    Attributes:
        cash: what is left after paying for positions at full notional; equity = cash + Σ quantity·mark·multiplier.
        balance: starting cash plus realised profit and loss, net of commissions.
        day: the local day (in ``time_zone``) to which ``day_start_balance`` and ``day_realized`` belong.
        timeline_at: the latest moment that has been decided (UTC); None before the first.
        limits: overrides of ``risk.model.Limits`` by field name; the user's own daily loss limit is among them.
        kind: ``paper`` fills here; ``mt5`` through an agent's jobs; ``alpaca`` through those that the worker process carries out.
        symbol_map: our symbol to the broker's; ``*`` is a suffix for all others.
        starting_cash: what was there before any trading; 0 at a broker whose first balance has not been told yet.
        broker_equity: as an agent last told it; None before.
        defaults: what its user has set.
        costs: what trading on paper costs it, as it was set; see ``brokers.paper.costs``.
        is_live: at Alpaca: real money, not Alpaca's own paper trading.
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
    kind: str = "paper"
    symbol_map: Mapping[str, str] = field(default_factory=dict)
    starting_cash: Decimal = Decimal(0)
    broker_equity: Decimal | None = None
    defaults: UserDefaults = field(default_factory=UserDefaults)
    costs: Mapping[str, Any] = field(default_factory=dict)
    is_live: bool = False

    @property
    def is_at_broker(self) -> bool:
        """Whether its orders go to a broker, which has prices, margin and an account currency of its own."""
        return self.kind in {"mt5", "alpaca"}

    @property
    def trades_lots(self) -> bool:
        """Whether its broker counts everything in lots, as MetaTrader does; others count shares, coins and contracts."""
        return self.kind == "mt5"


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
