"""Positions at a broker: exits that their rules ask for, and deals that the terminal made by itself."""

from decimal import Decimal

import pytest

from hookfill.brokers.mt5.model import magic_of
from support.broker import Broker, asked, open_broker
from support.house import House

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.1, "sl": 1.09, "tp": 1.12, "price": 1.1}


@pytest.fixture
async def held(house: House) -> Broker:
    """A long position from 1.1 with stop and target."""
    broker = await open_broker(house)
    await broker.alert(BUY)
    await broker.fill("1.1")
    return broker


async def state(broker: Broker) -> tuple[str, Decimal, str | None]:
    [position] = await broker.positions()
    return position["status"], position["quantity"], position["exit_reason"]


async def test_a_price_marks_it(held: Broker) -> None:
    await held.price("1.105", 1)
    [position] = await held.positions()
    assert (position["mark"], position["status"]) == (Decimal("1.105"), "open")
    assert await held.jobs() == []
    await held.check()


async def test_the_newer_of_the_own_and_the_common_price_counts(held: Broker) -> None:
    await held.price("1.105", 5)
    await held.house.bar(1, "1.103 1.103 1.103 1.103")
    await held.house.decide()
    assert (await held.positions())[0]["mark"] == Decimal("1.105")
    await held.house.bar(7, "1.104 1.104 1.104 1.104")
    await held.house.decide()
    assert (await held.positions())[0]["mark"] == Decimal("1.104")


async def test_a_stop_asks_the_terminal_to_close(held: Broker) -> None:
    await held.price("1.089", 1)
    [job], [position] = await held.jobs(), await held.positions()
    assert (job["job_type"], position["status"]) == ("close_position", "closing")
    told = asked(job)
    assert (told["side"], told["volume"], "signal_id" in told) == ("sell", 0.1, False)
    await held.check()
    await held.price("1.08", 2)
    assert len(await held.jobs()) == 1
    await held.report(job, fill_price="1.0885", profit="-115", commission="0.5")
    [position], account = await held.positions(), await held.account()
    assert (position["status"], position["exit_reason"], position["realized_pnl"]) == ("closed", "stop_loss", -115)
    assert account["balance"] == account["cash"] == Decimal("9884.5")
    [fill] = [one for one in await held.all("fills", "fill_id") if one["side"] == "sell"]
    assert (fill["realized_pnl"], fill["adjustment"]) == (-115, 0)
    await held.check()


async def test_the_broker_s_own_profit_is_booked(held: Broker) -> None:
    await held.price("1.089", 1)
    [job] = await held.jobs()
    await held.report(job, fill_price="1.0885", profit="-104.17")
    account, [position] = await held.account(), await held.positions()
    assert (account["balance"], account["cash"], position["realized_pnl"]) == (
        Decimal("9895.83"),
        Decimal("9895.83"),
        Decimal("-104.17"),
    )
    await held.check()


@pytest.mark.parametrize("status", ["failed", "expired", "cancelled"])
async def test_an_exit_that_fails_is_tried_again_but_not_at_once(held: Broker, status: str) -> None:
    await held.price("1.089", 1)
    [job] = await held.jobs()
    await held.report(job, status, "no luck")
    assert await state(held) == ("open", Decimal("0.1"), None)
    await held.check()
    await held.price("1.088", 1.2)
    assert await held.jobs() == []
    await held.price("1.087", 1.4)
    [again] = await held.jobs()
    assert again["job_id"] != job["job_id"]
    await held.report(again, fill_price="1.087")
    assert await state(held) == ("closed", 0, "stop_loss")
    await held.check()


async def test_an_exit_is_not_asked_while_another_order_is_in_flight(house: House) -> None:
    broker = await open_broker(house, settings={"policy": {"pyramiding": 2}})
    await broker.alert(BUY)
    await broker.fill("1.1")
    await broker.alert(BUY, 2)
    await broker.price("1.089", 3)
    [job] = await broker.jobs()
    assert job["job_type"] == "trade"
    await broker.report(job, "failed", "no")
    await broker.price("1.088", 4)
    [job] = await broker.jobs()
    assert job["job_type"] == "close_position"
    await broker.check()


