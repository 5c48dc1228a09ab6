"""Reads positions back, as their owner sees them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.kernel.lifecycle import POSITION
from hookfill.market.instruments import instrument_for
from hookfill.postgres.sql import load

SQL = load(__package__)

STATUSES: Mapping[str, tuple[str, ...]] = {
    "open": tuple(state for state in POSITION.steps if not POSITION.is_terminal(state)),
    "closed": ("closed",),
    "all": tuple(POSITION.steps),
}
"""What may be asked for, and the states of the lifecycle that it means."""

_POSITION = (
    "account_id",
    "strategy_id",
    "strategy_name",
    "symbol",
    "status",
    "quantity",
    "entered_quantity",
    "average_price",
    "exit_price",
    "multiplier",
    "entries",
    "mark",
    "marked_at",
    "unrealized_pnl",
    "realized_pnl",
    "commission",
    "stop_price",
    "target_price",
    "trailing_stop",
    "at_break_even",
    "initial_risk",
    "opened_at",
    "closed_at",
    "exit_reason",
    "underlying",
    "leave_at",
    "leave_for",
)


async def list_positions(
    connection: asyncpg.Connection, user_id: UUID, *, status: str = "open", limit: int = 50, offset: int = 0
) -> list[dict[str, Any]]:
    """A user's positions, newest first; ``status`` is ``open`` (closing ones included), ``closed`` or ``all``.

    Each has ``id, account_id, strategy_id, strategy_name, symbol, side (long or short), status, quantity (signed, 0 when closed),
    entered_quantity, average_price, exit_price (average of its exits so far), multiplier, entries, mark, marked_at (since when the
    mark is the last known price), unrealized_pnl, realized_pnl (gross of commission), commission, stop_price, target_price,
    trailing_stop, at_break_even, initial_risk, opened_at, closed_at, exit_reason, underlying and contract (of an option: the
    contract in words), leave_at and leave_for (when its time is up, and by which rule)``. Amounts are Decimal in the account's
    currency, times UTC.
    """
    rows = await connection.fetch(SQL.list_positions.sql, list(STATUSES[status]), limit, offset, user_id)
    return [_position(row) for row in rows]


def _position(row: Mapping[str, Any]) -> dict[str, Any]:
    side = "long" if row["entry_side"] == "buy" else "short"
    contract = instrument_for(row["symbol"]).option
    readable = None if contract is None else contract.readable
    return {"id": row["position_id"], "side": side, **{name: row[name] for name in _POSITION}, "contract": readable}
