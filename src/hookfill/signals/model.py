"""What an alert asks for, and the signal row made of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class Action(StrEnum):
    """What the alert asks for."""

    BUY = "buy"
    SELL = "sell"
    CLOSE = "close"
    TARGET = "target"
    """Make the position what ``Alert.target`` says (TradingView's market_position fields)."""


@dataclass(frozen=True, slots=True)
class OptionAsk:
    """An option the alert names: ``right`` is ``CALL`` or ``PUT``."""

    right: str
    strike: Decimal | None = None
    expiration: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, understood. All numbers are finite and positive; times are UTC.

    Attributes:
        symbol: upper case, without an exchange prefix.
        quantity: lots, contracts, shares or coins; None means: let the strategy's sizing decide.
        price: the price the alert was fired at, not an order price.
        target: signed quantity the position shall have (only with ``Action.TARGET``); None with TARGET means the sign is known
            but the size is the strategy's: see ``target_side``.
        target_side: -1, 0 or 1 (only with ``Action.TARGET``).
        previous_side: the side TradingView says the position had before (-1, 0, 1), None if it does not say.
        fired_at: ``timenow`` or ``timestamp`` if the alert carries it, else its bar ``time``; UTC.
        bar_at: the bar time the alert carries, UTC.
        max_lag_seconds: the alert's own limit on its age.
        dedupe_id: the alert's own id: two alerts with the same id within the window are one.
    """

    symbol: str
    action: Action
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    target: Decimal | None = None
    target_side: int | None = None
    previous_side: int | None = None
    timeframe: str | None = None
    fired_at: datetime | None = None
    bar_at: datetime | None = None
    max_lag_seconds: int | None = None
    dedupe_id: str | None = None
    comment: str | None = None
    option: OptionAsk | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """A pending signal as the desk gathers it: an alert of one strategy in one account.

    ``as_of`` is the moment as of which everything about it is decided (UTC): when it was received, or its own time for history.
    """

    account_id: UUID
    signal_id: UUID
    message_id: UUID
    strategy_id: UUID
    source: str
    alert: Alert
    as_of: datetime
    attempts: int = 0
