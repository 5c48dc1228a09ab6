"""The exports' words: rows of the indicator's own tables, the telling that each value comes from, and what an import did."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from hookfill.kernel.reasons import Reason

TIME_ZONE = "America/New_York"
"""The indicator's own: of its days and of trade ids."""


class Kind(StrEnum):
    """What a field holds."""

    MOMENT = "moment"
    """Milliseconds since 1970; stored as UTC."""
    DAY = "day"
    """A New York date."""
    NUMBER = "number"
    TEXT = "text"
    DIRECTION = "direction"
    """``Bullish`` or ``Bearish``."""
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Ledger:
    """One of the two ledgers.

    Attributes:
        event_type: of the batches that it is made of.
        fields: its fields beside ``trade_id``, in the table's order, and what they hold.
        required: without these a row is none (``trade_id`` aside).
        moment: the field with the signal bar's time, one of the required.
    """

    event_type: str
    fields: Mapping[str, Kind]
    required: frozenset[str]
    moment: str


class Stamp(NamedTuple):
    """Which telling a value comes from; of two the greater is the newer.

    ``received_at`` is the batch's (UTC), ``row`` the row's place in it.
    """

    received_at: datetime
    batch_id: int
    row: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One trade of a ledger, or what one row tells of it.

    Attributes:
        values: by field; what is not known is not in it.
        stamps: of each of the values.
    """

    trade_id: str
    values: Mapping[str, Any]
    stamps: Mapping[str, Stamp]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch that can be used.

    ``note`` tells what was put right in it, if anything.
    """

    index: int
    trade_id: str
    values: Mapping[str, Any]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that can't be used, and why.

    ``trade_id`` is as told, cut to its bounds, if it is text at all.
    """

    index: int
    reason: Reason
    detail: str
    trade_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a batch's rows say."""

    rows: tuple[Row, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def total(self) -> int:
        """How many rows there were, usable or not."""
        return len(self.rows) + len(self.skipped)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What importing one batch did, or would do.

    Attributes:
        inserted: trades that the ledger did not have; updated: trades of which some value is another one now.
        changes: the ledger's entries that have to be written: also those where only a telling is newer.
    """

    reading: Reading
    inserted: int
    updated: int
    changes: Mapping[str, Entry]
