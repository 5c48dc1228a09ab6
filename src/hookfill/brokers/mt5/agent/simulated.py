"""A simulated terminal: prices from a seed, a broker that behaves like MetaTrader's, and faults on demand.

Everything it holds lies in one SQLite file, each change in one transaction: an order that was placed stays placed whatever happens
to the agent, as at a real broker. Several processes may use the file, so a test or a person can move prices and look at positions
while an agent runs.
"""

import hashlib
import random
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from pydantic import TypeAdapter

from hookfill.brokers.mt5.agent import simulated_book as books
from hookfill.brokers.mt5.agent.simulated_book import Book
from hookfill.brokers.mt5.agent.terminal import (
    AccountInfo,
    Answer,
    Bar,
    Deal,
    Execution,
    Order,
    Position,
    Reason,
    SymbolInfo,
    TerminalError,
    Tick,
    TradeMode,
    TradeRequest,
)
from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.money import ZERO, floor_to_step
from hookfill.market.timeframes import bar_seconds

FAULTS = "none, raise or a return code, with +done or +late behind it"
"""What an order may meet. ``none`` and ``raise``: no answer, or an exception, and nothing was done. A return code: that one, and
nothing was done (but 10009 and 10025: done; 10010: half is dealt; 10008: placed, and dealt after two looks). With ``+done`` the
order was dealt all the same; with ``+late`` it was dealt, but is not shown for two looks."""
_LATE_LOOKS = 2
_MOST_STEPS = 120
_KNOWN_PRICES = {
    "EURUSD": "1.08500", "GBPUSD": "1.27000", "USDJPY": "150.000", "USDCHF": "0.88000", "AUDUSD": "0.66000", "XAUUSD": "2400.00",
    "BTCUSD": "65000.00",
}  # fmt: skip
_BOOK = TypeAdapter(Book)
_TICKS = TypeAdapter(dict[str, Tick])


@dataclass(frozen=True, slots=True)
class Market:
    """How a simulated broker is set up.

    Attributes:
        prices: bids to begin with, by symbol; the symbols that are not named begin at a price of their kind.
        symbols: which ones there are; empty: any.
        walks: prices move at random, by the seed; else they stay until somebody moves them.
        overrides: what is to be different in every symbol's specification, by the names of ``SymbolInfo``.
    """

    seed: int = 1
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    symbols: frozenset[str] = frozenset()
    walks: bool = False
    spread_points: int = 10
    leverage: int = 100
    hedging: bool = True
    balance: Decimal = Decimal(10_000)
    overrides: Mapping[str, object] = field(default_factory=dict)


