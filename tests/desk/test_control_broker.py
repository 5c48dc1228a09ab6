"""Halting and leaving by hand at a MetaTrader account: what waits for an agent is taken back, what an agent has is waited for."""

import pytest

from hookfill.desk import control
from hookfill.desk.control import Leaving, Target
from hookfill.risk.halts import Scope
from support.broker import Broker, asked, open_broker
from support.house import House

PLAIN = {"symbol": "EURUSD", "action": "buy", "volume": 0.1}


@pytest.fixture
async def broker(house: House) -> Broker:
    return await open_broker(house)


def whole(broker: Broker) -> Target:
    return Target(Scope.ACCOUNT, account_id=broker.account_id)


async def halt(broker: Broker, target: Target, *, reduce_only: bool = True) -> None:
    async with broker.house.pool.acquire() as connection:
        row = await control.put_in_force(connection, target, reduce_only=reduce_only, reason="test", by="command")
        settled = await control.settle(connection, target, row)
        assert settled.busy == ()
    await broker.house.decide()


async def flatten(broker: Broker) -> list[Leaving]:
    async with broker.house.pool.acquire() as connection:
        leaving = await control.flatten(connection, whole(broker), reason="test", by="command")
    await broker.house.decide()
    return leaving


async def test_an_entry_that_no_agent_has_begun_is_taken_back(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    await halt(broker, whole(broker))
    [order], signal = await broker.orders(), await broker.signal(signal_id)
    assert (order["status"], signal["status"], signal["reason"]) == ("cancelled", "failed", "job_cancelled")
    assert await broker.jobs("cancelled") != []
    await broker.check()


async def test_an_entry_that_an_agent_has_is_not(broker: Broker) -> None:
    await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.lease(job)
    await halt(broker, whole(broker), reduce_only=False)
    [order] = await broker.orders()
    assert order["status"] == "submitting"
    await broker.report(job, fill_price="1.1")
    assert [one["status"] for one in await broker.positions()] == ["open"]


async def test_only_what_is_halted_is_taken_back(broker: Broker) -> None:
    other = await broker.new_strategy()
    await broker.alert(PLAIN)
    await broker.alert({**PLAIN, "symbol": "GBPUSD"}, 1, other)
    await halt(broker, Target(Scope.STRATEGY, account_id=broker.account_id, strategy_id=other.strategy_id))
    assert [asked(job)["symbol"] for job in await broker.jobs()] == ["EURUSD"]
    await halt(broker, Target(Scope.SYMBOL, user_id=broker.house.owner, symbol="EURUSD"))
    assert await broker.jobs() == []


@pytest.mark.parametrize(("reduce_only", "left"), [(True, 1), (False, 0)])
async def test_an_exit_is_taken_back_by_a_full_halt_alone(broker: Broker, reduce_only: bool, left: int) -> None:
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    await broker.alert("close EURUSD", 1)
    assert [job["job_type"] for job in await broker.jobs()] == ["close_position"]
    await halt(broker, whole(broker), reduce_only=reduce_only)
    assert len(await broker.jobs()) == left
    [position] = await broker.positions()
    assert position["status"] == ("closing" if reduce_only else "open")
    await broker.check()


async def test_a_position_is_left_through_the_agent(broker: Broker) -> None:
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    [one] = await flatten(broker)
    assert (one.is_open, one.is_new) == (True, True)
    [job] = await broker.jobs()
    assert job["job_type"] == "close_position"
    assert [again.is_new for again in await flatten(broker)] == [False]
    assert len(await broker.jobs()) == 1
    await broker.report(job, fill_price="1.12")
    [position], signal = await broker.positions(), await broker.signal(one.signal_id)
    assert (position["status"], position["exit_reason"], signal["status"]) == ("closed", "flatten", "executed")
    await broker.check()


async def test_an_entry_on_its_way_is_left_as_soon_as_it_is_there(broker: Broker) -> None:
    await broker.alert(PLAIN)
    [job] = await broker.jobs()
    await broker.lease(job)
    [one] = await flatten(broker)
    assert (one.is_open, one.is_new) == (False, True)
    assert (await broker.signal(one.signal_id))["status"] == "pending"
    await broker.report(job, fill_price="1.1")
    [close] = await broker.jobs()
    assert close["job_type"] == "close_position"
    await broker.report(close, fill_price="1.1")
    assert [position["exit_reason"] for position in await broker.positions()] == ["flatten"]
    await broker.check()


@pytest.mark.parametrize("is_halted", [False, True])
async def test_a_rule_of_the_position_s_asks_for_no_exit_after_a_full_halt(house: House, is_halted: bool) -> None:
    broker = await open_broker(house, settings={"exits": {"max_hold_hours": 1}})
    await broker.alert(PLAIN)
    await broker.fill("1.1")
    if is_halted:
        await halt(broker, whole(broker), reduce_only=False)
    await broker.price("1.11", 90)
    assert [order["purpose"] for order in await broker.orders()] == (["entry"] if is_halted else ["entry", "exit"])
