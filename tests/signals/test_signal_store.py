import uuid
from decimal import Decimal

from hookfill.signals.store import get_signal, list_signals, oldest_pending_seconds
from support.house import House

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.1}
FIELDS = {
    "id", "account_id", "strategy_id", "strategy_name", "message_id", "symbol", "action", "status", "reason", "fill_price",
    "broker_order_id", "error_message", "raw_payload", "created_at", "resolved_at",
}  # fmt: skip


async def seed(house: House) -> list[uuid.UUID]:
    """One executed, one rejected, one discarded and one pending signal."""
    strategy = await house.new_strategy("Breakout")
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, BUY)
    await house.alert(strategy, "buy GBPUSD 0.1")
    await house.alert(strategy, {"symbol": "EURUSD"})
    await house.decide()
    await house.alert(strategy, "close EURUSD")
    return await house.signal_ids()


async def test_signals_are_listed_newest_first_with_their_messages(house: House) -> None:
    executed, rejected, discarded, pending = await seed(house)
    async with house.pool.acquire() as connection:
        listed = await list_signals(connection, house.owner)
    assert [signal["id"] for signal in listed] == [pending, discarded, rejected, executed]
    assert [signal["status"] for signal in listed] == ["pending", "discarded", "rejected", "executed"]
    assert [signal["reason"] for signal in listed] == [None, "action_missing", "price_missing", None]
    assert [signal["raw_payload"] for signal in listed] == [
        "close EURUSD",
        {"symbol": "EURUSD"},
        "buy GBPUSD 0.1",
        {**BUY, "volume": Decimal("0.1")},
    ]
    filled = listed[-1]
    assert filled.keys() == FIELDS
    assert (filled["strategy_name"], filled["fill_price"]) == ("Breakout", Decimal("1.08011"))
    assert filled["created_at"] < filled["resolved_at"]
    assert listed[0]["resolved_at"] is None


async def test_pages_and_states(house: House) -> None:
    executed, rejected, discarded, pending = await seed(house)
    async with house.pool.acquire() as connection:

        async def ids(**asked: object) -> list[uuid.UUID]:
            return [signal["id"] for signal in await list_signals(connection, house.owner, **asked)]  # type: ignore[arg-type]

        assert await ids(limit=2) == [pending, discarded]
        assert await ids(limit=2, offset=1) == [discarded, rejected]
        assert await ids(limit=2, offset=3) == [executed]
        assert await ids(offset=4) == []
        assert await ids(status="rejected") == [rejected]
        assert await ids(status="failed") == []


async def test_one_signal_is_shown_as_in_the_list(house: House) -> None:
    ids = await seed(house)
    async with house.pool.acquire() as connection:
        listed = {signal["id"]: signal for signal in await list_signals(connection, house.owner)}
        for signal_id in ids:
            assert await get_signal(connection, house.owner, signal_id) == listed[signal_id]
        assert await get_signal(connection, house.owner, uuid.uuid4()) is None


async def test_others_see_nothing(house: House) -> None:
    signal_id, *_ = await seed(house)
    other = await house.new_user()
    async with house.pool.acquire() as connection:
        assert await list_signals(connection, other) == []
        assert await get_signal(connection, other, signal_id) is None


async def test_signals_of_several_accounts_are_merged_in_order(house: House) -> None:
    first, second = await house.new_strategy(), await house.new_strategy_elsewhere()
    for minute in range(4):
        await house.alert((first, second)[minute % 2], "close EURUSD", minute * 5)
    ids = await house.signal_ids()
    async with house.pool.acquire() as connection:
        listed = await list_signals(connection, house.owner, limit=2, offset=1)
    assert [signal["id"] for signal in listed] == ids[2:0:-1]
    assert {signal["account_id"] for signal in listed} == {first.account_id, second.account_id}


async def test_a_deleted_strategy_leaves_its_signals_readable(house: House) -> None:
    signal_id, *_ = await seed(house)
    await house.pool.execute("DELETE FROM strategies WHERE name = 'Breakout'")
    async with house.pool.acquire() as connection:
        found = await get_signal(connection, house.owner, signal_id)
        assert found is not None
        assert found["strategy_name"] is None
        assert len(await list_signals(connection, house.owner)) == 4


async def test_how_long_the_oldest_waits(house: House) -> None:
    async with house.pool.acquire() as connection:
        assert await oldest_pending_seconds(connection) is None
        await house.alert(await house.new_strategy(), "close EURUSD")
        age = await oldest_pending_seconds(connection)
        assert age is not None
        assert age >= 0
        await connection.execute("UPDATE signals SET created_at = created_at - interval '1 hour'")
        age = await oldest_pending_seconds(connection)
        assert age is not None
        assert age >= 3600
        await house.decide()
        assert await oldest_pending_seconds(connection) is None