async def test_a_part_of_an_exit_leaves_the_rest_open(held: Broker) -> None:
    await held.price("1.089", 1)
    [job] = await held.jobs()
    await held.report(job, fill_price="1.089", filled_volume="0.04")
    assert await state(held) == ("open", Decimal("0.06"), None)
    await held.check()


@pytest.mark.parametrize("reason", ["stop_loss", "take_profit", "stop_out", "manual"])
async def test_a_deal_at_the_terminal_closes_the_position(held: Broker, reason: str) -> None:
    magic = magic_of(held.strategy.strategy_id)
    for _ in range(2):
        await held.deal("77", "sell", "0.1", "1.09", 3, reason=reason, magic=magic, profit=Decimal("-99.5"))
    assert await state(held) == ("closed", 0, reason)
    account, [deal] = await held.account(), await held.all("broker_deals", "deal_id")
    assert (account["balance"], deal["settled_at"] is not None) == (Decimal("9900.5"), True)
    assert "It closed 0.1" in deal["note"]
    assert len(await held.orders()) == 2
    await held.check()


async def test_a_deal_by_hand_without_a_magic_number_is_matched_by_symbol_and_side(held: Broker) -> None:
    await held.deal("77", "sell", "0.04", "1.12", 3, reason="manual", magic=0)
    assert await state(held) == ("open", Decimal("0.06"), None)
    await held.deal("78", "sell", "0.06", "1.12", 3, reason="manual")
    assert await state(held) == ("closed", 0, "manual")
    await held.check()


@pytest.mark.parametrize(
    ("side", "columns"),
    [("buy", {}), ("sell", {"symbol": "GBPUSD"}), ("sell", {"magic": 1})],
)
async def test_a_deal_that_fits_nothing_is_noted(held: Broker, side: str, columns: dict) -> None:
    await held.deal("77", side, "0.1", "1.09", 3, **columns)
    assert await state(held) == ("open", Decimal("0.1"), None)
    [deal] = await held.all("broker_deals", "deal_id")
    assert (deal["settled_at"] is not None, deal["note"].startswith("It fits no open position of ours")) == (True, True)
    await held.check()


async def test_a_deal_waits_for_the_close_in_flight_and_is_not_booked_twice(held: Broker) -> None:
    await held.price("1.089", 1)
    [job] = await held.jobs()
    await held.deal("77", "sell", "0.1", "1.09", 1)
    [deal] = await held.all("broker_deals", "deal_id")
    assert (deal["settled_at"], (await state(held))[0]) == (None, "closing")
    await held.report(job, fill_price="1.09", deal_ids=["77"])
    [deal] = await held.all("broker_deals", "deal_id")
    assert deal["note"] == "It is booked with the job that told of it."
    assert await state(held) == ("closed", 0, "stop_loss")
    assert len(await held.all("fills", "fill_id")) == 2
    await held.check()


async def test_a_stop_before_a_failed_close_is_booked_from_the_deal(held: Broker) -> None:
    signal_id = await held.alert({"symbol": "EURUSD", "action": "close"}, 1)
    [job] = await held.jobs()
    await held.deal("77", "sell", "0.1", "1.09", 1)
    await held.report(job, "failed", "The position is closed already.", error_code=10036)
    assert await state(held) == ("closed", 0, "stop_loss")
    assert (await held.signal(signal_id))["status"] == "failed"
    await held.check()


async def test_a_stop_within_the_second_of_the_entry_is_booked_after_it(house: House) -> None:
    broker = await open_broker(house)
    await broker.alert(BUY, 1)
    [job] = await broker.jobs()
    await broker.deal("77", "sell", "0.1", "1.09", 0.99, magic=magic_of(broker.strategy.strategy_id))
    await broker.report(job, fill_price="1.1")
    assert await state(broker) == ("closed", 0, "stop_loss")
    await broker.check()


async def test_daily_loss_stops_entries_but_not_exits(house: House) -> None:
    broker = await open_broker(house, balance="1000")
    await broker.alert(BUY)
    await broker.fill("1.1")
    await broker.alert({"symbol": "EURUSD", "action": "close"}, 1)
    await broker.fill("1.09")
    signal = await broker.signal(await broker.alert(BUY | {"symbol": "GBPUSD"}, 2))
    assert (signal["status"], signal["error_message"]) == ("discarded", "daily_loss_limit_reached")
    await broker.check()
