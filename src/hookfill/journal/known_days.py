"""Days of trades as they were read last: what has not been packed anew since need not come from the database again."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from hookfill.journal.records import Columns

MOST_BYTES = 64 * 1024 * 1024
"""Of columns kept by one process: a dozen journals of fifty thousand trades each."""


@dataclass(frozen=True, slots=True)
class KnownSpan:
    """Some New York days of an account, both ends included, as they were read.

    Attributes:
        horizon: of every transaction with a lower number it is known how it ended: what it packed has been read.
        packed_in: the days there were; of each in which transaction it was packed.
        columns: their trades, in the order of the days.
    """

    first: date
    last: date
    horizon: int
    packed_in: Mapping[date, int]
    columns: Columns

    def has(self, first: date, last: date) -> bool:
        """Whether these days are among them."""
        return self.first <= first and last <= self.last

    def within(self, first: date, last: date) -> "KnownSpan":
        """Only these days."""
        if (first, last) == (self.first, self.last):
            return self
        packed_in = {day: number for day, number in self.packed_in.items() if first <= day <= last}
        return KnownSpan(first, last, self.horizon, packed_in, self.columns.within(first, last))


class KnownDays:
    """What is known of the accounts that were asked for last. It is used only for days that the reader sees."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Keep ``most_bytes`` of columns at most."""
        self._most_bytes, self._bytes = most_bytes, 0
        self._accounts: OrderedDict[UUID, KnownSpan] = OrderedDict()

    def of(self, account_id: UUID, first: date, last: date) -> KnownSpan | None:
        """What is known of these days of an account; None: not all of them."""
        known = self._accounts.get(account_id)
        return known.within(first, last) if known is not None and known.has(first, last) else None

    def keep(self, account_id: UUID, known: KnownSpan) -> None:
        """Remember days, unless more is known already; the accounts that were not asked for longest are forgotten for them."""
        before = self._accounts.get(account_id)
        if before is not None and before.has(known.first, known.last) and (before.first, before.last) != (known.first, known.last):
            self._accounts.move_to_end(account_id)
            return
        self._forget(account_id)
        self._accounts[account_id] = known
        self._bytes += known.columns.size
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._accounts)))

    def _forget(self, account_id: UUID) -> None:
        if (forgotten := self._accounts.pop(account_id, None)) is not None:
            self._bytes -= forgotten.columns.size
