"""What prices and time do to a book, in their order: the same for an account's own book and for its shadow (pure)."""

from datetime import datetime

from hookfill.desk.book import Book
from hookfill.desk.marks import mark
from hookfill.desk.model import Situation
from hookfill.desk.resting import end_waiting, meet_price
from hookfill.desk.timers import end_options, pass_time
from hookfill.market.model import Candle, Quote


def true_at(price: Candle | Quote) -> datetime:
    """When a price was true: a bar's at its close."""
    return price.closes_at if isinstance(price, Candle) else price.at


def see(book: Book, situation: Situation, price: Candle | Quote) -> datetime | None:
    """A price comes: what time has done before it, then what it does to positions, then to entries that rest.

    Returns:
        The moment of the last thing that happened; None: nothing did.
    """
    at = true_at(price)
    happened = [pass_time(book, situation, at), end_options(book, situation, at, price.symbol)]
    book.see(price)
    step = mark(book, price, situation.abroad)
    if step is not None:
        book.apply(step)
        happened.append(at)
    if meet_price(book, price):
        happened.append(at)
    return max((moment for moment in happened if moment is not None), default=None)


def reach(book: Book, situation: Situation, until: datetime) -> datetime | None:
    """No more prices come up to a moment: what time has done by then.

    Returns:
        The moment of the last thing that happened; None: nothing did.
    """
    return pass_time(book, situation, until)


def make_way(book: Book, situation: Situation, at: datetime) -> datetime | None:
    """A signal comes: what has ended by then ends before it.

    Returns:
        The moment of the last thing that happened; None: nothing did.
    """
    last = end_options(book, situation, at)
    end_waiting(book, at)
    return last
