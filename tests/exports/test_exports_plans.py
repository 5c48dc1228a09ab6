"""What is asked of exports all the time stays cheap however much is stored: indexes are used, and little is looked at in vain."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap, default_account
from hookfill.exports.reading import SQL as READING
from hookfill.exports.store import MOST_ATTEMPTS, SQL
from hookfill.exports.worker import find, work
from hookfill.kernel.times import EARLIEST, LATEST
from support.exports import batch, confirmed_row, deliver
from support.plans import look, vacuum

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
COPIES = 5_000
PAGE = 50
TABLES = {
    "messages": ("message_id",),
    "indicator_export_batches": ("batch_id", "payload_sha256", "message_id"),
    "indicator_export_deliveries": ("message_id",),
    "confirmed_signals_ledger": ("trade_id",),
}
Crowded = tuple[UUID, asyncpg.Connection]


@pytest.fixture
async def crowded(connection: asyncpg.Connection) -> Crowded:
    """One imported batch, and each row of it thousands of times; the trades an hour apart."""
    account_id = await default_account(connection, await bootstrap(connection, "token"))
    await deliver(connection, account_id, [batch([confirmed_row()])], at=AT)
    while any([await work(connection, one) for one in await find(connection)]):
        pass
    for table, keys in TABLES.items():
        fresh = ", ".join(f"'{key}', {'n + 1000' if key == 'batch_id' else 'gen_random_uuid()'}" for key in keys)
        moved = ", 'triangle_time', one.triangle_time - n * interval '1 hour'" if table.startswith("confirmed") else ""
        await connection.execute(
            f"INSERT INTO {table} SELECT copy.* FROM {table} AS one, generate_series(1, {COPIES}) AS n, "
            f"jsonb_populate_record(one, jsonb_build_object({fresh}, 'n', n{moved})) AS copy"
        )
    await vacuum(connection)
    return account_id, connection


async def test_looking_for_work(crowded: Crowded) -> None:
    account_id, connection = crowded
    for indexes, rows in await look(connection, TABLES, SQL.accounts_with_exports.sql, MOST_ATTEMPTS):
        assert {"messages_received", "messages_export_repeats", "indicator_export_batches_waiting"} <= indexes
        assert rows == 0
    for statement, *limits in ((SQL.next_messages, 10), (SQL.next_repeats, 10), (SQL.next_batches, MOST_ATTEMPTS, 10, 100)):
        for _, rows in await look(connection, TABLES, statement.sql, account_id, *limits):
            assert rows == 0


async def test_importing_looks_at_its_own_trades_only(crowded: Crowded) -> None:
    account_id, connection = crowded
    trade_ids = [row[0] for row in await connection.fetch("SELECT trade_id FROM confirmed_signals_ledger LIMIT 20")]
    for indexes, rows in await look(connection, TABLES, SQL.confirmed_entries.sql, account_id, trade_ids):
        assert indexes == {"confirmed_signals_ledger_pkey"}
        assert rows == 20


async def test_a_page_of_a_ledger(crowded: Crowded) -> None:
    account_id, connection = crowded
    for behind in (LATEST, AT - timedelta(days=60)):
        arguments = (account_id, EARLIEST, LATEST, behind, "", None, None, None, PAGE)
        for indexes, rows in await look(connection, TABLES, READING.confirmed.sql, *arguments):
            assert indexes == {"confirmed_signals_ledger_by_time"}
            assert rows <= PAGE


async def test_a_page_of_batches_and_one(crowded: Crowded) -> None:
    account_id, connection = crowded
    for indexes, rows in await look(connection, TABLES, READING.batches.sql, account_id, None, None, None, PAGE, 0):
        assert indexes == {"indicator_export_batches_pkey"}
        assert rows <= PAGE
    for indexes, rows in await look(connection, TABLES, SQL.latest_batch.sql, account_id, "INDICATOR_EXPORT_V2"):
        assert indexes == {"indicator_export_batches_by_type"}
        assert rows <= 1


async def test_the_newest_deliveries(crowded: Crowded) -> None:
    account_id, connection = crowded
    for _, rows in await look(connection, TABLES, READING.deliveries.sql, account_id, None, 20):
        assert rows <= 40
