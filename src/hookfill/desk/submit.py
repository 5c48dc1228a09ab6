"""Orders for a MetaTrader terminal: a signal's legs, and exits that a rule asks for, as orders in flight with their jobs (pure)."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hookfill.accounts.model import Account, UserDefaults
from hookfill.brokers.alpaca.instruct import Terms, for_alpaca
from hookfill.brokers.mt5.instruct import Instruction, close_job, protect, trade_job, with_defaults
from hookfill.brokers.mt5.model import ENTRY_LIFE, EXIT_LIFE, NewJob
from hookfill.brokers.paper.rest import expiry_of
from hookfill.desk.book import Book
from hookfill.desk.case import Case, Refused, check_entry, reason_to_leave, ticket_of
from hookfill.desk.flight import Abroad, Flight, Moves
from hookfill.desk.model import Step
from hookfill.desk.price import is_fresh
from hookfill.desk.rows import Order
from hookfill.desk.sizing import size_of
from hookfill.desk.trade import Ticket
from hookfill.exits.model import Exit, ExitRules
from hookfill.kernel.ids import derived_id
from hookfill.kernel.lifecycle import ORDER, POSITION
from hookfill.kernel.money import ZERO
from hookfill.kernel.reasons import Reason
from hookfill.market.model import InstrumentKind
from hookfill.orders.model import Leg, Side
from hookfill.positions.model import Position
from hookfill.signals.model import Alert

RETRY_AFTER = timedelta(seconds=20)
"""A position's own exit that did not fill is asked for again no sooner than this after the last time: three times a minute."""


def send_exit(case: Case, leg: Leg, number: int, quantity: Decimal) -> None:
    """Ask the terminal to leave the case's position, wholly or in part.

    Raises:
        Refused: it is too late to begin.
    """
    position = case.position
    assert position is not None
    ticket = ticket_of(case, number, "exit", reason_to_leave(case))
    order = _submitted(ticket, position.position_id, leg.side, quantity)
    job = _close(case.account, order, _begin_until(case, EXIT_LIFE))
    _keep(case, order, job)
    case.changed.append(replace(position, status=POSITION.move(position.status, "closing")))
    case.position = None


def send_entry(case: Case, leg: Leg, number: int) -> None:
    """Ask the terminal for the case's entry, after whatever leaves the old position.

    Raises:
        Refused: it is too late to begin, it has no size, or a check refused it.
    """
    refused = case.situation.abroad.entries_refused if case.situation.abroad is not None else None
    if refused is not None:
        raise Refused("rejected", Reason.BROKER_NOT_RECONCILED, refused.rstrip("."))
    until = _begin_until(case, ENTRY_LIFE)
    defaults, alert = _defaults(case), case.alert
    price = alert.order_price if alert.waits else _live_price(case)
    exits = with_defaults(case.rules.exits, defaults.stop_loss_pips, defaults.take_profit_pips)
    quantity = size_of(case, leg, price, exits)
    check_entry(case, quantity)
    ticket = ticket_of(case, number, "entry", None)
    position_id = new_position_id(ticket) if case.position is None else case.position.position_id
    order = _waiting(_submitted(ticket, position_id, leg.side, quantity), alert)
    told = _told(case, exits)
    sent = protect(leg.side, price, case.instrument, told, alert_stop=alert.stop_loss, alert_target=alert.take_profit)
    depends_on = case.moves.jobs[-1].job_id if case.moves.jobs else None
    job = trade_job(_instruction(order, until, depends_on), case.account.symbol_map, sent, defaults.max_spread)
    _keep(case, order, _for_broker(case.account, order, job, _terms(case)))
    case.entered = True


def _told(case: Case, exits: ExitRules) -> ExitRules:
    """The exit rules that the broker itself shall keep to.

    Alpaca guards shares only. For all else the levels follow from the price that it is filled at, which is known when it is booked.
    """
    is_guarded = case.account.trades_lots or case.instrument.kind is InstrumentKind.EQUITY
    return exits if is_guarded else ExitRules()


def _waiting(order: Order, alert: Alert) -> Order:
    """The order with the price that it waits for, if it does."""
    if not alert.waits:
        return order
    if alert.order_type == "limit":
        return replace(order, order_type=alert.order_type, limit_price=alert.order_price)
    return replace(order, order_type=alert.order_type, stop_price=alert.order_price)


def _terms(case: Case) -> Terms | None:
    """How an entry waits for its price at a broker; None: it is made at the market.

    Alpaca ends orders for shares at the close by itself, and orders for coins never, so there their day's end is told.
    """
    alert = case.alert
    if not alert.waits:
        return None
    is_coin = case.instrument.kind is InstrumentKind.CRYPTO
    until = expiry_of(case.instrument, case.now, alert.time_in_force) if is_coin else None
    return Terms(alert.order_type, alert.order_price, alert.time_in_force, until)


def _defaults(case: Case) -> UserDefaults:
    """The user's settings as far as they concern the instrument.

    Pips and points are the measures of currencies and metals: 50 pips of a coin's price would be stopped out by its spread.
    """
    defaults = case.account.defaults
    if case.instrument.kind is InstrumentKind.FX:
        return defaults
    return replace(defaults, stop_loss_pips=ZERO, take_profit_pips=ZERO, max_spread=ZERO)


