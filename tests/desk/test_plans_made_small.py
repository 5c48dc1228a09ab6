"""The desk's statements stay cheap in a young installation whose first burst comes: their plans are older than it."""

from uuid import UUID

import asyncpg

from hookfill.desk.gather import SQL
from hookfill.postgres.model import Database
from hookfill.postgres.pool import open_pool
from support.plans import explain_after

OWNER = UUID(int=1)
MESSAGES = """INSERT INTO messages (account_id, message_id, door, source, headers, body, received_at, as_of, state)
              SELECT lpad(to_hex($1 + n % $2), 32, '0')::uuid, lpad(to_hex($3 + n), 32, '0')::uuid, 'tradingview', 'live', '{}', '',
                     now(), now(), 'processed'
              FROM generate_series(1, $4::bigint) AS n"""
SIGNALS = """INSERT INTO signals (account_id, signal_id, message_id, strategy_id, door, source, status, as_of, created_at)
             SELECT account_id, message_id, message_id, account_id, door, source, $1, as_of, received_at
             FROM messages WHERE NOT EXISTS (SELECT FROM signals WHERE signals.message_id = messages.message_id)"""


async def test_reading_a_bursts_pending_signals_looks_at_each_message_once(
    connection: asyncpg.Connection, database: Database
) -> None:
    # A hundred accounts with two decided signals each: for so few, reading all messages is cheaper than looking any up.
    await connection.execute(MESSAGES, 2, 100, 0, 200)
    await connection.execute(SIGNALS, "executed")
    await connection.execute("ANALYZE messages, signals")

    async def burst() -> None:
        await connection.execute(MESSAGES, 1, 1, 1_000, 3_000)
        await connection.execute(SIGNALS, "pending")

    pool = await open_pool(database, name="desk", min_size=1, max_size=1, only_looks_up=True)
    try:
        async with pool.acquire() as desk:
            plan = await explain_after(desk, burst, SQL.pending_signals.sql, OWNER, 50)
    finally:
        await pool.close()
    assert plan.rows("signals") <= 51, plan
    assert plan.rows("messages") <= 51, plan
