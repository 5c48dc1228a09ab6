"""Entries that wait for their price at Alpaca: filled there, and cancelled whenever they shall not fill any further."""

from decimal import Decimal

import pytest

from support.alpaca.town import Town, running
from support.alpaca.trading import FakeTrading

LIMIT = {"symbol": "BTCUSD", "volume": 0.1, "type": "limit", "limit_price": 40_000, "time_in_force": "gtc"}


async def test_a_limit_entry_waits_at_alpaca_and_is_filled_there(town: Town, fake: FakeTrading) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        signal = await town.alert("buy", **LIMIT)
        assert signal["status"] == "approved", signal["error_message"]
        status = "SELECT status FROM orders WHERE account_id = $1"
        await town.until(status, lambda found: found == "working", "the order working")
        order = await town.row("SELECT * FROM orders WHERE account_id = $1")
        assert (order["order_type"], order["limit_price"], order["broker_order_id"]) == ("limit", 40_000, fake.accepted[0].order_id)
        assert (fake.accepted[0].kind, fake.accepted[0].limit, fake.accepted[0].force) == ("limit", 40_000, "gtc")
        fake.fill(fake.accepted[0])
        await town.executed()
    assert (await town.row("SELECT quantity, average_price FROM positions WHERE account_id = $1"))["average_price"] == 40_000
    await town.check()


async def test_a_person_can_cancel_what_waits_at_alpaca(town: Town, fake: FakeTrading) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy", **LIMIT)
        status = "SELECT status FROM orders WHERE account_id = $1"
        await town.until(status, lambda found: found == "working", "the order working")
        order_id = await town.house.pool.fetchval("SELECT order_id FROM orders WHERE account_id = $1", town.account_id)
        await town.post(f"/api/v1/orders/{order_id}/cancel", {}, 200)
        await town.until(status, lambda found: found in ("cancelled", "rejected"), "the order cancelled")
    assert fake.accepted[0].status == "canceled"
    await town.check()


async def test_another_alert_ends_what_waits_and_is_then_decided(town: Town, fake: FakeTrading) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy", **LIMIT)
        await town.until("SELECT status FROM orders WHERE account_id = $1", lambda found: found == "working", "the order working")
        fake.fill(fake.accepted[0], Decimal("0.04"))
        signal = await town.alert("close", symbol="BTCUSD", volume=1)
        assert signal["status"] in {"approved", "executed"}, signal["error_message"]
        await town.executed()
        await town.until("SELECT status FROM positions WHERE account_id = $1", lambda status: status == "closed", "closed")
    assert [(one.side, one.filled, one.status) for one in fake.accepted] == [
        ("buy", Decimal("0.04"), "canceled"),
        ("sell", Decimal("0.04"), "filled"),
    ]
    await town.check()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE strategies SET is_enabled = false WHERE account_id = $1",
        (
            "INSERT INTO halts (account_id, halt_id, scope, reduce_only, reason) "
            "VALUES ($1, gen_random_uuid(), 'account', true, 'enough')"
        ),
    ],
)
async def test_what_waits_is_cancelled_when_trading_stops(town: Town, fake: FakeTrading, statement: str) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy", **LIMIT)
        await town.until("SELECT status FROM orders WHERE account_id = $1", lambda found: found == "working", "the order working")
        await town.house.pool.execute(statement, town.account_id)
        ended = "SELECT status FROM signals WHERE account_id = $1"
        await town.until(ended, lambda status: status == "failed", "the signal at its end")
    assert fake.accepted[0].status == "canceled"


async def test_a_coin_s_day_ends_though_alpaca_knows_no_days_for_coins(town: Town, fake: FakeTrading) -> None:
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy", **{**LIMIT, "time_in_force": "day"})  # a day in the past: the messages carry the time here
        ended = "SELECT status FROM signals WHERE account_id = $1"
        await town.until(ended, lambda status: status == "failed", "the signal at its end")
    assert fake.accepted[0].status == "canceled"
