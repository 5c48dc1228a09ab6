"""A price moves an account's positions: they are marked, and exits that are due are taken (pure)."""

from datetime import datetime

from hookfill.accounts.day import roll_day
from hookfill.accounts.model import Account
from hookfill.brokers.paper.fill import PaperModel, exit_fill_price
from hookfill.desk.book import Book
from hookfill.desk.flight import Abroad
from hookfill.desk.model import NO_MOVES, Step
from hookfill.desk.rows import Order
from hookfill.desk.submit import send_due_exit
from hookfill.desk.trade import Price, Ticket, reduce
from hookfill.exits.evaluate import on_bar, on_price
from hookfill.exits.model import BarOutcome, Exit
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, Quote
from hookfill.orders.model import Side
from hookfill.positions.model import Position


def mark(book: Book, price: Candle | Quote, abroad: Abroad | None = None) -> Step | None:
    """All positions in the symbol after a closed bar or a bare price; None when that changes none of them.

    Args:
        abroad: what is known of the account's dealings at its broker, which then is asked to leave a position; None: on paper.
    """
    held = book.in_symbol(price.symbol)
    if not held:
        return None
    instrument = instrument_for(price.symbol)
    if isinstance(price, Candle):
        outcomes = [on_bar(position, price, book.exit_rules(position), instrument) for position in held]
        return _step(book, abroad, held, outcomes, price.closes_at)
    outcomes = [on_price(position, price.price, price.at, book.exit_rules(position), instrument) for position in held]
    return _step(book, abroad, held, outcomes, price.at)


def _step(book: Book, abroad: Abroad | None, held: list[Position], outcomes: list[BarOutcome], at: datetime) -> Step | None:
    account = book.account
    changed: list[Position] = []
    orders: list[Order] = []
    moves = NO_MOVES
    for before, outcome in zip(held, outcomes, strict=True):
        after, due = outcome.position, outcome.exit
        if due is None or not book.may_leave(after):  # after a full halt, the next price decides anew
            pass
        elif abroad is not None:
            sent = send_due_exit(book, abroad, after, due)
            if sent is not None:
                after, moves = sent.positions[0], moves + sent.moves
                orders += sent.orders
        else:
            account, after, order = _leave(roll_day(account, at), after, due, book.paper)
            orders.append(order)
        if after is not before:
            changed.append(after)
    return Step(account=account, positions=tuple(changed), orders=tuple(orders), moves=moves) if changed else None


def _leave(account: Account, position: Position, due: Exit, model: PaperModel) -> tuple[Account, Position, Order]:
    instrument = instrument_for(position.symbol)
    side = Side.SELL if position.quantity > 0 else Side.BUY
    price = Price(exit_fill_price(side, due, instrument, model), "candle", due.low, due.high)
    ticket = Ticket(
        client_order_id=f"{position.position_id.hex}-exit",
        signal_id=None,
        strategy_id=position.strategy_id,
        symbol=position.symbol,
        purpose="exit",
        exit_reason=due.reason.value,
        at=due.at,
        stop_price=due.level,
    )
    return reduce(account, position, abs(position.quantity), price, ticket, model)
