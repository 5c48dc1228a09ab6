"""The worker: finds its work by notification and by poll, shares it with others, and isolates what can't be stored."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from hookfill.desk import gather as gathering
from hookfill.desk import passing
from hookfill.desk import worker as working
from hookfill.desk.gather import SQL
from hookfill.desk.worker import Worker
from hookfill.engines import registry
from hookfill.inbox import store as inbox
from hookfill.kernel.clock import utc_now
from hookfill.market.store import store_candles
from hookfill.signals.model import Alert, Unusable
from hookfill.signals.reading import read_alert
from support.database import query, wait_until_async
from support.desk import at, bar, flat, only
from support.ledger import check_ledger

BUY = "buy EURUSD 0.1"
MARKET = [bar(minute, f"1.1 1.1{minute}1 1.09 1.1{minute}") for minute in range(9)]


async def test_two_workers_decide_everything_once_and_in_order(desk, database) -> None:
    await desk.candles(*MARKET)
    accounts = [desk.account_id, *[await desk.account() for _ in range(4)]]
    signals = []
    for account_id in accounts:
        strategy_id = await desk.strategy(account_id)
        for start in range(3):
            texts = [("buy EURUSD 0.1" if number % 2 else "sell EURUSD 0.2", start + number / 40) for number in range(40)]
            signals += await desk.alerts(*texts, account_id=account_id, strategy_id=strategy_id)
    workers = [desk.worker(), desk.worker(), desk.worker()]
    while sum(await asyncio.gather(*(worker.work_off() for worker in workers))):
        pass
    assert {status for status, _ in await desk.verdicts(signals)} == {"executed", "rejected"}
    check_ledger(database.url)
    for account_id in accounts[1:]:
        assert await desk.ledger(account_id) == await desk.ledger()
    orders = await desk.rows("SELECT signal_id, as_of FROM orders WHERE account_id = $1 ORDER BY created_at, as_of", accounts[1])
    assert [order["as_of"] for order in orders] == sorted(order["as_of"] for order in orders)


async def test_an_account_that_is_locked_elsewhere_is_left_alone(desk) -> None:
    await desk.candles(*MARKET)
    free = await desk.account()
    mine = await desk.alerts((BUY, 9))
    theirs = await desk.alerts((BUY, 9), account_id=free, strategy_id=await desk.strategy(free))
    async with desk.pool.acquire() as other, other.transaction():
        assert await other.fetchrow(SQL.lock_account.sql, desk.account_id)
        assert await desk.work() == 1
        assert await desk.verdicts(mine + theirs) == [("pending", None), ("executed", None)]
    assert await desk.work() == 1
    assert await desk.verdicts(mine) == [("executed", None)]


async def test_a_notification_wakes_it(desk, database) -> None:
    await desk.candles(*MARKET)
    worker = desk.worker(poll_seconds=3600.0)
    task = asyncio.create_task(worker.run())
    try:
        listens = "SELECT FROM pg_stat_activity WHERE application_name = 'hookfill desk wake' AND datname = current_database()"
        await wait_until_async(lambda: query(database.url, listens), "it listens")
        await desk.alerts((BUY + " sl=1.0950", 9))
        async with desk.pool.acquire() as connection:
            await inbox.wake_desk(connection)
        await wait_until_async(lambda: query(database.url, "SELECT FROM orders"), "the signal is decided")
        await desk.candles(bar(9, "1.1 1.1 1.08 1.1"))  # storing candles notifies by itself
        await wait_until_async(lambda: query(database.url, "SELECT FROM positions WHERE status = 'closed'"), "it was stopped")
    finally:
        worker.stop()
        await asyncio.wait_for(task, 10)
    assert only(await desk.rows("SELECT exit_reason FROM positions"))["exit_reason"] == "stop_loss"


async def test_the_poll_finds_what_no_notification_told(desk, database) -> None:
    async def never() -> asyncpg.Connection:
        raise OSError("no way to listen")

    worker = Worker(desk.pool, never, is_simulated=True, poll_seconds=0.05)
    task = asyncio.create_task(worker.run())
    try:
        await desk.candles(*MARKET)
        await desk.alerts((BUY + " sl=1.0950", 9))
        await wait_until_async(lambda: query(database.url, "SELECT FROM orders"), "the signal is decided")
        await desk.candles(bar(9, "1.1 1.1 1.08 1.1"))
        await wait_until_async(lambda: query(database.url, "SELECT FROM positions WHERE status = 'closed'"), "it was stopped")
    finally:
        worker.stop()
        await asyncio.wait_for(task, 10)


async def test_prices_are_looked_at_again_after_a_failure(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that goes away between looking and deciding must not cost a stop until the next quiet second."""
    await desk.candles(*MARKET)
    await desk.alerts((BUY + " sl=1.0950", 9))
    worker = desk.worker()
    await worker.work_off()
    await desk.candles(bar(9, "1.1 1.1 1.08 1.1"))
    worker.wake(prices=True)

    async def away(*_):
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(working, "gather", away)
        with pytest.raises(ConnectionResetError):
            await worker.work_off()
    await worker.work_off()
    assert only(await desk.rows("SELECT exit_reason FROM positions"))["exit_reason"] == "stop_loss"


