"""Compares what a broker holds with what we hold (pure).

On a hedging account positions are told apart by strategy (its magic) and symbol; where positions net, the terminal keeps one per
symbol for all strategies, and so does the comparison. What is being dealt just now is no difference, and a difference counts only
once it has lasted: a report and our books are never of quite the same moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from hookfill.kernel.money import ZERO, plain

LASTING_REPORTS = 2
LASTING = timedelta(seconds=10)
"""A difference counts once two reports in a row have shown it, or when it is as old as this."""
Key = tuple[int | None, str]
"""A magic (None where positions net) and a symbol of ours."""


class Kind(StrEnum):
    """How the two sides differ."""

    MISSING_AT_BROKER = "missing_at_broker"
    UNKNOWN_TO_US = "unknown_to_us"
    SIDE_DIFFERS = "side_differs"
    VOLUME_DIFFERS = "volume_differs"
    STOP_MISSING = "stop_missing"


@dataclass(frozen=True, slots=True)
class Ours:
    """An open position in our books; ``quantity`` in lots, negative is short."""

    strategy_id: UUID
    magic: int
    symbol: str
    quantity: Decimal
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Theirs:
    """An open position at the broker; ``symbol`` as we call it, ``quantity`` in lots, negative is short."""

    ticket: str
    symbol: str
    quantity: Decimal
    magic: int | None = None
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which broker and books disagree; quantities in lots, negative is short."""

    kind: Kind
    magic: int | None
    symbol: str
    ours: Decimal
    theirs: Decimal

    @property
    def subject(self) -> str:
        """What an alarm about it is called: the same for as long as it lasts."""
        return f"{self.kind} {self.symbol} {'' if self.magic is None else self.magic}".rstrip()

    @property
    def text(self) -> str:
        """What it means and what to do."""
        return _TEXTS[self.kind].format(symbol=self.symbol, ours=plain(self.ours), theirs=plain(self.theirs))


_TEXTS: Mapping[Kind, str] = {
    Kind.MISSING_AT_BROKER: (
        "We hold {ours} {symbol}, and the broker has no such position. Look at the history there: if it was closed by a stop, a "
        "target or a program of yours, its deal is booked as soon as it is told; else close the position here."
    ),
    Kind.UNKNOWN_TO_US: (
        "The broker holds {theirs} {symbol} with the mark of a strategy of ours, and our books do not. Look at the jobs of this "
        "account, and close the position at the broker if nothing accounts for it."
    ),
    Kind.SIDE_DIFFERS: (
        "We hold {ours} {symbol}, and the broker {theirs}: the sides are opposite. Halt the strategy and look at the broker's."
    ),
    Kind.VOLUME_DIFFERS: (
        "We hold {ours} {symbol}, and the broker {theirs}. Look at the history there for deals that were made by hand."
    ),
    Kind.STOP_MISSING: ("The position of {theirs} {symbol} has a stop in our books and none at the broker. Set it there."),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A difference with its history: ``since`` when (UTC) and in how many reports in a row."""

    difference: Difference
    since: datetime
    reports: int

    def is_lasting(self, now: datetime) -> bool:
        """Whether it is worth an alarm."""
        return self.reports >= LASTING_REPORTS or now - self.since >= LASTING


def is_foreign(position: Theirs, magics: frozenset[int]) -> bool:
    """Whether somebody else opened it, by hand or with another program: it is shown, and is none of our business."""
    return position.magic not in magics


def reconcile(
    ours: Sequence[Ours],
    theirs: Sequence[Theirs],
    magics: frozenset[int],
    in_flight: Iterable[tuple[int, str]],
    *,
    is_hedging: bool = True,
) -> tuple[Difference, ...]:
    """Where broker and books disagree, ordered by symbol and magic.

    Args:
        ours: open positions in our books.
        theirs: open positions at the broker, foreign ones included.
        magics: of all strategies of the account.
        in_flight: magic and symbol of what is being dealt or booked just now.
        is_hedging: whether the terminal keeps positions apart; else they net per symbol.
    """
    skipped = keys_in_flight(in_flight, is_hedging=is_hedging)
    held = {one.symbol for one in ours}
    books = _grouped(ours, is_hedging=is_hedging)
    broker = _grouped(
        (one for one in theirs if not is_foreign(one, magics) or (not is_hedging and one.symbol in held)), is_hedging=is_hedging
    )
    keys = sorted((books.keys() | broker.keys()) - skipped, key=lambda key: (key[1], key[0] or 0))
    found = (_compare(key, books.get(key, []), broker.get(key, [])) for key in keys)
    return tuple(one for one in found if one is not None)


def keys_in_flight(in_flight: Iterable[tuple[int, str]], *, is_hedging: bool) -> frozenset[Key]:
    """What must not be compared now."""
    return frozenset((magic if is_hedging else None, symbol) for magic, symbol in in_flight)


def track(before: Iterable[Seen], found: Iterable[Difference], skipped: frozenset[Key], now: datetime) -> tuple[Seen, ...]:
    """The differences of a new report with their history.

    Args:
        before: those of the report before.
        found: those of this one.
        skipped: what this report could not compare: its differences stay as they were.
        now: the time of this report (the database's, UTC).
    """
    known = {one.difference.subject: one for one in before}
    kept = [one for one in known.values() if (one.difference.magic, one.difference.symbol) in skipped]
    fresh = []
    for difference in found:
        old = known.get(difference.subject)
        fresh.append(Seen(difference, now if old is None else old.since, 1 if old is None else old.reports + 1))
    return (*kept, *fresh)


def _grouped(positions: Iterable[Ours | Theirs], *, is_hedging: bool) -> dict[Key, list[Ours | Theirs]]:
    groups: dict[Key, list[Ours | Theirs]] = {}
    for one in positions:
        groups.setdefault((one.magic if is_hedging else None, one.symbol), []).append(one)
    return groups


def _compare(key: Key, books: list[Ours | Theirs], broker: list[Ours | Theirs]) -> Difference | None:
    ours = sum((one.quantity for one in books), ZERO)
    theirs = sum((one.quantity for one in broker), ZERO)
    kind = _kind(ours, theirs)
    if kind is None and ours and any(one.stop_price for one in books) and any(one.stop_price is None for one in broker):
        kind = Kind.STOP_MISSING
    return None if kind is None else Difference(kind, key[0], key[1], ours, theirs)


def _kind(ours: Decimal, theirs: Decimal) -> Kind | None:
    if ours == theirs:
        return None
    if theirs == 0:
        return Kind.MISSING_AT_BROKER
    if ours == 0:
        return Kind.UNKNOWN_TO_US
    return Kind.SIDE_DIFFERS if (ours > 0) != (theirs > 0) else Kind.VOLUME_DIFFERS
