"""The statements that show messages and send repaired ones on, run by PostgreSQL."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import bootstrap, default_account
from hookfill.inbox import store
from hookfill.inbox.model import Delivery, NewSignal
from hookfill.kernel.ids import new_id
from support.plans import explain, vacuum

Make = Callable[..., Delivery]
NOW = datetime(2026, 3, 2, 13, tzinfo=UTC)


@pytest.fixture
async def user_id(connection: asyncpg.Connection) -> UUID:
    return await bootstrap(connection, "canary-token")


@pytest.fixture
async def account_id(connection: asyncpg.Connection, user_id: UUID) -> UUID:
    return await default_account(connection, user_id)


async def test_what_a_message_was_repaired_to_is_stored_with_it(connection: asyncpg.Connection, make: Make) -> None:
    repaired = make(b"key", body=b"\xff{", repaired_body=b"\x00{}", repaired_by="one, two", state="received", signal=False)
    plain = make(b"other")
    await store.flush(connection, [repaired, plain])
    rows = await connection.fetch("SELECT body, repaired_body, repaired_by, state, read_attempts FROM messages ORDER BY message_id")
    assert [tuple(row) for row in rows] == [
        (b"\xff{", b"\x00{}", "one, two", "received", 0),
        (b"{}", None, None, "processed", 0),
    ]


async def test_a_decoy_of_a_repaired_message_costs_as_much(connection: asyncpg.Connection, make: Make) -> None:
    async def written(**fields: object) -> int:
        before = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
        await store.commit_decoy(connection, [make(b"key", **fields)])
        found: int = await connection.fetchval("SELECT (pg_current_wal_insert_lsn() - $1::pg_lsn)::bigint", before)
        return found

    assert await written(repaired_body=b"x" * 5_000, repaired_by="rule") > await written() + 4_900


async def test_a_users_messages_come_newest_first_with_the_beginning_of_their_bodies(
    connection: asyncpg.Connection, make: Make, user_id: UUID
) -> None:
    states = ("processed", "malformed", "refused", "malformed", "received")
    own = [make(None, number, state=state, signal=False, body=b"x" * 100 * number) for number, state in enumerate(states)]
    await store.flush(connection, [*own, make(None, account_id=new_id(), state="malformed", signal=False)])
    ids = [item.message_id for item in reversed(own)]

    async def listed(state: str | None = None, limit: int = 10, offset: int = 0) -> list[UUID]:
        rows = await store.messages_of(connection, user_id, state=state, limit=limit, offset=offset, beginning=50)
        assert all(len(row["body"]) == min(row["bytes"], 50) for row in rows)
        return [row["message_id"] for row in rows]

    assert await listed() == ids
    assert [await listed(limit=2, offset=offset) for offset in (0, 2, 4, 6)] == [ids[:2], ids[2:4], ids[4:], []]
    assert await listed("malformed") == [ids[1], ids[3]]
    assert await listed("malformed", limit=1, offset=1) == [ids[3]]
    assert await listed("refused") == [ids[2]]
    assert await listed("received") == [ids[0]]
    assert await store.messages_of(connection, new_id(), state=None, limit=10) == []
    found = await store.message_of(connection, user_id, ids[0])
    assert found is not None
    assert (found["state"], found["bytes"], len(found["body"])) == ("received", 400, 400)
    assert await store.message_of(connection, new_id(), ids[0]) is None


async def test_what_is_in_quarantine_is_found_by_its_index(connection: asyncpg.Connection, make: Make, user_id: UUID) -> None:
    rows = [make(None, state="malformed" if number % 400 == 0 else "processed", signal=False) for number in range(2_000)]
    for start in range(0, len(rows), 500):
        await store.flush(connection, rows[start : start + 500])
    await vacuum(connection, "messages")
    for plan in await explain(connection, store.SQL.messages_of.sql, 4000, "malformed", 50, 0, user_id):
        assert "messages_quarantined" in plan.indexes, plan
        assert not plan.read_whole("messages"), plan


async def test_a_repaired_alert_gets_its_signal_and_the_gate_its_key(connection: asyncpg.Connection, make: Make) -> None:
    message = make(None, state="malformed", reason="json_invalid", error="why", signal=False, body=b"{")
    await store.flush(connection, [message])
    await connection.execute("UPDATE messages SET read_attempts = 3")
    signal = NewSignal(new_id(), new_id(), "B", 30)
    async with connection.transaction():
        locked = await store.lock_message(connection, message.account_id, message.message_id)
        assert locked is not None
        assert locked["now_at"] > NOW  # the wall clock: nothing is simulated here
        message.state, message.as_of, message.gate_key, message.signal = "processed", NOW, b"key", signal
        message.repaired_body, message.repaired_by = b"{}", "rule"
        receipt = await store.send_on(connection, message)
    assert (receipt.fresh, receipt.signal_id) == (True, signal.signal_id)
    row = dict(await connection.fetchrow("SELECT * FROM messages"))
    told = ("state", "reason", "error", "body", "repaired_body", "repaired_by", "as_of", "read_attempts", "signal_id")
    assert tuple(row[name] for name in told) == ("processed", None, None, b"{", b"{}", "rule", NOW, 0, signal.signal_id)
    made = dict(await connection.fetchrow("SELECT * FROM signals"))
    told = (
        "signal_id",
        "message_id",
        "strategy_id",
        "door",
        "source",
        "status",
        "as_of",
        "created_at",
        "experiment_id",
        "variant",
        "split_percentage",
    )
    assert tuple(made[name] for name in told) == (
        signal.signal_id, message.message_id, message.strategy_id, "tradingview", "live", "pending", NOW, NOW,
        signal.experiment_id, "B", 30,
    )  # fmt: skip
    assert tuple(await connection.fetchrow("SELECT key, message_id, signal_id FROM gate")) == (
        b"key",
        message.message_id,
        signal.signal_id,
    )


@pytest.mark.parametrize(("minutes", "is_fresh"), [(0.5, False), (2, True)])
async def test_a_repaired_alert_may_repeat_another(
    connection: asyncpg.Connection, make: Make, minutes: float, *, is_fresh: bool
) -> None:
    first, message = make(b"key"), make(None, state="malformed", signal=False)
    await store.flush(connection, [first, message])
    signal = NewSignal(new_id())
    message.state, message.gate_key, message.signal = "processed", b"key", signal
    message.seen_us += round(minutes * 60_000_000)
    message.as_of += timedelta(minutes=minutes)
    receipt = await store.send_on(connection, message)
    assert first.signal is not None
    expected = signal.signal_id if is_fresh else first.signal.signal_id
    assert (receipt.fresh, receipt.signal_id) == (is_fresh, expected)
    row = await connection.fetchrow("SELECT state, signal_id FROM messages WHERE message_id = $1", message.message_id)
    assert tuple(row) == ("processed" if is_fresh else "duplicate", expected)
    assert await connection.fetchval("SELECT count(*) FROM signals") == 1 + is_fresh


async def test_the_simulated_clock_says_what_time_it_is(connection: asyncpg.Connection, make: Make) -> None:
    message = make(None, state="malformed", signal=False)
    await store.flush(connection, [message])
    await store.advance_simulated_clock(connection, NOW)
    async with connection.transaction():
        locked = await store.lock_message(connection, message.account_id, message.message_id)
    assert locked is not None
    assert locked["now_at"] == NOW
    assert await store.lock_message(connection, new_id(), message.message_id) is None
