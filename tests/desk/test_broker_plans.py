"""The statements of the broker's side stay cheap on large tables."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.desk.abroad import MOST_DEALS, SQL
from hookfill.postgres.model import Database
from support.desk import at
from support.plans import assert_little_is_read, connected, fill

BUSY = UUID(int=1)
FILL = [
    # 20,000 jobs of a thousand accounts, all booked but three of one account: ended, overdue, and in an agent's hands.
    """INSERT INTO jobs (account_id, job_id, job_type, input_data, status, order_id, expires_at, finished_at, settled_at, result)
       SELECT pg_temp.own(n % 1000), pg_temp.own(n), 'trade', '{}',
              CASE n WHEN 1 THEN 'completed' WHEN 1001 THEN 'pending' WHEN 2001 THEN 'running' ELSE 'completed' END,
              pg_temp.own(n), now() - interval '1 hour', now(), CASE WHEN n IN (1, 1001, 2001) THEN NULL ELSE now() END,
              '{"deal_ids": ["5"]}'
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO orders (account_id, order_id, client_order_id, signal_id, position_id, strategy_id, symbol, side, order_type,
                           purpose, quantity, status, as_of)
       SELECT pg_temp.own(n % 1000), pg_temp.own(n), n, pg_temp.own(n), pg_temp.own(n), pg_temp.own(1), 'X', 'buy', 'market',
              'entry', 1, CASE WHEN n IN (1, 1001, 2001) THEN 'submitting' ELSE 'filled' END, now()
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO broker_deals (account_id, deal_id, symbol, side, quantity, price, reason, dealt_at, settled_at)
       SELECT pg_temp.own(n % 1000), n, 'X', 'sell', 1, 1, 'manual', now(), CASE WHEN n = 1 THEN NULL ELSE now() END
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO account_quotes (account_id, symbol, price, quoted_at, source)
       SELECT pg_temp.own(n % 1000), 'SYM' || n, 1, now(), 'agent' FROM generate_series(1, 20000) AS n""",
]


@pytest.fixture(scope="module")
def crowded(module_database: Database) -> Database:
    return fill(module_database, FILL)


@pytest.fixture
async def reader(crowded: Database) -> AsyncIterator[asyncpg.Connection]:
    async with connected(crowded) as connection:
        yield connection


PLANS: list[tuple[str, tuple[Any, ...], int, int]] = [
    # Name, arguments, rows that it returns, rows that it may look at.
    ("accounts_with_news", (), 1, 10),
    ("accounts_with_own_prices", (at(0),), 0, 1),
    ("jobs_in_hand", (BUSY,), 3, 5),
    ("orders_in_flight", (BUSY, [UUID(int=1)]), 3, 20),
    ("deals_to_book", (BUSY, MOST_DEALS), 1, 2),
    ("deals_of_jobs", (BUSY, UUID(int=15_000), ["5", "6"]), 1, 30),
    ("exit_tries", (BUSY, [UUID(int=1)]), 0, 5),
    ("own_quotes_of", (BUSY, ["SYM1", "SYM2"]), 1, 3),
]


@pytest.mark.parametrize(("name", "arguments", "returned", "most"), PLANS)
async def test_a_statement_looks_at_little(
    reader: asyncpg.Connection, name: str, arguments: tuple[Any, ...], returned: int, most: int
) -> None:
    await assert_little_is_read(reader, getattr(SQL, name).sql, arguments, returned=returned, most=most)
