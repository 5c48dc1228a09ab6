from decimal import Decimal
from uuid import uuid4

from hookfill.orders.store import list_orders
from support.house import House, at

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.1, "tp": 1.09}


async def seed(house: House) -> None:
    """A long position reversed into a short one by an alert, which then leaves at its target."""
    strategy = await house.new_strategy("Breakout")
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, BUY)
    await house.decide()
    await house.alert(strategy, {"symbol": "EURUSD", "action": "sell", "volume": 0.2, "tp": 1.07}, 1)
    await house.decide()
    await house.bar(2, "1.0800 1.0800 1.0690 1.0700")
    await house.decide()


async def test_orders_are_listed_newest_first_with_their_fills(house: House) -> None:
    await seed(house)
    first, second = await house.signal_ids()
    async with house.pool.acquire() as connection:
        listed = await list_orders(connection, house.owner)
    left, *reversal, entered = listed
    assert (entered["signal_id"], entered["purpose"], entered["side"], entered["quantity"]) == (
        first,
        "entry",
        "buy",
        Decimal("0.1"),
    )
    assert {(order["signal_id"], order["purpose"], order["side"], order["quantity"]) for order in reversal} == {
        (second, "exit", "sell", Decimal("0.1")),
        (second, "entry", "sell", Decimal("0.2")),
    }
    assert (left["signal_id"], left["exit_reason"], left["as_of"]) == (None, "take_profit", at(3))
    assert {order["strategy_name"] for order in listed} == {"Breakout"}
    for order in listed:
        assert [fill["quantity"] for fill in order["fills"]] == [order["quantity"]]
        assert order["fills"][0]["price"] == order["average_fill_price"]
        assert order["status"] == "filled"


async def test_orders_of_a_signal_or_a_state_by_pages(house: House) -> None:
    await seed(house)
    first, second = await house.signal_ids()
    async with house.pool.acquire() as connection:
        everything = await list_orders(connection, house.owner)
        assert await list_orders(connection, house.owner, limit=2, offset=1) == everything[1:3]
        assert await list_orders(connection, house.owner, offset=4) == []
        assert await list_orders(connection, house.owner, status="filled") == everything
        assert await list_orders(connection, house.owner, status="working") == []
        assert await list_orders(connection, house.owner, signal_id=first) == everything[3:]
        assert await list_orders(connection, house.owner, signal_id=second) == everything[1:3]
        assert await list_orders(connection, house.owner, signal_id=second, limit=1, offset=1) == everything[2:3]
        assert await list_orders(connection, house.owner, signal_id=second, status="rejected") == []
        assert await list_orders(connection, house.owner, signal_id=uuid4()) == []


async def test_others_see_nothing(house: House) -> None:
    await seed(house)
    signal_id, _ = await house.signal_ids()
    other = await house.new_user()
    async with house.pool.acquire() as connection:
        assert await list_orders(connection, other) == []
        assert await list_orders(connection, other, signal_id=signal_id) == []
