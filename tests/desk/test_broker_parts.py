"""Positions at a broker that are left in parts, or by the clock alone: one job at a time, each with its size."""

from datetime import timedelta
from decimal import Decimal

import pytest

from support.broker import Broker, asked, open_broker
from support.house import House

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.3, "price": 1.1}
PARTS = {"targets": [{"at": {"pips": 10}, "percent": 50}, {"at": {"pips": 20}, "percent": 50}], "stop": {"pips": 30}}


@pytest.fixture
async def held(house: House) -> Broker:
    """A long position from 1.1 with two partial targets."""
    broker = await open_broker(house, settings={"exits": PARTS})
    await broker.alert(BUY)
    await broker.fill("1.1")
    return broker


async def position(broker: Broker) -> tuple[str, Decimal, list[int]]:
    [held] = await broker.positions()
    return held["status"], held["quantity"], [target["number"] for target in held["targets"]]


async def test_a_partial_target_is_asked_for_with_its_size_and_passed_when_it_fills(held: Broker) -> None:
    assert await position(held) == ("open", Decimal("0.3"), [1, 2])
    await held.price("1.101", 1)
    [job] = await held.jobs()
    assert (asked(job)["side"], asked(job)["volume"]) == ("sell", 0.15)
    assert await position(held) == ("closing", Decimal("0.3"), [1, 2])  # not taken before it has filled
    await held.report(job, fill_price="1.101")
    assert await position(held) == ("open", Decimal("0.15"), [2])
    await held.check()
    # The same price asks for nothing more; the next target takes the rest.
    await held.price("1.1012", 2)
    assert await held.jobs() == []
    await held.price("1.1025", 3)
    [job] = await held.jobs()
    assert asked(job)["volume"] == 0.15
    await held.report(job, fill_price="1.1025")
    assert (await position(held))[:2] == ("closed", 0)
    assert [order["exit_reason"] for order in await held.orders()] == [None, "partial_target", "take_profit"]
    await held.check()


async def test_a_partial_target_that_is_refused_is_asked_for_again(held: Broker) -> None:
    await held.price("1.101", 1)
    [job] = await held.jobs()
    await held.report(job, status="failed", error="market closed")
    assert await position(held) == ("open", Decimal("0.3"), [1, 2])
    await held.price("1.1011", 2)
    [job] = await held.jobs()
    assert asked(job)["volume"] == 0.15
    await held.check()


async def test_a_price_beyond_all_targets_leaves_at_once(held: Broker) -> None:
    await held.price("1.103", 1)
    [job] = await held.jobs()
    assert asked(job)["volume"] == 0.3
    await held.report(job, fill_price="1.103")
    assert await position(held) == ("closed", 0, [1, 2])
    await held.check()


async def test_the_clock_alone_asks_the_terminal_to_close(house: House) -> None:
    """Its time is up and no price comes: it is asked once, at what was last known."""
    broker = await open_broker(house, settings={"exits": {"max_hold_hours": "0.1"}})
    await broker.alert(BUY)
    await broker.fill("1.1")
    await broker.price("1.105", 5)
    [made] = await broker.positions()
    assert (made["leave_for"], made["due_at"]) == ("max_hold", made["leave_at"])
    await broker.clock(made["due_at"])
    await house.decide()
    assert await broker.jobs() == []  # a price is waited for
    await broker.price("1.2", 0, symbol="GBPUSD")  # nothing of its own
    await broker.clock(made["due_at"] + timedelta(minutes=2))
    await house.decide()
    [job] = await broker.jobs()
    assert (job["job_type"], asked(job)["volume"]) == ("close_position", 0.3)
    await broker.report(job, fill_price="1.104")
    [left] = await broker.positions()
    assert (left["status"], left["exit_reason"]) == ("closed", "max_hold")
    await broker.check()
