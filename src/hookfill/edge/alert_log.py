"""TradingView's alert-log export as a door: history comes in as files.

A row becomes what it would have become at TradingView's own door, judged as of its own time; importing the same file again changes
nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from hookfill.edge.intake import refuse
from hookfill.edge.tradingview import DOOR
from hookfill.inbox.alert_log import LoggedAlert
from hookfill.inbox.model import Delivery, NewSignal
from hookfill.inbox.store import flush, known_keys
from hookfill.kernel.clock import to_us
from hookfill.kernel.ids import new_id
from hookfill.signals.grammar import alert_key
from hookfill.signals.mask import mask_secrets
from hookfill.signals.model import Malformed

SOURCE = "import"
BATCH = 500


@dataclass(frozen=True, slots=True)
class Target:
    """Whose alerts they are."""

    account_id: UUID
    strategy_id: UUID


def history_key(strategy_id: UUID, alert: LoggedAlert) -> bytes:
    """What makes a logged alert the same as another: strategy, time and message (SHA-256)."""
    moment = to_us(alert.fired_at).to_bytes(8, "big", signed=True)
    return hashlib.sha256(b"history\x00" + strategy_id.bytes + moment + alert.body).digest()


def to_delivery(alert: LoggedAlert, target: Target, received_at: datetime) -> Delivery:
    """A logged alert as the inbox takes it: source ``import``, judged as of when it was fired."""
    item = Delivery(
        account_id=target.account_id,
        message_id=new_id(),
        door=DOOR,
        body=mask_secrets(alert.body),
        received_at=received_at,
        as_of=alert.fired_at,
        seen_us=to_us(alert.fired_at),
        headers=orjson.dumps({"log": alert.labels}).decode(),
        strategy_id=target.strategy_id,
        source=SOURCE,
        gate_key=history_key(target.strategy_id, alert),
    )
    own_key = alert_key(target.strategy_id, alert.body)
    if isinstance(own_key, Malformed):
        return refuse(item, "malformed", own_key.reason, own_key.detail)
    item.signal = NewSignal(new_id())
    return item


async def store_history(
    connection: asyncpg.Connection, alerts: Sequence[LoggedAlert], target: Target, received_at: datetime
) -> list[Delivery]:
    """Store the alerts that are not there yet, and return them.

    Call it inside one transaction for all batches of a file: a worker that saw only the first half would move the account's
    time on past the second.

    Args:
        connection: inside a transaction.
        alerts: in the order of their firing, at most ``BATCH``.
        target: whose they are.
        received_at: now (UTC).
    """
    by_key: dict[bytes, LoggedAlert] = {}
    for alert in alerts:
        by_key.setdefault(history_key(target.strategy_id, alert), alert)
    known = await known_keys(connection, target.account_id, list(by_key))
    deliveries = [to_delivery(alert, target, received_at) for key, alert in by_key.items() if key not in known]
    if deliveries:
        await flush(connection, deliveries)
    return deliveries
