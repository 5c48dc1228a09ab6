"""The port to a MetaTrader 5 terminal: what the agent asks of one, and the values that it answers with.

Amounts are Decimal, times are UTC (an implementation converts the broker's own time), volumes are in lots, distances that end in
``points`` are in the symbol's smallest price step. Meanings and numbers follow the MQL5 reference.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Protocol

from hookfill.kernel.errors import HookfillError


class TerminalError(HookfillError):
    """The terminal can't be asked at the moment: it is not running, not logged in, or not connected to its broker."""


class Side(StrEnum):
    """The direction of a deal or a position."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """The direction that closes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Filling(IntEnum):
    """``type_filling`` of a request (ENUM_ORDER_TYPE_FILLING)."""

    FOK = 0
    IOC = 1
    RETURN = 2


class Execution(IntEnum):
    """How a symbol's orders are executed (ENUM_SYMBOL_TRADE_EXECUTION)."""

    REQUEST = 0
    INSTANT = 1
    MARKET = 2
    EXCHANGE = 3


class TradeMode(IntEnum):
    """What may be done with a symbol (ENUM_SYMBOL_TRADE_MODE)."""

    DISABLED = 0
    LONG_ONLY = 1
    SHORT_ONLY = 2
    CLOSE_ONLY = 3
    FULL = 4


class Entry(IntEnum):
    """What a deal did to its position (ENUM_DEAL_ENTRY)."""

    IN = 0
    OUT = 1
    IN_OUT = 2
    OUT_BY = 3


class Reason(StrEnum):
    """Why a deal was made (ENUM_DEAL_REASON, in the words of the server); ``manual`` is everything without a rule of its own."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    STOP_OUT = "stop_out"
    PROGRAM = "program"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """The account that the terminal is logged in to.

    Attributes:
        hedging: several positions of one symbol may be open; else they net to one.
        trade_allowed: the account and the terminal ("Algo Trading") let programs trade.
    """

    login: int
    server: str
    currency: str
    balance: Decimal
    equity: Decimal
    margin: Decimal
    leverage: int
    hedging: bool
    trade_allowed: bool


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """What the broker says of a symbol.

    Attributes:
        point: the smallest price step.
        filling_mode: bit mask of the filling modes that market orders may use: 1 is FOK, 2 is IOC. Not the order's constant.
        stops_level_points: how near to the price a stop or target may lie at least.
    """

    name: str
    digits: int
    point: Decimal
    volume_min: Decimal
    volume_max: Decimal
    volume_step: Decimal
    filling_mode: int
    execution: Execution
    trade_mode: TradeMode
    stops_level_points: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A symbol's prices at a moment; ``last`` is None where the broker has no trades to tell of."""

    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal | None
    time: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """An open position."""

    ticket: int
    symbol: str
    side: Side
    volume: Decimal
    price_open: Decimal
    price_current: Decimal
    sl: Decimal | None
    tp: Decimal | None
    profit: Decimal
    magic: int
    comment: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """An order that is open or in the history; ``is_open`` says whether it may still be executed."""

    ticket: int
    symbol: str
    side: Side
    volume: Decimal
    magic: int
    comment: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Deal:
    """Something that was dealt.

    Attributes:
        order: the ticket of the order that it carried out.
        position_id: the position that it opened, changed or closed.
        profit: in account currency, without commission and swap.
        commission: in account currency as the terminal tells it: negative when paid.
    """

    ticket: int
    order: int
    position_id: int
    symbol: str
    side: Side
    volume: Decimal
    price: Decimal
    entry: Entry
    reason: Reason
    profit: Decimal
    commission: Decimal
    magic: int
    comment: str
    time: datetime


@dataclass(frozen=True, slots=True)
class TradeRequest:
    """A market order. ``position`` is the ticket to close on a hedging account."""

    symbol: str
    side: Side
    volume: Decimal
    price: Decimal
    sl: Decimal | None
    tp: Decimal | None
    deviation_points: int
    magic: int
    comment: str
    filling: Filling
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of ``order_check`` or ``order_send``.

    Attributes:
        retcode: None when the terminal gave no answer; what happened is then unknown, ``text`` says what ``last_error`` says.
        order, deal: tickets; 0 where there is none (yet).
        price, volume: what was dealt; 0 where the broker does not say it in its answer.
    """

    retcode: int | None
    text: str = ""
    order: int = 0
    deal: int = 0
    price: Decimal = Decimal(0)
    volume: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bar:
    """A candle; ``time`` is when it opened (UTC), ``volume`` the number of ticks in it."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


class Terminal(Protocol):
    """A terminal. Every method may raise ``TerminalError``; only ``order_send`` changes anything at the broker."""

    def connect(self) -> None:
        """Start working with the terminal, logging in if that was asked for."""
        ...

    def close(self) -> None:
        """Stop working with it; open positions stay."""
        ...

    def check_connection(self) -> None:
        """Raise ``TerminalError`` unless the terminal is connected to its broker: what it shows is stale otherwise."""
        ...

    def describe(self) -> dict[str, object]:
        """Facts for the server's page of this agent: kind, name, build, company; no secrets."""
        ...

    def offset_seconds(self) -> int:
        """How far the broker's own time is ahead of UTC."""
        ...

    def account(self) -> AccountInfo:
        """The account."""
        ...

    def symbol(self, name: str) -> SymbolInfo | None:
        """A symbol, made visible in the market watch; None if the broker has none of that name."""
        ...

    def tick(self, symbol: str) -> Tick | None:
        """Its latest prices; None if there are none."""
        ...

    def positions(self) -> tuple[Position, ...]:
        """All open positions of the account."""
        ...

    def orders(self, since: datetime) -> tuple[Order, ...]:
        """All open orders, and those of the history since a moment (UTC)."""
        ...

    def deals(self, since: datetime) -> tuple[Deal, ...]:
        """All buys and sells since a moment (UTC), oldest first."""
        ...

    def order_check(self, request: TradeRequest) -> Answer:
        """What the terminal thinks of a request, without sending it; retcode 0 is consent."""
        ...

    def order_send(self, request: TradeRequest) -> Answer:
        """Send a request to the broker."""
        ...

    def candles(self, symbol: str, timeframe: str, since: datetime | None, until: datetime | None, limit: int) -> tuple[Bar, ...]:
        """The latest candles (at most ``limit``) of a timeframe such as ``M5``, oldest first; the last may still be forming."""
        ...
