"""Exits read back: why, at which level and price, what they brought, and nobody else's."""

import pytest
from pydantic import TypeAdapter

from hookfill.api.exit_signals import ExitSignal
from support.house import House

OTHER = "canary-other-token-5e02f7a4c9"


async def traded(house: House) -> None:
    """A position that hits its stop, and one that an alert closes."""
    strategy = await house.new_strategy()
    for symbol in ("EURUSD", "GBPUSD"):
        await house.bar(0, "1.0800 1.0810 1.0790 1.0805", symbol)
    await house.alert(strategy, {"symbol": "EURUSD", "action": "buy", "volume": 0.01, "sl": 1.0700}, 1)
    await house.alert(strategy, {"symbol": "GBPUSD", "action": "sell", "volume": 0.02}, 1)
    await house.bar(1, "1.0800 1.0801 1.0600 1.0610")
    await house.alert(strategy, "close GBPUSD", 2)
    await house.decide()


async def test_exits_are_told_with_their_prices(house: House) -> None:
    await traded(house)
    answer = await house.get("/api/v1/exit-signals")
    assert answer.status_code == 200, answer.text
    TypeAdapter(list[ExitSignal]).validate_json(answer.content)
    by_reason = {one["exit_reason"]: one for one in answer.json()}
    stop, closed = by_reason["stop_loss"], by_reason["signal"]
    assert (stop["symbol"], stop["side"], stop["status"], stop["level"]) == ("EURUSD", "sell", "filled", 1.07)
    assert stop["signal_id"] is None
    assert stop["exit_price"] < stop["level"] < stop["entry_price"]
    assert stop["realized_pnl"] < 0
    assert (closed["symbol"], closed["side"], closed["position_status"], closed["level"]) == ("GBPUSD", "buy", "closed", None)
    assert closed["signal_id"] is not None
    assert (closed["quantity"], closed["filled_quantity"]) == (0.02, 0.02)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"status": "taken"}, 2),
        ({"status": "due"}, 0),
        ({"symbol": "gbpusd"}, 1),
        ({"symbol": "SPY"}, 0),
        ({"limit": 1}, 1),
        ({"offset": 2}, 0),
        ({"account_id": "019c9d2e-7a31-7d43-9c55-3f0f6b1f2a10"}, 0),
    ],
)
async def test_some_exits_are_asked_for(house: House, asked: dict[str, object], expected: int) -> None:
    await traded(house)
    assert len((await house.get("/api/v1/exit-signals", **asked)).json()) == expected


async def test_an_exit_on_its_way_is_due(house: House) -> None:
    await traded(house)
    await house.pool.execute("UPDATE orders SET status = 'submitting' WHERE exit_reason = 'signal'")
    [one] = (await house.get("/api/v1/exit-signals", status="due")).json()
    assert (one["exit_reason"], one["status"]) == ("signal", "submitting")


async def test_exits_of_others_are_not_told(house: House) -> None:
    await traded(house)
    await house.new_user(OTHER)
    answer = await house.client.get("/api/v1/exit-signals", headers={"Authorization": f"Bearer {OTHER}"})
    assert answer.json() == []