def new_position_id(ticket: Ticket) -> UUID:
    """The id of the position that an order opens."""
    return derived_id(ticket.at, ticket.client_order_id, "position")


def send_due_exit(book: Book, abroad: Abroad, position: Position, due: Exit) -> Step | None:
    """Ask the terminal to leave a position because one of its rules says so.

    Returns:
        None when it is not to be asked now: something is in flight already, it was asked a moment ago, or the price that made it
        due is too old to act on. A newer price decides again.
    """
    before, remaining = book.tries(position), due.at + EXIT_LIFE - abroad.now
    is_soon = before is not None and due.at < before.last_at + RETRY_AFTER
    if is_soon or remaining <= timedelta(0) or book.in_flight(position.strategy_id, position.symbol):
        return None
    ticket = Ticket(
        client_order_id=f"{position.position_id.hex}-exit-{1 if before is None else before.count + 1}",
        signal_id=None,
        strategy_id=position.strategy_id,
        symbol=position.symbol,
        purpose="exit",
        exit_reason=due.reason.value,
        at=due.at,
    )
    side = Side.SELL if position.quantity > 0 else Side.BUY
    order = _submitted(ticket, position.position_id, side, abs(position.quantity) if due.quantity is None else due.quantity)
    job = _close(book.account, order, abroad.database_now + min(remaining, EXIT_LIFE))
    closing = replace(position, status=POSITION.move(position.status, "closing"))
    moves = Moves(flights=(_flight(order, job),), jobs=(job,))
    return Step(book.account, positions=(closing,), orders=(order,), moves=moves)


def _begin_until(case: Case, life: timedelta) -> datetime:
    """Until when a leg may be begun, by the database's clock."""
    abroad = case.situation.abroad
    assert abroad is not None
    remaining = case.now + life - abroad.now
    if remaining <= timedelta(0):
        age = (abroad.now - case.now).total_seconds()
        raise Refused("expired", Reason.JOB_EXPIRED, f"the alert is {age:.0f} s old, at most {life.total_seconds():.0f} s")
    return abroad.database_now + min(remaining, life)


def _live_price(case: Case) -> Decimal | None:
    """A price near the one at which the terminal will fill: the fresh quote, or the alert's own."""
    quote = case.quote
    if quote is None:
        return None
    max_age = float(case.situation.limits.price_max_age_seconds)
    return quote.price if quote.source == "alert" or is_fresh(quote, case.now, max_age) else None


def _submitted(ticket: Ticket, position_id: UUID, side: Side, quantity: Decimal) -> Order:
    return Order(
        order_id=ticket.order_id,
        client_order_id=ticket.client_order_id,
        signal_id=ticket.signal_id,
        position_id=position_id,
        strategy_id=ticket.strategy_id,
        symbol=ticket.symbol,
        side=side.value,
        order_type=ticket.order_type,
        purpose=ticket.purpose,
        exit_reason=ticket.exit_reason,
        quantity=quantity,
        stop_price=None,
        status=ORDER.move("created", "submitting"),
        as_of=ticket.at,
        fills=(),
    )


def _instruction(order: Order, expires_at: datetime, depends_on: UUID | None = None) -> Instruction:
    return Instruction(
        order_id=order.order_id,
        strategy_id=order.strategy_id,
        signal_id=order.signal_id,
        symbol=order.symbol,
        side=Side(order.side),
        quantity=order.quantity,
        as_of=order.as_of,
        expires_at=expires_at,
        depends_on=depends_on,
    )


def _close(account: Account, order: Order, expires_at: datetime) -> NewJob:
    return _for_broker(account, order, close_job(_instruction(order, expires_at), account.symbol_map, order.position_id))


def _for_broker(account: Account, order: Order, job: NewJob, terms: Terms | None = None) -> NewJob:
    """The job in the terms of the account's broker."""
    return for_alpaca(job, order.client_order_id, terms) if account.kind == "alpaca" else job


def _keep(case: Case, order: Order, job: NewJob) -> None:
    """Collect an order and its job."""
    flight = replace(_flight(order, job), estimate=case.alert.price)
    case.orders.append(order)
    case.moves += Moves(flights=(flight,), jobs=(job,))
    case.trace.setdefault("jobs", []).append(
        {"job_id": str(job.job_id), "job_type": job.job_type.value, "expires_at": job.expires_at.isoformat()}
    )


def _flight(order: Order, job: NewJob) -> Flight:
    return Flight(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        signal_id=order.signal_id,
        position_id=order.position_id,
        strategy_id=order.strategy_id,
        symbol=order.symbol,
        side=order.side,
        purpose=order.purpose,
        exit_reason=order.exit_reason,
        quantity=order.quantity,
        status=order.status,
        as_of=order.as_of,
        job_id=job.job_id,
        depends_on=job.depends_on,
        is_waiting=True,
        order_type=order.order_type,
    )
