"""The market as frozen values."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, get_args

from hookfill.kernel.errors import HookfillError
from hookfill.kernel.money import plain
from hookfill.market.sessions import last_close

Right = Literal["CALL", "PUT"]
"""What an option lets its holder do: buy (call) or sell (put) the underlying at the strike."""


class InstrumentKind(StrEnum):
    """What is traded; decides calendar, contract size, lot step and margin."""

    EQUITY = "equity"
    FX = "fx"
    CRYPTO = "crypto"
    FUTURE = "future"
    OPTION = "option"


class InvalidContract(HookfillError, ValueError):
    """What should name an option contract does not."""


FIRST_SYMBOL_YEAR = 2000
"""The first year that a contract's symbol can write; the last is 2099."""
_ROOT = re.compile(r"[A-Z0-9]{1,6}")
_NO_ROOT = re.compile(r"[^A-Z0-9]")
_STRIKE_STEP = Decimal("0.001")
_STRIKE_END = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class OptionContract:
    """A listed option on a share, fund or index of the United States.

    Attributes:
        underlying: the symbol whose price decides what the option is worth, upper case.
        expiration: the date in New York on whose close it ends.
        right: call or put.
        strike: in dollars, in steps of a tenth of a cent, below 100,000.
        root: what the exchanges list it under; empty for the usual: the underlying's letters and digits (BRKB for BRK.B).

    Raises:
        InvalidContract: at construction, when no symbol can be written for it.
    """

    underlying: str
    expiration: date
    right: Right
    strike: Decimal
    root: str = ""

    def __post_init__(self) -> None:
        """Refuse what no listed contract can be; an empty root becomes the usual one."""
        usual = _NO_ROOT.sub("", self.underlying)
        object.__setattr__(self, "root", self.root or usual)
        if not _ROOT.fullmatch(self.root):
            raise InvalidContract(f"{self.underlying!a} has no options: a root is 1 to 6 letters and digits.")
        if self.right not in get_args(Right):
            raise InvalidContract(f"An option is a CALL or a PUT, not {self.right!a}.")
        if not FIRST_SYMBOL_YEAR <= self.expiration.year < FIRST_SYMBOL_YEAR + 100:
            raise InvalidContract(f"An expiration lies in the years 2000 to 2099, not on {self.expiration.isoformat()}.")
        if not 0 < self.strike < _STRIKE_END or self.strike % _STRIKE_STEP:
            raise InvalidContract(f"A strike is above 0 and below 100000 in steps of 0.001; it is {plain(self.strike)}.")

    @property
    def symbol(self) -> str:
        """The symbol of the Options Clearing Corporation without padding: ``SPY260220C00500000``."""
        day = self.expiration  # written by hand: strftime takes five times as long, and chains have hundreds of contracts
        date = f"{day.year % 100:02}{day.month:02}{day.day:02}"
        return f"{self.root}{date}{self.right[0]}{int(self.strike * 1000):08}"

    @property
    def readable(self) -> str:
        """For people: ``SPY 2026-02-20 500 C``."""
        return f"{self.underlying} {self.expiration.isoformat()} {plain(self.strike)} {self.right[0]}"

    @property
    def expires_at(self) -> datetime:
        """When it ends (UTC): the close of the exchange on its expiration, or of the last session before where that is none.

        Index options that settle by the morning's opening prices are taken to end at the close, too.
        """
        return last_close(self.expiration)


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
        option: of an option its contract; None for all else.
        min_notional: the smallest order's worth, in the account's currency.
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
    option: OptionContract | None = None
    min_notional: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Quote:
    """The last known price of a symbol.

    Attributes:
        at: when the price was true (a closed bar's close), UTC.
        source: ``candle``, ``alert`` or ``agent`` (the middle of what a terminal bids and asks).
        bar_seconds: the length of the bar it came from; None when it came from no bar.
        low, high: that bar's bounds: a fill at this quote lies within them.
        volume: that bar's, as far as anybody looked it up: it matters to accounts whose fills are bounded by volume only.
    """

    symbol: str
    price: Decimal
    at: datetime
    source: str
    bar_seconds: int | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    volume: int | None = None


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
