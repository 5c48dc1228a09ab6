"""Alerts that never arrived, brought in from TradingView's alert log: source ``backfill``, judged as of when they were fired.

They pass the same gate as what comes through the doors: should such an alert arrive after all, it is a repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from hookfill.edge import indicator_export, telemetry
from hookfill.exports import envelope
from hookfill.inbox.model import Delivery
from hookfill.inbox.store import JOURNAL_CHANNEL, flush, wake
from hookfill.journal.compare import Finding, Kind
from hookfill.journal.model import DOOR
from hookfill.kernel.ids import new_id

SOURCE = "backfill"
BATCH = 500


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What was brought in.

    Attributes:
        stored: how many messages.
        malformed: how many of them wait for repair.
    """

    stored: int
    malformed: int


def to_delivery(finding: Finding, account_id: UUID, received_at: datetime) -> Delivery:
    """A missing alert as its own door would have stored it.

    Args:
        finding: one that ``can_backfill``.
        account_id: whose it becomes.
        received_at: now (UTC).
    """
    assert finding.content is not None
    fired = finding.fired
    is_export = finding.content.kind is Kind.EXPORT
    item = Delivery(
        account_id=account_id,
        message_id=new_id(),
        door=envelope.DOOR if is_export else DOOR,
        body=fired.body,
        received_at=received_at,
        as_of=fired.first_at,
        seen_us=0,
        headers=orjson.dumps({"log": dict(fired.labels)}).decode(),
        source=SOURCE,
    )
    judge = indicator_export.judge if is_export else telemetry.judge
    judge(item, item.body)
    return item


async def backfill(
    connection: asyncpg.Connection, account_id: UUID, findings: Sequence[Finding], received_at: datetime
) -> Backfilled:
    """Store those of the findings that may be brought in, all in one commit, and wake the worker that reads them.

    Args:
        connection: the installation's own, not in a transaction.
        account_id: whose they become.
        received_at: now (UTC).

    Raises:
        asyncpg.PostgresError, OSError: nothing was stored, or it is unknown whether it was; comparing again tells.
    """
    items = [to_delivery(finding, account_id, received_at) for finding in findings if finding.can_backfill]
    async with connection.transaction():
        for start in range(0, len(items), BATCH):
            await flush(connection, items[start : start + BATCH])
    if items:
        await wake(connection, [JOURNAL_CHANNEL])
    return Backfilled(len(items), sum(item.state == "malformed" for item in items))
