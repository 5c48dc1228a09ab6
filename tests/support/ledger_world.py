"""A database of plain dictionaries for one paper account: what the desk writes is kept and gathered back.

Each event can be told again, in the same order, to another world that folds it in other transactions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from hookfill.accounts.model import Account, Strategy
from hookfill.brokers.paper.fill import PaperModel
from hookfill.brokers.paper.rest import RestingOrder
from hookfill.desk.fold import fold
from hookfill.desk.held import Held, spans
from hookfill.desk.model import HaltRow, OptionData, Outcome, Situation
from hookfill.desk.price import quote_of_bar
from hookfill.desk.rows import Fill
from hookfill.desk.trial import Shadow
from hookfill.kernel.lifecycle import ORDER, SIGNAL
from hookfill.kernel.reasons import Reason
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, Quote
from hookfill.positions.model import Position
from hookfill.risk.model import Halt, Limits
from hookfill.signals.model import Signal
from support.desk import account
from support.options import MORNING, series_of

_MINUTE = timedelta(minutes=1)


_SHARED = (
    *("order_id", "client_order_id", "signal_id", "position_id", "strategy_id"),
    *("symbol", "order_type", "quantity", "status", "as_of"),
)
"""What an order has whether it rests or not."""


class Deposit(NamedTuple):
    amount: Decimal


class Resumed(NamedTuple):
    halt: HaltRow


class Cancel(NamedTuple):
    order_id: UUID


class Work(NamedTuple):
    """A transaction at a moment. One that ``must`` be may not be left out when the events are told again."""

    at: datetime
    must: bool


Event = Candle | Quote | Signal | HaltRow | Resumed | Deposit | Cancel | Work


@dataclass
class Answer:
    """What became of a signal."""

    status: str
    reason: str | None
    fill_price: Decimal | None


class Stored(NamedTuple):
    """One transaction: what was gathered, what came of it, and the rows before it."""

    situation: Situation
    outcome: Outcome
    before: tuple[Position, ...]


class World:
    """One account's rows."""

    def __init__(self, strategies: Iterable[Strategy], costs: PaperModel, limits: Limits) -> None:
        self.strategies = {one.strategy_id: one for one in strategies}
        self.costs, self.limits = costs, limits
        self.account: Account = account(starting_cash=account().cash)
        self.bars: list[Candle] = list(MORNING)
        self.quotes: dict[str, Quote] = {"SPY": quote_of_bar(MORNING[-1])}
        self.signals: dict[UUID, Signal] = {}
        self.answers: dict[UUID, Answer] = {}
        self.halts: list[HaltRow] = []
        self.positions: dict[UUID, Position] = {}
        self.resting: dict[UUID, RestingOrder] = {}
        self.orders: dict[UUID, SimpleNamespace] = {}
        self.fills: dict[UUID, Fill] = {}
        self.equity: Decimal | None = None
        self.log: list[Event] = []

    def tell(self, event: Event) -> None:  # noqa: C901 - one case for each kind of event
        """One event."""
        self.log.append(event)
        match event:
            case Candle():
                self.bars.append(event)
                self._move(quote_of_bar(event))
            case Quote():
                self._move(event)
            case Signal():
                if event.signal_id not in self.signals:  # the gate's
                    self.signals[event.signal_id] = event
                    self.answers[event.signal_id] = Answer("pending", None, None)
            case HaltRow():
                self.halts.append(event)
            case Resumed():
                self.halts = [halt for halt in self.halts if halt != event.halt]
            case Deposit():
                self._deposit(event.amount)
            case Cancel():
                if event.order_id in self.resting:
                    order = self.resting[event.order_id]
                    self.resting[event.order_id] = replace(order, unwanted=Reason.ORDER_CANCELLED)
            case Work():
                self.work(event.at)

    def keep_last_work(self) -> None:
        """What was decided by now is decided by now when the events are told again, and what was not is not."""
        last = max((place for place, event in enumerate(self.log) if isinstance(event, Work)), default=None)
        if last is not None:
            self.log[last] = self.log[last]._replace(must=True)

    def tell_again(self, events: Iterable[Event]) -> None:
        """The same events, in as few transactions as may be."""
        for event in events:
            if not isinstance(event, Work) or event.must:
                self.tell(event)

    def _move(self, quote: Quote) -> None:
        known = self.quotes.get(quote.symbol)
        if known is None or known.at < quote.at:
            self.quotes[quote.symbol] = quote

    def _deposit(self, amount: Decimal) -> None:
        of = self.account
        self.account = replace(
            of,
            cash=of.cash + amount,
            balance=of.balance + amount,
            starting_cash=of.starting_cash + amount,
            day_start_balance=of.day_start_balance + amount,
        )

    @property
    def open(self) -> tuple[Position, ...]:
        """What is held, by id."""
        held = [position for position in self.positions.values() if position.status != "closed"]
        return tuple(sorted(held, key=lambda position: position.position_id))

    def waiting(self) -> tuple[Signal, ...]:
        """What is not decided yet, in order of arrival."""
        return tuple(one for one in self.signals.values() if self.answers[one.signal_id].status == "pending")

    def work(self, now: datetime, *, crashes: bool = False) -> Stored | None:
        """One transaction, if it does anything.

        Args:
            crashes: it comes to nothing at its end, and is done again.
        """
        situation = self.gather(now)
        outcome = fold(situation)
        if crashes:
            assert self.gather(now) == situation
            assert fold(self.gather(now)) == outcome
        if not outcome:
            return None
        before = self.open
        self._store(outcome)
        return Stored(situation, outcome, before)

    def gather(self, now: datetime) -> Situation:
        """What ``desk.gather`` would."""
        signals = self.waiting()
        horizon = max([now, *(signal.as_of for signal in signals)])
        resting = tuple(sorted(self.resting.values(), key=lambda order: order.order_id))
        held = Held(self.open, resting, Shadow())
        sinces = spans(signals, held, (), self.quotes, horizon)
        known = sorted(self.bars, key=lambda bar: (bar.closes_at, bar.symbol))
        first = min((signal.as_of for signal in signals), default=horizon)
        ends = [(p.underlying, end) for p in held.positions if p.underlying and (end := _end(p)) and end <= horizon]
        return Situation(
            account=self.account,
            limits=self.limits,
            strategies=self.strategies,
            signals=signals,
            positions=held.positions,
            halts=tuple(self.halts),
            entry_times=self._entry_times(first, horizon),
            quotes=dict(self.quotes),
            bars=tuple(bar for bar in known if bar.symbol in sinces and sinces[bar.symbol] < bar.closes_at <= horizon),
            history={symbol: tuple(bar for bar in known if bar.symbol == symbol) for symbol in sinces},
            studies={},
            horizon=horizon,
            paper=self.costs,
            resting=resting,
            options=OptionData(bars={"SPY": series_of(known, "SPY")}, closes={key: self._close(*key) for key in ends}),
        )

    def _entry_times(self, first: datetime, last: datetime) -> dict[UUID, tuple[datetime, ...]]:
        times: dict[UUID, tuple[datetime, ...]] = {}
        for order in sorted(self.orders.values(), key=lambda one: one.as_of):
            if order.purpose == "entry" and first - _MINUTE < order.as_of <= last:
                times[order.strategy_id] = (*times.get(order.strategy_id, ()), order.as_of)
        return times

    def _close(self, underlying: str, end: datetime) -> Quote:
        return quote_of_bar(max((b for b in self.bars if b.symbol == underlying and b.closes_at <= end), key=lambda b: b.closes_at))

    def _store(self, outcome: Outcome) -> None:
        """As ``desk.apply`` does, with the database's own constraints."""
        self.account, self.equity = outcome.account, outcome.equity
        self.positions |= {position.position_id: position for position in outcome.positions}
        for order in outcome.orders:
            self._add_order(order, order.stop_price)
            self._add_fills(order.fills)
        for rested in outcome.rested:
            order = rested.order
            if rested.is_new:
                self._add_order(order, order.level, purpose="entry", exit_reason=None)
            else:
                assert self.orders[order.order_id].status in ("working", "partially_filled"), "an order changes after its end"
            row = self.orders[order.order_id]
            row.status, row.filled, row.position_id = order.status, order.filled, order.position_id
            self._add_fills(rested.fills)
            self.resting[order.order_id] = order
        self.resting = {one.order_id: one for one in self.resting.values() if one.is_open}
        assert outcome.resting == len(self.resting)
        for verdict in outcome.verdicts:
            assert self.answers[verdict.signal_id].status == "pending", "a signal is decided twice"
            self.answers[verdict.signal_id] = Answer(verdict.status, verdict.reason, verdict.fill_price)
        for rested in outcome.rested:
            if ORDER.is_terminal(rested.status) and self.answers[rested.order.signal_id].status == "approved":
                self._end(rested.order, rested.reason)
        self.halts += [HaltRow(Halt("strategy", True, halt.reason), strategy_id=halt.strategy_id) for halt in outcome.halts]

    def _end(self, order: RestingOrder, reason: Reason | None) -> None:
        known = self.answers[order.signal_id]
        ends = {"filled": "executed", "cancelled": "failed", "expired": "expired"}
        status = SIGNAL.move("approved", "executed" if order.filled else ends[order.status])
        told = known.reason if order.filled or reason is None else reason.value
        self.answers[order.signal_id] = Answer(status, told, order.average_price)

    def _add_order(self, order: Any, level: Decimal | None, **fixed: Any) -> None:
        assert order.order_id not in self.orders, "an order is made twice"
        assert order.client_order_id not in {row.client_order_id for row in self.orders.values()}
        columns = {name: getattr(order, name) for name in _SHARED} | {"side": str(order.side), "level": level}
        columns |= fixed or {"purpose": order.purpose, "exit_reason": order.exit_reason}
        filled = order.filled if isinstance(order, RestingOrder) else sum((fill.quantity for fill in order.fills), Decimal(0))
        self.orders[order.order_id] = SimpleNamespace(**columns, filled=filled)

    def _add_fills(self, fills: Iterable[Fill]) -> None:
        for fill in fills:
            assert fill.fill_id not in self.fills, "a fill is booked twice"
            assert fill.order_id in self.orders, "a fill without an order"
            self.fills[fill.fill_id] = fill

    def rows(self) -> dict[str, object]:
        """All that is stored."""
        return {
            "account": self.account,
            "positions": self.positions,
            "orders": {key: vars(row) for key, row in self.orders.items()},
            "fills": self.fills,
            "answers": self.answers,
            "resting": self.resting,
            "halts": self.halts,
        }


def _end(position: Position) -> datetime | None:
    contract = instrument_for(position.symbol).option
    return None if contract is None else contract.expires_at
