"""The desk on a real PostgreSQL: what it gathers, how few statements it needs, and that what it writes is what it decided."""

from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from hookfill.desk import gather as gathering
from hookfill.desk import worker as working
from hookfill.desk.gather import SQL, gather
from hookfill.desk.model import STUDY_BARS
from hookfill.kernel.ids import NIL, new_id
from support.database import NO_LIMITS
from support.desk import at, bar, flat, only
from support.ledger import check_ledger

BUY = "buy EURUSD 0.1"
ZIGZAG = [bar(minute, f"1.1 1.1{minute % 7}1 1.09{minute % 5} 1.1{minute % 3}") for minute in range(60)]


async def locked(desk, connection: asyncpg.Connection) -> asyncpg.Record:
    row = await connection.fetchrow(SQL.lock_account.sql, desk.account_id)
    assert row is not None
    return row


async def test_everything_comes_back_as_it_was_decided(desk) -> None:
    await desk.candles(flat(0, "1.1"), bar(1, "1.1 1.101 1.099 1.1"))
    other = await desk.strategy(policy={"pyramiding": 2}, exits={"stop": {"pips": 30}, "trailing_percent": 1})
    signals = await desk.alerts((BUY + " sl=1.0985 tp=1.2", 2), ("sell EURUSD 0.2", 2.2), ("buy EURUSD 0.001", 2.4))
    signals += await desk.alerts(("buy EURUSD 0.5", 2.5), (BUY, 2.6), strategy_id=other)
    assert await desk.work() == 1
    expected = [("executed", None), ("executed", "size_too_small"), ("rejected", "no_position")]
    assert (await desk.verdicts(signals))[0] == expected[0]
    async with desk.pool.acquire() as connection, connection.transaction():
        situation = await gather(connection, await locked(desk, connection), at(3))
    assert situation.signals == ()
    assert {position.symbol for position in situation.positions} == {"EURUSD"}
    mine = only([position for position in situation.positions if position.strategy_id == other])
    assert (mine.quantity, mine.entries, mine.status, mine.at_break_even) == (Decimal("0.6"), 2, "open", False)
    assert mine.exits == {"stop": {"pips": "30"}, "trailing_percent": "1"}
    assert mine.stop_price == Decimal("1.09711")
    assert situation.account.timeline_at == at(2.6)
    orders = await desk.rows("SELECT * FROM orders WHERE account_id = $1", desk.account_id)
    assert {(order["status"], order["quantity"] == order["filled_quantity"]) for order in orders} == {("filled", True)}
    rows = await desk.rows("SELECT status, fill_price, broker_order_id, decided_at, resolved_at FROM signals ORDER BY signal_id")
    assert all(row["decided_at"] and row["resolved_at"] for row in rows)
    known = {str(order["order_id"]): order["average_fill_price"] for order in orders}
    assert [row["fill_price"] for row in rows if row["broker_order_id"]] == [
        known[row["broker_order_id"]] for row in rows if row["broker_order_id"]
    ]
    decisions = await desk.rows("SELECT verdict, trace FROM decisions WHERE account_id = $1", desk.account_id)
    assert len(decisions) == len(signals)
    assert all("plan" in row["trace"] for row in decisions)


