"""`hookfill migrate` on a database that has an older automated_signals: no row is touched, and the rows become trades."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap, default_account
from hookfill.journal import store
from hookfill.journal.worker import find, work
from hookfill.postgres.migrate import MigrationError, migrate
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.journal import entry, put, work_all
from support.plans import explain, vacuum

TRADE = "20251114_083600000_BULLISH"
BARE = """CREATE TABLE automated_signals (
    id SERIAL PRIMARY KEY, trade_id VARCHAR(100), event_type VARCHAR(20), direction VARCHAR(10),
    entry_price DECIMAL(10,2), stop_loss DECIMAL(10,2), mfe DECIMAL(10,4)
)"""
WIDE = """CREATE TABLE automated_signals (
    id SERIAL PRIMARY KEY, trade_id VARCHAR(100) NOT NULL, event_type VARCHAR(20) NOT NULL, direction VARCHAR(10),
    entry_price DECIMAL(10,2), stop_loss DECIMAL(10,2), session VARCHAR(20), bias VARCHAR(20) NOT NULL, mfe DECIMAL(10,4),
    be_mfe DECIMAL(10,4), no_be_mfe DECIMAL(10,4), exit_price DECIMAL(10,2), final_mfe DECIMAL(10,4),
    signal_date DATE, signal_time TIME, timestamp TIMESTAMPTZ NOT NULL DEFAULT now(), risk_distance DECIMAL(10,2)
)"""
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.fixture
async def old(unmigrated_database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(unmigrated_database, name="test")
    yield connection
    await connection.close()


async def fill_bare(old: asyncpg.Connection) -> None:
    await old.execute(BARE)
    rows = [
        (TRADE, "ENTRY", "Bullish", "25187.75", "25150.25", None),
        (TRADE, "MFE_UPDATE", None, None, None, "0.5333"),
        (TRADE, "MFE_UPDATE", None, None, None, "1.2500"),
        (TRADE, "MFE_UPDATE", None, None, None, "0.9000"),
        (TRADE, "EXIT_BE", None, None, None, "1.2500"),
        ("T-2", "ENTRY", "Bearish", "99.10", "99.60", None),
        ("T-2", "SOMETHING_ELSE", None, None, None, None),
        (None, None, None, None, None, None),
    ]
    for row in rows:
        values = ", ".join("NULL" if value is None else f"'{value}'" for value in row)
        columns = "trade_id, event_type, direction, entry_price, stop_loss, mfe"
        await old.execute(f"INSERT INTO automated_signals ({columns}) VALUES ({values})")


async def fingerprint(connection: asyncpg.Connection, columns: str, condition: str = "true") -> Any:
    """Every old row: its text, where it lies, and the transaction that wrote it."""
    rows = f"string_agg(ROW(ctid, xmin, {columns})::text, E'\\n' ORDER BY id)"
    return await connection.fetchval(f"SELECT md5({rows}) FROM automated_signals WHERE {condition}")


async def columns_of(connection: asyncpg.Connection) -> str:
    text = "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = 'automated_signals'::regclass AND attnum > 0"
    rows = await connection.fetch(f"{text} ORDER BY attnum")
    return ", ".join(row[0] for row in rows)


async def owner_account(connection: asyncpg.Connection) -> UUID:
    return await default_account(connection, await bootstrap(connection, "token"))


async def trades(connection: asyncpg.Connection) -> dict[str, dict[str, Any]]:
    return {row["trade_id"]: dict(row) for row in await connection.fetch("SELECT * FROM trade_states")}


async def test_a_bare_table_is_adopted_and_its_rows_stay_and_become_trades(
    old: asyncpg.Connection, unmigrated_database: Database
) -> None:
    await fill_bare(old)
    columns = await columns_of(old)
    before = await fingerprint(old, columns)
    file = await old.fetchval("SELECT pg_relation_filenode('automated_signals')")
    await migrate(unmigrated_database)
    await old.reload_schema_state()
    assert await fingerprint(old, columns) == before
    assert await old.fetchval("SELECT pg_relation_filenode('automated_signals')") == file

    account = await owner_account(old)
    assert await find(old) == {account}
    await work_all(old, account)
    assert await find(old) == set()
    found = await trades(old)
    assert set(found) == {TRADE, "T-2"}
    one = found[TRADE]
    assert (one["status"], one["exit_type"], one["events"], one["account_id"]) == ("COMPLETED", "EXIT_BREAK_EVEN", 5, account)
    assert (one["entry_price"], one["stop_loss"], one["be_mfe"]) == (Decimal("25187.75"), Decimal("25150.25"), Decimal("1.25"))
    assert one["signal_at"] == datetime(2025, 11, 14, 13, 36, tzinfo=UTC)
    assert (found["T-2"]["status"], found["T-2"]["direction"]) == ("ACTIVE", "Bearish")
    assert await fingerprint(old, columns) == before


async def test_a_wide_table_takes_new_messages_beside_the_old_rows(old: asyncpg.Connection, unmigrated_database: Database) -> None:
    await old.execute(WIDE)
    await old.execute(
        """INSERT INTO automated_signals
           (trade_id, event_type, direction, bias, entry_price, stop_loss, session, signal_date, signal_time, timestamp)
           VALUES ('T1', 'ENTRY', 'Bullish', 'Bullish', 20500.25, 20475, 'NY AM', '2026-03-02', '09:59', '2026-03-02T15:00:01Z')"""
    )
    columns = await columns_of(old)
    before = await fingerprint(old, columns)
    await migrate(unmigrated_database)
    await old.reload_schema_state()
    account = await owner_account(old)
    precise = {
        "type": "MFE_UPDATE",
        "signal_id": "T1",
        "be_mfe": 1.0730171717171,
        "no_be_mfe": 123456789.5,
        "timestamp": 1772463660000,
    }
    long = {**entry("T" * 90), "event_type": "SIGNAL_CREATED", "session": "AFTER_HOURS", "entry_price": 123456789012.5}
    ids = await put(old, account, precise, long, {"event_type": "HEARTBEAT", "timestamp": 1772463660000})
    await work_all(old, account)
    states = await old.fetch("SELECT message_id FROM messages WHERE state = 'processed'")
    assert {row["message_id"] for row in states} == set(ids)
    one = (await trades(old))["T1"]
    assert (one["events"], one["entry_price"], one["no_be_mfe"]) == (2, Decimal("20500.25"), Decimal("123456789.5"))
    assert one["signal_at"] == datetime(2026, 3, 2, 15, 0, 1, tzinfo=UTC)
    assert await fingerprint(old, columns, "account_id IS NULL") == before


async def test_what_the_other_program_writes_later_is_folded_too(old: asyncpg.Connection, unmigrated_database: Database) -> None:
    await fill_bare(old)
    await migrate(unmigrated_database)
    await old.reload_schema_state()
    account = await owner_account(old)
    await work_all(old, account)
    text = "INSERT INTO automated_signals (trade_id, event_type, mfe) VALUES ('T-2', 'EXIT_SL', 0.3)"
    other = await connect(unmigrated_database, name="other")
    try:
        slow = other.transaction()
        await slow.start()
        await other.execute(text)
        # A row with a greater id is there already, while the smaller one is not yet: neither may be passed over.
        await old.execute(text.replace("T-2", "T-3"))
        with pytest.raises(asyncpg.LockNotAvailableError):
            await work(old, account)
        await slow.commit()
    finally:
        await other.close()
    await work_all(old, account)
    found = await trades(old)
    assert (found["T-2"]["status"], found["T-3"]["status"]) == ("COMPLETED", "COMPLETED")


async def test_adoption_goes_in_portions_and_counts_each_row_once(
    old: asyncpg.Connection, unmigrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await old.execute(BARE)
    rows = "SELECT 'T' || n % 7, 'MFE_UPDATE', n FROM generate_series(1, 100) AS n"
    await old.execute(f"INSERT INTO automated_signals (trade_id, event_type, mfe) {rows}")
    await migrate(unmigrated_database)
    account = await owner_account(old)
    monkeypatch.setattr(store, "MOST_ADOPTED", 9)
    portions = 0
    while await store.adopt(old, account):
        portions += 1
    assert portions == 12
    found = await trades(old)
    assert sum(row["events"] for row in found.values()) == 100
    assert found["T2"]["be_mfe"] == 100
    assert await old.fetchval("SELECT adopted_until FROM journals") == 100


async def test_a_row_that_tells_nothing_keeps_no_other_from_being_adopted(
    old: asyncpg.Connection, unmigrated_database: Database
) -> None:
    await fill_bare(old)
    await old.execute(
        "INSERT INTO automated_signals (trade_id, event_type, mfe) VALUES ('T-9', 'MFE_UPDATE', 'NaN'), ('T-9', 'EXIT_SL', 1)"
    )
    await migrate(unmigrated_database)
    account = await owner_account(old)
    await work_all(old, account)
    assert (await trades(old))["T-9"]["status"] == "COMPLETED"


PREPARE = """INSERT INTO automated_signals (account_id, event_key, trade_id, event_type, event_at, telemetry)
SELECT '00000000-0000-0000-0000-000000000001', decode(lpad(to_hex(n), 64, '0'), 'hex'), 'T' || n % 1000, 'ENTRY', now(),
       CASE WHEN n % 100 = 0
            THEN jsonb_build_object('schema_version', CASE WHEN n % 1000 = 0 THEN '2.0.0' ELSE '1.0.0' END, 'n', n) END
