"""A price moves an account's positions: they are marked, and exits that are due are taken (pure)."""

from datetime import datetime, timedelta

from hookfill.accounts.day import roll_day
from hookfill.accounts.model import Account
from hookfill.brokers.paper.fill import exit_fill_price
from hookfill.desk.book import Book
from hookfill.desk.contracts import FRESH, Terms, at_bid, contract_bar, contract_price, costs_of
from hookfill.desk.currency import traded_as
from hookfill.desk.flight import Abroad
from hookfill.desk.model import NO_MOVES, Step
from hookfill.desk.rows import Order
from hookfill.desk.submit import send_due_exit
from hookfill.desk.trade import Price, Ticket, reduce
from hookfill.exits.evaluate import on_bar, on_price, without
from hookfill.exits.model import BarOutcome, Exit
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, Quote
from hookfill.orders.model import Side
from hookfill.positions.model import Position

Made = dict[tuple[str, Terms], Candle | Quote]
"""What one price of an underlying makes of each contract, by its symbol and terms: many strategies may hold the same."""


def mark(book: Book, price: Candle | Quote, abroad: Abroad | None = None) -> Step | None:
    """All positions that a closed bar or a bare price concerns, options on its symbol too; None when it changes none of them.

    Args:
        abroad: what is known of the account's dealings at its broker, which then is asked to leave a position; None: on paper.
    """
    held = book.in_symbol(price.symbol)
    if not held:
        return None
    at = price.closes_at if isinstance(price, Candle) else price.at
    made: Made = {}
    source = "candle" if isinstance(price, Candle) else price.source
    return taken(book, abroad, held, [_judged(book, position, price, at, made) for position in held], at, source)


def _judged(book: Book, position: Position, price: Candle | Quote, at: datetime, made: Made) -> BarOutcome:
    """What the price does to one position."""
    if at <= position.marked_until or _has_ended(position, at):
        return BarOutcome(position, None)
    own: Candle | Quote | None = price
    if position.underlying is not None and price.symbol == position.underlying:
        own = _own(book, position, price, at, made)
    if own is None:
        return BarOutcome(position, None)
    rules, instrument = book.exit_rules(position), traded_as(book.account, position.symbol)
    if isinstance(own, Candle):
        return on_bar(position, own, rules, instrument)
    return on_price(position, own.price, own.at, rules, instrument)


def _has_ended(position: Position, at: datetime) -> bool:
    """Whether an option is settled and not traded any more, whoever tells a price of it or of its underlying."""
    contract = None if position.underlying is None else instrument_for(position.symbol).option
    return contract is not None and at > contract.expires_at


def _own(book: Book, position: Position, price: Candle | Quote, at: datetime, made: Made) -> Candle | Quote | None:
    """What a price of its underlying makes of an option; None: somebody has told its own price a moment ago."""
    contract = instrument_for(position.symbol).option
    told = book.quote(position.symbol)
    if contract is None or (told is not None and timedelta(0) <= at - told.at <= FRESH):
        return None
    terms = book.terms(position)
    own = made.get((position.symbol, terms))
    if own is None:
        own = contract_bar(contract, price, terms) if isinstance(price, Candle) else contract_price(contract, price, terms)
        made[position.symbol, terms] = own
    return own


def taken(
    book: Book, abroad: Abroad | None, held: list[Position], outcomes: list[BarOutcome], at: datetime, source: str
) -> Step | None:
    """The exits that are due taken, on paper or by asking the broker; None when nothing changed.

    Args:
        held: the positions before.
        outcomes: of each, what a price or the time has done to it.
        at: when (UTC).
        source: where the price comes from.
    """
    account = book.account
    changed: list[Position] = []
    orders: list[Order] = []
    moves = NO_MOVES
    for before, outcome in zip(held, outcomes, strict=True):
        after = outcome.position
        due = [*outcome.partial, *([] if outcome.exit is None else [outcome.exit])]
        if not due or not book.may_leave(after):  # after a full halt, the next price decides anew
            pass
        elif abroad is not None:  # one order at a time: what leaves all, or else the nearest target
            sent = send_due_exit(book, abroad, after, outcome.exit or due[0])
            if sent is not None:
                after, moves = sent.positions[0], moves + sent.moves
                orders += sent.orders
        else:
            account = roll_day(account, at)
            for one in due:
                account, after, order = _leave(book, account, after, one, source)
                orders.append(order)
        if after is not before:
            changed.append(after)
    return Step(account=account, positions=tuple(changed), orders=tuple(orders), moves=moves) if changed else None


def _leave(book: Book, account: Account, position: Position, due: Exit, source: str) -> tuple[Account, Position, Order]:
    instrument = instrument_for(position.symbol)
    side = Side.SELL if position.quantity > 0 else Side.BUY
    terms = None if position.underlying is None else book.terms(position)
    met = due if terms is None else at_bid(due, terms)
    price = Price(exit_fill_price(side, met, instrument, costs_of(book.paper, terms)), source, met.low, met.high)
    is_part = due.quantity is not None
    ticket = Ticket(
        client_order_id=f"{position.position_id.hex}-target-{due.target}" if is_part else f"{position.position_id.hex}-exit",
        signal_id=None,
        strategy_id=position.strategy_id,
        symbol=position.symbol,
        purpose="exit",
        exit_reason=due.reason.value,
        at=due.at,
        stop_price=due.level,
    )
    quantity = abs(position.quantity) if due.quantity is None else due.quantity
    account, after, order = reduce(account, position, quantity, price, ticket, book.paper)
    return account, without(after, due.target) if is_part else after, order
