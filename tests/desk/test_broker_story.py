"""A story tells what became of an order at a broker, hop by hop; what summarises an account bears orders that are on their way."""

from typing import Any
from uuid import UUID

import pytest

from hookfill.desk.story import story
from hookfill.desk.summary import account_summary, activity
from hookfill.kernel import exact_json
from support.broker import Broker, open_broker
from support.house import House

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.1, "sl": 1.09, "price": 1.1}
HOPS = ("verdict", "order", "job", "lease", "result", "booked", "fill", "position", "outcome", "exit")


async def tell(broker: Broker, signal_id: UUID) -> list[dict[str, Any]]:
    async with broker.house.pool.acquire() as connection:
        told = await story(connection, broker.house.owner, signal_id)
    assert told is not None
    exact_json.dumps(told)
    return [step for step in told["steps"] if step["step"] in HOPS]


def titles(steps: list[dict[str, Any]]) -> list[str]:
    return [step["title"] for step in steps]


@pytest.fixture
async def broker(house: House) -> Broker:
    return await open_broker(house)


async def test_on_its_way(broker: Broker) -> None:
    signal_id = await broker.alert(BUY)
    assert titles(await tell(broker, signal_id)) == ["Approved", "Order", "Asked of the terminal", "On its way"]
    [job] = await broker.jobs()
    await broker.lease(job)
    steps = await tell(broker, signal_id)
    assert titles(steps) == ["Approved", "Order", "Asked of the terminal", "Taken by an agent", "On its way"]
    assert "it was handed out once" in steps[3]["says"]


async def test_filled_and_left(broker: Broker) -> None:
    signal_id = await broker.alert(BUY)
    await broker.fill("1.1")
    await broker.price("1.08", 1)
    await broker.fill("1.08")
    steps = await tell(broker, signal_id)
    assert [step["step"] for step in steps] == [
        "verdict", "order", "job", "lease", "result", "booked", "fill", "position", "outcome",
        "exit", "job", "lease", "result", "booked",
    ]  # fmt: skip
    assert steps[8]["says"] == "The broker filled it at 1.1, order 7001."
    timed = [step["at"] for step in steps[2:6] if step["at"] is not None]
    assert timed == sorted(timed)


async def test_refused(broker: Broker) -> None:
    signal_id = await broker.alert(BUY)
    [job] = await broker.jobs()
    await broker.report(job, "failed", "No money")
    steps = await tell(broker, signal_id)
    assert titles(steps)[-3:] == ["Job failed", "Booked", "Signal failed"]
    assert "No money" in steps[-1]["says"]


async def test_account_and_activity_bear_an_order_in_flight(broker: Broker) -> None:
    await broker.alert(BUY)
    async with broker.house.pool.acquire() as connection:
        accounts = await account_summary(connection, broker.house.owner)
        done = await activity(connection, broker.house.owner)
    assert {account["kind"]: account["open_positions"] for account in accounts} == {"paper": 0, "mt5": 0}
    assert (done["orders"], done["fills"], done["executed"]) == (1, 0, 0)
