"""Messages become events and trades, each event once, whatever comes in whatever order and however often."""

import json
import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.journal.fold import build_trade_state, load
from hookfill.journal.store import SQL, catch_up, fold_waiting, state_of
from hookfill.journal.worker import find, work
from support.journal import (
    MONDAY,
    at,
    body_of,
    entry,
    folded,
    heartbeat,
    log_bodies,
    move,
    outcomes,
    put,
    stored_trades,
    work_all,
)

ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
LOGS = [
    "TradingView_Alerts_Log_2025-11-14_575e3.csv",
    "TradingView_Alerts_Log_2025-11-15_ff323.csv",
    "TradingView_Alerts_Log_2025-12-02_a1c67.csv",
    "TradingView_Alerts_Log_2025-12-11_3cc65.csv",
]


async def events(connection: asyncpg.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch("SELECT * FROM automated_signals ORDER BY id")]


async def journal(connection: asyncpg.Connection) -> dict[str, Any]:
    return dict(await connection.fetchrow("SELECT * FROM journals WHERE account_id = $1", ACCOUNT))


async def test_an_event_becomes_a_row_with_its_telemetry_and_new_york_time(connection: asyncpg.Connection) -> None:
    told = entry(session="NY AM", setup={"setup_family": "FVG"}, deep={"odd": [1, None, "x"]}) | {"entry_price": 20500.1234567891}
    [message_id] = await put(connection, ACCOUNT, told)
    await work_all(connection, ACCOUNT)
    [row] = await events(connection)
    assert (row["account_id"], row["trade_id"], row["event_type"], row["direction"]) == (ACCOUNT, "T1", "ENTRY", "Bullish")
    assert (row["entry_price"], row["stop_loss"]) == (Decimal("20500.1234567891"), Decimal(20475))
    assert (row["event_at"], str(row["signal_date"]), str(row["signal_time"])) == (MONDAY, "2026-03-02", "10:00:00")
    assert (row["message_id"], row["source"], row["session"]) == (message_id, "live", "NY AM")
    text = await connection.fetchval("SELECT telemetry::text FROM automated_signals")
    assert json.loads(text, parse_float=Decimal) == json.loads(json.dumps(told), parse_float=Decimal)
    assert await outcomes(connection, [message_id]) == [("processed", None)]


async def test_a_legacy_event_has_no_telemetry(connection: asyncpg.Connection) -> None:
    await put(connection, ACCOUNT, move(mfe=0.75))
    await work_all(connection, ACCOUNT)
    [row] = await events(connection)
    assert row["telemetry"] is None
    assert (row["be_mfe"], row["no_be_mfe"], row["event_at"]) == (Decimal("0.75"), Decimal("0.75"), at(1))


async def test_a_kept_trade_is_what_its_events_add_up_to(connection: asyncpg.Connection) -> None:
    told = [entry(), move(minute=1, mfe=1.5), move(minute=2, mfe=1.2), entry("T2", 3)]
    await put(connection, ACCOUNT, *told)
    await work_all(connection, ACCOUNT)
    assert await stored_trades(connection, ACCOUNT) == folded(map(body_of, told))
    row = await connection.fetchrow("SELECT * FROM trade_states WHERE trade_id = 'T1'")
    state = build_trade_state(load(row["merged"]))
    assert state_of(row) == state
    for name in ("status", "direction", "session", "signal_at", "signal_date", "entry_price", "be_mfe", "events", "last_event_at"):
        assert row[name] == getattr(state, name), name
    assert (row["be_mfe"], row["events"], row["status"]) == (Decimal("1.5"), 3, "ACTIVE")


async def test_what_is_known_already_is_a_duplicate_and_changes_nothing(connection: asyncpg.Connection) -> None:
    await put(connection, ACCOUNT, entry(), move())
    await work_all(connection, ACCOUNT)
    before = (await events(connection), await stored_trades(connection, ACCOUNT))
    again = await put(connection, ACCOUNT, entry(), move(), move())
    await work_all(connection, ACCOUNT)
    assert (await events(connection), await stored_trades(connection, ACCOUNT)) == before
    assert await outcomes(connection, again) == [("duplicate", None)] * 3


