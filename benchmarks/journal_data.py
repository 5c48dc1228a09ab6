"""A journal of many trades, as a long time of telemetry would have left it: trades folded by the real rules, day after day."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg

from hookfill.journal.merging import Trade, join, of
from hookfill.journal.model import Direction, Event, EventType
from hookfill.journal.packing import mark_days
from hookfill.journal.rows import Row, trade_row
from hookfill.journal.sessions import NEW_YORK
from hookfill.journal.store import SQL

TRADES_PER_DAY = 50
EVERY = timedelta(minutes=25)
"""Between two signals of a day."""
OPEN_TRADES = 40
"""The newest ones, that have not ended."""
SETUPS = ("FVG_CORE_HTF_ALIGNED", "FVG_CORE_COUNTER", "SWEEP_RECLAIM", "OPENING_DRIVE")
CHUNK_ROWS = 1_000
_LAST_DAY = datetime(2026, 10, 30, 0, 30, tzinfo=NEW_YORK)
_EVENTS = """
    INSERT INTO automated_signals (account_id, event_key, trade_id, event_type, direction, session, be_mfe, no_be_mfe, mae,
                                   event_at, signal_date, signal_time, telemetry, message_id, source)
    SELECT account_id, sha256(convert_to(trade_id || ' ' || n, 'UTF8')), trade_id,
           CASE n WHEN 1 THEN 'ENTRY' WHEN $2 THEN 'EXIT_STOP_LOSS' ELSE 'MFE_UPDATE' END, direction, session,
           n * 0.1, n * 0.1, -0.5, at, (at AT TIME ZONE 'America/New_York')::date, (at AT TIME ZONE 'America/New_York')::time,
           CASE WHEN n IN (1, $2) THEN jsonb_build_object('schema_version', '1.0.0', 'trade_id', trade_id, 'mfe_R', n * 0.1) END,
           gen_random_uuid(), 'live'
    FROM trade_states CROSS JOIN generate_series(1, $2::integer) AS n
    CROSS JOIN LATERAL (SELECT signal_at + n * interval '1 minute' AS at) AS timed
    WHERE account_id = $1 AND signal_date = ANY ($3)
"""


async def fill_journal(connection: asyncpg.Connection, account_id: UUID, trades: int, events_each: int) -> list[str]:
    """Store so many trades with so many events each; returns the trades' ids, the oldest first."""
    names: list[str] = []
    rows: list[Row] = []
    for trade in _trades(trades):
        names.append(trade.trade_id)
        rows.append(trade_row(trade) | {"events": events_each})
        if len(rows) == CHUNK_ROWS or len(names) == trades:
            days = {row["signal_date"] for row in rows}
            await connection.execute(SQL.keep_trades.sql, account_id, rows)
            await mark_days(connection, account_id, days)
            rows = []
    await connection.execute("INSERT INTO journals (account_id, version) VALUES ($1, 1) ON CONFLICT DO NOTHING", account_id)
    days = [
        row[0] for row in await connection.fetch("SELECT DISTINCT signal_date FROM trade_states WHERE account_id = $1", account_id)
    ]
    for place in range(0, len(days), TRADES_PER_DAY):
        await connection.execute(_EVENTS, account_id, events_each, days[place : place + TRADES_PER_DAY])
    for table in ("trade_states", "automated_signals", "journal_days"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    await connection.execute("CHECKPOINT")
    return names


def _trades(count: int) -> Iterator[Trade]:
    for number in range(count):
        day, place = divmod(number, TRADES_PER_DAY)
        at = _LAST_DAY + timedelta(days=day - (count - 1) // TRADES_PER_DAY) + place * EVERY
        yield _trade(number, at, is_open=number >= count - OPEN_TRADES)


def _trade(number: int, at: datetime, *, is_open: bool) -> Trade:
    """One trade: a few moves, break-even for some, an exit unless it is open."""
    direction = Direction.BULLISH if number % 2 else Direction.BEARISH
    trade_id = f"{at:%Y%m%d_%H%M%S}000_{direction.upper()}"
    reach = Decimal(number * 7919 % 4000) / 1000
    entry = Decimal(20_000 + number % 977)
    stop = entry - 25 if number % 2 else entry + 25
    setup = {"setup_family": "FVG", "setup_id": SETUPS[number % len(SETUPS)], "signal_strength": 70}

    def told(kind: EventType, minute: int, share: Decimal, **more: object) -> Event:
        moves = {"be_mfe": reach * share, "no_be_mfe": reach * share, "mae": -share}
        key = number.to_bytes(16) + minute.to_bytes(16)
        return Event(key, trade_id, kind, at + timedelta(minutes=minute), direction, symbol="MNQ1!", **moves, **more)  # type: ignore[arg-type]  # of several kinds

    described = {
        "entry_price": entry,
        "stop_loss": stop,
        "setup": setup,
        "schema_version": "1.0.0",
        "market_state": {"trend": "Bullish"},
    }
    events = [told(EventType.ENTRY, 1, Decimal(0), **described)]
    events += [told(EventType.MFE_UPDATE, minute, Decimal(minute) / 10, current_price=entry + minute) for minute in (4, 8)]
    if reach >= 1:
        events.append(told(EventType.BE_TRIGGERED, 9, Decimal("0.9")))
    if not is_open:
        kind = EventType.EXIT_BREAK_EVEN if reach >= 1 and number % 3 else EventType.EXIT_STOP_LOSS
        events.append(told(kind, 20, Decimal(1), exit_price=stop, final_mfe=reach))
    trade = of(events[0])
    for event in events[1:]:
        trade = join(trade, of(event))
    return trade
