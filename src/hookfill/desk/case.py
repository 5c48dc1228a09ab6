"""One signal under decision, and how the risk checks see it (pure)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hookfill.accounts.model import Account, Strategy
from hookfill.brokers.paper.rest import RestingOrder
from hookfill.desk import trace
from hookfill.desk.book import Book, capital_of, capital_of_waiting
from hookfill.desk.contracts import Terms, priced_by
from hookfill.desk.currency import in_account_currency, rate_symbols
from hookfill.desk.flight import Moves
from hookfill.desk.model import NO_MOVES, Situation
from hookfill.desk.price import quote_as_of
from hookfill.desk.rows import Order, Rested
from hookfill.desk.settings import TradingRules
from hookfill.desk.trade import Ticket
from hookfill.desk.trial import Trial
from hookfill.exits.model import ExitReason
from hookfill.kernel.money import ZERO
from hookfill.kernel.reasons import Reason
from hookfill.market.calendar import is_open
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Instrument, Quote
from hookfill.market.timeframes import TIMEFRAMES, closest_timeframe
from hookfill.orders.model import Leg, Plan
from hookfill.positions.apply import market_value
from hookfill.positions.model import Position
from hookfill.risk.assess import Stage, assess_checks
from hookfill.risk.model import Entry
from hookfill.risk.windows import is_within
from hookfill.signals.model import Action, Alert, Signal

_MINUTE = timedelta(minutes=1)


class Refused(Exception):
    """A signal goes no further."""

    def __init__(self, status: str, reason: Reason, detail: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail = status, reason, detail


@dataclass(slots=True)
class Case:
    """One signal under decision; what it changes is collected here and leaves as a ``Step``.

    Attributes:
        instrument: at a broker, with a multiplier that gives amounts in account currency, unless no rate is known for that
            (``is_convertible`` is false then).
        asked: once the case has turned to an option, the alert as it came; ``signal`` is then about the contract.
        spot: then the underlying's price, while ``quote`` is the contract's.
        terms: what the contract's price is made of; None: it is no option.
        rests: its entry waits for a price: the market need not be open, and ``quote`` is the order's own price.
    """

    book: Book
    situation: Situation
    signal: Signal
    strategy: Strategy
    rules: TradingRules
    instrument: Instrument
    quote: Quote | None
    plan: Plan
    account: Account
    position: Position | None
    trace: dict[str, Any]
    changed: list[Position] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    note: str | None = None
    entered: bool = False
    is_convertible: bool = True
    moves: Moves = NO_MOVES
    trial: Trial | None = None
    rested: list[Rested] = field(default_factory=list)
    rests: bool = False
    asked: Alert | None = None
    spot: Quote | None = None
    terms: Terms | None = None

    def waiting(self) -> list[RestingOrder]:
        """The account's entries that rest, but for those that this signal has ended."""
        ended = {rested.order_id for rested in self.rested}
        return [order for order in self.book.resting.values() if order.order_id not in ended]

    @property
    def is_sent(self) -> bool:
        """Whether its orders go to a broker; what the shadow book does never goes anywhere."""
        return self.account.is_at_broker and (self.trial is None or not self.trial.is_shadow)

    @property
    def alert(self) -> Alert:
        """What is asked."""
        return self.signal.alert

    @property
    def now(self) -> datetime:
        """The moment as of which it is decided."""
        return self.signal.as_of

    @property
    def entry(self) -> Leg | None:
        """The leg that enters; None when the signal only leaves."""
        return next((leg for leg in self.plan.legs if leg.purpose == "entry"), None)

    @property
    def exits(self) -> tuple[Leg, ...]:
        """The legs that leave."""
        return tuple(leg for leg in self.plan.legs if leg.purpose == "exit")


def ticket_of(case: Case, number: int, purpose: str, exit_reason: str | None) -> Ticket:
    """Why the signal's leg of this number is made."""
    return Ticket(
        client_order_id=f"{case.signal.signal_id.hex}-{number}",
        signal_id=case.signal.signal_id,
        strategy_id=case.strategy.strategy_id,
        symbol=case.alert.symbol,
        purpose=purpose,
        exit_reason=exit_reason,
        at=case.now,
    )


def reason_to_leave(case: Case) -> str:
    """Why the signal's exits are made."""
    return (ExitReason.FLATTEN if case.signal.is_by_operator else ExitReason.SIGNAL).value


def check_entry(case: Case, quantity: Decimal) -> None:
    """Run the risk checks for an entry of this size.

    Raises:
        Refused: by the first check that did not pass.
    """
    held = abs(case.position.quantity) if case.position is not None else ZERO
    held += sum((order.left for order in case.waiting() if _is_own(case, order)), ZERO)
    assessment = assess_checks(risk_entry(case, is_exit=False, quantity=quantity, resulting=held + quantity))
    case.trace["checks"] = trace.checks(assessment)
    if assessment.refusal is not None:
        raise Refused(Stage.CHECK.value, assessment.refusal.check, assessment.refusal.detail)


