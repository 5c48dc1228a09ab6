"""The ledger's invariants, asked of the database itself: what must never be is looked for, row by row.

The desk checks each transaction before it commits (``positions.invariants``); this looks at everything that was ever stored, so it
also finds what a hand on the database, a faulty disk or a bad restore did.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.kernel.lifecycle import MESSAGE, ORDER, POSITION, SIGNAL, Lifecycle
from hookfill.postgres.snapshot import snapshot
from hookfill.postgres.sql import load

SQL = load(__package__, "ledger.sql")
MOST_FINDINGS = 100

WARNINGS = frozenset({"signals_are_decided_soon", "approved_signals_end_soon", "positions_end_on_time"})
"""Invariants whose breach does not mean damage: the worker may be stopped, or an agent offline."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that should not be as it is."""

    account_id: UUID
    id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """An invariant and the rows that break it, at most ``MOST_FINDINGS``; ``title`` says in plain words what holds."""

    name: str
    title: str
    is_warning: bool
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return not self.findings


def _states(lifecycles: tuple[Lifecycle, ...]) -> list[str]:
    return [f"{each.thing} {state}" for each in lifecycles for state in each.steps]


_ARGUMENTS: dict[str, Any] = {
    "states_are_known": _states((MESSAGE, SIGNAL, ORDER, POSITION)),
    "ended_signals_say_when": [state for state in SIGNAL.steps if SIGNAL.is_terminal(state)],
}
"""What a statement compares with, beside the number of findings it may return."""


def invariants() -> list[str]:
    """The names of all invariants, as they are checked: by name."""
    return [name for name in SQL.available_queries if not name.endswith("_cursor")]


async def check_ledger(connection: asyncpg.Connection) -> list[Invariant]:
    """Check every invariant on one snapshot of the database, which may take a while on a large one."""
    async with snapshot(connection):
        return [await _check(connection, name) for name in invariants()]


async def _check(connection: asyncpg.Connection, name: str) -> Invariant:
    statement = getattr(SQL, name)
    arguments = [MOST_FINDINGS, *([_ARGUMENTS[name]] if name in _ARGUMENTS else [])]
    rows = await connection.fetch(statement.sql, *arguments)
    findings = tuple(Finding(row["account_id"], row["id"], row["finding"]) for row in rows)
    return Invariant(name, " ".join(statement.__doc__.split()), name in WARNINGS, findings)
