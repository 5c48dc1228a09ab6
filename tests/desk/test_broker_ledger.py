"""What `hookfill doctor --ledger` finds when a broker account's rows are tampered with."""

import pytest

from hookfill.ops.ledger import check_ledger
from support.broker import Broker, open_broker
from support.house import House

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.1}
NOBODY = "'00000000-0000-0000-0000-000000000009'"
BREAKS = [
    ("jobs_have_orders", f"UPDATE jobs SET order_id = {NOBODY} WHERE status = 'pending'"),
    (
        "jobs_have_orders",
        "UPDATE jobs SET order_id = (SELECT order_id FROM jobs WHERE status = 'completed') WHERE status = 'pending'",
    ),
    ("jobs_and_orders_agree", "UPDATE jobs SET settled_at = now() WHERE status = 'pending'"),
    ("jobs_and_orders_agree", "UPDATE orders SET status = 'cancelled' WHERE status = 'submitting'"),
    ("jobs_and_orders_agree", "UPDATE jobs SET status = 'failed' WHERE status = 'completed'"),
    ("approved_signals_have_orders_in_flight", "UPDATE orders SET status = 'expired' WHERE status = 'submitting'"),
    ("approved_signals_have_orders_in_flight", "UPDATE signals SET status = 'executed', resolved_at = now()"),
    ("closing_positions_have_an_exit", "UPDATE positions SET status = 'closing'"),
    ("approved_signals_end_soon", "UPDATE signals SET decided_at = now() - interval '6 minutes'"),
    ("ended_signals_say_when", "UPDATE signals SET resolved_at = now()"),
    ("cash_adds_up", "UPDATE fills SET adjustment = 1"),
    ("rows_have_accounts", f"UPDATE jobs SET account_id = {NOBODY}"),
]


@pytest.mark.parametrize(("name", "damage"), BREAKS)
async def test_damage_is_found(house: House, name: str, damage: str) -> None:
    broker = await open_broker(house)
    await filled_and_in_flight(broker)
    await broker.check()
    await broker.rows(damage)
    async with house.pool.acquire() as connection:
        broken = {one.name for one in await check_ledger(connection) if not one.holds}
    assert name in broken


async def filled_and_in_flight(broker: Broker) -> None:
    await broker.alert(BUY)
    await broker.fill("1.1")
    await broker.alert(BUY | {"symbol": "GBPUSD"}, 1)