class SimulatedTerminal:
    """A ``Terminal`` of its own world."""

    def __init__(self, path: Path | str, market: Market | None = None, *, clock: Callable[[], datetime] | None = None) -> None:
        """Open the world in ``path`` (``:memory:`` for one that ends with this object), making it if it is not there.

        Args:
            market: how it is set up; balance and hedging count only when it is made.
            clock: the present (UTC).

        Raises:
            ConfigurationError: the file can't be used.
        """
        self._market = market or Market()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30.0)
            weakref.finalize(self, self._connection.close)
            self._connection.execute("CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        except sqlite3.Error as error:
            raise ConfigurationError(f"{path} can't hold a simulated terminal ({error}): choose another file.") from error

    # What a person or a test does --------------------------------------------------------------------------------------------

    def set_price(self, symbol: str, bid: Decimal, ask: Decimal | None = None) -> None:
        """Move a symbol's price; stops and targets that it reaches are dealt."""
        spread = self._market.spread_points * self._info(symbol).point
        with self._changing() as book:
            tick = Tick(symbol, bid, ask or bid + spread, None, self._clock())
            self._write_ticks({**self._ticks(), symbol: tick})
            books.trigger(book, tick, tick.time)

    def add_faults(self, *faults: str) -> None:
        """What the next orders will meet (see ``FAULTS``)."""
        for fault in faults:
            head, _, effect = fault.partition("+")
            if not (head in {"none", "raise"} or head.isdecimal()) or effect not in {"", "done", "late"}:
                raise ConfigurationError(f"{fault!a} is no fault: write {FAULTS}.")
        with self._changing() as book:
            book.faults.extend(faults)

    def set_state(self, *, is_market_open: bool = True, trade_allowed: bool = True, is_connected: bool = True) -> None:
        """Close the market, switch "Algo Trading" off, or cut the connection to the broker; all else is as it should be."""
        with self._changing() as book:
            book.is_market_open, book.trade_allowed, book.is_connected = is_market_open, trade_allowed, is_connected

    def close_by_hand(self, ticket: int) -> None:
        """Close a position as a person at the terminal does."""
        with self._changing() as book:
            position = next(position for position in book.positions if position.ticket == ticket)
            tick = self._tick(position.symbol)
            price = tick.bid if position.side is position.side.BUY else tick.ask
            books.leave_by_hand(book, position, price, self._clock(), Reason.MANUAL)

    def book(self) -> Book:
        """All there is, hidden or not."""
        with self._lock:
            return self._read_book()

    # The port ----------------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def check_connection(self) -> None:
        """Raise ``TerminalError`` while the connection is cut."""
        if not self.book().is_connected:
            raise TerminalError("The simulated terminal is not connected to its broker.")

    def describe(self) -> dict[str, object]:
        """What it is."""
        return {"kind": "simulated", "name": "Hookfill's simulated terminal", "connected": self.book().is_connected}

    def offset_seconds(self) -> int:
        """Its broker lives in UTC."""
        return 0

    def account(self) -> AccountInfo:
        """The account, its positions at the present prices."""
        book = self.book()
        floating = sum((self._marked(position).profit for position in book.positions), ZERO)
        leverage = self._market.leverage
        margin = sum((books.margin_of(held.volume, held.price_open, held.symbol, leverage) for held in book.positions), ZERO)
        return AccountInfo(
            login=1, server="Simulated", currency="USD", balance=book.balance, equity=book.balance + floating, margin=margin,
            leverage=leverage, hedging=book.hedging, trade_allowed=book.trade_allowed,
        )  # fmt: skip

    def symbol(self, name: str) -> SymbolInfo | None:
        """A symbol's specification."""
        if self._market.symbols and name not in self._market.symbols:
            return None
        return self._info(name)

    def tick(self, symbol: str) -> Tick | None:
        """Its prices; a walking price walks up to the present."""
        if self.symbol(symbol) is None:
            return None
        with self._lock:
            if self._market.walks:
                self._walk(symbol)
                return self._tick(symbol)
            # A price that stands still is still quoted: its time is the present.
            return replace(self._tick(symbol), time=self._clock())

    def positions(self) -> tuple[Position, ...]:
        """Open positions, marked at the present prices."""
        with self._changing() as book:
            book.looks += 1
            return tuple(self._marked(position) for position in book.positions if book.shows(position.ticket))

    def orders(self, since: datetime) -> tuple[Order, ...]:
        """All orders; one that is placed but not dealt yet is open."""
        del since
        book = self.book()
        shown = [order for order in book.orders if order.is_open or book.shows(order.ticket)]
        return tuple(replace(order, is_open=order.is_open and not book.shows(order.ticket)) for order in shown)

    def deals(self, since: datetime) -> tuple[Deal, ...]:
        """All deals since a moment."""
        book = self.book()
        return tuple(deal for deal in book.deals if deal.time >= since and book.shows(deal.order))

    def order_check(self, request: TradeRequest) -> Answer:
        """Whether an order would be refused."""
        info = self._info(request.symbol)
        code = books.why_not(self.book(), request, info, self._tick(request.symbol), self._market.leverage)
        return Answer(0, "Done") if code is None else Answer(code)

    def order_send(self, request: TradeRequest) -> Answer:
        """Carry an order out, or meet the next fault."""
        with self._changing() as book:
            fault = book.faults.pop(0) if book.faults else "10009"
            answer = self._send(book, request, fault)
        head = fault.partition("+")[0]
        if head == "raise":
            raise TerminalError("The terminal did not answer in time.")
        return Answer(None, "(-10005) IPC timeout") if head == "none" else answer

    def candles(self, symbol: str, timeframe: str, since: datetime | None, until: datetime | None, limit: int) -> tuple[Bar, ...]:
        """Bars made of the seed and their time alone, so that they are the same whenever they are asked for."""
        if self.symbol(symbol) is None:
            return ()
        length = bar_seconds(timeframe)
        last = int((until or self._clock()).timestamp()) // length
        first = max(last - limit + 1, 0 if since is None else -(-int(since.timestamp()) // length))
        return tuple(self._bar(symbol, timeframe, index * length) for index in range(first, last + 1))

    # Its inside --------------------------------------------------------------------------------------------------------------

    def _send(self, book: Book, request: TradeRequest, fault: str) -> Answer:
        head, _, effect = fault.partition("+")
        code = int(head) if head.isdecimal() else None
        info, tick = self._info(request.symbol), self._tick(request.symbol)
        is_dealt = effect in {"done", "late"} or code in {10008, 10009, 10010, 10025}
        if not is_dealt:
            return Answer(code, "simulated")
        refusal = books.why_not(book, request, info, tick, self._market.leverage)
        if refusal is not None:
            return Answer(refusal, "simulated")
        volume = request.volume
        if code == 10010:
            volume = max(floor_to_step(volume / 2, info.volume_step), info.volume_min)
        answer = books.deal_order(book, request, tick, self._clock(), volume)
        if effect == "late" or code == 10008:
            book.hidden[answer.order] = book.looks + 1 + _LATE_LOOKS
        if code == 10008:
            book.orders[-1] = replace(book.orders[-1], is_open=True)
            return Answer(code, "simulated", answer.order)
        return replace(answer, retcode=code)

    def _info(self, name: str) -> SymbolInfo:
        digits = 5 if books.contract_size(name) == 100_000 else 2
        digits = 3 if "JPY" in name.upper() else digits
        info = SymbolInfo(
            name=name, digits=digits, point=Decimal(1).scaleb(-digits), volume_min=Decimal("0.01"), volume_max=Decimal(100),
            volume_step=Decimal("0.01"), filling_mode=1, execution=Execution.MARKET, trade_mode=TradeMode.FULL,
            stops_level_points=0,
        )  # fmt: skip
        return replace(info, **self._market.overrides)  # type: ignore[arg-type]  # names and types of SymbolInfo, by contract

    def _tick(self, symbol: str) -> Tick:
        known = self._ticks().get(symbol)
        if known is not None:
            return known
        info = self._info(symbol)
        ordinary = _KNOWN_PRICES.get(symbol.upper()[:6], "1.00000" if info.digits == 5 else "100.00")
        bid = self._market.prices.get(symbol, Decimal(ordinary))
        return Tick(symbol, bid, bid + self._market.spread_points * info.point, None, self._clock())

    def _walk(self, symbol: str) -> None:
        """One step per second since the last one."""
        tick, now = self._tick(symbol), self._clock()
        steps = min(int(now.timestamp()) - int(tick.time.timestamp()), _MOST_STEPS)
        ticks = self._ticks()
        if symbol in ticks and steps <= 0:
            return
        point = self._info(symbol).point
        for step in range(max(steps, 0)):
            seconds = int(now.timestamp()) - steps + step + 1
            points = self._random(symbol, seconds).randint(-8, 8)
            bid = max(tick.bid + points * point, point)
            moved = Tick(symbol, bid, bid + self._market.spread_points * point, None, datetime.fromtimestamp(seconds, UTC))
            tick = moved
            if any(position.symbol == symbol for position in self._read_book().positions):
                with self._changing() as book:
                    books.trigger(book, moved, moved.time)
        self._write_ticks({**ticks, symbol: tick})

    def _random(self, *parts: object) -> random.Random:
        text = ":".join(map(str, (self._market.seed, *parts)))
        return random.Random(hashlib.sha256(text.encode()).digest())

    def _bar(self, symbol: str, timeframe: str, opened: int) -> Bar:
        info, chance = self._info(symbol), self._random(symbol, timeframe, opened)
        base = self._market.prices.get(symbol) or self._tick(symbol).bid
        begin, end = (base + chance.randint(-50, 50) * info.point for _ in range(2))
        high = max(begin, end) + chance.randint(0, 20) * info.point
        low = min(begin, end) - chance.randint(0, 20) * info.point
        return Bar(datetime.fromtimestamp(0, UTC) + timedelta(seconds=opened), begin, high, low, end, chance.randint(1, 500))

    def _marked(self, position: Position) -> Position:
        tick = self._tick(position.symbol)
        price = tick.bid if position.side is position.side.BUY else tick.ask
        profit = books.profit_of(position.side, position.price_open, price, position.volume, position.symbol)
        return replace(position, price_current=price, profit=profit)

    @contextmanager
    def _changing(self) -> Iterator[Book]:
        """The book, written back in one transaction; not at all after an error."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                book = self._read_book()
                yield book
                self._write("book", _BOOK.dump_json(book).decode())
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def _read_book(self) -> Book:
        text = self._read("book")
        if text is None:
            return Book(hedging=self._market.hedging, balance=self._market.balance)
        return _BOOK.validate_json(text)

    def _ticks(self) -> dict[str, Tick]:
        text = self._read("ticks")
        return {} if text is None else _TICKS.validate_json(text)

    def _write_ticks(self, ticks: dict[str, Tick]) -> None:
        self._write("ticks", _TICKS.dump_json(ticks).decode())

    def _read(self, name: str) -> str | None:
        with self._lock:
            row = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _write(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )
