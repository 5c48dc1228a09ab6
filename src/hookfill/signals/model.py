"""What an alert asks for, and the signal row made of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from hookfill.kernel.reasons import Reason

OPERATOR_DOOR = "operator"
"""Where the alerts come in that Hookfill itself makes when somebody asks to leave positions (`hookfill flatten`)."""


class Action(StrEnum):
    """What the alert asks for."""

    BUY = "buy"
    SELL = "sell"
    CLOSE = "close"
    TARGET = "target"
    """Make the position what ``Alert.target`` says (TradingView's market_position fields)."""


@dataclass(frozen=True, slots=True)
class OptionAsk:
    """An option to buy: ``right`` is ``CALL`` or ``PUT``, ``expiration`` an ISO date (YYYY-MM-DD).

    The alert's action is the view on the underlying and agrees with the right: BUY with CALL, SELL with PUT.
    """

    right: str
    strike: Decimal | None = None
    expiration: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, understood. All numbers are finite and positive; times are UTC.

    Attributes:
        symbol: upper case, without an exchange prefix.
        quantity: lots, contracts, shares or coins; None means: let the strategy's sizing decide. With CLOSE: how much of the
            position to close, None for all of it. With TARGET: the size of the order that TradingView made, which on a reversal
            covers both legs; it counts only where ``target`` is None.
        price: the price the alert was fired at, not an order price.
        target: signed quantity the position shall have (only with ``Action.TARGET``); None with TARGET means the sign is known
            but the size is the strategy's: see ``target_side``.
        target_side: -1, 0 or 1 (only with ``Action.TARGET``).
        close_side: with CLOSE, the side that may be closed (1 long, -1 short): a position on the other side stays as it is. None
            means: whichever is open. A CLOSE never opens anything.
        previous_side: the side TradingView says the position had before (-1, 0, 1), None if it does not say.
        fired_at: ``timenow`` or ``timestamp`` if the alert carries it; UTC. Without them, the alert's ``time`` where it limits its
            own age (``max_lag_seconds``).
        bar_at: the bar ``time`` the alert carries, which is the bar's open; UTC.
        max_lag_seconds: the alert's own limit on its age.
        order_type: ``market``, or ``limit`` or ``stop`` for an entry that waits for ``order_price``.
        time_in_force: how long such an entry waits: ``day`` (to the close of the instrument's trading day) or ``gtc``.
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
    close_side: int | None = None
    previous_side: int | None = None
    timeframe: str | None = None
    fired_at: datetime | None = None
    bar_at: datetime | None = None
    max_lag_seconds: int | None = None
    dedupe_id: str | None = None
    comment: str | None = None
    option: OptionAsk | None = None
    order_type: str = "market"
    order_price: Decimal | None = None
    time_in_force: str = "day"

    @property
    def waits(self) -> bool:
        """Whether its entry waits for a price instead of trading at the market."""
        return self.order_price is not None


@dataclass(frozen=True, slots=True)
class Unusable:
    """An alert that can be read but not acted on: it becomes a discarded signal. ``detail`` names the field and the trouble."""

    reason: Reason
    detail: str
    symbol: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """A body that can't be read at all: the message is quarantined as it came, to be repaired and replayed."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Signal:
    """A pending signal as the desk gathers it: an alert of one strategy in one account.

    ``as_of`` is the moment as of which everything about it is decided (UTC): when it was received, or its own time for history.
    ``door`` is where its message came in. The signed door has answered ``experiment_id``, ``variant`` (A or B) and chosen it with
    ``split_percentage``; the others leave that to the desk.
    """

    account_id: UUID
    signal_id: UUID
    message_id: UUID
    strategy_id: UUID
    source: str
    alert: Alert
    as_of: datetime
    attempts: int = 0
    door: str = ""
    experiment_id: UUID | None = None
    variant: str | None = None
    split_percentage: int | None = None

    @property
    def is_by_operator(self) -> bool:
        """Whether a person asked for it by hand: then no strategy and no engine has a say."""
        return self.door == OPERATOR_DOOR
