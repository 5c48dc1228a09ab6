"""A ledger in plain dictionaries, to witness against the desk's: nothing of Hookfill's is imported here.

It is told prices, alerts and halts as they come, and the rows that the desk stores. It computes anew what each fill must have cost,
what is held, earned and worth, and which levels must have been met. The rules are the contracts' words: market orders fill at the
last price known, worsened by slippage on the tick grid and within its bar; stops at their level or the open if that is worse,
worsened likewise; limits at their level or the open if that is better; a bar under way at a position's last fill or price counts by
its close only, and one under way at the making of an order never fills it. Contracts of options are held to bounds only.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

ZERO = Decimal(0)
SIZES = {"SPY": 1, "EURUSD": 100_000, "ES1!": 50, "BTCUSD": 1}
TICKS = {"SPY": Decimal("0.01"), "EURUSD": Decimal("0.00001"), "ES1!": Decimal("0.25"), "BTCUSD": Decimal("0.00000001")}
STEPS = {"SPY": Decimal(1), "EURUSD": Decimal("0.01"), "ES1!": Decimal(1), "BTCUSD": Decimal("0.0001")}
NEW_YORK = ZoneInfo("America/New_York")
STALE = timedelta(minutes=3)
"""A bar of one minute is fresh so long, a price alone not quite so long."""
TICK_STALE = timedelta(minutes=2)
TENTH = Decimal("1E-10")


class Price(NamedTuple):
    """A bar, or a price alone: then its bounds are None and it opened when it was true."""

    opened_at: datetime
    at: datetime
    open: Decimal
    high: Decimal | None
    low: Decimal | None
    close: Decimal
    volume: int | None = None

    @property
    def top(self) -> Decimal:
        return self.close if self.high is None else self.high

    @property
    def bottom(self) -> Decimal:
        return self.close if self.low is None else self.low


class Ask(NamedTuple):
    """What an alert asks for: ``kind`` is buy, sell, close or target; ``size`` is signed for a target, None: all of it."""

    at: datetime
    strategy: UUID
    symbol: str
    kind: str
    size: Decimal | None = None
    right: str | None = None
    order_type: str = "market"
    only: int = 0


class Stop(NamedTuple):
    """A halt."""

    reduce_only: bool
    strategy: UUID | None = None
    symbol: str | None = None

    def concerns(self, strategy: UUID, symbol: str) -> bool:
        return self.strategy in (None, strategy) and self.symbol in (None, symbol, underlying(symbol))


class Policy(NamedTuple):
    on_opposite: str = "reverse"
    pyramiding: int = 1


@dataclass
class Lot:
    """What a strategy holds of a symbol; ``cost`` is positive on either side."""

    key: tuple[UUID, str]
    side: int
    opened_at: datetime
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    entries: set[UUID] = field(default_factory=set)
    fills: list[datetime] = field(default_factory=list)
    paid: Decimal = ZERO


def underlying(symbol: str) -> str:
    """Of an option its share, else the symbol."""
    return symbol[:-15] if is_option(symbol) else symbol


def is_option(symbol: str) -> bool:
    return len(symbol) > 15 and symbol[-8:].isdigit()


def is_trading(symbol: str, at: datetime) -> bool:
    """On ordinary days from Monday to Thursday."""
    if symbol == "BTCUSD":
        return True
    local = at.astimezone(NEW_YORK)
    if underlying(symbol) == "SPY":
        return local.replace(hour=9, minute=30, second=0) <= local < local.replace(hour=16, minute=0, second=0)
    return symbol == "EURUSD" or local.hour != 17  # the hour of rest in Chicago


class NaiveLedger:
    """Prices, halts and alerts as they were told, and what the desk's fills add up to."""

    def __init__(
        self,
        cash: Decimal,
        policies: Mapping[UUID, Policy],
        slippage_bps: Decimal,
        fees: Mapping[str, Decimal],
        cap: Decimal | None,
    ) -> None:
        self.cash = self.capital = cash
        self.policies, self.slippage, self.fees, self.cap = policies, slippage_bps / 10_000, fees, cap
        self.prices: defaultdict[str, list[Price]] = defaultdict(list)
        self.asks: dict[UUID, Ask] = {}
        self.halts: list[Stop] = []
        self.stops: dict[UUID, list[Decimal]] = {}
        self.open: dict[UUID, Lot] = {}
        self.closed: dict[UUID, Lot] = {}
        self.filled: defaultdict[UUID, Decimal] = defaultdict(lambda: ZERO)
        self.ended: set[UUID] = set()
        self.fill_ids: set[UUID] = set()

    def deposit(self, amount: Decimal) -> None:
        self.cash += amount
        self.capital += amount

    def known(self, symbol: str, at: datetime) -> Price | None:
        """The last price true at a moment."""
        return next((price for price in reversed(self.prices[symbol]) if price.at <= at), None)

    def price_at(self, symbol: str, at: datetime) -> Price | None:
        """The price that came at this moment."""
        return next((price for price in reversed(self.prices[symbol]) if price.at == at), None)

    def is_halted(self, strategy: UUID, symbol: str, *, leaving: bool) -> bool:
        return any(halt.concerns(strategy, symbol) and not (leaving and halt.reduce_only) for halt in self.halts)

    def worse(self, symbol: str, price: Decimal, sign: int, bar: Price | None) -> Decimal:
        """Slipped, on the grid away from the trader's favour, within the bar."""
        slipped, tick = price * (1 + sign * self.slippage), TICKS[symbol]
        grid = (slipped / tick).to_integral_value(ROUND_CEILING if sign > 0 else ROUND_FLOOR) * tick
        if bar is None or bar.low is None or bar.high is None:
            return grid
        return min(max(grid, bar.low), bar.high)

    def bound(self, symbol: str, wanted: Decimal, price: Price) -> Decimal:
        """The share of the volume that an entry may take."""
        if self.cap is None or price.volume is None or is_option(symbol):
            return wanted
        most = price.volume * self.cap / 100
        return wanted if wanted <= most else (most / STEPS[symbol]).to_integral_value(ROUND_FLOOR) * STEPS[symbol]

    def lot(self, strategy: UUID, symbol: str) -> Lot | None:
        return next((lot for lot in self.open.values() if lot.key == (strategy, symbol)), None)

    def wanted(self, ask: Ask) -> list[Decimal] | None:
        """The signed legs that an alert means, those that leave first; None: it is refused."""
        lot = self.lot(ask.strategy, ask.symbol)
        held, policy = ZERO if lot is None else lot.side * lot.quantity, self.policies[ask.strategy]
        if ask.kind == "close":
            if not held or ask.only * held < 0:
                return None
            return [-held if ask.size is None else -min(ask.size, abs(held)) * (1 if held > 0 else -1)]
        if ask.kind == "target":
            assert ask.size is not None
            if ask.size == held:
                return None
            if held * ask.size > 0:
                return [ask.size - held]
            return [leg for leg in (-held, ask.size) if leg]
        assert ask.size is not None
        change = ask.size if ask.kind == "buy" else -ask.size
        if held * change > 0:
            return [change] if lot is not None and len(lot.entries) < policy.pyramiding else None
        if held and policy.on_opposite == "ignore":
            return None
        return ([-held] if held else []) + ([] if held and policy.on_opposite == "close" else [change])

    def book(self, order: Any, fill: Any) -> None:
        """Take over one fill, which must be what it could have been."""
        key, sign = (order.strategy_id, order.symbol), 1 if fill.side == "buy" else -1
        lot = self.open.get(fill.position_id)
        assert fill.fill_id not in self.fill_ids, "a fill is booked twice"
        assert order.order_id not in self.ended, "a fill after its order's end"
        assert fill.position_id not in self.closed, "a fill of a closed position"
        assert (fill.symbol, fill.side) == (order.symbol, order.side)
        size = 100 if is_option(fill.symbol) else SIZES[fill.symbol]
        assert fill.multiplier == size, f"{fill.symbol}: a multiplier of {fill.multiplier}"
        self._check_fee(fill)
        self.fill_ids.add(fill.fill_id)
        self.filled[order.order_id] += fill.quantity
        assert ZERO < fill.quantity <= order.quantity >= self.filled[order.order_id], "more is filled than was ordered"
        if order.purpose == "entry":
            self.stops.pop(fill.position_id, None)  # its alert may have moved them
            assert lot is None or lot.side == sign, "an entry against what is held"
            assert lot is not None or self.lot(*key) is None, "a second position of one strategy and symbol"
            lot = self.open.setdefault(fill.position_id, Lot(key, sign, fill.filled_at))
            lot.entries.add(order.order_id)
            assert len(lot.entries) <= self.policies[key[0]].pyramiding or self._is_target(order), "too many entries"
        else:
            assert lot is not None, "an exit of nothing"
            assert lot.side == -sign, "an exit that adds"
            assert fill.quantity <= lot.quantity, "an exit of more than is held"
        assert lot.key == key, "a fill of another strategy's position"
        self._move(lot, sign, fill, size)
        if not lot.quantity:
            self.closed[fill.position_id] = self.open.pop(fill.position_id)

    def _is_target(self, order: Any) -> bool:
        return order.signal_id is not None and self.asks[order.signal_id].kind == "target"

    def _check_fee(self, fill: Any) -> None:
        fee = self.fees["option" if is_option(fill.symbol) else fill.symbol] * fill.quantity
        assert fill.commission == (ZERO if fill.price_source == "expiry" else fee)

    def _move(self, lot: Lot, sign: int, fill: Any, size: int) -> None:
        self.cash -= sign * fill.quantity * fill.price * size + fill.commission
        lot.paid += fill.commission
        if sign == lot.side:
            assert fill.realized_pnl == ZERO, "an entry realises nothing"
            lot.quantity += fill.quantity
            lot.cost += fill.quantity * fill.price
        else:
            # What stays is worth its average price at ten places; all else of the cost is let go.
            left = lot.quantity - fill.quantity
            stays = (lot.cost / lot.quantity).quantize(TENTH) * left
            realized = lot.side * (fill.quantity * fill.price - (lot.cost - stays)) * size
            assert abs(realized - fill.realized_pnl) <= TENTH * size * lot.quantity, "realised by another reckoning"
            lot.quantity, lot.cost = left, stays
        lot.realized += fill.realized_pnl
        lot.fills.append(fill.filled_at)

    def seen_before(self, lot: Lot, at: datetime) -> datetime:
        """The last moment before ``at`` at which the position was dealt in or met a price."""
        met = [price.at for price in self.prices[lot.key[1]] if lot.opened_at < price.at < at]
        return max([lot.opened_at, *(moment for moment in lot.fills if moment < at), *met])

    def equity(self, marks: Mapping[UUID, Decimal]) -> Decimal:
        """Cash and what is held at these marks."""
        return self.cash + sum((self._worth(lot, marks[key]) for key, lot in self.open.items()), ZERO)

    def _worth(self, lot: Lot, mark: Decimal) -> Decimal:
        size = 100 if is_option(lot.key[1]) else SIZES[lot.key[1]]
        return lot.side * lot.quantity * mark * size


def in_order(deals: Iterable[tuple[Any, Any]], arrivals: Mapping[UUID, int]) -> list[tuple[Any, Any]]:
    """Orders' fills as they happened: of one moment first those of levels and of time, then of what rests, then of signals."""

    def place(deal: tuple[Any, Any]) -> tuple[datetime, int, int, str]:
        order, fill = deal
        if order.signal_id is None:
            return fill.filled_at, 0, 0, ""
        is_at_once = fill.filled_at == order.as_of
        return fill.filled_at, 2 if is_at_once else 1, arrivals[order.signal_id] if is_at_once else 0, order.client_order_id

    return sorted(deals, key=place)
