"""The journal's statements stay cheap on large tables: they use their indexes and look at little more than what they return."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap
from hookfill.journal.store import SQL
from hookfill.postgres.model import Database
from support.journal import at
from support.plans import connected, crowd, look

BUSY, QUIET = UUID(int=1), UUID(int=2)
BIG = ("messages", "automated_signals", "trade_states")
FILL = [
    # 60,000 messages of 100 accounts; one account has 20,000 to be read, one has three.
    """INSERT INTO messages (account_id, message_id, door, source, headers, body, received_at, as_of, state)
       SELECT pg_temp.own(CASE WHEN n <= 20000 THEN 1 ELSE n % 100 END), pg_temp.own(n), 'telemetry', 'live', '{}', '', now(),
              now(), CASE WHEN n <= 20000 OR n IN (20002, 20102, 20202) THEN 'received' ELSE 'processed' END
       FROM generate_series(1, 60000) AS n""",
    """INSERT INTO automated_signals (account_id, event_key, trade_id, event_type)
       SELECT pg_temp.own(n % 100), decode(lpad(to_hex(n), 64, '0'), 'hex'), 'T' || n, 'ENTRY'
       FROM generate_series(1, 60000) AS n""",
    """INSERT INTO trade_states (account_id, trade_id, merged, status, session, signal_at, signal_date, signal_hour, last_event_at,
                                 last_mfe_at, events)
       SELECT pg_temp.own(n % 100), 'T' || n, '{}', CASE WHEN n % 1000 = 1 THEN 'ACTIVE' ELSE 'COMPLETED' END, 'ASIA',
              '2026-03-02T15:00Z', '2026-03-02', 10, now(), '2026-03-02T15:00Z', 1
       FROM generate_series(1, 60000) AS n""",
    "INSERT INTO journals (account_id, live_at) SELECT pg_temp.own(n), now() FROM generate_series(0, 99) AS n",
]


@pytest.fixture(scope="module")
def crowded(module_database: Database) -> Database:
    async def fill() -> None:
        async with connected(module_database) as connection:
            await bootstrap(connection, "token")
            await crowd(connection, FILL)

    asyncio.run(fill())
    return module_database


@pytest.fixture
async def reader(crowded: Database) -> AsyncIterator[asyncpg.Connection]:
    async with connected(crowded) as connection:
        yield connection


CASES: list[tuple[str, str, tuple[Any, ...], str, float]] = [
    ("accounts_with_messages", SQL.accounts_with_messages.sql, (), "messages_received", 10),
    ("accounts_to_adopt", SQL.accounts_to_adopt.sql, (), "automated_signals_adopted", 10),
    ("have_waiting", SQL.have_waiting.sql, ([BUSY, QUIET, UUID(int=3)],), "messages_received", 10),
    ("waiting_messages", SQL.waiting_messages.sql, (BUSY, 100, 1000), "messages_received", 110),
    ("merged_trades", SQL.merged_trades.sql, (BUSY, [f"T{n}" for n in range(1, 1001, 100)]), "trade_states_pkey", 20),
    ("open_trades_behind", SQL.open_trades_behind.sql, (BUSY, at(-10), at(10)), "trade_states_open", 70),
    ("last_to_adopt", SQL.last_to_adopt.sql, (), "automated_signals_adopted", 5),
]


@pytest.mark.parametrize(("name", "statement", "arguments", "index", "most_rows"), CASES, ids=[case[0] for case in CASES])
async def test_statements_use_their_indexes(
    reader: asyncpg.Connection, name: str, statement: str, arguments: tuple[Any, ...], index: str, most_rows: float
) -> None:
    for indexes, rows in await look(reader, BIG, statement, *arguments):
        assert index in indexes
        assert rows <= most_rows
