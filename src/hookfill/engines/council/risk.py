"""The risk agent: it has no view of the market, but may forbid the trade."""

from hookfill.engines.council.model import AgentView
from hookfill.engines.model import NEUTRAL, BookFigures, Opinion
from hookfill.kernel.money import plain

NAME = "risk"


def judge(view: AgentView) -> Opinion:
    """A closed market, no room for a position or none for capital: a block. Else, also where nobody has looked: neutral, 50."""
    book = view.market.book
    if book is None:
        return Opinion(NAME, NEUTRAL, 50, ("The account's figures are not known.",))
    against = _against(book)
    if against:
        return Opinion(NAME, NEUTRAL, 100, against, block=True)
    text = f"{book.open_positions} of {plain(book.max_open_positions)} positions and {_exposure(book)}."
    return Opinion(NAME, NEUTRAL, 50, (text,))


def _against(book: BookFigures) -> tuple[str, ...]:
    """Everything that forbids an entry."""
    reasons = {
        "The market is closed.": not book.is_open,
        f"{book.open_positions} positions are open of {plain(book.max_open_positions)} that may be.": (
            book.open_positions + 1 > book.max_open_positions
        ),
        f"No capital is left to commit: {_exposure(book)}.": book.committed >= book.max_exposure,
    }
    return tuple(reason for reason, applies in reasons.items() if applies)


def _exposure(book: BookFigures) -> str:
    return f"{plain(book.committed)} of {plain(book.max_exposure)} committed"