@pytest.mark.parametrize("engine", ["direct", "rules"])
async def test_a_thousand_signals_cost_a_handful_of_statements(desk, watched, database, engine: str) -> None:
    symbols = ["EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "BTCUSDT", "ETHUSDT", "SOLUSDT", "XAUUSD", "MNQ1!", "ES1!"]
    for symbol in symbols:
        await desk.candles(*(bar(minute, f"1.1 1.1{minute}1 1.09 1.1{minute}", symbol=symbol) for minute in range(9)))
    strategies = [await desk.strategy(engine=engine) for _ in range(4)]
    for place, strategy_id in enumerate(strategies):
        texts = [f"{('buy', 'sell', 'close')[number % 3]} {symbols[number % 10]}" for number in range(250)]
        await desk.alerts(*((text, 1 + place + number / 250) for number, text in enumerate(texts)), strategy_id=strategy_id)
    watched()
    assert await desk.decide(desk.account_id, 1000)
    statements = [one for one in watched() if not one.startswith(("BEGIN", "COMMIT"))]
    assert len(statements) < 25, statements
    assert len(await desk.rows("SELECT FROM signals WHERE status <> 'pending'")) == 1000
    assert len(await desk.rows("SELECT FROM orders")) > 500


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_history_in_many_transactions_equals_one(desk, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Hour bars, and signals in the middle of them: no transaction's border may cut a bar, an order or a price."""
    texts = [
        BUY + " sl=1.095",
        "sell EURUSD 0.2",
        "close EURUSD",
        BUY,
        '{"symbol":"EURUSD","market_position":"short"}',
        "buy EURUSD 0.1 tp=1.2",
    ]
    hours = [bar(60 * hour, f"1.1 1.1{hour % 7}1 1.09{hour % 5} 1.1{hour % 3}", timeframe="H1") for hour in range(90)]
    fires = [(texts[number % len(texts)], 75 + 130 * number + 480 * (number // 6)) for number in range(30)]
    second = await desk.account()
    for account_id in (desk.account_id, second):
        strategy_id = await desk.strategy(account_id, exits={"stop": {"pips": 900}, "max_hold_hours": 7})
        await desk.alerts(*fires, account_id=account_id, strategy_id=strategy_id, source="import")
    await desk.candles(*hours)
    while await desk.decide(second, 1000):
        pass
    monkeypatch.setattr(working, "MOST_SIGNALS", size)
    assert await desk.work() >= 30 // size
    assert await desk.ledger() == await desk.ledger(second)
    reasons = {row["exit_reason"] for row in await desk.rows("SELECT exit_reason FROM orders WHERE purpose = 'exit'")}
    assert reasons >= {"signal", "stop_loss", "max_hold"}


async def test_unusable_alerts_within_history_do_not_move_the_account_beyond_it(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a whole transaction holds nothing else."""
    await desk.candles(*(bar(60 * hour, "1.1 1.101 1.099 1.1", timeframe="H1") for hour in range(30)))
    monkeypatch.setattr(working, "MOST_SIGNALS", 2)
    history = [
        (BUY, 65),
        *(("what a day", 70 + minute) for minute in range(4)),
        ("close EURUSD", 130),
        ("nothing", 131),
        (BUY, 190),
    ]
    signals = await desk.alerts(*history, source="import")
    await desk.work()
    outcomes = await desk.verdicts(signals)
    assert [outcome for outcome in outcomes if outcome[0] != "discarded"] == [("executed", None)] * 3
    assert [reason for status, reason in outcomes if status == "discarded"] == ["text_unusable"] * 5


@pytest.mark.parametrize("most_bars", [60, 101])
async def test_bars_in_many_transactions_equal_one(desk, monkeypatch: pytest.MonkeyPatch, most_bars: int) -> None:
    """A position that slept through more bars than one transaction takes, of two lengths, wakes bar by bar all the same."""
    minutes = [bar(minute, f"1.1 1.1{minute % 7}1 1.096 1.1", symbol="GBPUSD") for minute in range(600)]
    hours = [bar(60 * hour, f"1.1 1.101 1.09{8 - hour % 5} 1.1", timeframe="H1") for hour in range(10)]
    second = await desk.account()
    for account_id in (desk.account_id, second):
        strategy_id = await desk.strategy(account_id)
        await desk.candles(flat(-1, "1.1", symbol="GBPUSD"), flat(-60, "1.1", timeframe="H1"))
        await desk.alerts((BUY + " sl=1.0945", 0), ("buy GBPUSD 0.1 sl=1.095", 0), account_id=account_id, strategy_id=strategy_id)
        await desk.work()
    await desk.candles(*minutes, *hours)
    await desk.decide(second, 1000)
    monkeypatch.setattr(gathering, "MOST_BARS", most_bars)
    assert await desk.work() > 3
    first = await desk.ledger()
    assert first == await desk.ledger(second)
    assert [position[-1] for position in first["positions"]] == ["stop_loss", None]
    assert first["positions"][1][9] == at(600)


async def test_signals_that_go_back_in_time_are_all_decided(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose last signal is older than its first: nothing waits for ever."""
    await desk.candles(*ZIGZAG)
    monkeypatch.setattr(working, "MOST_SIGNALS", 2)
    live = await desk.alerts((BUY, 50), ("close EURUSD", 10), (BUY, 30), ("close EURUSD", 29.5))
    imported = await desk.alerts((BUY, 50), ("close EURUSD", 10), ("close EURUSD", 55), source="import")
    await desk.work()
    assert {status for status, _ in await desk.verdicts(live + imported)} <= {"executed", "rejected", "discarded"}
    assert await desk.verdicts(imported[1:2]) == [("discarded", "history_out_of_order")]


async def test_prices_of_the_past_come_from_the_bars_of_the_past(desk) -> None:
    """A signal that is older than the newest quote is dealt at the last bar that had closed by then, of whatever length."""
    ms = [flat(minute, f"1.1{minute}") for minute in (0, 1, 2, 7, 8)]
    five = [bar(0, "1.1 1.2 1.1 1.15", timeframe="M5"), bar(5, "1.1 1.2 1.1 1.16", timeframe="M5")]
    await desk.candles(*ms, *five)
    strategies = [await desk.strategy() for _ in range(4)]
    for strategy_id, minute in zip(strategies, (2.9, 4, 5, 9.5), strict=True):
        await desk.alerts((BUY, minute), strategy_id=strategy_id)
    await desk.work()
    rows = await desk.rows("SELECT price, bar_low, bar_high FROM fills ORDER BY filled_at")
    assert [row["price"] for row in rows] == [Decimal(price) for price in ("1.11", "1.12", "1.15012", "1.18")]
    assert [row["bar_high"] for row in rows] == [Decimal(price) for price in ("1.11", "1.12", "1.2", "1.18")]


async def test_the_engine_gets_the_last_bars_whatever_else_is_gathered(desk) -> None:
    study = [flat(minute, "1.1") for minute in range(-STUDY_BARS - 40, 20)]
    await desk.candles(*study, *(flat(minute, "1.3", symbol="GBPUSD") for minute in range(-30, 20)))
    strategy_id = await desk.strategy(engine="rules")
    texts = [("buy EURUSD 0.1 tf=1m", 3.5), ("buy GBPUSD 0.1 tf=1m", 4), ("buy EURUSD 0.1 tf=5m", 4.5), ("close EURUSD tf=1m", 9.5)]
    await desk.alerts(*texts, strategy_id=strategy_id)
    async with desk.pool.acquire() as connection, connection.transaction():
        situation = await gather(connection, await locked(desk, connection), at(20))
    minutes = situation.studies["EURUSD", "M1"]
    assert [one.opened_at for one in minutes] == sorted({one.opened_at for one in minutes})
    assert sum(one.closes_at <= at(3.5) for one in minutes) >= STUDY_BARS
    assert minutes[-1].opened_at == at(9)
    assert len(situation.studies["GBPUSD", "M1"]) == 30 + 4 + 6
    assert situation.studies["EURUSD", "M5"] == ()
    await desk.work()
    rows = await desk.rows("SELECT trace #>> '{engine,figures,candles}' AS candles FROM decisions ORDER BY signal_id")
    assert [float(row["candles"]) for row in rows] == [300, 34, 0, 300]


async def test_what_belongs_to_others_is_not_gathered(desk) -> None:
    await desk.candles(*ZIGZAG)
    stranger = await desk.account()
    theirs = await desk.strategy(stranger)
    await desk.alerts((BUY, 60), account_id=stranger, strategy_id=theirs)
    await desk.work()
    for account_id, scope in ((stranger, "account"), (NIL, "global"), (desk.account_id, "strategy")):
        await desk.rows(
            "INSERT INTO halts (account_id, halt_id, scope, strategy_id, reduce_only, reason) VALUES ($1, $2, $3, $4, true, '')",
            account_id, new_id(), scope, desk.strategy_id if scope == "strategy" else None,
        )  # fmt: skip
    await desk.rows(
        "INSERT INTO halts (account_id, halt_id, scope, reduce_only, reason, lifted_at)"
        " VALUES ($1, $2, 'account', true, '', now())",
        desk.account_id,
        new_id(),
    )
    mine = await desk.alerts((BUY, 61), ("buy GBPUSD 1", 61.5))
    async with desk.pool.acquire() as connection, connection.transaction():
        row = await locked(desk, connection)
        situation = await gather(connection, row, at(62))
        assert [one.signal_id for one in situation.signals] == mine
        assert (situation.positions, situation.entry_times) == ((), {})
        assert sorted(one.halt.scope for one in situation.halts) == ["global", "strategy"]
        assert set(situation.strategies) == {desk.strategy_id}
        assert set(situation.quotes) == {"EURUSD"}
        async with desk.pool.acquire() as other:
            assert await other.fetchrow(SQL.lock_account.sql, desk.account_id) is None
            assert await other.fetchrow(SQL.lock_account.sql, stranger) is not None


async def test_entries_of_the_last_minute_are_counted_across_transactions(desk) -> None:
    account_id = await desk.account(NO_LIMITS | {"order_rate_per_minute": "2"})
    strategy_id = await desk.strategy(account_id)
    await desk.candles(*ZIGZAG[:3])
    outcomes = []
    for number, minute in enumerate((3, 3.3, 3.6, 3.7, 5)):
        text = BUY if number % 2 == 0 else "close EURUSD"
        signals = await desk.alerts((text, minute), account_id=account_id, strategy_id=strategy_id)
        await desk.work()
        outcomes += await desk.verdicts(signals)
        if number == 0:
            await desk.alerts(("sell EURUSD 0.1", 3.1), account_id=account_id, strategy_id=strategy_id)
            await desk.work()
    assert [reason for _, reason in outcomes] == [None, None, "order_rate_exceeded", "no_position", "halted"]
    halt = only(await desk.rows("SELECT * FROM halts"))
    assert (halt["scope"], halt["strategy_id"], halt["reduce_only"], halt["created_at"]) == ("strategy", strategy_id, True, at(3.6))


async def test_writing_an_outcome_twice_is_refused(desk) -> None:
    """Deterministic ids: the same cause can't make two orders, whatever went wrong before."""
    await desk.candles(*ZIGZAG[:2])
    await desk.alerts((BUY, 2))
    await desk.work()
    await desk.rows("UPDATE signals SET status = 'pending'")
    await desk.rows("DELETE FROM positions")
    with pytest.raises(asyncpg.UniqueViolationError):
        await desk.decide(desk.account_id, 10)


async def test_the_ledger_witness_agrees(desk, database) -> None:
    strategies = [await desk.strategy(policy={"pyramiding": 3}), await desk.strategy(exits={"trailing_percent": 1})]
    texts = [BUY, "sell EURUSD 0.3", BUY, "close EURUSD 0.1", "close EURUSD", '{"symbol":"EURUSD","market_position":"long"}']
    for minute in range(0, 60, 6):
        await desk.candles(*ZIGZAG[minute : minute + 6])
        for strategy_id in strategies:
            await desk.alerts(*((text, minute + 6 + number / 10) for number, text in enumerate(texts)), strategy_id=strategy_id)
        await desk.work()
    check_ledger(database.url)
    assert len(await desk.rows("SELECT FROM fills")) > 50


async def test_the_next_try_is_timed_by_the_databases_clock(desk) -> None:
    strategy_id = await desk.strategy(nonsense={})
    far = timedelta(days=3650)
    signals = await desk.alerts((BUY, 0), strategy_id=strategy_id, shift=at(0) + far)
    assert await desk.work() == 1
    row = only(await desk.rows("SELECT *, retry_at - clock_timestamp() AS wait FROM signals WHERE signal_id = $1", signals[0]))
    assert (row["status"], row["attempts"], row["resolved_at"]) == ("pending", 1, None)
    assert timedelta(0) < row["wait"] <= timedelta(seconds=1)
    assert "ConfigurationError" in row["error_message"]
    for attempts in (2, 3):
        await desk.rows("UPDATE signals SET retry_at = clock_timestamp()")
        assert await desk.work() == 1
        row = only(await desk.rows("SELECT * FROM signals WHERE signal_id = $1", signals[0]))
        assert row["attempts"] == attempts
    assert (row["status"], row["reason"], row["retry_at"], row["resolved_at"] is not None) == (
        "failed",
        "dead_lettered",
        None,
        True,
    )
    assert await desk.work() == 0
