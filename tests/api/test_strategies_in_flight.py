"""A strategy deleted while its order is at the broker: what was not begun never is, what was begun is booked when it comes back."""

from decimal import Decimal

import pytest

from support.asking import ask
from support.broker import Broker, open_broker
from support.house import House


@pytest.fixture
async def broker(house: House) -> Broker:
    broker = await open_broker(house)
    await broker.alert({"symbol": "EURUSD", "action": "buy", "volume": 0.1})
    return broker


async def delete(broker: Broker) -> None:
    answer = await ask(broker.house, "DELETE", f"strategies/{broker.strategy.strategy_id}")
    assert answer.status_code == 204


async def test_an_entry_that_no_agent_has_begun_is_cancelled(broker: Broker) -> None:
    await delete(broker)
    await broker.house.decide()
    [job], [order] = await broker.jobs("cancelled"), await broker.orders()
    assert (job["error_message"], job["settled_at"] is not None) == ("The strategy was deleted.", True)
    assert (order["status"], await broker.positions()) == ("cancelled", [])
    await broker.check()


async def test_an_entry_that_an_agent_has_begun_is_booked_when_it_comes_back(broker: Broker) -> None:
    [job] = await broker.jobs()
    await broker.lease(job)
    await delete(broker)
    await broker.finish(job, fill_price="1.1", broker_order_id="7001")
    await broker.house.decide()
    [order], [position] = await broker.orders(), await broker.positions()
    assert (order["status"], position["status"], position["quantity"]) == ("filled", "open", Decimal("0.1"))
    await broker.check()
