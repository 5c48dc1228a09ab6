"""Messages become batches and batches become ledgers, in the real PostgreSQL."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap, default_account
from hookfill.exports import store
from hookfill.exports.envelope import ALL_SIGNALS
from hookfill.exports.worker import find, work
from support.exports import TRIANGLE, all_row, batch, confirmed_row, deliver

LATER = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
async def account_id(connection: asyncpg.Connection) -> UUID:
    return await default_account(connection, await bootstrap(connection, "token"))


async def states(connection: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await connection.fetch("SELECT state FROM messages ORDER BY message_id")]


async def ledger(connection: asyncpg.Connection, table: str = "confirmed_signals_ledger") -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY trade_id")]


async def work_off(connection: asyncpg.Connection) -> None:
    for _ in range(100):
        did = [await work(connection, account_id) for account_id in await find(connection)]
        if not any(did):
            return
    raise AssertionError("there is always more to do")


async def test_a_message_becomes_a_batch(connection: asyncpg.Connection, account_id: UUID) -> None:
    [message_id] = await deliver(connection, account_id, [batch([confirmed_row(entry=21250.125)], number=3)], at=LATER)
    opened = await store.open_batches(connection, account_id, [message_id])
    [row] = await connection.fetch("SELECT * FROM indicator_export_batches")
    assert opened == {message_id: row["batch_id"]} == await store.open_batches(connection, account_id, [message_id])
    told = {name: row[name] for name in ("event_type", "batch_number", "batch_size", "total_signals", "signals_count", "is_valid")}
    assert list(told.values()) == ["INDICATOR_EXPORT_V2", 3, 15, 300, 1, True]
    assert (row["received_at"], row["message_id"], row["validation_error"]) == (LATER, message_id, None)
    assert row["payload_json"]["signals"][0]["entry"] == 21250.125
    assert await states(connection) == ["processed"]


async def test_repeats_are_noted_and_make_no_batch(connection: asyncpg.Connection, account_id: UUID) -> None:
    body = batch([confirmed_row()])
    first, second = await deliver(connection, account_id, [body, b" " + body])
    opened = await store.open_batches(connection, account_id, [second, first])
    assert list(opened) == [first]
    await deliver(connection, account_id, [body], state="duplicate")
    await work_off(connection)
    assert await states(connection) == ["processed", "duplicate", "duplicate"]
    rows = await connection.fetch("SELECT batch_id FROM indicator_export_deliveries")
    assert [row["batch_id"] for row in rows] == [opened[first]] * 3
    assert await find(connection) == set()


async def test_what_is_no_json_is_malformed_and_an_invalid_envelope_is_kept(
    connection: asyncpg.Connection, account_id: UUID
) -> None:
    await deliver(connection, account_id, [b"{", b"[1e300]", b'{"event_type": "OTHER"}', b'"\\u0041"'])
    await work_off(connection)
    assert await states(connection) == ["malformed", "processed", "processed", "processed"]
    rows = await connection.fetch("SELECT event_type, is_valid, imported_at FROM indicator_export_batches ORDER BY batch_id")
    assert [tuple(row) for row in rows] == [(None, False, None), ("OTHER", False, None), (None, False, None)]


async def test_rows_go_into_their_ledgers(connection: asyncpg.Connection, account_id: UUID) -> None:
    await deliver(connection, account_id, [batch([confirmed_row()]), batch([all_row()], event_type=ALL_SIGNALS)], at=LATER)
    await work_off(connection)
    [confirmed], [every] = await ledger(connection), await ledger(connection, "all_signals_ledger")
    assert confirmed["triangle_time"] == every["signal_time"] == TRIANGLE
    assert confirmed["signal_date"] == confirmed["date"] == every["signal_date"] == date(2025, 12, 17)
    assert confirmed["confirmation_time"] == every["confirmation_time"] == TRIANGLE + timedelta(minutes=1)
    assert (confirmed["entry"], confirmed["mae"], confirmed["completed"]) == (Decimal("21250.5"), Decimal("-0.5"), False)
    assert (every["status"], every["risk"], every["htf_4h"]) == ("CONFIRMED", Decimal("10.25"), "Bearish")
    assert (confirmed["received_at"], confirmed["row_index"], confirmed["sources"]) == (LATER, 0, {})


async def test_the_newest_value_wins_and_nothing_erases_nothing(connection: asyncpg.Connection, account_id: UUID) -> None:
    newer = batch([confirmed_row(entry=None, mae=0, session="LONDON")])
    older = batch([confirmed_row(entry=1, mae=-2, session="ASIA", age=None)])
    await deliver(connection, account_id, [newer], at=LATER)
    await work_off(connection)
    await deliver(connection, account_id, [older], at=LATER - timedelta(days=1))
    await work_off(connection)
    [row] = await ledger(connection)
    assert (row["entry"], row["mae"], row["session"], row["age"]) == (1, 0, "LONDON", 3)
    assert row["received_at"] == LATER
    assert set(row["sources"]) == {"entry"}
    results = await connection.fetch("SELECT import_result FROM indicator_export_batches ORDER BY batch_id")
    assert [(row[0]["inserted"], row[0]["updated"]) for row in results] == [(1, 0), (0, 1)]


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(connection: asyncpg.Connection, account_id: UUID) -> None:
    await deliver(connection, account_id, [batch([confirmed_row()])], at=LATER)
    await work_off(connection)
    rows = [confirmed_row(entry=5), confirmed_row(trade_id="other"), confirmed_row(direction="up"), 7]
    [message_id] = await deliver(connection, account_id, [batch(rows)], at=LATER + timedelta(seconds=1))
    opened = await store.open_batches(connection, account_id, [message_id])
    found = await store.find_batch(connection, opened[message_id])
    assert found is not None
    before = await ledger(connection)
    told = await store.import_one(connection, found, dry_run=True)
    assert {name: told[name] for name in ("inserted", "updated", "skipped_invalid", "total_processed")} == {
        "inserted": 1, "updated": 1, "skipped_invalid": 2, "total_processed": 4,
    }  # fmt: skip
    assert [one["index"] for one in told["skipped"]] == [2, 3]
    assert await ledger(connection) == before
    assert (
        await connection.fetchval("SELECT imported_at FROM indicator_export_batches WHERE batch_id = $1", found["batch_id"]) is None
    )
    assert await store.import_one(connection, found, dry_run=False) == told
    again = await store.import_one(connection, found, dry_run=False)
    assert (again["inserted"], again["updated"], again["skipped_invalid"]) == (0, 0, 2)
    stored = await connection.fetchval("SELECT import_result FROM indicator_export_batches WHERE batch_id = $1", found["batch_id"])
    assert stored == json.loads(json.dumps(told))  # of the first import


async def test_a_batch_that_fails_is_left_after_three_attempts_and_the_others_go_in(
    connection: asyncpg.Connection, account_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [batch([confirmed_row(trade_id=name)], number=place) for place, name in enumerate(("a", "poison", "c"))]
    await deliver(connection, account_id, bodies, at=LATER)
    real = store.signals_of

    def failing(text: str | None) -> list[Any]:
        rows = real(text)
        if rows[0]["trade_id"] == "poison":
            raise ZeroDivisionError("a defect")
        return rows

    monkeypatch.setattr(store, "signals_of", failing)
    await work_off(connection)
    assert [row["trade_id"] for row in await ledger(connection)] == ["a", "c"]
    rows = await connection.fetch("SELECT import_attempts, import_error FROM indicator_export_batches ORDER BY batch_id")
    assert [row["import_attempts"] for row in rows] == [0, 3, 0]
    assert "a defect" in rows[1]["import_error"]
    assert await find(connection) == set()


async def test_a_message_that_fails_becomes_malformed(
    connection: asyncpg.Connection, account_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deliver(connection, account_id, [batch([], number=1), batch([], number=2), batch([], number=3)])
    real = store.read_envelope

    def failing(body: bytes) -> Any:
        envelope = real(body)
        if envelope.batch_number == 2:
            raise ZeroDivisionError("a defect")
        return envelope

    monkeypatch.setattr(store, "read_envelope", failing)
    await work_off(connection)
    assert await states(connection) == ["processed", "malformed", "processed"]
    row = await connection.fetchrow("SELECT reason, error FROM messages WHERE state = 'malformed'")
    assert row is not None
    assert row["reason"] == "journal_failed"
    assert "a defect" in row["error"]
