"""TradingView's alert-log export as a door: history comes in as files (``Alert ID,Ticker,Name,Description,Time``).

``Description`` is the message that was sent, ``Time`` when it was fired. A row becomes what it would have become at TradingView's
own door, judged as of its own time; importing the same file again changes nothing.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from hookfill.edge.intake import refuse
from hookfill.edge.tradingview import DOOR
from hookfill.inbox.model import Delivery, NewSignal
from hookfill.inbox.store import flush, known_keys
from hookfill.kernel.clock import to_us
from hookfill.kernel.errors import HookfillError
from hookfill.kernel.ids import new_id
from hookfill.kernel.times import InvalidTime, parse_time
from hookfill.signals.grammar import alert_key
from hookfill.signals.mask import mask_secrets
from hookfill.signals.model import Malformed

SOURCE = "import"
BATCH = 500
LONGEST_FIELD = 16 * 1024 * 1024
"""Real logs have messages of more than a megabyte."""
_TEXT, _TIME = "Description", "Time"


class UnreadableLog(HookfillError):
    """The file is no alert log."""


@dataclass(frozen=True, slots=True)
class LoggedAlert:
    """One fired alert: its place in the file, its message, when it was fired (UTC), and the log's other columns."""

    line: int
    body: bytes
    fired_at: datetime
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no alert: its line in the file, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """Whose alerts they are."""

    account_id: UUID
    strategy_id: UUID


def read_alert_log(lines: Iterable[str]) -> Iterator[LoggedAlert | BadRow]:
    """The rows of an alert log, in the file's order.

    Args:
        lines: the file's lines, decoded, with their line breaks.

    Raises:
        UnreadableLog: its columns are not those of an alert log, or it is no CSV.
    """
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not {_TEXT, _TIME} <= set(header):
            raise UnreadableLog(
                f"This is no alert log: it lacks the columns {_TEXT} and {_TIME}. Export it from TradingView's alert log."
            )
        for row in reader:
            if row:
                yield _read_row(dict(zip(header, row, strict=False)), len(row) == len(header), reader.line_num)
    except csv.Error as error:
        raise UnreadableLog(f"The file is no sound CSV at line {reader.line_num} ({error}): export it again.") from error


def _read_row(cells: dict[str, str], is_whole: bool, line: int) -> LoggedAlert | BadRow:
    if not is_whole:
        return BadRow(line, "it has not as many columns as the header")
    try:
        fired_at = parse_time(cells[_TIME], _TIME)
    except InvalidTime as error:
        return BadRow(line, str(error))
    labels = {name: value.replace("\x00", "") for name, value in cells.items() if name not in (_TEXT, _TIME) and value}
    return LoggedAlert(line, cells[_TEXT].encode("utf-8", "replace"), fired_at, labels)


def in_order(alerts: Sequence[LoggedAlert]) -> list[LoggedAlert]:
    """By the time of their firing; TradingView's own order is newest first, also within a second."""
    is_newest_first = bool(alerts) and alerts[0].fired_at > alerts[-1].fired_at
    return sorted(reversed(alerts) if is_newest_first else alerts, key=lambda alert: alert.fired_at)


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
