"""The market as frozen values."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class InstrumentKind(StrEnum):
    """What is traded; decides calendar, contract size, lot step and margin."""

    EQUITY = "equity"
    FX = "fx"
    CRYPTO = "crypto"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Instrument:
    """How a symbol is traded.

    Attributes:
        currency: the currency its price is quoted in (ISO 4217; US dollar stablecoins count as USD).
        multiplier: units per contract or lot (100,000 for an FX lot, 1 for shares and coins).
        lot_step: quantities are multiples of this.
        min_quantity: the smallest order.
        tick: prices are multiples of this.
        pip: what traders call one pip or point, as a price distance.
        margin_rate: capital committed per notional, 0 < rate <= 1 (1 means fully paid).
        in_contracts: whether quantity counts contracts or lots (size limit applies), not shares or coins.
    """

    symbol: str
    kind: InstrumentKind
    currency: str
    multiplier: Decimal
    lot_step: Decimal
    min_quantity: Decimal
    tick: Decimal
    pip: Decimal
    margin_rate: Decimal
    in_contracts: bool


@dataclass(frozen=True, slots=True)
class Quote:
    """The last known price of a symbol.

    Attributes:
        at: when the price was true (a closed bar's close), UTC.
        source: ``candle``, ``alert`` or ``agent`` (the middle of what a terminal bids and asks).
        bar_seconds: the length of the bar it came from; None when it came from no bar.
        low, high: that bar's bounds: a fill at this quote lies within them.
    """

    symbol: str
    price: Decimal
    at: datetime
    source: str
    bar_seconds: int | None = None
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar: ``opened_at`` and ``closes_at`` in UTC, low <= open, close <= high, all > 0."""

    symbol: str
    timeframe: str
    opened_at: datetime
    closes_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None = None
