"""What the account's and the strategy's own settings let through at a broker, and what the user's defaults add to an order."""

from decimal import Decimal
from typing import Any

import pytest

from support.broker import Broker, asked, open_broker
from support.house import House

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.1}


async def settings(broker: Broker, **values: str) -> None:
    """What the account's user has set."""
    await broker.rows("INSERT INTO user_settings (user_id) VALUES ($1) ON CONFLICT DO NOTHING", broker.house.owner)
    for name, value in values.items():
        await broker.rows(f"UPDATE user_settings SET {name} = $1", Decimal(value))


async def only_job(broker: Broker) -> dict[str, Any]:
    [job] = await broker.jobs()
    return asked(job)


async def test_the_user_s_defaults_go_with_the_order(house: House) -> None:
    broker = await open_broker(house)
    await settings(broker, stop_loss_pips="20", take_profit_pips="0", max_spread="0", default_lot_size="0.03")
    await broker.alert({"symbol": "EURUSD", "action": "sell"}, 1)
    told = await only_job(broker)
    assert (told["volume"], told["sl_pips"]) == (0.03, 20)
    assert {"tp", "tp_pips", "sl", "max_spread"}.isdisjoint(told)


async def test_pips_and_points_are_not_sent_for_what_is_not_measured_in_them(house: House) -> None:
    """50 pips of a coin are less than its spread: such a stop would close every position at once."""
    broker = await open_broker(house)
    await broker.alert({"symbol": "BTCUSD", "action": "buy", "volume": 0.1}, 1)
    assert {"sl", "tp", "sl_pips", "tp_pips", "max_spread"}.isdisjoint(await only_job(broker))


async def test_levels_are_prices_where_a_price_is_known(house: House) -> None:
    broker = await open_broker(house)
    await broker.alert(BUY | {"price": 1.1})
    told = await only_job(broker)
    assert (told["sl"], told["tp"]) == (1.095, 1.11)
    assert {"sl_pips", "tp_pips"}.isdisjoint(told)


async def test_the_alert_and_the_strategy_name_their_own(house: House) -> None:
    broker = await open_broker(house, settings={"exits": {"stop": {"pips": 10}, "target": {"r": 3}}})
    await broker.alert(BUY)
    told = await only_job(broker)
    assert (told["sl_pips"], told["tp_pips"]) == (10, 30)
    await broker.alert(BUY | {"symbol": "GBPUSD", "sl": 1.2, "price": 1.3})
    told = asked(next(job for job in await broker.jobs() if asked(job)["symbol"] == "GBPUSD"))
    assert (told["sl"], told["tp"]) == (1.2, 1.6)


async def test_what_can_t_be_sent_is_kept_by_the_desk(house: House) -> None:
    broker = await open_broker(house, settings={"exits": {"stop": {"percent": 1}, "target": {"percent": 2}}})
    await broker.alert(BUY)
    assert {"sl", "tp", "sl_pips", "tp_pips"}.isdisjoint(await only_job(broker))
    await broker.fill("1.1")
    [position] = await broker.positions()
    assert (position["stop_price"], position["target_price"]) == (Decimal("1.089"), Decimal("1.122"))
    await broker.price("1.088", 1)
    assert (await only_job(broker))["side"] == "sell"
    await broker.check()


async def test_symbols_are_the_broker_s(house: House) -> None:
    broker = await open_broker(house)
    await broker.rows("UPDATE accounts SET symbol_map = $1", {"XAUUSD": "GOLD", "*": ".r"})
    await broker.alert(BUY)
    await broker.alert(BUY | {"symbol": "XAUUSD"})
    assert {asked(job)["symbol"] for job in await broker.jobs()} == {"EURUSD.r", "GOLD"}


async def test_allowed_pairs(house: House) -> None:
    broker = await open_broker(house, allowed_pairs=["eur/usd"])
    fine, refused = await broker.alert(BUY), await broker.alert(BUY | {"symbol": "GBPUSD"})
    assert (await broker.signal(fine))["status"] == "approved"
    row = await broker.signal(refused)
    assert (row["status"], row["reason"]) == ("rejected", "pair_not_allowed")


async def test_risk_override_sizes_by_the_broker_s_equity(house: House) -> None:
    broker = await open_broker(
        house, balance="20000", settings={"sizing": {"mode": "risk_percent", "percent": 1}}, risk_override_pct=Decimal(2)
    )
    await broker.alert({"symbol": "EURUSD", "action": "buy", "price": 1.1, "sl": 1.09})
    assert (await only_job(broker))["volume"] == 0.4


@pytest.mark.parametrize("sizing", [{"mode": "risk_percent"}, {"mode": "equity_percent", "percent": 5}])
async def test_sizing_that_needs_a_price_is_refused_without_one(house: House, sizing: dict) -> None:
    broker = await open_broker(house, settings={"sizing": sizing})
    row = await broker.signal(await broker.alert({"symbol": "EURUSD", "action": "buy"}))
    assert (row["status"], row["reason"]) == ("rejected", "price_missing")


