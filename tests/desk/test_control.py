"""Halting and leaving by hand: what counts from when on, what is taken back, what is left and how often."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hookfill.accounts.store import NewStrategy
from hookfill.desk import control
from hookfill.desk.apply import apply
from hookfill.desk.control import Target
from hookfill.desk.fold import fold
from hookfill.desk.gather import SQL, gather
from hookfill.kernel.ids import NIL
from hookfill.ops.ledger import check_ledger
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from hookfill.risk.halts import Scope
from support.database import wait_for_value
from support.house import House, at

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.01}
PRICES = "1.0800 1.0810 1.0790 1.0805"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def halt(house: House, target: Target, *, reduce_only: bool = True) -> control.Settled:
    async with house.pool.acquire() as connection:
        row = await control.put_in_force(connection, target, reduce_only=reduce_only, reason="test", by="command")
        return await control.settle(connection, target, row)


async def flatten(house: House, target: Target) -> list[control.Leaving]:
    async with house.pool.acquire() as connection:
        return await control.flatten(connection, target, reason="test", by="command")


async def resume(house: House, target: Target) -> int:
    async with house.pool.acquire() as connection:
        return len(await control.resume(connection, target, "command"))


async def opened(house: House, *symbols: str) -> NewStrategy:
    """A strategy with a position in each symbol."""
    strategy = await house.new_strategy()
    for symbol in symbols:
        await house.bar(0, PRICES, symbol)
        await house.alert(strategy, {**BUY, "symbol": symbol}, 1)
    await house.decide()
    assert await house.pool.fetchval("SELECT count(*) FROM positions WHERE status = 'open'") == len(symbols)
    return strategy


async def signals(house: House, door: str = "tradingview") -> list[Mapping[str, Any]]:
    return await house.pool.fetch("SELECT * FROM signals WHERE door = $1 ORDER BY signal_id", door)


async def test_the_ledger_holds(house: House) -> None:
    await opened(house, "EURUSD")
    await halt(house, Target(Scope.GLOBAL))
    await flatten(house, Target(Scope.GLOBAL))
    await house.decide()
    async with house.pool.acquire() as connection:
        assert [one for one in await check_ledger(connection) if not one.holds] == []


@pytest.mark.parametrize("scope", Scope)
async def test_every_scope_stops_entries_and_resuming_lets_them_in_again(house: House, scope: Scope) -> None:
    strategy = await house.new_strategy()
    targets = {
        Scope.GLOBAL: Target(scope),
        Scope.USER: Target(scope, user_id=house.owner),
        Scope.ACCOUNT: Target(scope, account_id=house.account_id),
        Scope.STRATEGY: Target(scope, account_id=house.account_id, strategy_id=strategy.strategy_id),
        Scope.SYMBOL: Target(scope, user_id=house.owner, symbol="EURUSD"),
    }
    await house.bar(0, PRICES)
    settled = await halt(house, targets[scope])
    assert settled.busy == ()
    assert settled.halt["settled_at"] is not None
    await house.alert(strategy, BUY, 1)
    await house.decide()
    assert [(row["status"], row["reason"]) for row in await signals(house)] == [("discarded", "halted")]
    assert await resume(house, targets[scope]) == 1
    await house.alert(strategy, {**BUY, "id": "2"}, 1)
    await house.decide()
    assert [row["status"] for row in await signals(house)] == ["discarded", "executed"]
    lifted = await house.pool.fetchrow("SELECT created_by, lifted_by, lifted_at >= created_at AS is_later FROM halts")
    assert tuple(lifted) == ("command", "command", True)


async def test_a_halt_of_another_scope_stops_nothing_here(house: House) -> None:
    strategy, elsewhere = await house.new_strategy(), await house.new_strategy_elsewhere()
    other = await house.new_user()
    await house.bar(0, PRICES)
    await halt(house, Target(Scope.USER, user_id=other))
    await halt(house, Target(Scope.SYMBOL, user_id=other, symbol="EURUSD"))
    await halt(house, Target(Scope.ACCOUNT, account_id=elsewhere.account_id))
    await halt(house, Target(Scope.STRATEGY, account_id=house.account_id, strategy_id=elsewhere.strategy_id))
    await halt(house, Target(Scope.SYMBOL, user_id=house.owner, symbol="GBPUSD"))
    await house.alert(strategy, BUY, 1)
    await house.decide()
    assert [row["status"] for row in await signals(house)] == ["executed"]


async def test_the_same_halt_twice_is_one_and_a_full_one_is_another(house: House) -> None:
    target = Target(Scope.ACCOUNT, account_id=house.account_id)
    first, again = await halt(house, target), await halt(house, target)
    full = await halt(house, target, reduce_only=False)
    assert first.halt["halt_id"] == again.halt["halt_id"] != full.halt["halt_id"]
    assert first.halt["settled_at"] == again.halt["settled_at"]


async def test_resuming_lifts_what_is_within_and_nothing_wider(house: House) -> None:
    strategy = await house.new_strategy()
    account = Target(Scope.ACCOUNT, account_id=house.account_id)
    everybody, mine = Target(Scope.GLOBAL), Target(Scope.USER, user_id=house.owner)
    one = Target(Scope.STRATEGY, account_id=house.account_id, strategy_id=strategy.strategy_id)
    symbol = Target(Scope.SYMBOL, user_id=house.owner, symbol="SPY")
    for target in (everybody, mine, account, one, symbol):
        await halt(house, target)
    assert await resume(house, one) == 1
    assert await resume(house, account) == 1
    assert await resume(house, everybody) == 1
    await halt(house, one)
    assert await resume(house, mine) == 3  # the user's own, the symbol's and the strategy's


async def test_a_reduce_only_halt_lets_a_stop_through_and_a_full_one_does_not(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(0, PRICES)
    await house.alert(strategy, {**BUY, "sl": 1.0700}, 1)
    await house.decide()
    target = Target(Scope.ACCOUNT, account_id=house.account_id)
    await halt(house, target, reduce_only=False)
    await house.bar(1, "1.0800 1.0801 1.0600 1.0610")
    await house.decide()
    assert await house.pool.fetchrow("SELECT status, mark::text FROM positions") == ("open", "1.0610")
    await resume(house, target)
    await halt(house, target)
    await house.bar(2, "1.0610 1.0612 1.0605 1.0611")
    await house.decide()
    assert await house.pool.fetchrow("SELECT status, exit_reason FROM positions") == ("closed", "stop_loss")


async def open_transaction(house: House, connection: asyncpg.Connection) -> None:
    """The desk, stopped right before it commits an entry."""
    row = await connection.fetchrow(SQL.lock_account.sql, house.account_id)
    outcome = fold(await gather(connection, row, at(2)))
    assert outcome.orders
    await apply(connection, outcome)


async def test_when_the_halt_is_told_no_entry_is_committed_any_more(house: House, database: Database) -> None:
    """The desk is stopped between looking for halts and its commit: halting must not return before that is over."""
    strategy = await house.new_strategy()
    await house.bar(0, PRICES)
    await house.alert(strategy, BUY, 1)
    target = Target(Scope.ACCOUNT, account_id=house.account_id)
    desk = await connect(database, name="test desk")
    try:
        transaction = desk.transaction()
        await transaction.start()
        await open_transaction(house, desk)
        halting = asyncio.create_task(halt(house, target))

        await asyncio.to_thread(wait_for_value, database.url, 1, WAITING)
        assert not halting.done()
        assert await house.pool.fetchval("SELECT count(*) FROM halts") == 1  # in force for whoever begins now
        await transaction.commit()
        settled = await halting
    finally:
        await desk.close()
    told_at = settled.halt["settled_at"]
    assert await house.pool.fetchval("SELECT count(*) FROM orders WHERE created_at > $1", told_at) == 0
    await house.alert(strategy, {**BUY, "id": "2"}, 2)
    await house.decide()
    assert [row["status"] for row in await signals(house)] == ["executed", "discarded"]


async def test_a_decision_that_does_not_end_is_told_of(house: House, database: Database) -> None:
    target = Target(Scope.GLOBAL)
    desk = await connect(database, name="test desk")
    try:
        async with desk.transaction():
            await desk.fetchrow(SQL.lock_account.sql, house.account_id)
            async with house.pool.acquire() as connection:
                row = await control.put_in_force(connection, target, reduce_only=True, reason="test", by="command")
                settled = await control.settle(connection, target, row, seconds=0.05)
                assert settled.busy == (house.account_id,)
                assert settled.halt["settled_at"] is None
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await _blocked(house, connection, target)
    finally:
        await desk.close()
    assert (await halt(house, target)).busy == ()  # the same halt, waited for by now


async def _blocked(house: House, connection: asyncpg.Connection, target: Target) -> None:
    await control.flatten(connection, target, reason="test", by="command", seconds=0.05)


async def test_flattening_leaves_every_position_by_a_signal_of_its_own(house: House) -> None:
    strategy = await opened(house, "EURUSD", "GBPUSD")
    leaving = await flatten(house, Target(Scope.ACCOUNT, account_id=house.account_id))
    assert [(one.symbol, one.is_open, one.is_new) for one in leaving] == [("EURUSD", True, True), ("GBPUSD", True, True)]
    await house.decide()
    rows = await signals(house, "operator")
    assert [(row["signal_id"], row["status"], row["action"]) for row in rows] == [
        (one.signal_id, "executed", "close") for one in sorted(leaving, key=lambda one: one.signal_id)
    ]
    assert {row["exit_reason"] for row in await house.pool.fetch("SELECT exit_reason FROM positions")} == {"flatten"}
    orders = await house.pool.fetch("SELECT * FROM orders WHERE purpose = 'exit'")
    assert {row["signal_id"] for row in orders} == {one.signal_id for one in leaving}
    assert {row["exit_reason"] for row in orders} == {"flatten"}
    bodies = await house.pool.fetch("SELECT body FROM messages WHERE door = 'operator' AND strategy_id = $1", strategy.strategy_id)
    assert len(bodies) == 2
    assert await flatten(house, Target(Scope.ACCOUNT, account_id=house.account_id)) == []


async def test_flattening_again_asks_for_nothing_twice(house: House) -> None:
    await opened(house, "EURUSD")
    target = Target(Scope.GLOBAL)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(flatten(house, target)) for _ in range(4)]
    found = [call.result() for call in calls]
    assert {one.signal_id for leaving in found for one in leaving} == {found[0][0].signal_id}
    assert sum(one.is_new for leaving in found for one in leaving) == 1
    await house.decide()
    assert await house.pool.fetchval("SELECT count(*) FROM orders WHERE purpose = 'exit'") == 1


async def test_flattening_leaves_only_what_is_meant(house: House) -> None:
    strategy = await opened(house, "EURUSD", "GBPUSD")
    leaving = await flatten(house, Target(Scope.SYMBOL, user_id=house.owner, symbol="GBPUSD"))
    assert [one.symbol for one in leaving] == ["GBPUSD"]
    other = Target(Scope.STRATEGY, account_id=house.account_id, strategy_id=NIL)
    assert await flatten(house, other) == []
    own = Target(Scope.STRATEGY, account_id=house.account_id, strategy_id=strategy.strategy_id)
    assert [one.is_new for one in await flatten(house, own)] == [True, False]


@pytest.mark.parametrize("statement", ["UPDATE strategies SET is_enabled = false", "DELETE FROM strategies"])
async def test_a_strategy_that_is_off_or_gone_is_flattened_all_the_same(house: House, statement: str) -> None:
    await opened(house, "EURUSD")
    await house.pool.execute(statement)
    await flatten(house, Target(Scope.GLOBAL))
    await house.decide()
    assert await house.pool.fetchval("SELECT status FROM positions") == "closed"


async def test_a_filter_of_the_strategys_does_not_hold_up_an_operator(house: House) -> None:
    strategy = await opened(house, "EURUSD")
    await house.pool.execute("UPDATE strategies SET engine = 'rules' WHERE strategy_id = $1", strategy.strategy_id)
    await flatten(house, Target(Scope.GLOBAL))
    await house.decide()
    assert await house.pool.fetchval("SELECT status FROM positions") == "closed"


async def test_a_full_halt_forbids_to_flatten(house: House) -> None:
    await opened(house, "EURUSD")
    symbol = Target(Scope.SYMBOL, user_id=house.owner, symbol="EURUSD")
    await halt(house, symbol, reduce_only=False)
    with pytest.raises(control.FullyHalted, match="stops exits too"):
        await flatten(house, Target(Scope.GLOBAL))
    assert await signals(house, "operator") == []
    await resume(house, symbol)
    assert len(await flatten(house, Target(Scope.GLOBAL))) == 1


async def test_what_is_not_there_is_no_target(house: House) -> None:
    other = await house.new_user()
    strategy = await house.new_strategy()
    async with house.pool.acquire() as connection:
        for scope, wanted, symbol in (
            (Scope.ACCOUNT, house.account_id, None),
            (Scope.STRATEGY, strategy.strategy_id, None),
            (Scope.SYMBOL, house.account_id, "SPY"),
            (Scope.USER, house.owner, None),
        ):
            assert await control.find_target(connection, other, scope, wanted, symbol) is None
            assert isinstance(await control.find_target(connection, house.owner, scope, wanted, symbol), Target)
        everywhere = await control.find_target(connection, other, Scope.SYMBOL, None, "SPY")
        assert everywhere == Target(Scope.SYMBOL, user_id=other, symbol="SPY")


def test_a_target_covers_options_on_its_symbol() -> None:
    spy = Target(Scope.SYMBOL, symbol="SPY")
    assert spy.covers(UUID(int=1), "SPY260220C00500000")
    assert spy.covers(UUID(int=1), "SPY")
    assert not spy.covers(UUID(int=1), "SPYG260220C00500000")


async def test_an_entry_that_rests_is_cancelled_by_a_halt_and_by_flattening(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(0, PRICES)
    resting = {**BUY, "order_type": "limit", "limit_price": 1.0700}
    await house.alert(strategy, resting, 1)
    await house.decide()
    status = "SELECT status FROM orders ORDER BY order_id DESC LIMIT 1"
    assert await house.pool.fetchval(status) == "working"
    account = Target(Scope.ACCOUNT, account_id=house.account_id)
    await halt(house, account)
    await house.decide()
    assert await house.pool.fetchval(status) == "cancelled"
    await resume(house, account)
    await house.alert(strategy, {**resting, "id": "2"}, 2)
    await house.decide()
    assert await house.pool.fetchval(status) == "working"
    leaving = await flatten(house, account)
    assert [(one.symbol, one.is_open) for one in leaving] == [("EURUSD", False)]
    await house.decide()
    assert await house.pool.fetchval(status) == "cancelled"
    async with house.pool.acquire() as connection:
        assert [one.name for one in await check_ledger(connection) if not one.holds] == []
