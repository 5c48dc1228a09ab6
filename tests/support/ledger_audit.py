"""Holds what a ``World`` stores against a ``NaiveLedger``, after every transaction."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hookfill.market.model import Candle, Quote
from hookfill.market.option_symbols import contract_from
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill, open_position
from hookfill.positions.model import Position
from hookfill.risk.model import Halt
from hookfill.signals.model import Action, Signal
from support.desk import CASH
from support.ledger_world import Deposit, Event, Resumed, Stored, World
from support.naive_ledger import Ask, NaiveLedger, Policy, Price, Stop, in_order, is_option, underlying
from support.naive_prices import check_answer, check_levels_were_met, check_orders_were_met, check_price
from support.options import premium

ZERO = Decimal(0)


class Audit:
    """The naive ledger beside a world, told the same."""

    def __init__(self, world: World, policies: dict[UUID, Policy], fees: dict[str, Decimal]) -> None:
        self.world = world
        costs = world.costs
        self.ledger = NaiveLedger(CASH, policies, costs.slippage_bps, fees, costs.volume_cap_pct)
        self.unforeseen: set[UUID] = set()
        self.booked: list[Any] = []
        for bar in world.bars:
            self.hear(bar)

    def hear(self, event: Event) -> None:
        """What the world was told."""
        ledger = self.ledger
        match event:
            case Candle():
                price = Price(event.opened_at, event.closes_at, event.open, event.high, event.low, event.close, event.volume)
                ledger.prices[event.symbol].append(price)
            case Quote():
                ledger.prices[event.symbol].append(Price(event.at, event.at, event.price, None, None, event.price))
            case Signal():
                ledger.asks[event.signal_id] = asked(event)
            case Resumed():
                ledger.halts.remove(_stop(event.halt.halt, event.halt.strategy_id, event.halt.symbol))
            case Deposit():
                ledger.deposit(event.amount)
            case _ if hasattr(event, "halt"):
                ledger.halts.append(_stop(event.halt, event.strategy_id, event.symbol))

    def check(self, stored: Stored) -> None:
        """One transaction's rows are what prices, alerts and halts allow."""
        outcome, world, ledger = stored.outcome, self.world, self.ledger
        made = [*outcome.orders, *outcome.rested]
        ended = {row.order_id for row in world.orders.values() if row.status not in ("working", "partially_filled")}
        deals = in_order(
            [(world.orders[one.order_id], fill) for one in made for fill in one.fills],
            {signal_id: number for number, signal_id in enumerate(world.signals)},
        )
        self._check_orders(stored)
        ledger.stops = {
            held.position_id: [stop for stop in (held.stop_price, held.trailing_stop) if stop is not None] for held in stored.before
        }
        wanted: dict[UUID, list[Decimal] | None] = {}
        dealt: set[UUID] = set()
        verdicts = {verdict.signal_id: verdict for verdict in outcome.verdicts}
        for order, fill in deals:
            self._foresee(wanted, verdicts, fill.filled_at, order)
            if order.signal_id is not None and order.signal_id not in wanted:
                wanted[order.signal_id] = self._wanted(order.signal_id)
            self._check_fill(order, fill)
            ledger.book(order, fill)
            self.booked.append(fill)
            if order.signal_id is not None:
                dealt.add(fill.position_id)
        self._foresee(wanted, verdicts, None, None)
        for signal_id, verdict in verdicts.items():
            ask = ledger.asks[signal_id]
            if signal_id not in self.unforeseen:
                own = [order for order in world.orders.values() if order.signal_id == signal_id]
                fills = [fill for order, fill in deals if order.signal_id == signal_id]
                check_answer(ledger, ask, verdict, own, fills, wanted[signal_id])
        check_levels_were_met(ledger, stored.before, dealt, stored.situation.horizon)
        ledger.ended |= ended
        for halt in outcome.halts:
            ledger.halts.append(Stop(True, halt.strategy_id))
        self.check_rows(stored.situation.horizon)

    def _foresee(self, wanted: dict[UUID, list[Decimal] | None], verdicts: dict[UUID, Any], until: Any, order: Any) -> None:
        """What the alerts before a deal mean for what is held before it."""
        arrivals = list(self.world.signals)
        mine = None if order is None or order.signal_id is None else arrivals.index(order.signal_id)
        is_at_once = order is not None and order.as_of == until
        for signal_id in sorted(verdicts.keys() - wanted.keys(), key=arrivals.index):
            at = self.ledger.asks[signal_id].at
            if (
                until is None
                or at < until
                or (at == until and is_at_once and mine is not None and arrivals.index(signal_id) <= mine)
            ):
                wanted[signal_id] = self._wanted(signal_id)

    def _wanted(self, signal_id: UUID) -> list[Decimal] | None:
        ask, ledger = self.ledger.asks[signal_id], self.ledger
        options = [lot for lot in ledger.open.values() if lot.key[0] == ask.strategy and underlying(lot.key[1]) != lot.key[1]]
        if not is_plain(ask) or (options and ask.symbol == "SPY"):  # an alert that leaves a share leaves the options on it
            self.unforeseen.add(signal_id)
            return None
        return ledger.wanted(ask)

    def _check_orders(self, stored: Stored) -> None:
        """Each order has a cause of its account and strategy, and no halt in force stops it."""
        world = self.world
        for one in (*stored.outcome.orders, *stored.outcome.rested):
            order = world.orders[one.order_id]
            if order.signal_id is None:
                assert order.purpose == "exit"
                assert order.exit_reason not in (None, "signal")
            else:
                signal = world.signals[order.signal_id]
                assert signal.strategy_id == order.strategy_id
                assert world.answers[order.signal_id].status in ("approved", "executed", "failed", "expired")
            for fill in one.fills:
                is_leaving = order.purpose == "exit"
                halted = any(
                    _stop(row.halt, row.strategy_id, row.symbol).concerns(order.strategy_id, order.symbol)
                    and not (is_leaving and row.halt.reduce_only)
                    for row in stored.situation.halts
                )
                assert not halted, f"{order.purpose} of {fill.symbol} during a halt"
                assert world.positions[fill.position_id].strategy_id == order.strategy_id

    def _check_fill(self, order: Any, fill: Any) -> None:
        if not is_option(fill.symbol):
            check_price(self.ledger, order, fill)
            return
        contract, position = contract_from(fill.symbol), self.world.positions[fill.position_id]
        last = self.ledger.known("SPY", min(fill.filled_at, contract.expires_at))
        assert last is not None
        if fill.price_source == "expiry":
            worth = last.close - contract.strike if contract.right == "CALL" else contract.strike - last.close
            assert (fill.price, order.exit_reason, fill.filled_at) == (max(worth, ZERO), "expired", contract.expires_at)
            return
        assert fill.filled_at <= contract.expires_at
        assert order.purpose == "entry" or fill.side == "sell"
        assert position.terms is not None
        # A bid or an ask lies within 2 % and 2 ticks of what the model makes of a price that the last bar really had.
        worths = [premium(fill.symbol, spot, last.at, position.terms) for spot in (last.bottom, last.top)]
        assert min(worths) * Decimal("0.98") - Decimal("0.02") <= fill.price <= max(worths) * Decimal("1.02") + Decimal("0.02")
        assert fill.bar_low is None or fill.bar_low <= fill.price <= fill.bar_high

    def check_halted(self) -> None:
        """After a transaction no entry rests that a halt stops, and nothing is left to be decided."""
        assert not self.world.waiting()
        for order in self.world.resting.values():
            assert not self.ledger.is_halted(order.strategy_id, order.symbol, leaving=False), "an entry rests during a halt"

    def check_rows(self, until: datetime) -> None:
        """All rows as they stand add up to what the naive ledger has."""
        world, ledger = self.world, self.ledger
        assert world.account.cash == ledger.cash
        held = {position.position_id: position for position in world.open}
        assert held.keys() == ledger.open.keys()
        for position_id, position in world.positions.items():
            lot = ledger.open.get(position_id) or ledger.closed[position_id]
            assert position.quantity == (lot.side * lot.quantity)
            assert (position.realized_pnl, position.commission) == (lot.realized, lot.paid)
            assert (position.strategy_id, position.symbol) == lot.key
        for position in world.open:
            last = ledger.known(position.symbol, world.account.timeline_at or position.marked_at)
            assert position.underlying is not None or last is None or position.mark == last.close, "marked at no price"
        marks = {position.position_id: position.mark for position in world.open}
        equity = ledger.equity(marks)
        assert world.equity == equity
        unrealized = sum((p.quantity * p.mark - p.side * p.cost) * p.multiplier for p in world.open)
        assert world.account.balance + unrealized == equity
        assert world.account.starting_cash == ledger.capital
        earned = sum((lot.realized - lot.paid for lot in (*ledger.open.values(), *ledger.closed.values())), ZERO)
        assert world.account.balance == ledger.capital + earned
        assert len({(p.strategy_id, p.symbol) for p in world.open}) == len(world.open) <= world.limits.max_open_positions
        for order in world.orders.values():
            assert order.filled == ledger.filled[order.order_id] <= order.quantity
            assert (order.status == "filled") == (order.filled == order.quantity)
        check_orders_were_met(ledger, [_Resting(order) for order in world.resting.values()], until)

    def check_splits(self) -> None:
        """Each position's fills, each in parts, lead to the same profit."""
        for position in self.world.positions.values():
            fills = [fill for fill in self.booked if fill.position_id == position.position_id]
            if any(fill.price_source == "expiry" for fill in fills):
                continue
            for parts in (1, 2, 3):
                again = _rebuilt(position, fills, parts)
                assert (again.quantity, again.cost, again.realized_pnl) == (position.quantity, position.cost, position.realized_pnl)