async def test_an_unknown_balance_stops_nothing(house: House) -> None:
    broker = await open_broker(house, balance=None)
    await broker.alert(BUY)
    await broker.fill("1.1")
    await broker.alert({"symbol": "EURUSD", "action": "close"}, 1)
    await broker.fill("1.09")
    account = await broker.account()
    assert (account["starting_cash"], account["balance"]) == (0, -100)
    await broker.balance("900")
    account = await broker.account()
    assert (account["starting_cash"], account["balance"], account["cash"]) == (1000, 900, 900)
    await broker.check()


async def test_the_first_balance_is_booked_by_itself_and_once(house: House) -> None:
    broker = await open_broker(house, balance="5000")
    assert (await broker.account())["balance"] == 5000
    await broker.balance("6000")
    assert (await broker.account())["balance"] == 5000
    await broker.check()


async def test_orders_in_flight_count_as_positions_and_exposure(house: House) -> None:
    broker = await open_broker(house, limits={"max_open_positions": "1", "max_exposure": "1000000", "max_exposure_pct": "1000"})
    await broker.alert(BUY)
    row = await broker.signal(await broker.alert(BUY | {"symbol": "GBPUSD"}, 0.1))
    assert (row["status"], row["reason"]) == ("rejected", "max_open_positions_exceeded")
    second = await open_broker(house, limits={"max_exposure": "500", "max_exposure_pct": "100"})
    await second.alert(BUY | {"price": 1.1}, 0.1)
    row = await second.signal(await second.alert(BUY | {"symbol": "GBPUSD", "price": 1.3}, 0.2))
    assert (row["status"], row["reason"]) == ("rejected", "max_exposure_exceeded")


async def test_amounts_in_another_currency(house: House) -> None:
    broker = await open_broker(house)
    await broker.alert(BUY | {"symbol": "USDJPY", "price": 150})
    await broker.fill("150")
    [position], account = await broker.positions(), await broker.account()
    assert position["multiplier"] == Decimal("666.6666666667")
    assert account["cash"] == 10_000 - Decimal("0.1") * 150 * Decimal("666.6666666667")
    await broker.price("151.5", 1, "USDJPY")
    [job] = await broker.jobs()
    await broker.report(job, fill_price="151.5", profit="99.01")
    assert (await broker.account())["balance"] == Decimal("10099.01")
    await broker.check()


async def test_an_account_at_alpaca_takes_no_entry_before_both_sides_were_compared(house: House) -> None:
    broker = await open_broker(house)
    await broker.rows("UPDATE accounts SET kind = 'alpaca' WHERE account_id = $1", broker.account_id)
    row = await broker.signal(await broker.alert({"symbol": "BTCUSD", "action": "buy", "volume": 0.1, "price": 50_000}))
    assert (row["status"], row["reason"]) == ("rejected", "broker_not_reconciled")
    assert "no worker process trades the account" in row["error_message"]


async def test_what_alpaca_does_not_trade_is_refused(house: House) -> None:
    broker = await open_broker(house)
    await broker.rows("UPDATE accounts SET kind = 'alpaca' WHERE account_id = $1", broker.account_id)
    row = await broker.signal(await broker.alert(BUY))
    assert (row["status"], row["reason"]) == ("rejected", "broker_unsupported")


async def test_the_daily_loss_limit_is_the_user_s_unless_the_account_s(house: House) -> None:
    broker = await open_broker(house, balance="10000")
    await settings(broker, daily_loss_limit_pct="0.5")
    await broker.alert(BUY)
    await broker.fill("1.1")
    await broker.alert({"symbol": "EURUSD", "action": "close"}, 1)
    await broker.fill("1.09")
    row = await broker.signal(await broker.alert(BUY, 2))
    assert (row["status"], row["reason"]) == ("discarded", "daily_loss_limit_reached")
    await broker.rows('UPDATE accounts SET limits = limits || \'{"daily_loss_limit_pct": "50"}\'')
    assert (await broker.signal(await broker.alert(BUY, 5)))["status"] == "approved"


async def test_agents_are_woken_only_when_there_is_a_job(house: House) -> None:
    broker = await open_broker(house)
    heard: list[str] = []

    def hear(*told: object) -> None:
        heard.append(str(told[3]))

    async with house.pool.acquire() as connection:
        await connection.add_listener("hookfill_jobs", hear)
        await broker.alert(BUY)
        await broker.fill("1.1")
        await connection.fetchval("SELECT 1")
        await connection.remove_listener("hookfill_jobs", hear)
    assert heard == [str(broker.account_id)]
