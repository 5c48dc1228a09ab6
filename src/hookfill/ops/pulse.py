"""How one loop of this process fares, kept in memory and told to the database every few seconds (see ``heart``)."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from hookfill.kernel.clock import utc_now
from hookfill.ops.logs import masked

MOST_ERROR = 500
FAILING = 3
"""So many rounds in a row that failed make a loop a failing one."""


@dataclass(slots=True)
class Pulse:
    """A loop's rounds: when one last succeeded, and how many in a row have failed since.

    Attributes:
        name: what the loop is for ("desk").
        succeeded_at, failed_at: by this machine's clock, UTC.
        error: the last failure, secrets masked; it stays to be read when the loop has recovered.
        counters: what the loop has done since it started, by a few bounded names.
    """

    name: str
    succeeded_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None
    error: str | None = None
    counters: Counter[str] = field(default_factory=Counter)

    def succeeded(self) -> None:
        """A round is over in which nothing failed; there need not have been any work."""
        self.succeeded_at = utc_now()
        self.failures = 0

    def failed(self, error: BaseException | str) -> None:
        """A round failed, or a part of it."""
        self.failures += 1
        self.failed_at = utc_now()
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        self.error = masked(text)[:MOST_ERROR]

    @property
    def is_failing(self) -> bool:
        """Whether it has failed too often in a row for a passing trouble."""
        return self.failures >= FAILING