async def test_the_same_twice_in_one_batch_counts_once(connection: asyncpg.Connection) -> None:
    ids = await put(connection, ACCOUNT, move(), move())
    await work_all(connection, ACCOUNT)
    assert await outcomes(connection, ids) == [("processed", None), ("duplicate", None)]
    assert (await stored_trades(connection, ACCOUNT))["T1"]["events"] == 1


async def test_the_same_event_of_two_accounts_is_two(connection: asyncpg.Connection) -> None:
    await put(connection, ACCOUNT, move())
    await put(connection, OTHER, move())
    assert await find(connection) == {ACCOUNT, OTHER}
    for account in (ACCOUNT, OTHER):
        await work_all(connection, account)
    assert await stored_trades(connection, ACCOUNT) == await stored_trades(connection, OTHER)
    assert len(await events(connection)) == 2
    assert await find(connection) == set()


async def test_a_batch_tells_of_each_trade_and_says_which_it_can_not_use(connection: asyncpg.Connection) -> None:
    members: list[Any] = [{"trade_id": f"T{n}", "be_mfe": n, "no_be_mfe": n} for n in range(1, 4)]
    batch = {"event_type": "MFE_UPDATE_BATCH", "timestamp": at(5).isoformat(), "signals": [*members, {"be_mfe": 9}, 7]}
    useless = {**batch, "signals": [{"be_mfe": 1}]}
    ids = await put(connection, ACCOUNT, batch, useless, {**batch, "signals": []})
    await work_all(connection, ACCOUNT)
    assert [row["trade_id"] for row in await events(connection)] == ["T1", "T2", "T3"]
    assert await outcomes(connection, ids) == [("processed", None), ("malformed", "payload_invalid"), ("processed", None)]
    texts = [row["error"] for row in await connection.fetch("SELECT error FROM messages ORDER BY message_id")]
    assert texts[0].startswith("2 of its trades were left out. signals[3]: trade_id is missing")
    assert texts[1].startswith("1 of its trades")
    assert texts[2] is None


async def test_what_can_not_be_read_is_kept_as_malformed_with_its_reason(connection: asyncpg.Connection) -> None:
    ids = await put(connection, ACCOUNT, b'{"type":"ENTRY","sl_price":25015.25","x":1}', b"[]", {"trade_id": "T1"}, move())
    await work_all(connection, ACCOUNT)
    states = await outcomes(connection, ids)
    assert [state for state, _ in states] == ["malformed", "malformed", "malformed", "processed"]
    assert all(reason for _, reason in states[:3])
    assert len(await events(connection)) == 1


async def test_a_repaired_body_is_read_in_place_of_what_came(connection: asyncpg.Connection) -> None:
    [message_id] = await put(connection, ACCOUNT, b'{"broken"')
    await connection.execute("UPDATE messages SET repaired_body = $1, repaired_by = 'x'", body_of(move()))
    await work_all(connection, ACCOUNT)
    assert await outcomes(connection, [message_id]) == [("processed", None)]


async def test_heartbeats_are_rows_of_no_trade_and_the_journal_remembers_them(connection: asyncpg.Connection) -> None:
    await put(connection, ACCOUNT, heartbeat(3), heartbeat(1), heartbeat(3), received_at=at(4))
    await work_all(connection, ACCOUNT)
    rows = await events(connection)
    assert [(row["trade_id"], row["event_type"], row["event_at"]) for row in rows] == [
        (None, "HEARTBEAT", at(3)),
        (None, "HEARTBEAT", at(1)),
    ]
    assert await stored_trades(connection, ACCOUNT) == {}
    kept = await journal(connection)
    assert (kept["heartbeat_at"], kept["received_at"], kept["live_at"], kept["event_at"]) == (at(3), at(4), at(4), None)


@pytest.mark.parametrize(
    ("received", "source", "live_at", "live_mfe_at"),
    [
        (at(2), "live", at(2), at(1)),
        (at(360), "live", at(360), at(1)),
        (at(362), "live", None, None),
        (at(2), "backfill", None, None),
    ],
)
async def test_only_what_tells_of_the_present_is_a_sign_of_life(
    connection: asyncpg.Connection, received: Any, source: str, live_at: Any, live_mfe_at: Any
) -> None:
    await put(connection, ACCOUNT, move(), received_at=received, source=source)
    await work_all(connection, ACCOUNT)
    kept = await journal(connection)
    assert (kept["live_at"], kept["live_mfe_at"], kept["event_at"]) == (live_at, live_mfe_at, at(1))
    assert (await events(connection))[0]["source"] == source


