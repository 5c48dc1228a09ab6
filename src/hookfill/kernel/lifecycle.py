"""Lifecycles as literal transition tables: an illegal step is an error, a terminal state never changes."""

from collections.abc import Mapping
from dataclasses import dataclass

from hookfill.kernel.errors import LedgerError


class IllegalTransition(LedgerError):
    """A thing was asked to move to a state that its lifecycle does not allow."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """One thing's states and the steps between them.

    ``steps`` maps each state to the states that may follow it; a terminal state maps to nothing.
    """

    thing: str
    steps: Mapping[str, frozenset[str]]

    def move(self, current: str, following: str) -> str:
        """Return ``following`` if the step is allowed.

        Raises:
            IllegalTransition: the table has no such step.
        """
        if following not in self.steps[current]:
            raise IllegalTransition(
                f"A {self.thing} can't go from {current!r} to {following!r}. This is a defect: please report it with the row's id."
            )
        return following

    def is_terminal(self, state: str) -> bool:
        """Whether nothing may follow ``state``."""
        return not self.steps[state]


def lifecycle(thing: str, steps: Mapping[str, str]) -> Lifecycle:
    """Build a table from ``{"pending": "approved rejected", "rejected": ""}``."""
    return Lifecycle(thing, {state: frozenset(after.split()) for state, after in steps.items()})


MESSAGE = lifecycle(
    "message",
    {
        "received": "processed malformed refused duplicate",
        "malformed": "repaired",
        "repaired": "received",
        "processed": "",
        "refused": "",
        "duplicate": "",
    },
)
SIGNAL = lifecycle(
    "signal",
    {
        "pending": "discarded rejected approved failed",
        "approved": "executed failed expired",
        "discarded": "",
        "rejected": "",
        "executed": "",
        "failed": "",
        "expired": "",
    },
)
ORDER = lifecycle(
    "order",
    {
        "created": "submitting denied working filled",
        "submitting": "working unknown rejected partially_filled filled cancelled expired",
        "unknown": "working rejected partially_filled filled cancelled expired",
        "working": "partially_filled filled cancelled expired rejected",
        "partially_filled": "partially_filled filled cancelled expired",
        "denied": "",
        "rejected": "",
        "filled": "",
        "cancelled": "",
        "expired": "",
    },
)
POSITION = lifecycle("position", {"open": "closing closed", "closing": "open closed", "closed": ""})
"""A closing position is open again when the order that was to close it did not fill, or filled in part."""
JOB = lifecycle(
    "job",
    {
        "pending": "running cancelled expired",
        "running": "pending running completed failed cancelled expired",
        "completed": "",
        "failed": "",
        "cancelled": "",
        "expired": "",
    },
)
"""A running job is pending again when its lease ends; leased anew at once, it goes from running to running."""
