"""The real terminal, through MetaQuotes' ``MetaTrader5`` package, which exists on Windows only and needs a terminal beside it.

Every call of the package answers None when it fails, and ``last_error()`` says why. Its times are seconds of the broker's own
clock; its numbers are binary floating point, read here at the symbol's digits.
"""

import importlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from hookfill.brokers.mt5.agent.terminal import (
    AccountInfo,
    Answer,
    Bar,
    Deal,
    Entry,
    Execution,
    Order,
    Position,
    Reason,
    Side,
    SymbolInfo,
    TerminalError,
    Tick,
    TradeMode,
    TradeRequest,
)
from hookfill.brokers.mt5.agent.times import Zone, to_broker, to_utc
from hookfill.kernel.errors import ConfigurationError

_OK = 1
"""``last_error``'s code when nothing was wrong: there is just nothing to tell."""
_HEDGING = 2
_DEAL_NOW = 1
_GOOD_TILL_CANCELLED = 0
_REASONS = {3: Reason.PROGRAM, 4: Reason.STOP_LOSS, 5: Reason.TAKE_PROFIT, 6: Reason.STOP_OUT}
_TIMEFRAMES = {"M1": 1, "M5": 5, "M15": 15, "M30": 30, "H1": 16385, "H4": 16388, "D1": 16408, "W1": 32769, "MN1": 49153}
_WINDOW_MARGIN = timedelta(days=1)
"""History is asked for generously: the broker's zone may not be known for sure yet."""
_BAR_PLACES = 10


def load_package() -> ModuleType:
    """The ``MetaTrader5`` package.

    Raises:
        ConfigurationError: it is not installed, or this is not Windows.
    """
    try:
        return importlib.import_module("MetaTrader5")
    except ImportError:
        raise ConfigurationError(
            "The MetaTrader5 package is not installed: on Windows run `pip install hookfill[mt5]`;"
            " elsewhere it does not exist, but `hookfill agent run --simulated` works everywhere."
        ) from None


