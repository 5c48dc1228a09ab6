"""From an alert to a job for the agent, and from its result to a booked fill, on a real PostgreSQL."""

from decimal import Decimal

import pytest

from hookfill.brokers.mt5.model import comment_of, magic_of
from support.broker import Broker, asked, open_broker
from support.house import House

PLAIN = {"symbol": "EURUSD", "action": "buy", "volume": 0.1}


@pytest.fixture
async def broker(house: House) -> Broker:
    return await open_broker(house)


async def test_a_plain_alert_without_any_price_becomes_a_job(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    signal = await broker.signal(signal_id)
    assert (signal["status"], signal["resolved_at"], signal["fill_price"], signal["broker_order_id"]) == (
        "approved",
        None,
        None,
        None,
    )
    assert signal["decided_at"] is not None
    [job], [order] = await broker.jobs(), await broker.orders()
    assert (job["job_type"], job["order_id"], order["status"], order["filled_quantity"]) == (
        "trade",
        order["order_id"],
        "submitting",
        0,
    )
    assert asked(job) == {
        "symbol": "EURUSD",
        "side": "buy",
        "volume": 0.1,
        "source": "tv_signal",
        "signal_id": str(signal_id),
        "order_id": str(order["order_id"]),
        "magic": magic_of(broker.strategy.strategy_id),
        "comment": comment_of(job["job_id"]),
        "sl_pips": 50,
        "tp_pips": 100,
        "max_spread": 30,
    }
    assert 0 < (job["expires_at"] - job["created_at"]).total_seconds() <= 20
    await broker.check()


async def test_its_result_is_booked(broker: Broker) -> None:
    signal_id = await broker.alert(PLAIN)
    await broker.fill("1.1", commission="0.7", deal_ids=["1"])
    signal, [order], [position] = await broker.signal(signal_id), await broker.orders(), await broker.positions()
    assert (signal["status"], signal["fill_price"], signal["broker_order_id"]) == ("executed", Decimal("1.1"), "7001")
    assert signal["resolved_at"] is not None
    assert (order["status"], order["filled_quantity"], order["broker_order_id"]) == ("filled", Decimal("0.1"), "7001")
    assert (position["status"], position["quantity"], position["commission"]) == ("open", Decimal("0.1"), Decimal("0.7"))
    assert (position["stop_price"], position["target_price"]) == (Decimal("1.095"), Decimal("1.11"))
    account = await broker.account()
    assert (account["starting_cash"], account["balance"], account["cash"]) == (10_000, Decimal("9999.3"), Decimal("-1000.7"))
    [fill] = await broker.all("fills", "fill_id")
    assert fill["price_source"] == "broker"
    assert await broker.all("equity_points", "at")
    await broker.check()
