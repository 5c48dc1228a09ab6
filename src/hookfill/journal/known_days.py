"""Packed days as they were last read: what has not been packed anew since need not come from the database again."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from hookfill.journal.records import PackedDay

MOST_BYTES = 64 * 1024 * 1024
"""Of records kept by one process: sixteen journals of fifty thousand trades each."""


class Kept(NamedTuple):
    """A day, and when it was packed (UTC)."""

    packed_at: datetime
    day: PackedDay


class KnownDays:
    """The days of the accounts that were asked for last. They are used only for rows that the reader sees."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Keep ``most_bytes`` of records at most."""
        self._most_bytes, self._bytes = most_bytes, 0
        self._accounts: OrderedDict[UUID, dict[date, Kept]] = OrderedDict()

    def of(self, account_id: UUID) -> Mapping[date, Kept]:
        """What is known of an account."""
        return self._accounts.get(account_id, {})

    def keep(self, account_id: UUID, days: Iterable[Kept]) -> None:
        """Remember days; the accounts that were not asked for longest are forgotten for them."""
        known = self._accounts.setdefault(account_id, {})
        self._accounts.move_to_end(account_id)
        for kept in days:
            before = known.get(kept.day.day)
            self._bytes += len(kept.day.records) - (len(before.day.records) if before is not None else 0)
            known[kept.day.day] = kept
        while self._bytes > self._most_bytes:
            _, forgotten = self._accounts.popitem(last=False)
            self._bytes -= sum(len(kept.day.records) for kept in forgotten.values())
