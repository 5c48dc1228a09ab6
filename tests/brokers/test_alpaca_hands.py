"""Jobs of an account at Alpaca side by side: what only waits for its price holds no other up, and parts add up to the whole."""

from decimal import Decimal

import pytest

from hookfill.brokers.alpaca import hands
from support.alpaca.town import Town, running
from support.alpaca.trading import FakeTrading


async def test_a_position_is_left_while_entries_wait_for_their_price(
    town: Town, fake: FakeTrading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands, "MOST_AT_ONCE", 1)
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy")
        await town.executed()
        await town.alert("buy", symbol="BTCUSD", volume=0.1, type="limit", limit_price=40_000, time_in_force="gtc")
        working = "SELECT count(*) FROM orders WHERE account_id = $1 AND status = 'working'"
        await town.until(working, lambda found: found == 1, "the entry waiting")
        await town.alert("close")
        await town.executed()
    assert [(one.symbol, one.side, one.status) for one in fake.accepted] == [
        ("SPY", "buy", "filled"),
        ("BTC/USD", "buy", "accepted"),
        ("SPY", "sell", "filled"),
    ]
    await town.check()


async def test_coins_are_left_in_parts_to_the_last_though_alpaca_took_its_fee(town: Town, fake: FakeTrading) -> None:
    fake.coin_fee = Decimal("0.0025")
    await town.connect()
    async with running(town.worker()):
        await town.compared()
        await town.alert("buy", symbol="BTCUSD", volume=0.1)
        await town.executed()
        await town.alert("sell", symbol="BTCUSD", volume=0.08, market_position="long", market_position_size=0.02)
        await town.executed()
        await town.alert("close", symbol="BTCUSD")
        await town.until("SELECT status FROM positions WHERE account_id = $1", lambda status: status == "closed", "closed")
    assert [(one.side, one.filled) for one in fake.accepted] == [
        ("buy", Decimal("0.1")),
        ("sell", Decimal("0.08")),
        ("sell", Decimal("0.01975")),
    ]
    await town.check()