class _Resting:
    """An order that rests as the naive ledger reads it."""

    def __init__(self, order: Any) -> None:
        self.symbol, self.order_type, self.level = order.symbol, order.order_type, order.level
        self.side, self.filled, self.as_of = str(order.side), order.filled, order.as_of


def _rebuilt(position: Position, fills: list[Any], parts: int) -> Position:
    made: Position | None = None
    for fill in fills:
        pieces = {1: [8], 2: [3, 5], 3: [1, 2, 5]}[parts]
        for eighths in pieces:
            quantity = fill.quantity * eighths / 8
            if made is None:
                made = open_position(
                    position_id=position.position_id,
                    strategy_id=position.strategy_id,
                    symbol=position.symbol,
                    side=Side(fill.side),
                    quantity=quantity,
                    price=fill.price,
                    multiplier=fill.multiplier,
                    commission=ZERO,
                    at=fill.filled_at,
                )
            else:
                made, _ = apply_fill(made, Side(fill.side), quantity, fill.price, ZERO, at=fill.filled_at, exit_reason="x")
    assert made is not None
    return made


def is_plain(ask: Ask) -> bool:
    """About a symbol itself, not about options on it, so that the ledger foresees what it means."""
    return ask.right is None and not is_option(ask.symbol)


def asked(signal: Signal) -> Ask:
    """A signal as the naive ledger reads it."""
    alert = signal.alert
    kinds = {Action.BUY: "buy", Action.SELL: "sell", Action.CLOSE: "close", Action.TARGET: "target"}
    size = alert.quantity if alert.action is not Action.TARGET else alert.target
    if alert.action is Action.TARGET and size is None:
        assert alert.target_side == 0
        size = ZERO
    right = None if alert.option is None else alert.option.right
    return Ask(
        signal.as_of, signal.strategy_id, alert.symbol, kinds[alert.action], size, right, alert.order_type, alert.close_side or 0
    )


def _stop(halt: Halt, strategy_id: UUID | None, symbol: str | None) -> Stop:
    return Stop(halt.reduce_only, strategy_id, symbol)
