"""The account's state while it folds forward, event by event.

A ``Book`` belongs to one fold and is never shared. Deciding reads it and returns a ``Step``; ``apply`` takes the step over. So an
event whose handling raises leaves no trace.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from uuid import UUID

import orjson

from hookfill.accounts.model import Account
from hookfill.brokers.paper.rest import RestingOrder
from hookfill.desk.contracts import Terms, priced_by, terms_from
from hookfill.desk.currency import in_account_currency
from hookfill.desk.flight import Flight, Tries
from hookfill.desk.model import NO_MOVES, HaltRow, NewHalt, Outcome, PositionKey, Situation, Step, Verdict
from hookfill.desk.price import quote_of_bar
from hookfill.desk.rows import Order, Rested
from hookfill.exits.model import ExitRules
from hookfill.exits.rules import rules_from
from hookfill.kernel.money import ZERO
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, Quote
from hookfill.positions.apply import market_value
from hookfill.positions.model import MARKS, Position
from hookfill.risk.committed import committed_capital
from hookfill.risk.halts import concerns, stops_exits
from hookfill.risk.model import Halt


def capital_of(position: Position) -> Decimal:
    """The capital that an open position commits, at its mark."""
    margin_rate = instrument_for(position.symbol).margin_rate
    return committed_capital(position.quantity, position.mark, multiplier=position.multiplier, margin_rate=margin_rate)


def capital_of_waiting(order: RestingOrder) -> Decimal:
    """The capital that an entry commits when what is left of it fills at its own price."""
    terms, margin_rate = order.terms, instrument_for(order.symbol).margin_rate
    return committed_capital(order.left, terms.estimate, multiplier=terms.multiplier, margin_rate=margin_rate)


def _by_symbol(held: Mapping[PositionKey, Position]) -> dict[str, dict[PositionKey, None]]:
    """The keys of positions by the symbols whose prices mark them, in order."""
    keys: dict[str, dict[PositionKey, None]] = {}
    for key, position in held.items():
        keys.setdefault(position.symbol, {})[key] = None
        keys.setdefault(position.priced_by, {})[key] = None
    return keys


class Book:
    """Account, open positions, halts and recent entries; and the rows that the fold has produced so far."""

    def __init__(self, situation: Situation) -> None:
        """Start from what was gathered."""
        self.account: Account = situation.account
        self.paper = situation.paper
        self.limits = situation.limits
        self.resting: dict[UUID, RestingOrder] = {order.order_id: order for order in situation.resting}
        self._rested: dict[UUID, Rested] = {}
        self.open: dict[PositionKey, Position] = {(p.strategy_id, p.symbol): p for p in situation.positions}
        self.halts: list[HaltRow] = list(situation.halts)
        self._entry_times = {strategy_id: sorted(times) for strategy_id, times in situation.entry_times.items()}
        self._exit_rules: dict[UUID, ExitRules] = {}
        self._rules_read: dict[bytes, ExitRules] = {}
        self._by_symbol = _by_symbol(self.open)
        self._terms: dict[UUID, Terms] = {}
        self._seen: dict[str, Candle | Quote] = {}
        self.first_due = min((p.due_at for p in situation.positions if p.due_at is not None), default=None)
        self._before = {position.position_id: position for position in situation.positions}
        self._changed: dict[UUID, Position] = {}
        self._orders: list[Order] = []
        self._verdicts: list[Verdict] = []
        self._new_halts: list[NewHalt] = []
        self._quotes = situation.quotes
        self._moves = NO_MOVES
        abroad = situation.abroad
        self._is_first_balance = abroad is not None and abroad.is_first_balance
        self.flights: dict[UUID, Flight] = {} if abroad is None else {flight.order_id: flight for flight in abroad.flights}
        self._tries: Mapping[UUID, Tries] = {} if abroad is None else abroad.tries

    def position(self, strategy_id: UUID, symbol: str) -> Position | None:
        """The strategy's open position in a symbol."""
        return self.open.get((strategy_id, symbol))

    def in_symbol(self, symbol: str) -> list[Position]:
        """All open positions that a symbol's prices mark: those in it, and options on it."""
        return [self.open[key] for key in self._by_symbol.get(symbol, ())]

    def in_flight(self, strategy_id: UUID, symbol: str) -> bool:
        """Whether an order of the strategy in a symbol, or in an option on it, is at the broker and its end is not known yet."""
        return bool(self.flights) and any(
            flight.is_open and flight.strategy_id == strategy_id and symbol in (flight.symbol, priced_by(flight.symbol))
            for flight in self.flights.values()
        )

    def waiting_abroad(self, strategy_id: UUID, symbol: str) -> list[Flight]:
        """A strategy's orders in a symbol that wait for their price at the broker, and were not asked to be cancelled yet."""
        return [
            flight
            for flight in self.flights.values()
            if flight.is_open
            and flight.order_type != "market"
            and not flight.is_withdrawn
            and (flight.strategy_id, flight.symbol) == (strategy_id, symbol)
        ]

    def entries_in_flight(self) -> list[Flight]:
        """Orders at the broker that would open or grow a position: they count as if they were filled."""
        return [flight for flight in self.flights.values() if flight.is_open and flight.purpose == "entry"]

    def capital_in_flight(self, flight: Flight) -> Decimal:
        """The capital that an entry in flight commits when it fills; 0 when no price or rate of exchange is known for it."""
        quote = self._quotes.get(flight.symbol)
        price = flight.estimate if quote is None else quote.price
        if price is None:
            return ZERO
        priced = in_account_currency(instrument_for(flight.symbol), self.account.currency, price, self._quotes)
        if priced is None:
            return ZERO
        return committed_capital(flight.quantity, price, multiplier=priced.multiplier, margin_rate=priced.margin_rate)

    def tries(self, position: Position) -> Tries | None:
        """How often the position's own rules have asked a broker to leave it; None: never."""
        return self._tries.get(position.position_id)

    def entries_within(self, strategy_id: UUID, since: datetime, until: datetime) -> int:
        """How many entries a strategy made after ``since`` and up to ``until``."""
        times = self._entry_times.get(strategy_id, ())
        return bisect_right(times, until) - bisect_right(times, since)

    def halts_for(self, strategy_id: UUID, symbol: str) -> tuple[Halt, ...]:
        """The halts in force that concern a strategy's trading in a symbol."""
        return tuple(
            row.halt
            for row in self.halts
            if concerns(row.halt, strategy_id, symbol, halted_strategy=row.strategy_id, halted_symbol=row.symbol)
        )

    def may_leave(self, position: Position) -> bool:
        """Whether no full halt holds the position's exits back."""
        return not self.halts or not stops_exits(self.halts_for(position.strategy_id, position.symbol))

    def exit_rules(self, position: Position) -> ExitRules:
        """A position's exit rules, read once."""
        rules = self._exit_rules.get(position.position_id)
        if rules is None:
            text = orjson.dumps(dict(position.exits))  # mostly the same for many: reading it costs more than all else about a price
            rules = self._rules_read.get(text)
            if rules is None:
                rules = self._rules_read[text] = rules_from(position.exits)
            self._exit_rules[position.position_id] = rules
        return rules

    def terms(self, position: Position) -> Terms:
        """What an option's price is made of, read once."""
        terms = self._terms.get(position.position_id)
        if terms is None:
            terms = self._terms[position.position_id] = terms_from(position.terms or {})
        return terms

    def quote(self, symbol: str) -> Quote | None:
        """The newest price of a symbol that was gathered."""
        return self._quotes.get(symbol)

    def see(self, price: Candle | Quote) -> None:
        """Remember the newest price of a symbol as the fold comes to it."""
        self._seen[price.symbol] = price

    def last_price(self, symbol: str) -> Quote | None:
        """The newest price of a symbol that the fold has come to; None: to none."""
        seen = self._seen.get(symbol)
        return quote_of_bar(seen) if isinstance(seen, Candle) else seen

    def options_on(self, strategy_id: UUID, underlying: str) -> list[Position]:
        """A strategy's open positions in options on a symbol, oldest first."""
        held = [self.open[key] for key in self._by_symbol.get(underlying, ()) if key[0] == strategy_id]
        return [position for position in held if position.underlying == underlying]

    def due_by(self, until: datetime) -> list[Position]:
        """Open positions at which time alone makes something happen up to a moment, in order of time."""
        if self.first_due is None or self.first_due > until:
            return []
        due = sorted((p.due_at, p.position_id, p) for p in self.open.values() if p.due_at is not None)
        self.first_due = due[0][0] if due else None
        return [position for due_at, _, position in due if due_at <= until]

    def as_if(self, strategy_id: UUID, positions: Iterable[Position], resting: Iterable[RestingOrder] = ()) -> "Book":
        """The same book, but that a strategy holds other positions and entries that rest than its own; to be read only."""
        other = copy(self)
        waiting = [order for order in self.resting.values() if order.strategy_id != strategy_id]
        other.resting = {order.order_id: order for order in (*waiting, *resting)}
        others = [position for key, position in self.open.items() if key[0] != strategy_id]
        other.open = {(position.strategy_id, position.symbol): position for position in (*others, *positions)}
        other._by_symbol = _by_symbol(other.open)  # noqa: SLF001 - it is a book like this one
        return other

    def apply(self, step: Step) -> None:
        """Take over what an event changed."""
        self.account = step.account
        if step.moves:
            self._moves += step.moves
            self.flights.update((flight.order_id, flight) for flight in step.moves.flights)
        for position in step.positions:
            self._set(position)
        for rested in step.rested:
            self._keep_resting(rested)
        self._orders.extend(step.orders)
        if step.verdict is not None:
            self._verdicts.append(step.verdict)
        for halt in step.halts:
            self._new_halts.append(halt)
            self.halts.append(HaltRow(Halt("strategy", True, halt.reason), strategy_id=halt.strategy_id))
        if step.entry_of is not None and step.entry_at is not None:
            insort(self._entry_times.setdefault(step.entry_of, []), step.entry_at)

    def _keep_resting(self, rested: Rested) -> None:
        before = self._rested.get(rested.order_id)
        self._rested[rested.order_id] = rested if before is None else before.then(rested)
        if rested.order.is_open:
            self.resting[rested.order_id] = rested.order
        else:
            self.resting.pop(rested.order_id, None)

    def resting_in(self, symbol: str) -> list[RestingOrder]:
        """The entries that wait for a price of a symbol, in order of their making."""
        return [order for order in self.resting.values() if order.symbol == symbol]

    def _set(self, position: Position) -> None:
        key = (position.strategy_id, position.symbol)
        self._changed[position.position_id] = position
        if position.status == "closed":
            if key in self.open and self.open[key].position_id == position.position_id:
                del self.open[key]
                for symbol in {position.symbol, position.priced_by}:
                    del self._by_symbol[symbol][key]
            return
        if key not in self.open:
            for symbol in {position.symbol, position.priced_by}:
                self._by_symbol.setdefault(symbol, {})[key] = None
        self.open[key] = position
        if position.due_at is not None and (self.first_due is None or position.due_at < self.first_due):
            self.first_due = position.due_at

    def outcome(self) -> Outcome:
        """The rows to write."""
        return Outcome(
            account=self.account,
            verdicts=tuple(self._verdicts),
            orders=tuple(self._orders),
            positions=tuple(self._changed.values()),
            halts=tuple(self._new_halts),
            equity=self.account.cash + sum((market_value(one, one.mark) for one in self.open.values()), ZERO),
            moves=self._moves,
            is_first_balance=self._is_first_balance,
            rested=tuple(self._rested.values()),
            resting=len(self.resting),
            only_marked=frozenset(key for key, after in self._changed.items() if _is_only_marked(self._before.get(key), after)),
        )


_BY_TRADES = attrgetter(*(field.name for field in fields(Position) if field.name not in MARKS))


def _is_only_marked(before: Position | None, after: Position) -> bool:
    """Whether nothing but a position's marks and stops differs."""
    return before is not None and _BY_TRADES(before) == _BY_TRADES(after)