class MetaTrader5Terminal:
    """A ``Terminal`` through the package; all calls must come from one thread."""

    def __init__(
        self,
        package: Any,
        *,
        login: int | None = None,
        password: str | None = None,
        server: str | None = None,
        path: Path | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """Prepare, don't start.

        Args:
            package: the ``MetaTrader5`` module.
            login, password, server: the account; None: the one that the terminal is logged in to.
            path: the terminal's program; None: the one that is found.
        """
        self._mt5 = package
        self._path = () if path is None else (str(path),)
        given = {"login": login, "password": password, "server": server}
        self._login = {name: value for name, value in given.items() if value is not None}
        self._clock = clock or (lambda: datetime.now(UTC))
        self._zone = Zone()
        self._digits: dict[str, int] = {}

    def connect(self) -> None:
        """Start the terminal, or find the one that runs, and log in.

        Raises:
            TerminalError: it does not start, or refuses the login.
        """
        if not self._mt5.initialize(*self._path, **self._login):
            raise self._error("The terminal does not start or refuses the login: see MT5_LOGIN, MT5_PASSWORD, MT5_SERVER, MT5_PATH")

    def close(self) -> None:
        """Let go of the terminal; it goes on running."""
        self._mt5.shutdown()

    def check_connection(self) -> None:
        """Raise ``TerminalError`` unless the terminal runs and is connected to its broker; started again if it was closed."""
        info = self._mt5.terminal_info()
        if info is None:
            self.connect()
            info = self._asked(self._mt5.terminal_info(), "its state")
        if not info.connected:
            raise TerminalError("The terminal is not connected to its broker: see its login and the network.")

    def describe(self) -> dict[str, object]:
        """Name, build and company of the terminal, and whether it may trade."""
        info = self._asked(self._mt5.terminal_info(), "its state")
        return {
            "kind": "metatrader5",
            "name": str(info.name),
            "company": str(info.company),
            "build": int(info.build),
            "connected": bool(info.connected),
            "trade_allowed": bool(info.trade_allowed),
            "broker_time_is_sure": self._zone.is_sure,
        }

    def offset_seconds(self) -> int:
        """How far the broker's clock is ahead of UTC, from the ticks seen so far."""
        return self._zone.offset_seconds

    def account(self) -> AccountInfo:
        """The account that is logged in."""
        info = self._asked(self._mt5.account_info(), "its account")
        terminal = self._asked(self._mt5.terminal_info(), "its state")
        return AccountInfo(
            login=int(info.login),
            server=str(info.server),
            currency=str(info.currency),
            balance=_money(info.balance),
            equity=_money(info.equity),
            margin=_money(info.margin),
            leverage=int(info.leverage),
            hedging=int(info.margin_mode) == _HEDGING,
            trade_allowed=bool(info.trade_allowed and info.trade_expert and terminal.trade_allowed),
        )

    def symbol(self, name: str) -> SymbolInfo | None:
        """A symbol, put into the market watch if it is not there."""
        info = self._mt5.symbol_info(name)
        if info is None:
            return None
        if not info.visible:
            self._mt5.symbol_select(name, True)
        self._digits[name] = int(info.digits)
        return SymbolInfo(
            name=str(info.name),
            digits=int(info.digits),
            point=_number(info.point, 10),
            volume_min=_number(info.volume_min, 8),
            volume_max=_number(info.volume_max, 8),
            volume_step=_number(info.volume_step, 8),
            filling_mode=int(info.filling_mode),
            execution=Execution(info.trade_exemode),
            trade_mode=TradeMode(info.trade_mode),
            stops_level_points=int(info.trade_stops_level),
        )

    def tick(self, symbol: str) -> Tick | None:
        """Its latest prices; each look also tells of the broker's time zone."""
        tick = self._mt5.symbol_info_tick(symbol)
        if tick is None or not tick.bid or not tick.ask:
            return None
        self._zone = self._zone.with_tick(symbol, tick.time_msc / 1000, self._clock())
        digits = self._digits_of(symbol)
        last = _number(tick.last, digits) if tick.last else None
        return Tick(symbol, _number(tick.bid, digits), _number(tick.ask, digits), last, self._utc(tick.time_msc))

    def positions(self) -> tuple[Position, ...]:
        """All open positions."""
        return tuple(map(self._position, self._listed(self._mt5.positions_get(), "its positions")))

    def orders(self, since: datetime) -> tuple[Order, ...]:
        """Open orders, and those of the history."""
        history = self._listed(self._mt5.history_orders_get(*self._window(since)), "its orders")
        working = self._listed(self._mt5.orders_get(), "its orders")
        return (*(_order(given, is_open=False) for given in history), *(_order(given, is_open=True) for given in working))

    def deals(self, since: datetime) -> tuple[Deal, ...]:
        """Buys and sells, oldest first; what only books money (balance, credit) is left out."""
        given = self._listed(self._mt5.history_deals_get(*self._window(since)), "its deals")
        deals = [self._deal(deal) for deal in given if deal.type in {0, 1}]
        return tuple(sorted((deal for deal in deals if deal.time >= since), key=lambda deal: (deal.time, deal.ticket)))

    def order_check(self, request: TradeRequest) -> Answer:
        """The terminal's own examination of a request."""
        return self._answer(self._mt5.order_check(_request(request)), self._digits_of(request.symbol))

    def order_send(self, request: TradeRequest) -> Answer:
        """Send it; None as the return code says that the package gave no answer."""
        return self._answer(self._mt5.order_send(_request(request)), self._digits_of(request.symbol))

    def candles(self, symbol: str, timeframe: str, since: datetime | None, until: datetime | None, limit: int) -> tuple[Bar, ...]:
        """The latest candles of a timeframe, their times converted to UTC."""
        if self.symbol(symbol) is None:
            return ()
        number, offset = _TIMEFRAMES[timeframe], self._zone.offset_seconds
        if until is None:
            rates = self._mt5.copy_rates_from_pos(symbol, number, 0, limit)
        else:
            rates = self._mt5.copy_rates_from(symbol, number, to_broker(until, offset), limit)
        bars = [self._bar(symbol, rate) for rate in self._listed(rates, "its candles")]
        return tuple(bar for bar in bars if since is None or bar.time >= since)

    # Reading -----------------------------------------------------------------------------------------------------------------

    def _position(self, given: Any) -> Position:
        digits = self._digits_of(given.symbol)
        return Position(
            ticket=int(given.ticket),
            symbol=str(given.symbol),
            side=_side(given.type),
            volume=_number(given.volume, 8),
            price_open=_number(given.price_open, _BAR_PLACES),
            price_current=_number(given.price_current, digits),
            sl=_number(given.sl, digits) if given.sl else None,
            tp=_number(given.tp, digits) if given.tp else None,
            profit=_money(given.profit),
            magic=int(given.magic),
            comment=str(given.comment),
            opened_at=self._utc(given.time_msc),
        )

    def _deal(self, given: Any) -> Deal:
        return Deal(
            ticket=int(given.ticket),
            order=int(given.order),
            position_id=int(given.position_id),
            symbol=str(given.symbol),
            side=_side(given.type),
            volume=_number(given.volume, 8),
            price=_number(given.price, _BAR_PLACES),
            entry=Entry(given.entry),
            reason=_REASONS.get(int(given.reason), Reason.MANUAL),
            profit=_money(given.profit),
            commission=_money(given.commission) + _money(getattr(given, "fee", 0.0)),
            magic=int(given.magic),
            comment=str(given.comment),
            time=self._utc(given.time_msc),
        )

    def _bar(self, symbol: str, rate: Any) -> Bar:
        digits = self._digits_of(symbol)
        begin, high, low, end = (_number(rate[name], digits) for name in ("open", "high", "low", "close"))
        return Bar(to_utc(float(rate["time"]), self._zone.offset_seconds), begin, high, low, end, int(rate["tick_volume"]))

    def _answer(self, given: Any, digits: int) -> Answer:
        if given is None:
            return Answer(None, self._last_error())
        return Answer(
            retcode=int(given.retcode),
            text=str(given.comment),
            order=int(getattr(given, "order", 0)),
            deal=int(getattr(given, "deal", 0)),
            price=_number(getattr(given, "price", 0.0), digits),
            volume=_number(getattr(given, "volume", 0.0), 8),
        )

    def _digits_of(self, symbol: str) -> int:
        if symbol not in self._digits:
            info = self._mt5.symbol_info(symbol)
            if info is None:
                return _BAR_PLACES
            self._digits[symbol] = int(info.digits)
        return self._digits[symbol]

    def _utc(self, broker_milliseconds: int) -> datetime:
        return to_utc(broker_milliseconds / 1000, self._zone.offset_seconds)

    def _window(self, since: datetime) -> tuple[datetime, datetime]:
        offset = self._zone.offset_seconds
        return to_broker(since - _WINDOW_MARGIN, offset), to_broker(self._clock() + _WINDOW_MARGIN, offset)

    def _asked(self, given: Any, what: str) -> Any:
        if given is None:
            raise self._error(f"The terminal does not tell {what}")
        return given

    def _listed(self, given: Any, what: str) -> Any:
        """A list; None with an error code that says that all is well is an empty one."""
        if given is None and self._mt5.last_error()[0] == _OK:
            return ()
        return self._asked(given, what)

    def _error(self, what: str) -> TerminalError:
        return TerminalError(f"{what} (MetaTrader: {self._last_error()}).")

    def _last_error(self) -> str:
        code, text = self._mt5.last_error()
        return f"({code}) {text}"


def _order(given: Any, *, is_open: bool) -> Order:
    return Order(
        ticket=int(given.ticket),
        symbol=str(given.symbol),
        side=_side(given.type),
        volume=_number(given.volume_initial, 8),
        magic=int(given.magic),
        comment=str(given.comment),
        is_open=is_open,
    )


def _request(request: TradeRequest) -> dict[str, Any]:
    """A request as the package wants it."""
    given: dict[str, Any] = {
        "action": _DEAL_NOW,
        "symbol": request.symbol,
        "volume": float(request.volume),
        "type": 0 if request.side is Side.BUY else 1,
        "price": float(request.price),
        "deviation": request.deviation_points,
        "magic": request.magic,
        "comment": request.comment,
        "type_time": _GOOD_TILL_CANCELLED,
        "type_filling": int(request.filling),
    }
    optional = {"sl": request.sl, "tp": request.tp}
    given |= {name: float(value) for name, value in optional.items() if value is not None}
    return given if request.position is None else given | {"position": request.position}


def _side(kind: int) -> Side:
    """Buying types are even, selling ones odd (ENUM_ORDER_TYPE, ENUM_DEAL_TYPE, ENUM_POSITION_TYPE)."""
    return Side.SELL if int(kind) % 2 else Side.BUY


def _number(value: float, places: int) -> Decimal:
    """A binary number as the decimal one that was meant."""
    number = Decimal(repr(round(float(value), places)))
    return number.normalize() if number else Decimal(0)


def _money(value: float) -> Decimal:
    return _number(value, 8)
