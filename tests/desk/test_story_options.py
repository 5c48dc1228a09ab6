"""What a story tells of a signal that bought an option, and of one that found none."""

from typing import Any

from hookfill.desk.story import story
from hookfill.inbox import store as inbox
from hookfill.kernel import exact_json
from hookfill.market.store import store_candles
from support.desk import at as of_noon
from support.house import House
from support.options import MORNING, NOW, spy


async def told_of(house: House, body: str, *bars: object) -> dict[str, Any]:
    strategy = await house.new_strategy("Options")
    async with house.pool.acquire() as connection, connection.transaction():
        await store_candles(connection, [*MORNING], of_noon(NOW))
    await house.alert(strategy, body, NOW)
    await house.decide()
    if bars:
        async with house.pool.acquire() as connection, connection.transaction():
            await inbox.advance_simulated_clock(connection, of_noon(NOW + 60))
            await store_candles(connection, bars, of_noon(NOW + 60))
        await house.decide()
    [signal_id] = await house.signal_ids()
    async with house.pool.acquire() as connection:
        told = await story(connection, house.owner, signal_id)
    assert told is not None
    exact_json.dumps(told)
    return told


def steps(told: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [step for step in told["steps"] if step["step"] == name]


async def test_the_contract_and_what_spoke_for_it(house: House) -> None:
    told = await told_of(house, "buy SPY call 2")
    names = [step["step"] for step in told["steps"]]
    assert names.index("engine") < names.index("option") < names.index("sizing")
    [step] = steps(told, "option")
    assert "SPY 2026-03-13 500 C" in step["says"]
    assert "From the model's chain" in step["says"]
    assert "1 chosen" in step["says"]
    assert (step["figures"]["contract"], step["figures"]["spot"]) == ("SPY260313C00500000", 500)
    assert step["figures"]["candidates"][0]["verdict"] == "chosen"
    assert told["symbol"] == "SPY"


async def test_a_position_that_was_left_is_told_to_its_end(house: House) -> None:
    told = await told_of(house, "buy SPY260313C500 1", spy(215, "500 501 460 470"))
    [step] = steps(told, "option")
    assert step["says"].startswith("SPY 2026-03-13 500 C, as the alert names it.")
    [left] = steps(told, "exit")
    assert left["figures"]["exit_reason"] == "stop_loss"


async def test_why_there_is_no_contract(house: House) -> None:
    told = await told_of(house, "buy SPY call strike=500.123 1")
    [step], [verdict] = steps(told, "option"), steps(told, "verdict")
    assert step["figures"]["contract"] is None
    assert (told["status"], told["reason"]) == ("rejected", "option_not_listed")
    assert "500.123" in verdict["says"]
