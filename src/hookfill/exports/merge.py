"""Adds what batches tell to a ledger (pure): field by field the newest telling wins, and nothing never erases anything.

Each value carries the stamp of its telling, so that merging is commutative, associative and idempotent: in whatever order batches
are imported, and how often, the ledger is the same.
"""

from collections.abc import Mapping
from datetime import datetime

from hookfill.exports.model import Entry, Outcome, Reading, Row, Stamp


def told_by(row: Row, received_at: datetime, batch_id: int) -> Entry:
    """What a row tells, by itself."""
    return Entry(row.trade_id, row.values, dict.fromkeys(row.values, Stamp(received_at, batch_id, row.index)))


def merge(known: Entry | None, told: Entry) -> Entry:
    """Both tellings of one trade as one. It is ``known`` itself where ``told`` adds nothing."""
    if known is None:
        return told
    newer = [name for name, stamp in told.stamps.items() if name not in known.stamps or known.stamps[name] < stamp]
    if not newer:
        return known
    return Entry(
        known.trade_id,
        {**known.values, **{name: told.values[name] for name in newer}},
        {**known.stamps, **{name: told.stamps[name] for name in newer}},
    )


def import_batch(ledger: Mapping[str, Entry], reading: Reading, received_at: datetime, batch_id: int) -> Outcome:
    """What a ledger becomes with one more batch.

    Args:
        ledger: by trade id; must hold all entries of the batch's trades that there are.
        reading: the batch's rows.
        received_at: when the batch first came (UTC).
        batch_id: its id.
    """
    changes: dict[str, Entry] = {}
    for row in reading.rows:
        before = changes.get(row.trade_id, ledger.get(row.trade_id))
        after = merge(before, told_by(row, received_at, batch_id))
        if after is not before:
            changes[row.trade_id] = after
    inserted = sum(1 for trade_id in changes if trade_id not in ledger)
    updated = sum(1 for trade_id, entry in changes.items() if trade_id in ledger and ledger[trade_id].values != entry.values)
    return Outcome(reading, inserted, updated, changes)
