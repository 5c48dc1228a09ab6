"""What the agent's loops share: the server's clock, pauses between attempts, the one thread that may talk to the terminal."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar

from hookfill.brokers.mt5.agent.terminal import (
    AccountInfo,
    Answer,
    Bar,
    Deal,
    Order,
    Position,
    SymbolInfo,
    Terminal,
    Tick,
    TradeRequest,
)
from hookfill.kernel.steady import steady_seconds

T = TypeVar("T")


class ServerClock:
    """The server's time from its last heartbeat and the steady clock; never earlier than it really is there."""

    def __init__(self, steady: Callable[[], float] = steady_seconds) -> None:
        self._steady = steady
        self._known: tuple[datetime, float] | None = None

    @property
    def is_known(self) -> bool:
        """Whether the server has told its time yet."""
        return self._known is not None

    def set(self, server_time: datetime, asked_at: float) -> None:
        """The server told its time in the answer to a question that was asked at ``asked_at`` (``steady_seconds``).

        It may have told it at once, so all the time since the question counts as passed.
        """
        self._known = (server_time, asked_at)

    def now(self) -> datetime:
        """The server's time, or up to one round trip later."""
        assert self._known is not None, "no job is taken before the first heartbeat"
        told, asked_at = self._known
        return told + timedelta(seconds=self._steady() - asked_at)


class Backoff:
    """Pauses that double with each failure, with jitter, so that many agents don't come back at once."""

    def __init__(self, least_seconds: float = 0.5, most_seconds: float = 20.0) -> None:
        self._least, self._most = least_seconds, most_seconds
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        self._failures = min(self._failures + 1, 16)
        whole = min(self._least * (1 << self._failures - 1), self._most)
        return whole * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked."""
        self._failures = 0


class OneThread:
    """A terminal whose every call runs in one and the same thread, whoever asks: the MetaTrader5 package wants that."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="terminal")

    def _run(self, function: Callable[[], T]) -> T:
        return self._pool.submit(function).result()

    def connect(self) -> None:
        """As the port says."""
        self._run(self._terminal.connect)

    def close(self) -> None:
        """As the port says; the thread ends."""
        self._run(self._terminal.close)
        self._pool.shutdown()

    def check_connection(self) -> None:
        """As the port says."""
        self._run(self._terminal.check_connection)

    def describe(self) -> dict[str, object]:
        """As the port says."""
        return self._run(self._terminal.describe)

    def offset_seconds(self) -> int:
        """As the port says."""
        return self._run(self._terminal.offset_seconds)

    def account(self) -> AccountInfo:
        """As the port says."""
        return self._run(self._terminal.account)

    def symbol(self, name: str) -> SymbolInfo | None:
        """As the port says."""
        return self._run(lambda: self._terminal.symbol(name))

    def tick(self, symbol: str) -> Tick | None:
        """As the port says."""
        return self._run(lambda: self._terminal.tick(symbol))

    def positions(self) -> tuple[Position, ...]:
        """As the port says."""
        return self._run(self._terminal.positions)

    def orders(self, since: datetime) -> tuple[Order, ...]:
        """As the port says."""
        return self._run(lambda: self._terminal.orders(since))

    def deals(self, since: datetime) -> tuple[Deal, ...]:
        """As the port says."""
        return self._run(lambda: self._terminal.deals(since))

    def order_check(self, request: TradeRequest) -> Answer:
        """As the port says."""
        return self._run(lambda: self._terminal.order_check(request))

    def order_send(self, request: TradeRequest) -> Answer:
        """As the port says."""
        return self._run(lambda: self._terminal.order_send(request))

    def candles(self, symbol: str, timeframe: str, since: datetime | None, until: datetime | None, limit: int) -> tuple[Bar, ...]:
        """As the port says."""
        return self._run(lambda: self._terminal.candles(symbol, timeframe, since, until, limit))
