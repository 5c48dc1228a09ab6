"""Options at a broker: which contract is asked for, what its fill makes of it, and how it is left."""

from decimal import Decimal

import pytest

from hookfill.inbox import store as inbox
from hookfill.market.store import store_candles
from support.broker import Broker, asked, open_broker
from support.desk import at
from support.house import House
from support.options import MORNING, NOW, premium, spy

D = Decimal
CALL, PUT = "SPY260313C00500000", "SPY260313P00500000"


@pytest.fixture
async def broker(house: House, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """An account at Alpaca that is traded by this process, and an hour of SPY's bars."""
    opened = await open_broker(house, settings={"exits": {"targets": [{"at": {"percent": 20}, "percent": 50}]}})
    await opened.rows("UPDATE accounts SET kind = 'alpaca' WHERE account_id = $1", opened.account_id)

    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr("hookfill.desk.abroad.entries_refused", nothing)
    await bars(opened, *MORNING)
    return opened


async def bars(broker: Broker, *candles: object) -> None:
    async with broker.house.pool.acquire() as connection, connection.transaction():
        now = max(candle.closes_at for candle in candles)  # type: ignore[attr-defined]  # candles
        await inbox.advance_simulated_clock(connection, now)
        await store_candles(connection, candles, now)
    await broker.house.decide()


async def test_a_call_is_asked_for_filled_and_left_in_parts(broker: Broker) -> None:
    signal = await broker.alert({"symbol": "SPY", "direction": "CALL", "quantity": 4, "sl": 480, "tp": 530}, NOW)
    [job] = await broker.jobs()
    told = asked(job)
    assert (told["symbol"], told["side"], told["volume"]) == (CALL, "buy", 4)
    await broker.report(job, fill_price="7.2")
    assert (await broker.signal(signal))["status"] == "executed"
    [position] = await broker.positions()
    assert (position["symbol"], position["underlying"], position["quantity"], position["multiplier"]) == (CALL, "SPY", 4, 100)
    # Its fill tells the volatility that it was bought at.
    assert abs(premium(CALL, D(500), at(NOW), position["terms"]) - D("7.2")) <= D("0.05")
    assert position["leave_for"] == "max_hold"
    assert D("0.5") < position["stop_price"] < D("7.2") < position["target_price"]
    await broker.check()
    await bars(broker, spy(215, "500 500.5 499.5 500.2"))
    assert (await broker.positions())[0]["mark"] == premium(CALL, D("500.2"), at(220), position["terms"])
    await bars(broker, spy(220, "500 504.5 499.8 503"))
    [job] = await broker.jobs()
    assert (asked(job)["side"], asked(job)["volume"]) == ("sell", 2)
    await broker.report(job, fill_price="8.7")
    [position] = await broker.positions()
    assert (position["status"], position["quantity"], position["targets"]) == ("open", 2, [])
    await broker.check()


async def test_a_put_waits_until_the_call_is_left(broker: Broker) -> None:
    await broker.alert("buy SPY call 1", NOW)
    await broker.fill("7.2")
    await broker.alert("buy SPY put 1", NOW + 0.5)
    leave, enter = await broker.jobs()
    assert (asked(leave)["symbol"], asked(leave)["side"]) == (CALL, "sell")
    assert (asked(enter)["symbol"], asked(enter)["side"], enter["depends_on"]) == (PUT, "buy", leave["job_id"])
    # Meanwhile an alert about the underlying waits for what is on its way.
    waiting = await broker.alert("close SPY", NOW + 0.6)
    assert (await broker.signal(waiting))["status"] == "pending"
    await broker.report(leave, fill_price="7")
    await broker.fill("6.9")
    assert {(one["symbol"], one["status"]) for one in await broker.positions()} == {(CALL, "closed"), (PUT, "closing")}
    await broker.check()


async def test_a_metatrader_account_trades_none(house: House) -> None:
    opened = await open_broker(house)
    await bars(opened, *MORNING)
    signal = await opened.signal(await opened.alert("buy SPY call 1", NOW))
    assert (signal["status"], signal["reason"]) == ("rejected", "broker_unsupported")
