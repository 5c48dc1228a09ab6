"""Which batches of an export arrived and which are missing (pure).

An indicator numbers the batches of an export and tells how many signals there are in all; nothing else holds them together. So one
run is what came of one kind and size (``event_type``, ``total_signals``) without a pause of more than `PAUSE`, and in which no
number stands for two different batches: where a number comes again with other content, the export was taken anew.

The same content again is the same batch. Within `RESEND` of the time before it was sent twice. Later it may belong to the next
export, in which nothing of it had changed, and which shows itself only by a batch that did: from the first such repeat on, what
came counts for the run that it came in and for the next one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

PAUSE = timedelta(hours=6)
"""One batch per bar of a chart of up to four hours is still one run."""
RESEND = timedelta(seconds=60)
"""Two deliveries of the same bytes within this time are one (the contracts' duplicate window)."""
MOST_NAMED = 1_000
"""Missing numbers that are named one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One time that a batch came; ``received_at`` is UTC."""

    received_at: datetime
    batch_id: int
    event_type: str
    batch_number: int
    batch_size: int | None
    total_signals: int


@dataclass(slots=True)
class Run:
    """One export.

    Attributes:
        began_at, ended_at: when its first and its last batch came (UTC).
        batches: the batch of each number.
        batch_size: the largest that a batch told: the last one may tell less.
    """

    event_type: str
    total_signals: int
    began_at: datetime
    ended_at: datetime
    batches: dict[int, int] = field(default_factory=dict)
    batch_size: int | None = None

    @property
    def first_number(self) -> int:
        """Where its numbers begin: 1 if they end beyond what counting from 0 would."""
        expected = self.expected
        return 1 if expected is not None and 0 not in self.batches and expected in self.batches else 0

    @property
    def expected(self) -> int | None:
        """How many batches make it whole; None: no batch told its size."""
        return None if not self.batch_size else -(-self.total_signals // self.batch_size)

    @property
    def missing_count(self) -> int | None:
        """How many batches have not come; None: it can't be known."""
        expected = self.expected
        if expected is None:
            return None
        first = self.first_number
        return expected - sum(1 for number in self.batches if first <= number < first + expected)

    @property
    def missing(self) -> list[int]:
        """The first missing numbers, `MOST_NAMED` at most."""
        expected, first = self.expected or 0, self.first_number
        found: list[int] = []
        number = first
        while number < first + expected and len(found) < MOST_NAMED:  # as many steps as there are batches, and these
            if number not in self.batches:
                found.append(number)
            number += 1
        return found


def runs_of(deliveries: Iterable[Delivery]) -> list[Run]:
    """The runs that deliveries make, the newest first."""
    groups: dict[tuple[str, int], list[Delivery]] = {}
    for delivery in sorted(deliveries, key=lambda one: (one.received_at, one.batch_id)):
        groups.setdefault((delivery.event_type, delivery.total_signals), []).append(delivery)
    found = [run for group in groups.values() for run in _split(group)]
    return sorted(found, key=lambda run: (run.ended_at, run.event_type, run.total_signals), reverse=True)


def _split(group: list[Delivery]) -> list[Run]:
    """The runs of one kind and size, in their order."""
    runs: list[Run] = []
    last: dict[int, datetime] = {}  # when each batch came
    sure: set[int] = set()  # the numbers of the current run that came in it for certain
    repeated: list[Delivery] = []  # what came since the first repeat in the current run
    for place, delivery in enumerate(group):
        number, before = delivery.batch_number, last.get(delivery.batch_id)
        last[delivery.batch_id] = delivery.received_at
        is_new = place == 0 or delivery.received_at - group[place - 1].received_at > PAUSE
        if is_new or (number in sure and runs[-1].batches[number] != delivery.batch_id):
            runs.append(_run([] if is_new else _consistent(repeated, delivery), delivery))
            sure, repeated = {number}, []
            continue
        is_resent = before is not None and delivery.received_at - before <= RESEND
        if repeated or (number in runs[-1].batches and not is_resent):
            repeated.append(delivery)
        _add(runs[-1], delivery)
        sure.add(number)
    return runs


def _consistent(repeated: list[Delivery], delivery: Delivery) -> list[Delivery]:
    """Of what came before a delivery the last part in which no number stands for two batches, the delivery's own included."""
    taken = {delivery.batch_number: delivery.batch_id}
    found: list[Delivery] = []
    for one in reversed(repeated):
        if taken.setdefault(one.batch_number, one.batch_id) != one.batch_id:
            break
        found.append(one)
    return found[::-1]


def _run(taken_in: list[Delivery], delivery: Delivery) -> Run:
    began_at = taken_in[0].received_at if taken_in else delivery.received_at
    run = Run(delivery.event_type, delivery.total_signals, began_at, began_at)
    for one in (*taken_in, delivery):
        _add(run, one)
    return run


def _add(run: Run, delivery: Delivery) -> None:
    run.batches[delivery.batch_number] = delivery.batch_id
    run.ended_at = delivery.received_at
    if delivery.batch_size:
        run.batch_size = max(run.batch_size or 0, delivery.batch_size)