def convert(case: Case) -> None:
    """Let the case's instrument be worth what it is in the account's currency, by the rate as of now.

    The rate of a pair that has this currency itself is its own price: the quote's, or that at which an order rests.
    """
    situation, currency, instrument = case.situation, case.account.currency, instrument_for(case.instrument.symbol)
    if instrument.currency == currency:
        return
    known = {
        name: quote_as_of(situation.quotes.get(name), situation.history.get(name, ()), case.now)
        for name in rate_symbols(instrument.symbol, currency)
    }
    rates = {name: quote for name, quote in known.items() if quote is not None}
    converted = in_account_currency(instrument, currency, None if case.quote is None else case.quote.price, rates)
    case.instrument, case.is_convertible = converted or instrument, converted is not None


def only_leaves(case: Case) -> bool:
    """Whether the signal can but close or reduce; what it is for, not whether there is anything to close."""
    alert = case.alert
    return alert.action is Action.CLOSE or alert.target_side == 0 or (bool(case.exits) and case.entry is None)


def risk_entry(case: Case, *, is_exit: bool, quantity: Decimal | None = None, resulting: Decimal | None = None) -> Entry:
    """The case as the risk checks see it, after the legs made so far; an option counts as one of its underlying."""
    symbol = priced_by(case.alert.symbol)
    held, flying = held_positions(case), case.book.entries_in_flight()
    known = {position.position_id for position in held}
    opening = [flight.symbol for flight in flying if flight.position_id not in known]
    waiting, open_keys = case.waiting(), {(position.strategy_id, position.symbol) for position in held}
    opening += [symbol for _, symbol in {(order.strategy_id, order.symbol) for order in waiting} - open_keys]
    return Entry(
        now=case.now,
        symbol=symbol,
        instrument=case.instrument,
        is_exit=is_exit,
        fired_at=fired_at(case.alert, case.now),
        max_lag_seconds=case.alert.max_lag_seconds,
        alert_price=None if case.rests else case.alert.price,
        quote=case.quote,
        market_open=is_exit or case.rests or is_open(case.instrument, case.now, extended_hours=case.rules.market.extended_hours),
        in_trading_window=is_exit or is_within(case.rules.windows, case.now),
        quantity=quantity,
        resulting_quantity=resulting,
        account_currency=case.account.currency,
        equity=equity_of(case),
        committed=sum((capital_of(p) for p in held), ZERO)
        + sum((case.book.capital_in_flight(f) for f in flying), ZERO)
        + sum((capital_of_waiting(order) for order in waiting), ZERO),
        open_positions=len(held) + len(opening),
        symbol_positions=sum(p.priced_by == symbol for p in held) + sum(priced_by(one) == symbol for one in opening),
        adds_to_position=case.position is not None or any(_is_own(case, order) for order in waiting),
        orders_last_minute=case.book.entries_within(case.strategy.strategy_id, case.now - _MINUTE, case.now),
        day_start_balance=None if _is_untold(case.account) else case.account.day_start_balance,
        day_realized=case.account.day_realized,
        allowed_pairs=case.strategy.allowed_pairs,
        halts=case.book.halts_for(case.strategy.strategy_id, case.alert.symbol),
        limits=case.situation.limits,
        is_at_broker=case.account.is_at_broker,
        is_convertible=case.is_convertible,
    )


def _is_own(case: Case, order: RestingOrder) -> bool:
    """Whether an entry that rests would grow the position that the case is about."""
    return (order.strategy_id, order.symbol) == (case.strategy.strategy_id, case.alert.symbol)


def _is_untold(account: Account) -> bool:
    """Whether the account's broker has not told its balance yet."""
    return account.is_at_broker and account.starting_cash == ZERO


def note_equity(case: Case) -> None:
    """Keep what the account is worth now for the shadow book of a signal that two engines judge."""
    if case.trial is not None and not case.trial.is_shadow:
        case.trial.equity = equity_of(case)


def held_positions(case: Case) -> list[Position]:
    """All open positions of the account, with this signal's as it stands by now."""
    own = (case.strategy.strategy_id, case.alert.symbol)
    left = {position.position_id for position in case.changed if position.status != "open"}
    held = [position for key, position in case.book.open.items() if key != own and position.position_id not in left]
    return held if case.position is None else [*held, case.position]


def equity_of(case: Case) -> Decimal | None:
    """The account's equity after the legs made so far: cash plus open positions at their marks.

    At a broker it is what the broker last told; None before it told anything. For the shadow book it is the account's own.
    """
    if case.trial is not None and case.trial.is_shadow:
        return case.trial.equity
    if case.account.is_at_broker and (case.account.broker_equity is not None or _is_untold(case.account)):
        return case.account.broker_equity
    return case.account.cash + sum((market_value(position, position.mark) for position in held_positions(case)), ZERO)


def fired_at(alert: Alert, now: datetime) -> datetime | None:
    """When the alert was fired, as far as it says.

    An alert that only carries its bar's time is fired when the bar closes, or during it: it is as young as the bar allows.
    """
    if alert.fired_at is not None or alert.bar_at is None:
        return alert.fired_at
    timeframe = closest_timeframe(alert.timeframe)
    length = timedelta(seconds=TIMEFRAMES[timeframe]) if timeframe is not None else timedelta(0)
    return max(alert.bar_at, min(alert.bar_at + length, now))
