"""What statistics need of a trade, as a record of fixed length, and all trades of many days as columns (pure).

A day's records are made anew when one of its trades changes; everything else is arithmetic over columns. R are whole millionths
and moments whole microseconds, so that sums are exact and do not depend on the order of the trades.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hookfill.journal.model import Direction, EventType, Exit, Session, Status, TradeState
from hookfill.journal.quality import Gap, lasting_gaps, moved_at
from hookfill.journal.results import Policy, as_r, outcome_of
from hookfill.kernel.clock import to_us

Array = NDArray[Any]

STATUSES = tuple(Status)
DIRECTIONS = (None, *Direction)
SESSIONS = tuple(Session)
GAPS = tuple(Gap)
R_UNIT = 1_000_000
"""One R."""
UNTOLD = int(np.iinfo(np.int64).min)

LAYOUT = 1
"""Of a record: another number makes every day be packed anew. It changes with the fields, their order, and what they mean."""
RECORD = np.dtype(
    {
        "names": [
            "status", "direction", "session", "hour", "checks", "gaps", "be_reach", "be_end", "no_be_reach", "no_be_end", "setup",
            "be_at", "no_be_at", "moved_at", "own_r", "be_mfe", "no_be_mfe", "final_mfe", "mae",
        ],
        "formats": ["u1"] * 10 + ["<u4"] + ["<i8"] * 8,
        "offsets": [*range(10), 12, *range(16, 80, 8)],
        "itemsize": 80,
    }
)  # fmt: skip
"""Names are numbered by their place in STATUSES, DIRECTIONS, SESSIONS and the day's setups (from 1; 0: none); gaps are bits."""
_BYTES = np.dtype((np.void, RECORD.itemsize))
_ENDED = (RECORD.names or ()).index("be_at")


class PackedDay(NamedTuple):
    """A New York day's trades; ``setups`` is a JSON list of names."""

    day: date
    records: bytes
    setups: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Trades of some days, in the order of the days.

    Attributes:
        records: one per trade, as RECORD.
        days: of each trade the ordinal of its day.
        setups: of each trade the place of its setup's name in ``names`` plus one; 0: none was told.
    """

    records: Array
    days: Array
    setups: Array
    names: tuple[str, ...]

    def where(self, chosen: Array) -> "Columns":
        """Some of the trades."""
        return Columns(self.records[chosen], self.days[chosen], self.setups[chosen], self.names)

    def within(self, first: date, last: date) -> "Columns":
        """Only these days, both included."""
        start, end = np.searchsorted(self.days, (first.toordinal(), last.toordinal() + 1))
        return Columns(self.records[start:end], self.days[start:end], self.setups[start:end], self.names)

    def renewed(self, days: Iterable[PackedDay]) -> "Columns":
        """With some days, in order, in place of what they were, if they were there."""
        days = list(days)
        if not days:
            return self
        fresh = unpack(days)
        names = {name: place for place, name in enumerate(dict.fromkeys((*self.names, *fresh.names)), 1)}
        setups = np.array([0, *(names[name] for name in fresh.names)], np.int64)[fresh.setups]
        ordinals = np.array([day.day.toordinal() for day in days], np.int64)
        # Where each day's trades begin and end, in the old columns and in the fresh ones.
        ends = [np.searchsorted(column, (ordinals, ordinals + 1)).T.tolist() for column in (self.days, fresh.days)]

        def spliced(old: Array, new: Array) -> Array:
            pieces, done = [], 0
            for (start, end), (first, last) in zip(*ends, strict=True):
                pieces += [old[done:start], new[first:last]]
                done = end
            return np.concatenate([*pieces, old[done:]])

        # As mere bytes: records would be put together field by field.
        records = spliced(self.records.view(_BYTES), fresh.records.view(_BYTES)).view(RECORD)
        return Columns(records, spliced(self.days, fresh.days), spliced(self.setups, setups), tuple(names))

    @property
    def size(self) -> int:
        """In bytes."""
        return self.records.nbytes + self.days.nbytes + self.setups.nbytes


def pack(states: Iterable[TradeState]) -> tuple[bytes, str]:
    """A day's trades as records, and the names of their setups as a JSON list."""
    states = list(states)
    # In order, so that days with the same setups have the same list.
    names = sorted({state.setup_id for state in states if state.setup_id is not None})
    setups = {name: place for place, name in enumerate(names, 1)}
    # By their end, so that those of many days are nearly in order: that is how the equity wants them.
    rows = sorted((_record(state, setups) for state in states), key=itemgetter(_ENDED))
    return np.array(rows, RECORD).tobytes(), json.dumps(names)