async def test_the_version_grows_with_each_fold_and_the_marks_never_go_back(connection: asyncpg.Connection) -> None:
    await put(connection, ACCOUNT, move(minute=10), received_at=at(10))
    await work_all(connection, ACCOUNT)
    first = await journal(connection)
    await put(connection, ACCOUNT, move(minute=5), received_at=at(5))
    await work_all(connection, ACCOUNT)
    second = await journal(connection)
    assert second["version"] == first["version"] + 1
    assert {**second, "version": 0} == {**first, "version": 0}


async def test_a_trade_whose_first_event_comes_late_moves_to_its_own_day(connection: asyncpg.Connection) -> None:
    await put(connection, ACCOUNT, move(minute=0))
    await work_all(connection, ACCOUNT)
    await put(connection, ACCOUNT, entry(minute=-24 * 60))
    await work_all(connection, ACCOUNT)
    row = await connection.fetchrow("SELECT signal_date, signal_at FROM trade_states")
    assert (str(row["signal_date"]), row["signal_at"]) == ("2026-03-01", at(-24 * 60))


async def test_a_batch_is_bounded_in_messages_and_bytes(connection: asyncpg.Connection) -> None:
    large = move(padding="x" * 60_000)
    await put(connection, ACCOUNT, *({**large, "signal_id": f"T{n}"} for n in range(12)))
    async with connection.transaction():
        assert await fold_waiting(connection, ACCOUNT)
    assert len(await events(connection)) == 8  # of 64 KiB each in half a megabyte
    async with connection.transaction():
        assert await fold_waiting(connection, ACCOUNT, most=1)
    assert len(await events(connection)) == 9


async def test_a_batch_costs_a_handful_of_statements(connection: asyncpg.Connection) -> None:
    await put(connection, ACCOUNT, *(move(f"T{n % 40}", n, n / 100) for n in range(500)))
    seen: list[str] = []

    def note(record: Any) -> None:
        seen.append(record.query)

    connection.add_query_logger(note)
    assert await work(connection, ACCOUNT)
    assert len(await events(connection)) == 500
    work_statements = [text for text in seen if not text.startswith(("BEGIN", "COMMIT"))]
    assert len(work_statements) <= 14, work_statements


async def test_one_account_has_one_reader_and_others_pass_by(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as other:
        await put(one, ACCOUNT, move())
        await one.execute(SQL.open_journal.sql, ACCOUNT)
        async with one.transaction():
            await one.fetchrow(SQL.lock_journal.sql, ACCOUNT)
            assert not await work(other, ACCOUNT)
        assert await work(other, ACCOUNT)


async def test_who_reads_catches_up_first(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await put(connection, ACCOUNT, entry())
        await put(connection, OTHER, entry())
    await catch_up(pool, [ACCOUNT])
    async with pool.acquire() as connection:
        assert set(await stored_trades(connection, ACCOUNT)) == {"T1"}
        assert await stored_trades(connection, OTHER) == {}


async def test_catching_up_waits_for_who_is_at_it_but_not_for_long(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await put(connection, ACCOUNT, entry())
        await connection.execute(SQL.open_journal.sql, ACCOUNT)
        async with connection.transaction():
            await connection.fetchrow(SQL.lock_journal.sql, ACCOUNT)
            await catch_up(pool, [ACCOUNT])  # gives up, and says nothing to who reads
        assert await stored_trades(connection, ACCOUNT) == {}
    await catch_up(pool, [ACCOUNT])
    async with pool.acquire() as connection:
        assert set(await stored_trades(connection, ACCOUNT)) == {"T1"}


@pytest.mark.parametrize("name", LOGS)
async def test_a_real_log_in_any_order_and_in_parts_gives_the_trades_of_the_pure_fold(
    connection: asyncpg.Connection, name: str
) -> None:
    bodies = log_bodies(name)
    expected = folded(set(bodies))
    chance = random.Random(name)
    shuffled = bodies + chance.sample(bodies, len(bodies) // 3)
    chance.shuffle(shuffled)
    for start in range(0, len(shuffled), 150):
        await put(connection, ACCOUNT, *shuffled[start : start + 150])
        await work_all(connection, ACCOUNT)
    assert await stored_trades(connection, ACCOUNT) == expected
