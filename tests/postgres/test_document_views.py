"""The names that the options engine's document gives: its four queries answer, and row-level security holds behind them."""

from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from hookfill.postgres.tenancy import as_user
from support.house import House

QUERIES = ("signals", "refactored_signals", "refactored_orders", "refactored_positions")
OCC = "SPY260220C00500500"


async def traded(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(0, "1.0800 1.0810 1.0790 1.0805")
    await house.alert(strategy, {"symbol": "EURUSD", "action": "buy", "volume": 0.01, "interval": "5"}, 1)
    await house.alert(strategy, {"symbol": "GBPUSD", "action": "sell", "volume": 1}, 1)
    await house.bar(1, "1.0805 1.0830 1.0800 1.0820")
    await house.decide()


async def newest(connection: asyncpg.Connection, name: str) -> list[asyncpg.Record]:
    return await connection.fetch(f"SELECT * FROM {name} ORDER BY created_at DESC LIMIT 10")


async def test_the_documents_queries_answer(house: House) -> None:
    await traded(house)
    async with house.pool.acquire() as connection:
        found = {name: await newest(connection, name) for name in QUERIES}
    assert {name: len(rows) for name, rows in found.items()} == {
        "signals": 2, "refactored_signals": 2, "refactored_orders": 1, "refactored_positions": 1,
    }  # fmt: skip
    rows = {row["symbol"]: row for row in found["refactored_signals"]}
    good, bad = rows["EURUSD"], rows["GBPUSD"]
    assert (good["status"], good["direction"], good["timeframe"], good["engine"]) == ("executed", "long", "5", "direct")
    assert good["enriched_data"]["quote"]["price"] == "1.0805"
    assert (good["risk_check_result"]["passed"], good["risk_check_result"]["refusal"]) == (True, None)
    checks = {one["check"]: one for one in good["risk_check_result"]["checks"]}
    assert {"market_closed", "max_open_positions_exceeded", "max_positions_per_symbol_exceeded"} < checks.keys()
    assert checks["max_exposure_exceeded"]["figures"]["limit"] == "10000"
    assert (bad["status"], bad["direction"], bad["risk_check_result"]["passed"]) == ("rejected", "short", False)
    assert bad["risk_check_result"]["refusal"] == "price_missing"
    [order], [position] = found["refactored_orders"], found["refactored_positions"]
    assert (order["signal_id"], order["status"], order["option_symbol"]) == (good["signal_id"], "filled", None)
    assert (position["symbol"], position["status"], position["current_price"]) == ("EURUSD", "open", Decimal("1.0820"))
    entry, quantity = position["entry_price"], position["quantity"]
    assert position["unrealized_pnl"] == (Decimal("1.0820") - entry) * quantity * 100_000
    assert position["position_pnl_percent"] == round((Decimal("1.0820") / entry - 1) * 100, 4)


async def test_an_option_is_told_in_its_parts(house: House) -> None:
    await traded(house)
    await house.pool.execute("UPDATE orders SET symbol = $1", OCC)
    await house.pool.execute("UPDATE positions SET symbol = $1", OCC)
    for name in ("refactored_orders", "refactored_positions"):
        [row] = await house.pool.fetch(f"SELECT symbol, option_symbol, type, strike, expiration FROM {name}")
        assert tuple(row) == ("SPY", OCC, "CALL", Decimal("500.5"), "2026-02-20")


@pytest.mark.parametrize("name", QUERIES)
async def test_each_person_sees_their_own_rows_only(house: House, name: str) -> None:
    await traded(house)
    other = await house.new_user()
    async with house.pool.acquire() as connection:
        everything = await newest(connection, name)
        async with as_user(connection, house.owner):
            assert len(await newest(connection, name)) == len(everything) > 0
        for stranger in (other, UUID(int=7)):
            async with as_user(connection, stranger):
                assert await newest(connection, name) == []


@pytest.mark.parametrize("name", QUERIES[1:])
async def test_nobody_changes_anything_through_them(house: House, name: str) -> None:
    async with house.pool.acquire() as connection:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)):
            async with as_user(connection, house.owner):
                await connection.execute(f"UPDATE {name} SET status = 'x'")
