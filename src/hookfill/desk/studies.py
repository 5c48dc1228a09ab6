"""Gathers the closed bars that engines look at; of an alert that names an option those of its underlying."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from hookfill.accounts.model import Strategy
from hookfill.desk.contracts import priced_by
from hookfill.desk.price import candle_from, study_timeframe
from hookfill.desk.view import bars_needed
from hookfill.market.model import Candle
from hookfill.postgres.sql import load
from hookfill.signals.model import Signal

SQL = load(__package__)


async def studies(
    connection: asyncpg.Connection, signals: Sequence[Signal], strategies: Mapping[UUID, Strategy], most_between: int
) -> dict[tuple[str, str], tuple[Candle, ...]]:
    """Bars for the engines that look at bars, per symbol and timeframe, oldest first; no statement where there is none.

    Args:
        most_between: how many bars are read at most between the first signal and the last.
    """
    spans: dict[tuple[str, str], tuple[datetime, datetime]] = {}
    most = 0
    for signal in signals:
        strategy = strategies.get(signal.strategy_id)
        needed = 0 if strategy is None else bars_needed(strategy.engine)
        if not needed:
            continue
        most = max(most, needed)
        key = (priced_by(signal.alert.symbol), study_timeframe(signal))
        first, last = spans.get(key, (signal.as_of, signal.as_of))
        spans[key] = (min(first, signal.as_of), max(last, signal.as_of))
    if not spans:
        return {}
    asked = [[symbol for symbol, _ in spans], [timeframe for _, timeframe in spans], [first for first, _ in spans.values()]]
    until = max(last for _, last in spans.values())
    before = await connection.fetch(SQL.last_bars_before.sql, *asked, most + 1)  # one of them may still be forming
    between = await connection.fetch(SQL.bars_between.sql, *asked, until, most_between)
    found: dict[tuple[str, str], list[Candle]] = {key: [] for key in spans}
    for bar in sorted(map(candle_from, (*before, *between)), key=lambda bar: bar.opened_at):
        found[bar.symbol, bar.timeframe].append(bar)
    return {key: tuple(bars) for key, bars in found.items()}