async def test_positions_follow_the_prices(desk) -> None:
    await desk.candles(flat(0, "1.1"))
    await desk.alerts((BUY + " tp=1.2", 1))
    await desk.work()
    for minute, price in ((1, "1.11"), (2, "1.12"), (3, "1.13")):
        await desk.candles(flat(minute, price), flat(minute, "5", symbol="GBPUSD"))
        assert await desk.work() == 1
        row = only(await desk.rows("SELECT mark, marked_at, marked_until FROM positions"))
        assert (row["mark"], row["marked_at"], row["marked_until"]) == (Decimal(price), at(minute + 1), at(minute + 1))
    assert await desk.work() == 0
    await desk.candles(flat(1, "1.11"), flat(4, "5", symbol="GBPUSD"))  # known already, and another symbol's
    assert await desk.work() == 0
    await desk.candles(bar(4, "1.13 1.21 1.13 1.2"))
    assert await desk.work() == 1
    position = only(await desk.rows("SELECT status, exit_reason, closed_at FROM positions"))
    assert tuple(position) == ("closed", "take_profit", at(5))
    assert await desk.work() == 0


async def test_bars_beyond_the_simulated_clock_wait(desk) -> None:
    await desk.candles(flat(0, "1.1"))
    await desk.alerts((BUY + " sl=1.0950", 1))
    await desk.work()
    async with desk.pool.acquire() as connection:  # history that was imported beforehand
        await store_candles(connection, [flat(minute, "1.09") for minute in range(1, 9)], at(1000))
    assert await desk.work() == 0
    assert only(await desk.rows("SELECT marked_until FROM positions"))["marked_until"] == at(1)
    await desk.alerts(("close EURUSD", 1.5))
    assert await desk.work() == 1
    assert only(await desk.rows("SELECT price FROM fills WHERE side = 'sell'"))["price"] == Decimal("1.1")
    await desk.alerts((BUY + " sl=1.0850", 3))
    await desk.work()
    row = only(await desk.rows("SELECT mark, marked_until FROM positions WHERE status = 'open'"))
    assert tuple(row) == (Decimal("1.09"), at(3))


async def test_without_a_simulated_clock_nothing_is_known_yet(desk) -> None:
    async with desk.pool.acquire() as connection:
        await store_candles(connection, [flat(0, "1.1")], at(1000))
    assert await desk.work() == 0


async def test_live_time_is_the_clocks(desk) -> None:
    """Not simulated: a bar that has not closed by now is a price as of when it came, and the wall clock is the horizon."""
    now = utc_now()
    minute = now.replace(second=0, microsecond=0)
    one = bar(0, "90000 90000 90000 90000", symbol="BTCUSDT")
    earlier = replace(one, opened_at=minute - timedelta(minutes=2), closes_at=minute - timedelta(minutes=1))
    forming = replace(one, opened_at=minute, closes_at=minute + timedelta(minutes=1), low=Decimal(88000), close=Decimal(88000))
    async with desk.pool.acquire() as connection:
        await store_candles(connection, [earlier], now)
    signals = await desk.alerts(("buy BTCUSDT 0.1 sl=89000", 0), shift=now)
    worker = desk.worker(is_simulated=False)
    assert await worker.work_off() == 1
    assert await desk.verdicts(signals) == [("executed", None)]
    async with desk.pool.acquire() as connection:
        await store_candles(connection, [forming], utc_now())
    worker.wake(prices=True)
    assert await worker.work_off() == 1
    row = only(await desk.rows("SELECT status, exit_reason, mark FROM positions"))
    assert tuple(row) == ("closed", "stop_loss", Decimal(88000))


