"""Limit and stop entries over HTTP on simulated time: they rest, fill, expire, are cancelled, and survive being decided again."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hookfill.ops.ledger import check_ledger
from support.desk import only
from support.house import TOKEN, House, at
from support.people import bearer

LIMIT = "buy EURUSD 0.1 limit=1.07 sl=1.06 tp=1.09"
DAY = 24 * 60


async def orders(house: House, **query: Any) -> list[dict[str, Any]]:
    return (await house.get("/api/v1/orders", **query)).json()


async def signals(house: House) -> list[dict[str, Any]]:
    return (await house.get("/api/v1/signals")).json()


async def ledger_holds(house: House) -> None:
    async with house.pool.acquire() as connection:
        broken = [(one.name, one.findings) for one in await check_ledger(connection) if not one.holds]
    assert broken == []


async def test_a_limit_order_rests_then_fills_and_the_next_days_expires(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.08 1.08 1.08 1.08")
    await house.alert(strategy, LIMIT, 0.5)
    await house.decide()
    order = only(await orders(house))
    assert (order["status"], order["order_type"], order["limit_price"], order["time_in_force"]) == ("working", "limit", 1.07, "day")
    assert order["expires_at"] == "2026-03-02T22:00:00Z"
    assert only(await signals(house))["status"] == "approved"
    account = only((await house.get("/api/v1/accounts")).json())
    assert (account["open_positions"], round(account["committed"], 2)) == (0, 356.67)
    await ledger_holds(house)

    await house.bar(0, "1.08 1.08 1.05 1.08")  # the bar in which it was made
    await house.decide()
    assert only(await orders(house))["status"] == "working"
    await house.bar(1, "1.08 1.08 1.069 1.075")
    await house.decide()
    order = only(await orders(house))
    assert (order["status"], order["average_fill_price"], order["filled_quantity"]) == ("filled", 1.07, 0.1)
    signal = only(await signals(house))
    assert (signal["status"], signal["fill_price"]) == ("executed", 1.07)
    position = only((await house.get("/api/v1/positions")).json())
    assert (position["stop_price"], position["target_price"], position["mark"]) == (1.06, 1.09, 1.075)
    await ledger_holds(house)

    await house.alert(strategy, "close EURUSD", 2)
    await house.alert(strategy, LIMIT, DAY)
    await house.decide()
    assert len(await orders(house, status="working")) == 1
    # No price comes: an alert for something else a day later tells the time.
    await house.alert(strategy, "close GBPUSD", 2 * DAY)
    await house.decide()
    expired = only(await orders(house, status="expired"))
    assert (expired["reason"], expired["fills"]) == ("order_expired", [])
    ended = next(one for one in await signals(house) if one["id"] == expired["signal_id"])
    assert (ended["status"], ended["reason"]) == ("expired", "order_expired")
    await ledger_holds(house)
    story = (await house.get(f"/api/v1/signals/{expired['signal_id']}/story")).json()
    assert [step["step"] for step in story["steps"]][-3:] == ["verdict", "order", "outcome"]


async def test_expiry_needs_no_price_and_no_alert(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.08 1.08 1.08 1.08")
    await house.alert(strategy, LIMIT)
    await house.decide()
    await house.pool.execute("UPDATE simulated_clock SET now_at = $1", datetime(2026, 3, 2, 22, 0, 59, tzinfo=UTC))
    await house.decide()
    assert only(await orders(house))["status"] == "working"
    await house.pool.execute(
        "UPDATE simulated_clock SET now_at = $1", datetime(2026, 3, 2, 22, 1, 0, tzinfo=UTC) + timedelta(seconds=1)
    )
    await house.decide()
    assert only(await orders(house))["status"] == "expired"


async def cancel(house: House, order_id: str, token: str = TOKEN) -> tuple[int, Any]:
    answer = await house.client.post(f"/api/v1/orders/{order_id}/cancel", headers=bearer(token))
    return answer.status_code, answer.json()


async def test_an_order_that_rests_can_be_cancelled_once_and_never_fills_after_it(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.08 1.08 1.08 1.08")
    await house.alert(strategy, LIMIT)
    await house.decide()
    order_id = only(await orders(house))["id"]
    status, answered = await cancel(house, order_id)
    assert (status, answered["status"]) == (200, "working")
    assert answered["cancel_requested_at"] is not None
    assert (await cancel(house, order_id))[1]["cancel_requested_at"] == answered["cancel_requested_at"]
    # A price that reaches it comes before the desk has looked.
    await house.bar(1, "1.07 1.07 1.05 1.07")
    await house.decide()
    order = only(await orders(house))
    assert (order["status"], order["reason"], order["fills"]) == ("cancelled", "order_cancelled", [])
    assert (only(await signals(house))["status"], only(await signals(house))["reason"]) == ("failed", "order_cancelled")
    status, refused = await cancel(house, order_id)
    assert (status, refused["detail"]) == (409, "The order is cancelled: there is nothing left of it to cancel.")
    assert (await cancel(house, only(await signals(house))["id"]))[0] == 404
    await ledger_holds(house)


async def test_nobody_cancels_the_orders_of_others(house: House) -> None:
    other = "canary-other-token-5e02f7a4c9"
    await house.new_user(other)
    strategy = await house.new_strategy()
    await house.alert(strategy, "buy EURUSD 0.1 limit=1.07")
    await house.decide()
    order_id = only(await orders(house))["id"]
    assert (await cancel(house, order_id, other))[0] == 404
    assert only(await orders(house))["cancel_requested_at"] is None


async def test_what_filled_stays_done_when_the_answer_is_lost(house: House) -> None:
    """Killed after the commit or before it: the same rows, once."""
    strategy = await house.new_strategy()
    await house.bar(-1, "1.08 1.08 1.08 1.08")
    await house.alert(strategy, LIMIT)
    await house.decide()
    await house.bar(1, "1.08 1.08 1.069 1.075")
    account_id = house.account_id
    async with house.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert await house.worker._decide(connection, account_id, 10)
        await transaction.rollback()
    assert only(await orders(house))["status"] == "working"
    for _ in range(3):
        await house.decide()
    assert len(only(await orders(house))["fills"]) == 1
    await ledger_holds(house)


async def patch(house: House, body: dict[str, Any]) -> tuple[int, Any]:
    answer = await house.client.patch(f"/api/v1/accounts/{house.account_id}", json=body, headers=bearer(TOKEN))
    return answer.status_code, answer.json()


async def test_an_accounts_costs_are_shown_changed_and_charged(house: House) -> None:
    shown = (await house.get(f"/api/v1/accounts/{house.account_id}")).json()["costs"]
    free = {"equity": 0, "fx": 0, "crypto": 0, "future": 0, "option": 0.65}
    assert shown == {"slippage_bps": 1, "commission": free, "option_spread_fraction": 0.25, "volume_cap_pct": None}
    status, changed = await patch(house, {"costs": {"slippage_bps": 10, "commission": {"fx": 3.5}}})
    assert status == 200
    assert changed["costs"] == {**shown, "slippage_bps": 10, "commission": {**free, "fx": 3.5}}
    strategy = await house.new_strategy()
    await house.bar(-1, "1.08 1.09 1.07 1.08")
    await house.alert(strategy, "buy EURUSD 0.1")
    await house.decide()
    fill = only(only(await orders(house))["fills"])
    assert (fill["price"], fill["commission"]) == (1.08108, 0.35)
    status, changed = await patch(
        house, {"costs": {"slippage_bps": None, "commission": {"fx": None, "option": 0}, "volume_cap_pct": 5}}
    )
    assert changed["costs"] == {**shown, "commission": {**free, "option": 0}, "volume_cap_pct": 5}
    await ledger_holds(house)


WRONG = [
    {"slippage_bps": -1},
    {"slippage_bps": 10_000},
    {"commission": {"fx": -1}},
    {"commission": {"shares": 1}},
    {"commission": None},
    {"option_spread_fraction": 2},
    {"volume_cap_pct": 0},
    {"volume_cap_pct": 101},
    {"spread": 1},
]


@pytest.mark.parametrize("costs", WRONG)
async def test_costs_that_can_not_be_are_refused(house: House, costs: dict[str, Any]) -> None:
    assert (await patch(house, {"costs": costs}))[0] == 422
    assert await house.pool.fetchval("SELECT costs FROM accounts") == {}


async def test_a_bounded_entry_fills_over_several_bars(house: House) -> None:
    await patch(house, {"costs": {"volume_cap_pct": 10, "slippage_bps": 0}})
    strategy = await house.new_strategy()
    await house.pool.execute('UPDATE accounts SET limits = \'{"max_exposure": 1000000, "max_exposure_pct": 100}\'')

    async def hour(number: int, price: str, volume: int) -> None:
        opened = at(60 * number)
        candle = {"symbol": "BTCUSD", "timeframe": "H1", "timestamp": opened.isoformat(), "volume": volume}
        body = {"candles": [{**candle, **dict.fromkeys(("open", "high", "low", "close"), price)}]}
        headers = {"X-API-KEY": "canary-candles-key-7b1f30c2aa", "X-Hookfill-Time": (opened + timedelta(hours=1)).isoformat()}
        assert (await house.client.post("/api/v1/candles", json=body, headers=headers)).status_code == 201
        await house.decide()

    await hour(-1, "100", 20)
    await house.alert(strategy, "buy BTCUSD 10")
    await house.decide()
    order = only(await orders(house))
    assert (order["status"], order["filled_quantity"]) == ("partially_filled", 2)
    assert only(await signals(house))["status"] == "approved"
    await ledger_holds(house)
    await hour(0, "110", 30)
    await hour(1, "90", 0)
    await hour(2, "120", 1_000)
    order = only(await orders(house))
    assert (order["status"], [fill["quantity"] for fill in order["fills"]]) == ("filled", [2, 3, 5])
    assert order["average_fill_price"] == 113
    signal = only(await signals(house))
    assert (signal["status"], signal["fill_price"]) == ("executed", 113)
    position = only((await house.get("/api/v1/positions")).json())
    assert (position["quantity"], position["entries"], position["average_price"]) == (10, 1, 113)
    await house.alert(strategy, "close BTCUSD", 200)
    await house.decide()
    balance = await house.pool.fetchval("SELECT balance - starting_cash FROM accounts")
    assert balance == Decimal(70)
    await ledger_holds(house)


async def test_a_strategy_that_is_deleted_takes_what_rests_along(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.08 1.08 1.08 1.08")
    await house.alert(strategy, LIMIT)
    await house.decide()
    gone = await house.client.delete(f"/api/v1/strategies/{strategy.strategy_id}", headers=bearer(TOKEN))
    assert gone.status_code == 204
    await house.bar(1, "1.07 1.07 1.05 1.07")
    await house.decide()
    order = only(await orders(house))
    assert (order["status"], order["reason"], order["fills"]) == ("cancelled", "strategy_missing", [])
    assert await house.pool.fetchval("SELECT resting FROM accounts WHERE account_id = $1", house.account_id) == 0
    await ledger_holds(house)


async def test_a_halt_ends_what_rests_without_a_price_and_resuming_brings_nothing_back(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.08 1.08 1.08 1.08")
    await house.alert(strategy, LIMIT)
    await house.decide()
    asked = {"scope": "account", "id": str(house.account_id), "reduce_only": True, "reason": "enough"}
    halted = await house.client.post("/api/v1/halt", json=asked, headers=bearer(TOKEN))
    assert halted.status_code == 201, halted.text
    await house.decide()
    order = only(await orders(house))
    assert (order["status"], order["reason"]) == ("cancelled", "halted")
    assert (only(await signals(house))["status"], only(await signals(house))["reason"]) == ("failed", "halted")
    resumed = await house.client.post(
        "/api/v1/resume", json={"scope": "account", "id": str(house.account_id)}, headers=bearer(TOKEN)
    )
    assert resumed.status_code == 200, resumed.text
    await house.bar(1, "1.07 1.07 1.05 1.07")
    await house.decide()
    assert only(await orders(house))["fills"] == []
    await ledger_holds(house)


async def test_flattening_cancels_what_rests(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.08 1.08 1.08 1.08")
    await house.alert(strategy, LIMIT)
    await house.decide()
    asked = {"scope": "account", "id": str(house.account_id), "reason": "enough"}
    flattened = await house.client.post("/api/v1/flatten", json=asked, headers=bearer(TOKEN))
    assert flattened.status_code in (200, 201), flattened.text
    await house.decide()
    assert only(await orders(house))["status"] == "cancelled"
    await ledger_holds(house)
