"""Compares TradingView's alert log with the database: gathers what ``compare`` needs."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hookfill.inbox.alert_log import BadRow, LoggedAlert
from hookfill.journal.compare import Arrival, Comparison, Content, Known, Log, compare, gather, unaccounted
from hookfill.kernel.ids import earliest_id
from hookfill.postgres.sql import load

SQL = load(__package__, "reconcile.sql")
BEFORE = timedelta(days=1)
"""How long before a log's first firing its alerts may have arrived: the log may begin with repeats."""
AT_ONCE = 5_000
"""Bodies or events asked for in one statement."""


async def compare_log(
    connection: asyncpg.Connection, account_ids: Sequence[UUID], rows: Iterable[LoggedAlert | BadRow]
) -> Comparison:
    """What became of each alert of a log in these accounts.

    Args:
        rows: of the log; read in a thread of their own, since a long log takes seconds.

    Raises:
        UnreadableLog: the file is no alert log.
    """
    log = await asyncio.to_thread(gather, rows)
    arrivals = await _arrivals(connection, account_ids, log)
    contents = await asyncio.to_thread(unaccounted, log, arrivals)
    known = await _known(connection, account_ids, contents.values())
    return compare(log, arrivals, contents, known)


async def _arrivals(connection: asyncpg.Connection, account_ids: Sequence[UUID], log: Log) -> dict[bytes, Arrival]:
    arrivals: dict[bytes, Arrival] = {}
    if log.fired:
        lengths = sorted({len(one.body) for one in log.fired})
        digests = [one.digest for one in log.fired]
        since = earliest_id(log.fired[0].first_at - BEFORE)
        for row in await connection.fetch(SQL.arrivals.sql, account_ids, since, lengths, digests):
            arrivals[row["digest"]] = _joined(arrivals.get(row["digest"]), row)
    return arrivals


def _joined(known: Arrival | None, row: Mapping[str, Any]) -> Arrival:
    """What is known of a body, with its messages of one more state and door; malformed ones come first."""
    state, known = row["state"], known or Arrival(0, frozenset())
    if state not in ("malformed", "refused"):
        return replace(known, deliveries=known.deliveries + row["deliveries"], taken_by=known.taken_by | {row["door"]})
    if state == "malformed":
        known = replace(known, deliveries=known.deliveries + row["deliveries"])
    if known.state is not None:
        return known
    return replace(known, message_id=row["message_id"], state=state, reason=row["reason"])


async def _known(connection: asyncpg.Connection, account_ids: Sequence[UUID], contents: Collection[Content]) -> list[Known]:
    """The journal's events with the keys, or with trade, kind and time, of what these alerts tell."""
    told = [content.reading for content in contents if content.reading is not None]
    keys = list({key for content in contents for key in content.keys})
    alike = list({(event.trade_id, event.event_type.value, event.at) for reading in told for event in reading.events})
    known: list[Known] = []
    for start in range(0, len(keys), AT_ONCE):
        found = await connection.fetch(SQL.events_by_key.sql, account_ids, keys[start : start + AT_ONCE])
        known += [Known(*row.values()) for row in found]
    for start in range(0, len(alike), AT_ONCE):
        columns = zip(*alike[start : start + AT_ONCE], strict=True)
        found = await connection.fetch(SQL.events_alike.sql, *map(list, columns), account_ids)
        known += [Known(*row.values()) for row in found]
    return known