@pytest.fixture
def unstorable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine whose story PostgreSQL refuses to store: text with a NUL character."""

    def decide(signal, market, filters):
        return replace(registry.ENGINES["direct"](signal, market, filters), reasons=("\x00",))

    monkeypatch.setitem(registry.ENGINES, "rules", decide)


async def test_a_signal_whose_outcome_the_database_refuses_is_isolated(desk, unstorable) -> None:
    await desk.candles(*MARKET)
    bad = await desk.strategy(engine="rules")
    texts = [(BUY, 9), ("close EURUSD", 9.1), (BUY, 9.2)]
    before = await desk.alerts(*texts)
    poison = await desk.alerts((BUY, 9.3), strategy_id=bad)
    behind = await desk.alerts(("close EURUSD", 9.4))
    for attempts in (1, 2, 3):
        assert await desk.work() > 0
        row = only(await desk.rows("SELECT * FROM signals WHERE signal_id = $1", poison[0]))
        assert row["attempts"] == attempts
        assert "NUL" in row["error_message"] or "0x00" in row["error_message"] or "\\u0000" in row["error_message"]
        assert {status for status, _ in await desk.verdicts(before + behind)} == {"executed"}
        assert await desk.work() == 0
        await desk.rows("UPDATE signals SET retry_at = clock_timestamp() WHERE retry_at IS NOT NULL")
    assert (row["status"], row["reason"]) == ("failed", "dead_lettered")
    assert row["resolved_at"] is not None
    assert len(await desk.rows("SELECT FROM orders")) == 4
    assert await desk.rows("SELECT FROM orders WHERE strategy_id = $1", bad) == []


async def test_an_alert_that_breaks_the_reading_is_isolated(desk, monkeypatch) -> None:
    def read(door: str, body: bytes) -> Alert | Unusable:
        if b"poison" in body:
            raise ZeroDivisionError("poison")
        return read_alert(door, body)

    monkeypatch.setattr(gathering, "read_alert", read)
    await desk.candles(*MARKET)
    signals = await desk.alerts((BUY, 9), (f"{BUY} comment=poison", 9.1), ("close EURUSD", 9.2))
    for _ in range(3):
        await desk.work()
        await desk.rows("UPDATE signals SET retry_at = clock_timestamp() WHERE retry_at IS NOT NULL")
    assert await desk.verdicts(signals) == [("executed", None), ("failed", "dead_lettered"), ("executed", None)]


async def test_one_accounts_trouble_is_not_anothers(desk, unstorable) -> None:
    await desk.candles(*MARKET)
    bad_account = await desk.account()
    bad = await desk.strategy(bad_account, engine="rules")
    await desk.alerts(*((BUY, 9 + number / 10) for number in range(5)), account_id=bad_account, strategy_id=bad)
    broken_limits = await desk.account({"nonsense": 1})
    stuck = await desk.alerts((BUY, 9), account_id=broken_limits, strategy_id=await desk.strategy(broken_limits))
    good = await desk.alerts((BUY, 9))
    await desk.work()
    assert await desk.verdicts(good) == [("executed", None)]
    row = only(await desk.rows("SELECT status, attempts, error_message FROM signals WHERE signal_id = $1", stuck[0]))
    assert (row["status"], row["attempts"]) == ("pending", 1)
    assert "Unknown limit" in row["error_message"]


async def test_stopping_ends_after_the_work_in_hand(desk) -> None:
    await desk.candles(*MARKET)
    signals = await desk.alerts((BUY, 9))
    worker = desk.worker()
    worker.stop()
    assert await worker.work_off() == 0
    assert await desk.verdicts(signals) == [("pending", None)]
    await asyncio.wait_for(worker.run(), 10)


async def test_prices_that_can_t_be_folded_are_no_signal_s_fault(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.candles(*MARKET)
    await desk.alerts((BUY + " sl=1.0950", 8.1))
    await desk.work()
    signals = await desk.alerts(("close EURUSD", 9.5))
    await desk.candles(bar(9, "1.1 1.1 1.08 1.1"))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(passing, "mark", broken)
        for _ in range(5):
            await desk.work()
    row = only(await desk.rows("SELECT status, attempts FROM signals WHERE signal_id = $1", signals[0]))
    assert (row["status"], row["attempts"]) == ("pending", 0)
    await desk.work()
    assert await desk.verdicts(signals) == [("executed", None)]
