"""Reads from the books which symbols matter, and for how long ahead options on them do."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from hookfill.kernel.ids import earliest_id
from hookfill.market.feeds.plan import DEFAULT_DAYS, Watched
from hookfill.market.option_symbols import option_in
from hookfill.market.timeframes import closest_timeframe
from hookfill.postgres.sql import load

SQL = load(__package__, "watch.sql")
RECENT = timedelta(days=5)
"""How long a symbol matters after the last signal about it."""
MOST_SIGNALS = 300
"""Of an account, the newest ones: those before them are about the same symbols."""
MOST_SYMBOLS = 500
TIER_DAYS = {"SCALP_GUARDED": 14, "SWING": 90, "POSITION": 180, "LEAPS": 720}
"""How many days ahead each tier of the strike rules looks (``orders.strike_rules.BOUNDS``)."""


async def read_watched(connection: asyncpg.Connection, now: datetime) -> dict[str, Watched]:
    """What matters now, by symbol; at most ``MOST_SYMBOLS``, those with open options first."""
    rows = await connection.fetch(SQL.watched.sql, earliest_id(now - RECENT), MOST_SIGNALS, MOST_SYMBOLS)
    return {row["symbol"]: _watched(row) for row in rows}


def _watched(row: Mapping[str, Any]) -> Watched:
    return Watched(
        symbol=row["symbol"],
        accounts=frozenset(row["accounts"]),
        timeframes=frozenset({"M1", *_timeframes(row["timeframes"])}),
        option_days=_days(row["tiers"] or ()) if row["has_options"] else None,
        contracts=tuple(contract for symbol in row["contracts"] or () if (contract := option_in(symbol)) is not None),
    )


def _timeframes(texts: Iterable[str]) -> Iterable[str]:
    return (name for text in texts if (name := closest_timeframe(text)) is not None)


def _days(tiers: Iterable[str]) -> int:
    return max((TIER_DAYS.get(tier, DEFAULT_DAYS) for tier in tiers), default=DEFAULT_DAYS)
