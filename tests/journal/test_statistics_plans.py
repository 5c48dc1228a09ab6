"""What people ask of a large journal is found by index, also by a connection that sees only what is theirs."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap, default_account
from hookfill.journal.reading import FIRST_DAY, LAST_DAY, SQL
from hookfill.journal.records import LAYOUT
from hookfill.kernel.times import EARLIEST, LATEST
from hookfill.postgres.model import Database
from hookfill.postgres.tenancy import as_user
from support.plans import connected, crowd, explain

DIRTY = date(2025, 3, 1)
FILL = [
    # 20,000 trades on 400 days, and as many of a hundred other accounts.
    """INSERT INTO trade_states (account_id, trade_id, merged, status, session, signal_at, signal_date, signal_hour, last_event_at,
                                 events)
       SELECT CASE WHEN n % 2 = 0 THEN $1 ELSE lpad(to_hex(n % 200), 32, '0')::uuid END, 'T' || n, '{}',
              CASE WHEN n % 1000 = 0 THEN 'ACTIVE' ELSE 'COMPLETED' END, 'ASIA',
              day + interval '20 hours' + n * interval '1 second', day, 15, now(), 1
       FROM generate_series(1, 40000) AS n CROSS JOIN LATERAL (SELECT date '2025-01-01' + n / 100 AS day) AS dated""",
    f"""INSERT INTO journal_days (account_id, day, is_dirty, layout, records, setups, packed_in)
        SELECT DISTINCT account_id, signal_date, account_id = $1 AND signal_date = '{DIRTY}', {LAYOUT}, ''::bytea, '[]',
               signal_date - date '2025-01-01'
        FROM trade_states""",
    """INSERT INTO automated_signals (account_id, event_key, trade_id, event_type, event_at)
       SELECT $1, decode(lpad(to_hex(n), 64, '0'), 'hex'), 'T' || n % 200, 'MFE_UPDATE',
              timestamptz '2025-01-01' + n * interval '1 s'
       FROM generate_series(1, 40000) AS n""",
]
BIG = ("trade_states", "automated_signals", "journal_days")
EVERYTHING = (FIRST_DAY, LAST_DAY, LAST_DAY, LATEST, "")


@pytest.fixture(scope="module")
def crowded(module_database: Database) -> tuple[Database, UUID, UUID]:
    """A database with a large journal, whose it is, and the account."""

    async def fill() -> tuple[UUID, UUID]:
        async with connected(module_database) as connection:
            owner = await bootstrap(connection, "token")
            account_id = await default_account(connection, owner)
            await crowd(connection, FILL, account_id)
        return owner, account_id

    return module_database, *asyncio.run(fill())


@pytest.fixture
async def reader(crowded: tuple[Database, UUID, UUID]) -> AsyncIterator[asyncpg.Connection]:
    database, owner, _ = crowded
    async with connected(database) as connection, as_user(connection, owner):
        yield connection


CASES: list[tuple[str, tuple[Any, ...], set[str], float]] = [
    ("trades", (*EVERYTHING, None, None, None, None, 51), {"trade_states_by_date", "trade_states_pkey"}, 2 * 51),
    # Whatever is looked for, all is found in the index.
    ("trades", (*EVERYTHING, None, None, None, "nothing", 51), {"trade_states_by_date"}, 20_000),
    ("brief_trades", (*EVERYTHING, None, None, None, None, 1001), {"trade_states_by_date", "trade_states_pkey"}, 2 * 1001),
    ("open_trades", (100,), {"trade_states_open"}, 50),
    ("trade", ("T2",), {"trade_states_pkey"}, 1),
    ("events", ("T7", EARLIEST, 0, 101), {"automated_signals_by_trade"}, 110),
    # All of 401 days, each looked up once more for its records, and the trades of the one that is dirty; then of the last day only.
    ("days", (FIRST_DAY, LAST_DAY, LAYOUT, 0), {"trade_states_by_date", "journal_days_pkey"}, 2 * 401 + 60),
    ("days", (FIRST_DAY, LAST_DAY, LAYOUT, 400), {"trade_states_by_date", "journal_days_pkey"}, 401 + 2 + 60),
]


@pytest.mark.parametrize(("name", "arguments", "indexes", "most_rows"), CASES)
async def test_reads_use_their_indexes(
    reader: asyncpg.Connection,
    crowded: tuple[Database, UUID, UUID],
    name: str,
    arguments: tuple[Any, ...],
    indexes: set[str],
    most_rows: float,
) -> None:
    for plan in await explain(reader, getattr(SQL, name).sql, crowded[2], *arguments):
        assert indexes <= plan.indexes, plan
        assert not plan.read_whole(*BIG), plan
        assert plan.rows(*BIG) <= most_rows, plan
        if "trades" in name and name != "open_trades":
            found = next(step for step in plan.scans(*BIG) if step["Index Name"] == "trade_states_by_date")
            assert (found["Node Type"], found["Heap Fetches"]) == ("Index Only Scan", 0), plan
        if name == "days":
            found = plan.scans("journal_days")[0]
            assert (found["Node Type"], found["Heap Fetches"]) == ("Index Only Scan", 0), plan