def unpack(days: Iterable[PackedDay]) -> Columns:
    """The trades of some days, which come in order, side by side."""
    days = list(days)
    names: dict[str, int] = {}
    numbers: list[int] = []
    bases: dict[str, int] = {}
    for setups in {day.setups: None for day in days}:
        bases[setups] = len(numbers)
        numbers.append(0)
        numbers += [names.setdefault(name, len(names) + 1) for name in json.loads(setups)]
    counts = [len(day.records) // RECORD.itemsize for day in days]
    records = np.frombuffer(b"".join(day.records for day in days), RECORD)
    ordinals = np.repeat(np.array([day.day.toordinal() for day in days], np.int64), counts)
    places = np.repeat(np.array([bases[day.setups] for day in days], np.int64), counts) + records["setup"]
    return Columns(records, ordinals, np.array(numbers or [0], np.int64)[places], tuple(names))


def _record(state: TradeState, setups: Mapping[str, int]) -> tuple[int, ...]:
    be, no_be = outcome_of(state, Policy.BE), outcome_of(state, Policy.NO_BE)
    quality, moved = lasting_gaps(state), moved_at(state)
    own_r = be.own_r if be.own_r is not None else no_be.own_r
    return (
        STATUSES.index(state.status),
        DIRECTIONS.index(state.direction),
        SESSIONS.index(state.session),
        state.signal_hour,
        quality.checks,
        sum(1 << GAPS.index(gap) for gap in quality.gaps),
        be.reach,
        be.end,
        no_be.reach,
        no_be.end,
        0 if state.setup_id is None else setups[state.setup_id],
        to_us(be.at),
        to_us(no_be.at),
        UNTOLD if moved is None else to_us(moved),
        _millionths(own_r),
        _millionths(state.be_mfe),
        _millionths(state.no_be_mfe),
        _millionths(state.final_mfe),
        _millionths(state.mae),
    )


def _millionths(value: Decimal | None) -> int:
    return UNTOLD if value is None else int(as_r(value).scaleb(6))


BRIEF = (
    "trade_id", "status", "direction", "session", "setup_id", "symbol", "signal_at", "signal_date", "signal_hour", "entered_at",
    "entry_price", "stop_loss", "be_triggered_at", "be_mfe", "no_be_mfe", "final_mfe", "mae", "exit_type", "exit_at", "exit_price",
    "stopped_at", "last_event_at", "last_mfe_at", "events",
)  # fmt: skip
"""The columns of ``trade_states`` that a trade is read from in short."""


def brief_state(row: Mapping[str, Any]) -> TradeState:
    """A trade from the columns of ``trade_states``, without what only ``merged`` has."""
    exit_type, exit_at = row["exit_type"], row["exit_at"]
    ended = None if exit_type is None else Exit(EventType(exit_type), _moment(exit_at), row["exit_price"])
    return TradeState(
        trade_id=row["trade_id"],
        status=Status(row["status"]),
        signal_at=row["signal_at"],
        signal_date=row["signal_date"],
        signal_hour=row["signal_hour"],
        session=Session(row["session"]),
        last_event_at=row["last_event_at"],
        events=row["events"],
        direction=None if row["direction"] is None else Direction(row["direction"]),
        symbol=row["symbol"],
        entered_at=row["entered_at"],
        entry_price=row["entry_price"],
        stop_loss=row["stop_loss"],
        be_triggered_at=row["be_triggered_at"],
        be_mfe=row["be_mfe"],
        no_be_mfe=row["no_be_mfe"],
        final_mfe=row["final_mfe"],
        mae=row["mae"],
        exit=ended,
        stopped_at=row["stopped_at"],
        last_mfe_at=row["last_mfe_at"],
        setup_id=row["setup_id"],
    )


def _moment(value: datetime | None) -> datetime:
    assert value is not None  # is set together with the exit's type
    return value
