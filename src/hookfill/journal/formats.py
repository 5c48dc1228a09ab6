"""The names that telemetry's formats give to the same things: of events, of exits' reasons, of members."""

from collections.abc import Mapping

from hookfill.journal.model import EventType

HEARTBEAT = "HEARTBEAT"
BATCH = "MFE_UPDATE_BATCH"
SNAPSHOT = "UNIFIED_SNAPSHOT_V1"

KIND_MEMBERS = ("event_type", "automation_stage", "type")
"""Where a message says what happened: telemetry, staged and legacy. The first that holds text counts."""
TRADE_ID_MEMBERS = ("trade_id", "signal_id")

KINDS: Mapping[str, EventType] = {kind.value: kind for kind in EventType} | {
    # A staged message about a trade is an entry from its first stage on: its later stages correct the prices.
    "SIGNAL_DETECTED": EventType.ENTRY,
    "CONFIRMATION_DETECTED": EventType.ENTRY,
    "TRADE_ACTIVATED": EventType.ENTRY,
    "BE_HIT": EventType.BE_TRIGGERED,
    "PARTIAL_EXIT": EventType.EXIT_PARTIAL,
    "EXIT_BE": EventType.EXIT_BREAK_EVEN,
    "EXIT_BREAKEVEN": EventType.EXIT_BREAK_EVEN,
    "EXIT_SL": EventType.EXIT_STOP_LOSS,
    "EXIT_TP": EventType.EXIT_TAKE_PROFIT,
    "CANCELED": EventType.CANCELLED,
    "SIGNAL_CANCELLED": EventType.CANCELLED,
    "SIGNAL_CANCELED": EventType.CANCELLED,
}
"""What happened, by every name that it goes by (in capitals)."""

ENDINGS = frozenset({"SIGNAL_COMPLETED", "TRADE_RESOLVED", "TRADE_COMPLETED", "COMPLETED", "EXIT"})
"""Names that say only that a trade ended; how it ended says the reason."""

REASON_MEMBERS = ("exit_reason", "completion_reason", "resolution_type", "cancel_reason", "cancellation_reason", "reason")

_REASONS: Mapping[EventType, tuple[str, ...]] = {
    EventType.EXIT_BREAK_EVEN: ("BE", "BREAK_EVEN", "BREAKEVEN", "BE_STOP_LOSS", "BREAK_EVEN_STOP", "BE_STOP", "EXIT_BE"),
    EventType.EXIT_STOP_LOSS: ("SL", "STOP", "STOP_LOSS", "ORIGINAL_STOP_LOSS", "STOPPED_OUT", "EXIT_SL", "LOSS"),
    EventType.EXIT_TAKE_PROFIT: ("TP", "TAKE_PROFIT", "TARGET", "EXIT_TP", "WIN"),
}
REASONS: Mapping[str, EventType] = {
    name + ending: kind for kind, names in _REASONS.items() for name in names for ending in ("", "_HIT")
}
"""How a trade ended, by its told reason (in capitals, with underscores)."""

_NUMBERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("entry_price", ("entry_price", "actual_entry_price", "entry")),
    ("stop_loss", ("stop_loss", "sl_price", "stop_loss_price", "stop")),
    ("risk_distance", ("risk_distance",)),
    ("current_price", ("current_price",)),
    ("be_price", ("be_price",)),
    ("exit_price", ("exit_price", "resolution_price")),
    ("mfe", ("mfe_R", "mfe", "current_mfe", "initial_mfe")),
    ("be_mfe", ("be_mfe", "final_be_mfe")),
    ("no_be_mfe", ("no_be_mfe", "final_no_be_mfe")),
    ("final_mfe", ("final_mfe_R", "final_mfe")),
    ("mae", ("mae_R", "mae_global_r", "mae")),
    ("position_size", ("position_size",)),
)
NUMBER_MEMBERS: Mapping[str, tuple[str, int]] = {
    member: (field, place) for field, members in _NUMBERS for place, member in enumerate(members)
}
"""The members that tell an event's numbers: the number's own name, and the place of this telling among those of the same."""

TIMES = ("event_timestamp", "timestamp", "bar_ts", "exit_timestamp", "signal_time", "triangle_time")
"""The members that tell when it happened; the first that is there counts."""