FROM generate_series(1, 20000) AS n"""


@pytest.mark.parametrize("is_adopted", [False, True])
async def test_the_documents_indexes_exist_and_are_used(
    old: asyncpg.Connection, unmigrated_database: Database, is_adopted: bool
) -> None:
    if is_adopted:
        await fill_bare(old)
    await migrate(unmigrated_database)
    await old.execute(PREPARE)
    await vacuum(old, "automated_signals")
    for question, index in (
        ("""telemetry @> '{"n": 700}'""", "idx_automated_signals_telemetry"),
        ("telemetry->>'schema_version' = '2.0.0'", "idx_automated_signals_telemetry_schema"),
        ("account_id = '00000000-0000-0000-0000-000000000001' AND trade_id = 'T7'", "automated_signals_by_trade"),
    ):
        for plan in await explain(old, f"SELECT * FROM automated_signals WHERE {question}"):
            assert index in plan.indexes, plan


VIEW = "CREATE VIEW seen AS SELECT entry_price FROM automated_signals"
REFUSALS = [
    (BARE.replace("mfe DECIMAL(10,4)", "mfe DOUBLE PRECISION"), "column mfe is double precision", "RENAME COLUMN mfe TO mfe_old"),
    (BARE.replace("mfe DECIMAL(10,4)", "telemetry TEXT"), "column telemetry is text where Hookfill needs jsonb", "RENAME COLUMN"),
    (BARE.replace("id SERIAL PRIMARY KEY", "id UUID"), "its column id is no serial number", "rename the table"),
    (
        BARE.replace("VARCHAR(20)", "VARCHAR(20) CHECK (event_type = 'ENTRY')"),
        "automated_signals_event_type_check",
        "DROP CONSTRAINT",
    ),
    (BARE.replace("VARCHAR(100)", "VARCHAR(100) UNIQUE"), "automated_signals_trade_id_key", "DROP CONSTRAINT"),
    (f"{BARE}; CREATE UNIQUE INDEX once ON automated_signals (trade_id, event_type)", "unique indexes.*once", "Drop them"),
    (f"{BARE}; {VIEW}", "entry_price can't be widened.*view seen depends", "Drop what depends"),
    ("CREATE VIEW automated_signals AS SELECT 1 AS id", "no ordinary table", "RENAME TO automated_signals_old"),
]


@pytest.mark.parametrize(("made", "says", "remedy"), REFUSALS)
async def test_a_table_that_can_not_be_adopted_is_refused_and_left_alone(
    old: asyncpg.Connection, unmigrated_database: Database, made: str, says: str, remedy: str
) -> None:
    await old.execute(made)
    before = await columns_of(old)
    with pytest.raises(MigrationError, match=rf"(?s)0004_journal was not applied, and nothing was changed: .*{says}") as refused:
        await migrate(unmigrated_database)
    assert remedy in str(refused.value)
    assert "Report this" not in str(refused.value)
    assert await columns_of(old) == before


async def test_a_table_of_another_role_says_who_must_do_what(old: asyncpg.Connection, unmigrated_database: Database) -> None:
    """As somebody who may make tables here, but does not own the older one."""
    await old.execute(BARE)
    role = f"stranger_{unmigrated_database.connect_arguments['database']}"
    await old.execute(f"CREATE ROLE {role}; GRANT ALL ON SCHEMA public TO {role}")
    try:
        await old.execute(f"SET ROLE {role}")
        with pytest.raises(
            asyncpg.InsufficientPrivilegeError, match="automated_signals, which is to be adopted, belongs to"
        ) as refused:
            await old.execute(EVENTS)
        assert f"TO {role};" in str(refused.value.hint)
    finally:
        await old.execute("RESET ROLE")
        await old.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


_MIGRATION = resources.files("hookfill.postgres").joinpath("migrations/0004_journal.sql").read_text(encoding="utf-8")
EVENTS = "CREATE TABLE IF NOT EXISTS automated_signals" + _MIGRATION.split("CREATE TABLE IF NOT EXISTS automated_signals")[1]
