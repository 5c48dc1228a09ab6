"""The desk's statements stay cheap on large tables: they use their indexes and look at little more than what they return."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.desk.chains import SQL as OPTIONS
from hookfill.desk.gather import _MARKING, MOST_BARS, SQL
from hookfill.postgres.model import Database
from support.desk import at
from support.plans import assert_little_is_read, connected, fill

BUSY, QUIET = UUID(int=1), UUID(int=2)
FILL = [
    # 200,000 candles: ten symbols, 20,000 minutes each.
    """INSERT INTO market_data_candles (symbol, timeframe, timestamp, open, high, low, close)
       SELECT 'SYM' || s, 'M1', '2026-03-02T12:00Z'::timestamptz + n * interval '1 min', 1, 1, 1, 1
       FROM generate_series(0, 9) AS s, generate_series(1, 20000) AS n""",
    """INSERT INTO quotes (symbol, price, quoted_at, source)
       SELECT 'SYM' || s, 1, '2026-03-16T09:20Z', 'candle' FROM generate_series(0, 999) AS s""",
    # 50,000 signals of a thousand accounts; 25 of each of two accounts are pending.
    """INSERT INTO messages (account_id, message_id, door, source, headers, body, received_at, as_of, state)
       SELECT pg_temp.own(n % 1000), pg_temp.own(n), 'tradingview', 'live', '{}', '', now(), now(), 'processed'
       FROM generate_series(1, 50000) AS n""",
    """INSERT INTO signals (account_id, signal_id, message_id, strategy_id, door, source, status, as_of, created_at)
       SELECT account_id, message_id, message_id, account_id, door, source, 'executed', as_of, received_at FROM messages""",
    """UPDATE signals SET status = 'pending'
       FROM (
           SELECT signal_id, row_number() OVER (PARTITION BY account_id) AS place FROM signals
           WHERE account_id IN (pg_temp.own(1), pg_temp.own(2))
       ) AS one
       WHERE one.signal_id = signals.signal_id AND place <= 25""",
    # 20,000 positions, ten of them open in symbols with a newer price, ten in symbols without.
    """INSERT INTO positions (account_id, position_id, strategy_id, symbol, status, quantity, average_price, cost, multiplier,
                              entries, realized_pnl, commission, mark, marked_at, marked_until, best_price, at_break_even,
                              exits, opened_at)
       SELECT pg_temp.own(n % 1000), pg_temp.own(n), pg_temp.own(n), 'SYM' || n % 1000,
              CASE WHEN n <= 20 THEN 'open' ELSE 'closed' END, 1, 1, 1, 1, 1, 0, 0, 1, now(),
              CASE WHEN n <= 10 THEN '2026-03-16T09:19Z'::timestamptz ELSE '2026-03-16T09:20Z' END, 1, false, '{}', now()
       FROM generate_series(1, 20000) AS n""",
    # A quarter of them are options whose time is up; three of those are open, one of them without a newer price.
    """UPDATE positions SET underlying = symbol, due_at = '2026-03-10T00:00Z'
       WHERE position_id IN (SELECT pg_temp.own(n) FROM generate_series(1, 20000) AS n WHERE n % 4 = 0 AND (n > 20 OR n <= 12))""",
    """INSERT INTO orders (account_id, order_id, client_order_id, strategy_id, symbol, side, order_type, purpose, quantity, status,
                           as_of)
       SELECT pg_temp.own(n % 10), pg_temp.own(n), n, pg_temp.own(n), 'X', 'buy', 'market',
              CASE WHEN n % 2 = 0 THEN 'entry' ELSE 'exit' END, 1, 'filled', '2026-03-02T12:00Z'::timestamptz + n * interval '1 s'
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO halts (account_id, halt_id, scope, reduce_only, reason, lifted_at)
       SELECT pg_temp.own(n % 1000), pg_temp.own(n), 'account', true, 'x', now()
       FROM generate_series(1, 20000) AS n""",
]


@pytest.fixture(scope="module")
def crowded(module_database: Database) -> Database:
    return fill(module_database, FILL)


@pytest.fixture
async def reader(crowded: Database) -> AsyncIterator[asyncpg.Connection]:
    async with connected(crowded) as connection:
        yield connection


EVERYTHING = [f"SYM{number}" for number in range(10)]
ASKED = [(symbol, timeframe) for symbol in EVERYTHING for timeframe in _MARKING]
SYMBOLS, TIMEFRAMES = [symbol for symbol, _ in ASKED], [timeframe for _, timeframe in ASKED]
# Name, arguments, the index it must use, rows that it returns, rows that it may look at.
PLANS: list[tuple[str, tuple[Any, ...], str | None, int, int]] = [
    ("accounts_with_signals", (), "signals_pending", 2, 50),
    ("accounts_with_prices", (at(30_000),), None, 10, 1_100),  # quotes are few: one row per symbol
    ("lock_account", (BUSY,), None, 0, 0),
    ("pending_signals", (BUSY, 1_000), "signals_pending", 25, 50),
    ("pending_signals", (BUSY, 5), "signals_pending", 5, 12),
    ("pending_signals", (UUID(int=3), 1_000), "signals_pending", 0, 1),
    ("open_positions", (BUSY,), None, 1, 21),
    ("halts_in_force", (BUSY, BUSY), "halts_in_force", 0, 2),
    ("recent_entries", (BUSY, at(5), at(6)), "orders_entries", 0, 2),
    ("recent_entries", (QUIET, at(5), at(6)), "orders_entries", 6, 6),
    ("quotes_of", (["SYM1", "SYM2", "NONE"],), "quotes_pkey", 2, 3),
    (
        "bars_between",
        (SYMBOLS, TIMEFRAMES, [at(10_000)] * len(ASKED), at(10_010), MOST_BARS),
        "market_data_candles_symbol_timeframe_timestamp_key", 100, 100,
    ),
    (
        "bars_between",
        (["SYM1"], ["M1"], [at(1)], at(15_000), MOST_BARS),
        None, 14_999, 14_999,
    ),
    (
        "last_bars_before",
        (SYMBOLS, TIMEFRAMES, [at(10_000)] * len(ASKED), 2),
        "market_data_candles_symbol_timeframe_timestamp_key", 20, 20,
    ),
    (
        "last_bars_before",
        (["SYM1"], ["M1"], [at(10_000)], 301),
        "market_data_candles_symbol_timeframe_timestamp_key", 301, 301,
    ),
]  # fmt: skip

OPTION_PLANS: list[tuple[str, tuple[Any, ...], str | None, int, int]] = [
    ("accounts_with_option_prices", (at(30_000),), "positions_open_by_underlying", 2, 1_100),  # quotes are few
    ("accounts_with_due", (at(30_000),), "positions_due", 3, 3),
    ("accounts_with_due", (at(0),), "positions_due", 0, 0),
]
SOURCES = [(SQL, *plan) for plan in PLANS] + [(OPTIONS, *plan) for plan in OPTION_PLANS]


@pytest.mark.parametrize(("source", "name", "arguments", "index", "returned", "most"), SOURCES)
async def test_a_statement_looks_at_little(
    reader: asyncpg.Connection, source: Any, name: str, arguments: tuple[Any, ...], index: str | None, returned: int, most: int
) -> None:
    await assert_little_is_read(reader, getattr(source, name).sql, arguments, returned=returned, most=most, index=index)
