"""Order plans and sizing rules as frozen values."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hookfill.kernel.reasons import Reason


class Side(StrEnum):
    """Buy or sell."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1


class SizingMode(StrEnum):
    """How big an entry is when the alert names no quantity."""

    FIXED = "fixed"
    EQUITY_PERCENT = "equity_percent"
    RISK_PERCENT = "risk_percent"


@dataclass(frozen=True, slots=True)
class SizingRule:
    """A strategy's sizing.

    Attributes:
        quantity: for ``fixed``; None means the instrument's smallest sensible size.
        percent: of equity: for ``equity_percent`` the capital to commit, for ``risk_percent`` the loss at the stop.
    """

    mode: SizingMode = SizingMode.FIXED
    quantity: Decimal | None = None
    percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How a strategy treats its own position.

    Attributes:
        on_opposite: ``reverse``, ``close`` or ``ignore`` when an alert points against the open position.
        pyramiding: the largest number of entries in one position (1 = never add).
    """

    on_opposite: str = "reverse"
    pyramiding: int = 1


@dataclass(frozen=True, slots=True)
class Leg:
    """One order to make, in order: closing legs come before the entry.

    Attributes:
        quantity: None on an entry means: to be sized.
        side: of an option's entry by an alert about its underlying it is the view: buy for a call, sell for a put.
        symbol: the contract that it trades; None: the alert's symbol, or a contract that is still to be chosen.
        is_option: it trades an option.
    """

    purpose: str
    side: Side
    quantity: Decimal | None
    symbol: str | None = None
    is_option: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a signal means for the strategy's position: legs to make, or why there are none."""

    legs: tuple[Leg, ...]
    refusal: Reason | None = None
    detail: str = ""
    adds_to_position: bool = False


@dataclass(frozen=True, slots=True)
class Sized:
    """An entry's size with its derivation for the story, or the reason for which it can't be made."""

    quantity: Decimal
    refusal: Reason | None
    explanation: str
