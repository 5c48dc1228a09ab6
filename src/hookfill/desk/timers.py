"""What time alone does to positions: rules that go by the clock leave them, options end (pure).

A position whose time is up is left at the first price from then on (``exits.evaluate``). Where none comes within ``GRACE``, it is
left at the last one known, if that was fresh when the time was up and the market was open then; else the next price decides. So a
feed that tells of a bar a little after its close is waited for, and a position without a feed is not kept for ever.

An option ends at the exchange's close on its expiration. It is settled as of that moment at what it is worth by its underlying's
last price until then: in the money the difference to the strike, else nothing. That is no order at a market: it costs neither
spread nor commission.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hookfill.accounts.day import roll_day
from hookfill.desk.book import Book
from hookfill.desk.marks import taken
from hookfill.desk.model import Situation, Step
from hookfill.desk.price import is_fresh
from hookfill.desk.trade import Deal, Price, Ticket, filled_order, pay
from hookfill.exits.model import BarOutcome, Exit, ExitReason
from hookfill.exits.timing import expires_at
from hookfill.kernel.money import ZERO, as_price
from hookfill.market.calendar import is_open
from hookfill.market.instruments import instrument_for
from hookfill.market.model import OptionContract, Quote
from hookfill.market.option_chain import intrinsic_value
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill
from hookfill.positions.invariants import EXPIRY
from hookfill.positions.model import Position

GRACE = timedelta(minutes=2)
"""So long a price is waited for when a position's time is up, and for the last price of an option's underlying."""


def pass_time(book: Book, situation: Situation, until: datetime) -> datetime | None:
    """Do what time alone does up to ``until``, but for the last ``GRACE``, in order of time.

    Returns:
        The moment of the last thing that happened; None: nothing did.
    """
    last: datetime | None = None
    for position in book.due_by(until - GRACE):
        end = _end_next(position)
        if end is None:
            last = _apply(book, _at_its_time(book, situation, position)) or last
        elif end <= until - GRACE:
            last = _apply(book, _settle(book, situation, position, end)) or last
    return last


def end_options(book: Book, situation: Situation, before: datetime, underlying: str | None = None) -> datetime | None:
    """Settle the options that ended before a moment: nothing later may mark or close them.

    Args:
        underlying: only those on this symbol, a price of which comes next; None: all of them, since a signal comes next.

    Returns:
        The moment of the last settlement; None: there was none.
    """
    last: datetime | None = None
    for position in book.due_by(before):
        end = _end_next(position)
        if (underlying is None or position.underlying == underlying) and end is not None and end < before:
            last = _apply(book, _settle(book, situation, position, end)) or last
    return last


def _apply(book: Book, step: Step | None) -> datetime | None:
    if step is None:
        return None
    book.apply(step)
    return max((order.as_of for order in step.orders), default=None)


def _end_of(position: Position) -> datetime | None:
    return None if position.underlying is None else expires_at(instrument_for(position.symbol))


def _end_next(position: Position) -> datetime | None:
    """When an option ends, if time does nothing else to it before: it may not be left at a last known price after its end."""
    end = _end_of(position)
    return None if end is None or position.due_at is None or position.due_at + GRACE <= end else end


def _at_its_time(book: Book, situation: Situation, position: Position) -> Step | None:
    assert position.due_at is not None
    seen = replace(position, due_at=_end_of(position))  # whatever comes of it, time has done what it can
    at = position.due_at + GRACE
    if position.status != "open" or not _is_priced(situation, position, position.due_at):
        return Step(book.account, positions=(seen,))
    reason = ExitReason(position.leave_for or ExitReason.MAX_HOLD)
    due = Exit(reason, None, position.mark, None, None, at)
    return taken(book, situation.abroad, [position], [BarOutcome(seen, due)], at, "mark")


def _is_priced(situation: Situation, position: Position, at: datetime) -> bool:
    """Whether the position's mark was a price to deal at as of ``at``."""
    newest = situation.quotes.get(position.priced_by)
    mark = Quote(position.symbol, position.mark, position.marked_at, "mark", None if newest is None else newest.bar_seconds)
    max_age = float(situation.limits.price_max_age_seconds)
    return is_fresh(mark, at, max_age) and is_open(instrument_for(position.symbol), at, extended_hours=True)


def _settle(book: Book, situation: Situation, position: Position, at: datetime) -> Step | None:
    """An option's end; None while it has to wait: after a full halt, or while an order of it is at a broker."""
    contract = instrument_for(position.symbol).option
    assert contract is not None
    if not book.may_leave(position) or book.in_flight(position.strategy_id, position.symbol):
        return None
    worth = as_price(intrinsic_value(contract, _last_spot(book, situation, position, contract)))
    quantity, side = abs(position.quantity), Side.SELL if position.quantity > ZERO else Side.BUY
    ticket = Ticket(
        client_order_id=f"{position.position_id.hex}-expiry",
        signal_id=None,
        strategy_id=position.strategy_id,
        symbol=position.symbol,
        purpose="exit",
        exit_reason=ExitReason.EXPIRED.value,
        at=at,
    )
    after, realized = apply_fill(
        position, side, quantity, worth, ZERO, at=at, exit_reason=ticket.exit_reason, may_be_worthless=True
    )
    price = Price(worth, EXPIRY, None, None)
    order = filled_order(ticket, Deal(position.position_id, side, quantity, price, position.multiplier, ZERO, realized))
    return Step(pay(roll_day(book.account, at), order.fills[0]), positions=(after,), orders=(order,))


def _last_spot(book: Book, situation: Situation, position: Position, contract: OptionContract) -> Decimal:
    """The underlying's last price until the contract's end; where none is known, the first one since, or that of the purchase."""
    end = contract.expires_at
    newest = situation.quotes.get(contract.underlying)
    known = [situation.options.closes.get((contract.underlying, end)), book.last_price(contract.underlying), newest]
    until = [quote for quote in known if quote is not None and quote.at <= end]
    if until:
        return max(until, key=lambda quote: quote.at).price
    bought_at = book.terms(position).spot
    if newest is not None:
        return newest.price
    return contract.strike if bought_at is None else bought_at
