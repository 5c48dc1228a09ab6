"""A delivery on its way to disk, and the receipt for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

WINDOW_SECONDS = 60
"""Two deliveries with the same key within this time are one (the contracts' duplicate window)."""


@dataclass(slots=True)
class NewSignal:
    """The pending signal that a delivery brings along when it is an alert; what it asks for is the desk's to understand.

    Attributes:
        variant: the engine that acts on it, A or B, where the door has chosen; split_percentage: by which split.
    """

    signal_id: UUID
    experiment_id: UUID | None = None
    variant: str | None = None
    split_percentage: int | None = None


@dataclass(slots=True)
class Delivery:
    """One message: raw bytes (secrets masked), where it came in, and what became of it so far.

    Attributes:
        headers: JSON text of the headers worth keeping.
        received_at: wall time of arrival; as_of: the moment it is judged as of (both UTC).
        state: ``processed``, ``received``, ``malformed`` or ``refused``; a duplicate is found out by the gate.
        gate_key: what makes it the same as another delivery of its account; None lets it pass unchecked.
        seen_us: ``as_of`` in microseconds since the epoch, for the gate.
        is_decoy: it takes as long as any other and is not stored.
        repaired_body: what is read in place of ``body``, which stays as it came.
        repaired_by: the names of the rules that repaired it, in order.
    """

    account_id: UUID
    message_id: UUID
    door: str
    body: bytes
    received_at: datetime
    as_of: datetime
    seen_us: int
    headers: str = "{}"
    content_type: str | None = None
    strategy_id: UUID | None = None
    source: str = "live"
    state: str = "processed"
    reason: str | None = None
    error: str | None = None
    gate_key: bytes | None = None
    signal: NewSignal | None = None
    is_decoy: bool = False
    repaired_body: bytes | None = None
    repaired_by: str | None = None


class Receipt(NamedTuple):
    """The proof that a delivery is on disk.

    ``fresh`` is False for a duplicate; then ``signal_id`` is the first delivery's. ``spooled`` means that the database did not
    answer and the message lies in the local spool: whether it is a duplicate is found out when it is written on.
    """

    fresh: bool
    signal_id: UUID | None
    spooled: bool = False
