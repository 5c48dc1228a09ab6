"""Options at Alpaca: simple orders under the OCC symbol, guarded by the desk alone."""

from decimal import Decimal

from support.alpaca.town import Town, running
from support.alpaca.trading import FakeTrading

CALL = "SPY260313C00500000"
"""At the money, on the Friday after five days."""


async def spy(town: Town, until: float = 180) -> None:
    """Half an hour of bars around 500."""
    for minute in range(30):
        price = Decimal(500) + Decimal(1 - minute % 3) / 10
        await town.house.bar(until - 30 + minute, f"{price} {price + 1} {price - 1} {price}", "SPY")


async def test_a_call_is_bought_and_sold_by_a_simple_order(town: Town, fake: FakeTrading) -> None:
    fake.prices[CALL] = Decimal("7.5")
    await town.connect()
    await spy(town)
    async with running(town.worker()):
        await town.compared()
        signal = await town.send("buy SPY call 2")
        assert signal["status"] in {"approved", "executed"}, signal["error_message"]
        await town.executed()
        sent = fake.posted[0]
        assert (sent["symbol"], sent["qty"], sent["side"], sent["type"], sent["time_in_force"]) == (
            CALL,
            "2",
            "buy",
            "market",
            "day",
        )
        assert "order_class" not in sent
        position = await town.row("SELECT * FROM positions WHERE account_id = $1")
        assert (position["symbol"], position["underlying"], position["quantity"]) == (CALL, "SPY", 2)
        assert (position["average_price"], position["multiplier"]) == (Decimal("7.5"), 100)
        assert position["stop_price"] == Decimal("3.75")
        fake.prices[CALL] = Decimal(9)
        await town.send("close SPY")
        await town.until("SELECT status FROM positions WHERE account_id = $1", lambda status: status == "closed", "closed")
    assert (await town.row("SELECT realized_pnl FROM positions WHERE account_id = $1"))["realized_pnl"] == 300
    assert fake.made() == [(CALL, "buy", 2), (CALL, "sell", 2)]
    await town.check()
