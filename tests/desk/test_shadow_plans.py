"""The shadow book's statements stay cheap on large tables: they look at little more than what they return."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.desk.experiment_reads import SQL as READS
from hookfill.desk.experiments import SQL
from hookfill.desk.gather import SQL as DESK
from hookfill.desk.timers import GRACE
from hookfill.postgres.model import Database
from support.desk import at
from support.plans import assert_little_is_read, connected, fill

USER, BUSY, FEW = UUID(int=9), UUID(int=1), UUID(int=2)
FILL = [
    "INSERT INTO users (user_id, name, role, token_sha256) VALUES (pg_temp.own(9), 'x', 'owner', 'x')",
    """INSERT INTO accounts (account_id, user_id, name, kind, currency, starting_cash, cash, balance, day, day_start_balance)
       SELECT pg_temp.own(n), pg_temp.own(CASE WHEN n = 2 THEN 9 ELSE 8 END), n, 'paper', 'USD', 1, 1, 1, '2026-03-02', 1
       FROM generate_series(1, 2) AS n WHERE n = 2""",
    """INSERT INTO quotes (symbol, price, quoted_at, source)
       SELECT 'SYM' || s, 1, '2026-03-16T09:20Z', 'candle' FROM generate_series(0, 999) AS s""",
    # 20,000 shadow positions of a thousand accounts, all but twenty closed; ten of these have a newer price, two are due.
    """INSERT INTO shadow_positions (account_id, variant, position_id, strategy_id, symbol, priced_by, status, side, quantity,
           average_price, multiplier, entries, realized_pnl, commission, mark, marked_at, marked_until, due_at, opened_at, state)
       SELECT pg_temp.own(n % 1000), CASE WHEN n % 2 = 0 THEN 'A' ELSE 'B' END, pg_temp.own(n), pg_temp.own(n % 1000),
              'SYM' || n % 1000, 'SYM' || n % 1000, CASE WHEN n <= 20 THEN 'open' ELSE 'closed' END, 'long', 1, 1, 1, 1, 0, 0, 1,
              now(), CASE WHEN n <= 10 THEN '2026-03-16T09:19Z'::timestamptz ELSE '2026-03-16T09:20Z' END,
              CASE WHEN n IN (15, 16) OR n > 20 THEN '2026-03-10T00:00Z'::timestamptz END, now() + n * interval '1 s', '{}'
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO shadow_trades (account_id, variant, trade_id, position_id, signal_id, strategy_id, symbol, side, purpose,
           quantity, price, multiplier, commission, realized_pnl, price_source, traded_at)
       SELECT account_id, variant, position_id, position_id, position_id, strategy_id, symbol, 'buy', 'entry', 1, 1, 1, 0, 0,
              'candle', opened_at FROM shadow_positions""",
    """INSERT INTO experiments (account_id, signal_id, experiment_id, strategy_id, symbol, as_of, direction, price, variant,
           assignment_hash, split_percentage, verdict_a, bias_a, confidence_a, verdict_b, bias_b, confidence_b, outcome_a,
           outcome_b, opinions)
       SELECT account_id, position_id, position_id, strategy_id, symbol, opened_at, 1, 1, variant, 'x', 50, 'approved', 1, 50,
              'approved', 1, 50, 'entered', 'entered', '[]' FROM shadow_positions""",
    """INSERT INTO orders (account_id, order_id, client_order_id, signal_id, position_id, strategy_id, symbol, side, order_type,
           purpose, quantity, filled_quantity, status, as_of)
       SELECT account_id, position_id, position_id, position_id, position_id, strategy_id, symbol, 'buy', 'market', 'entry', 1, 1,
              'filled', opened_at FROM shadow_positions""",
    """INSERT INTO positions (account_id, position_id, strategy_id, symbol, status, quantity, average_price, cost, multiplier,
           entries, realized_pnl, commission, mark, marked_at, marked_until, best_price, at_break_even, exits, opened_at)
       SELECT account_id, position_id, strategy_id, symbol, 'closed', 0, 1, 0, 1, 1, 1, 0, 1, now(), now(), 1, false, '{}', now()
       FROM shadow_positions""",
]


@pytest.fixture(scope="module")
def crowded(module_database: Database) -> Database:
    return fill(module_database, FILL)


@pytest.fixture
async def reader(crowded: Database) -> AsyncIterator[asyncpg.Connection]:
    async with connected(crowded) as connection:
        yield connection


# What runs it, its arguments, rows that it returns, rows that it may look at.
PLANS: list[tuple[Any, str, tuple[Any, ...], int, int]] = [
    (SQL, "accounts_with_shadow_prices", (at(30_000), GRACE), 12, 1_200),  # quotes are few: one row per symbol
    (SQL, "open_shadow", (FEW,), 1, 40),
    (SQL, "owners_of_positions", (FEW, [UUID(int=2), UUID(int=1002)]), 2, 8),
    (DESK, "lock_account", (FEW,), 1, 25),
    (READS, "list_pairs", (None, 10, 0, USER), 10, 150),
    (READS, "list_pairs", (FEW, 10, 0, USER), 10, 150),
    (READS, "get_pair", (USER, UUID(int=1002)), 1, 20),
    (READS, "get_tried", (USER, FEW), 0, 2),
    (READS, "currency_of", (FEW,), 1, 1),
    (READS, "pairs_to_compare", (FEW, FEW, 50, 100), 20, 200),
    (READS, "pairs_to_compare", (FEW, FEW, None, 100), 20, 200),
    (READS, "count_signals", (FEW, FEW, 50), 1, 41),
    (READS, "calls_by_trade", (USER, None, 100), 20, 220),
    (READS, "calls_by_move", (timedelta(hours=1), USER, None, 100), 20, 1_100),
    (READS, "list_shadow_positions", ("all", None, None, 10, 0, USER), 10, 60),
    (READS, "list_shadow_positions", ("open", "A", None, 10, 0, USER), 1, 60),
    (READS, "list_shadow_trades", (None, None, None, 10, 0, USER), 10, 60),
    (READS, "list_shadow_trades", (None, None, UUID(int=1002), 10, 0, USER), 1, 60),
]  # fmt: skip


@pytest.mark.parametrize(("source", "name", "arguments", "returned", "most"), PLANS)
async def test_a_statement_looks_at_little(
    reader: asyncpg.Connection, source: Any, name: str, arguments: tuple[Any, ...], returned: int, most: int
) -> None:
    await assert_little_is_read(reader, getattr(source, name).sql, arguments, returned=returned, most=most)
