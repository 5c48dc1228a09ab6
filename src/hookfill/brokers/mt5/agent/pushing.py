"""What the agent tells by itself: prices, and snapshots of account, positions and deals; and candles, if it has their key."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hookfill.brokers.mt5.agent.fills import is_job_mark, is_of_a_job
from hookfill.brokers.mt5.agent.journal import Journal
from hookfill.brokers.mt5.agent.questions import account_facts, bar_facts, deal_facts, position_facts, tick_facts
from hookfill.brokers.mt5.agent.terminal import Deal, Entry, Terminal, Tick

_SINCE = "deals_since"
_OVERLAP = timedelta(hours=1)
_HISTORY = timedelta(days=90)
"""How far back the deal that opened a position is looked for."""
_MOST_DEALS = 500
_MOST_SYMBOLS = 50
_FIRST_BARS = 500
_NEXT_BARS = 3


@dataclass(frozen=True, slots=True)
class Candles:
    """Which candles are pushed, with what key; ``suffix`` is taken off the broker's symbols."""

    key: str
    timeframes: tuple[str, ...] = ("M5",)
    suffix: str = ""


@dataclass(slots=True)
class Interest:
    """The symbols whose prices the server wants: those that were asked for, those of positions, and those of recent jobs."""

    always: frozenset[str] = frozenset()
    of_positions: frozenset[str] = frozenset()
    of_jobs: dict[str, None] = field(default_factory=dict)

    def add_job(self, symbol: object) -> None:
        """A job was about this symbol."""
        if isinstance(symbol, str):
            self.of_jobs.pop(symbol, None)
            self.of_jobs[symbol] = None
            while len(self.of_jobs) > _MOST_SYMBOLS:
                del self.of_jobs[next(iter(self.of_jobs))]

    def symbols(self) -> list[str]:
        """All of them."""
        return sorted(self.always | self.of_positions | self.of_jobs.keys())


@dataclass(slots=True)
class Pusher:
    """Gathers at the terminal (blocking: call it in a thread) what is then sent to the server."""

    terminal: Terminal
    journal: Journal
    interest: Interest
    _last: dict[str, tuple[object, object]] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)
    _sent_bars: set[tuple[str, str]] = field(default_factory=set)

    def prices(self) -> list[dict[str, object]]:
        """Those that changed since they were last gathered."""
        ticks = [tick for symbol in self.interest.symbols() if (tick := self.terminal.tick(symbol)) is not None]
        changed = [tick for tick in ticks if self._last.get(tick.symbol) != _state(tick)]
        self._last.update((tick.symbol, _state(tick)) for tick in changed)
        return [tick_facts(tick) for tick in changed]

    def forget_prices(self) -> None:
        """They did not arrive: gather all again."""
        self._last.clear()

    def snapshot(self, now: datetime) -> tuple[dict[str, object], list[Deal]]:
        """The body of ``POST …/positions``, and the deals that are known with it: those in it, and those that concern nobody.

        Args:
            now: the server's time.

        Raises:
            TerminalError: the terminal can't tell, or is not connected to its broker.
        """
        self.terminal.check_connection()
        account, positions = self.terminal.account(), self.terminal.positions()
        self.interest.of_positions = frozenset(position.symbol for position in positions)
        deals = self._deals_of_others(now)
        body: dict[str, object] = {
            "taken_at": now.isoformat(),
            "account": account_facts(account),
            "positions": [position_facts(position) for position in positions],
            "deals": [deal_facts(deal) for deal in self._closings(deals, now, hedging=account.hedging)],
        }
        return body, deals

    def _deals_of_others(self, now: datetime) -> list[Deal]:
        """What was dealt without a job of ours since the last that the server knows; none from before the agent's first start."""
        kept = self.journal.fact(_SINCE)
        if kept is None:
            self.journal.keep(_SINCE, now.isoformat())
            return []
        since = datetime.fromisoformat(kept)
        ours = {order.ticket for order in self.terminal.orders(since - _OVERLAP) if is_job_mark(order.comment)}
        return [deal for deal in self.terminal.deals(since) if not is_of_a_job(deal, ours) and deal.ticket not in self._told][
            :_MOST_DEALS
        ]

    def _closings(self, deals: Iterable[Deal], now: datetime, *, hedging: bool) -> list[Deal]:
        """Those that may have closed a strategy's position, with its mark where positions are kept apart.

        What a person does carries no mark. There a deal's position tells whose it closed: the server would have to guess.
        """
        found = [deal for deal in deals if deal.entry is not Entry.IN]
        if not hedging or all(deal.magic for deal in found):
            return found
        opened = {deal.position_id: deal.magic for deal in self.terminal.deals(now - _HISTORY) if deal.entry is Entry.IN}
        marked = [deal if deal.magic else replace(deal, magic=opened.get(deal.position_id, 0)) for deal in found]
        return [deal for deal in marked if deal.magic or deal.position_id not in opened]

    def told(self, deals: Iterable[Deal]) -> None:
        """The server knows these deals, as far as it has to."""
        deals = list(deals)
        if not deals:
            return
        newest = max(deal.time for deal in deals)
        self._told = {deal.ticket for deal in deals} | self._told
        since = self.journal.fact(_SINCE)
        if since is None or datetime.fromisoformat(since) < newest:
            self.journal.keep(_SINCE, newest.isoformat())

    def candles(self, wanted: Candles) -> list[dict[str, object]]:
        """The latest candles of each symbol of interest: many at first, then those that may have changed."""
        found: list[dict[str, object]] = []
        for symbol in self.interest.symbols():
            for timeframe in wanted.timeframes:
                limit = _NEXT_BARS if (symbol, timeframe) in self._sent_bars else _FIRST_BARS
                ours = symbol.removesuffix(wanted.suffix).upper()
                bars = self.terminal.candles(symbol, timeframe, None, None, limit)
                found += [{"symbol": ours, "timeframe": timeframe, **bar_facts(bar)} for bar in bars]
                self._sent_bars.add((symbol, timeframe))
        return found

    def forget_candles(self) -> None:
        """They did not arrive: gather many again."""
        self._sent_bars.clear()


def _state(tick: Tick) -> tuple[object, object]:
    return (tick.time, (tick.bid, tick.ask, tick.last))
