"""What a story tells of a signal that was traded."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from hookfill.desk.story import story
from hookfill.kernel import exact_json
from hookfill.risk.assess import CHECKS, Stage
from support.house import House, at

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.1, "sl": 1.07, "tp": 1.09, "comment": "42"}
WALL = ("message", "stored", "verdict", "order", "fill", "exit")


async def tell(house: House, signal_id: UUID) -> dict[str, Any]:
    async with house.pool.acquire() as connection:
        told = await story(connection, house.owner, signal_id)
    assert told is not None
    exact_json.dumps(told)
    return told


def steps(told: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [step for step in told["steps"] if step["step"] == name]


async def buy_and_take_profit(house: House) -> UUID:
    strategy = await house.new_strategy("Breakout")
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, BUY)
    await house.alert(strategy, BUY, 0.5)
    await house.alert(strategy, BUY, 0.9)
    await house.decide()
    await house.bar(1, "1.0800 1.0905 1.0795 1.0900")
    await house.decide()
    return (await house.signal_ids())[0]


async def test_every_hop_in_the_order_of_the_house(house: House) -> None:
    told = await tell(house, await buy_and_take_profit(house))
    names = [step["step"] for step in told["steps"]]
    gates = sum(check.stage is Stage.GATE for check in CHECKS)
    checks = len(CHECKS) - gates
    assert names == [
        "message", "stored", "parse", "gate", "plan", "price", *["check"] * gates, "engine", "sizing", *["check"] * checks,
        "verdict", "order", "fill", "position", "exit",
    ]  # fmt: skip
    assert (told["status"], told["symbol"], told["action"], told["strategy_name"]) == ("executed", "EURUSD", "buy", "Breakout")
    assert all(step["says"].rstrip().endswith((".", "it.")) for step in told["steps"]), [step["says"] for step in told["steps"]]


async def test_times_are_wall_times_and_add_up(house: House) -> None:
    told = await tell(house, await buy_and_take_profit(house))
    timed = [step for step in told["steps"] if step["at"] is not None]
    assert {step["step"] for step in timed} == set(WALL)
    assert [step["step"] for step in told["steps"] if step["elapsed_ms"] is None and step["at"] is not None] == ["message"]
    total = sum(step["elapsed_ms"] for step in timed[1:])
    spent = (timed[-1]["at"] - timed[0]["at"]).total_seconds() * 1000
    assert abs(total - spent) < 1


async def test_the_message_and_what_was_understood(house: House) -> None:
    told = await tell(house, await buy_and_take_profit(house))
    message, parse = steps(told, "message")[0]["figures"], steps(told, "parse")[0]["figures"]
    assert message["body"] == {**BUY, "volume": Decimal("0.1"), "sl": Decimal("1.07"), "tp": Decimal("1.09")}
    assert (message["door"], message["source"], message["as_of"]) == ("tradingview", "live", at(0))
    assert "user-agent" in message["headers"]
    assert parse == {
        "symbol": "EURUSD",
        "action": "buy",
        "quantity": Decimal("0.1"),
        "stop_loss": Decimal("1.07"),
        "take_profit": Decimal("1.09"),
        "comment": "42",
    }


async def test_how_often_it_came(house: House) -> None:
    told = await tell(house, await buy_and_take_profit(house))
    gate = steps(told, "gate")[0]
    assert (gate["figures"]["is_fresh"], gate["figures"]["duplicates"]) == (True, 2)
    assert "2 repeats" in gate["says"]


async def test_every_check_with_its_figures(house: House) -> None:
    told = await tell(house, await buy_and_take_profit(house))
    checks = {step["figures"]["check"]: step["figures"] for step in steps(told, "check")}
    assert len(checks) == len(CHECKS)
    assert all(figures["passed"] for figures in checks.values())
    assert checks["daily_loss_limit_reached"]["stage"] == "gate"
    assert checks["max_exposure_exceeded"]["stage"] == "risk"
    assert checks["price_stale"]["age_seconds"] == 0
    assert checks["max_exposure_exceeded"]["limit"] == Decimal(10_000)
    assert checks["insufficient_buying_power"]["available"] == Decimal(100_000)
    assert checks["pair_not_allowed"]["symbol"] == "EURUSD"


async def test_size_order_fill_position_and_exit(house: House) -> None:
    told = await tell(house, await buy_and_take_profit(house))
    [sizing], [order], [fill], [position], [leaving] = (
        steps(told, name) for name in ("sizing", "order", "fill", "position", "exit")
    )
    assert (sizing["figures"]["quantity"], sizing["figures"]["stop"]) == (Decimal("0.1"), Decimal("1.07"))
    assert (order["figures"]["side"], order["figures"]["status"]) == ("buy", "filled")
    assert (fill["figures"]["price"], fill["figures"]["filled_at"]) == (Decimal("1.08011"), at(0))
    assert (fill["figures"]["bar_low"], fill["figures"]["bar_high"]) == (Decimal("1.0795"), Decimal("1.0805"))
    assert position["figures"]["status"] == "closed"
    assert position["says"].startswith("Long EURUSD at 1.08011, stop 1.07, target 1.09. Now closed, as of 2026-03-02 12:02:00 UTC")
    assert (leaving["figures"]["exit_reason"], leaving["figures"]["signal_id"]) == ("take_profit", None)
    assert leaving["figures"]["realized_pnl"] == Decimal("98.9")
    assert "its rule take_profit" in leaving["says"]


async def test_an_open_position_says_since_when_it_is_marked(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, "sell EURUSD 0.1")
    await house.decide()
    await house.bar(1, "1.0800 1.0805 1.0790 1.0790")
    await house.decide()
    told = await tell(house, (await house.signal_ids())[0])
    [position] = steps(told, "position")
    assert position["figures"]["unrealized_pnl"] == Decimal("8.9")
    assert position["figures"]["marked_at"] == at(2)
    assert position["says"].startswith("Short EURUSD at 1.07989. Now open with 0.1, marked at 1.079 since 2026-03-02 12:02:00 UTC")
    assert not steps(told, "exit")


async def test_a_reversal_tells_both_legs_and_the_first_signal_who_ended_it(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, "buy EURUSD 0.1")
    await house.decide()
    await house.alert(strategy, "sell EURUSD 0.2", 1)
    await house.decide()
    first, second = await house.signal_ids()
    reversal = await tell(house, second)
    trades = [step["step"] for step in reversal["steps"] if step["step"] in ("order", "fill", "position", "exit")]
    assert trades == ["order", "fill", "position"] * 2
    closing, opening = steps(reversal, "order")
    assert (closing["figures"]["purpose"], opening["figures"]["purpose"]) == ("exit", "entry")
    was_long, is_short = steps(reversal, "position")
    assert was_long["says"].startswith("Long EURUSD")
    assert is_short["says"].startswith("Short EURUSD")
    assert "exit: sell 0.1, then entry: sell 0.2" in steps(reversal, "plan")[0]["says"]
    [leaving] = steps(await tell(house, first), "exit")
    assert leaving["figures"]["signal_id"] == second
    assert f"by signal {second}" in leaving["says"]


async def test_an_addition_does_not_claim_an_earlier_partial_exit(house: House) -> None:
    strategy = await house.new_strategy(settings={"policy": {"pyramiding": 3}})
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    for minute, text in enumerate(("buy EURUSD 0.2", "close EURUSD 0.1", "buy EURUSD 0.3", "close EURUSD")):
        await house.alert(strategy, text, minute * 0.2)
        await house.decide()
    first, partial, addition, final = await house.signal_ids()
    ends = {signal_id: [exit_["figures"]["signal_id"] for exit_ in steps(await tell(house, signal_id), "exit")]
            for signal_id in (first, partial, addition, final)}  # fmt: skip
    assert ends == {first: [partial, final], partial: [], addition: [final], final: []}


async def test_a_message_has_the_story_of_its_signal(house: House) -> None:
    signal_id = await buy_and_take_profit(house)
    [message_id] = await house.message_ids("processed")
    assert await tell(house, message_id) == await tell(house, signal_id)


async def test_others_know_no_story(house: House) -> None:
    signal_id = await buy_and_take_profit(house)
    [message_id] = await house.message_ids("processed")
    other = await house.new_user()
    async with house.pool.acquire() as connection:
        assert await story(connection, other, signal_id) is None
        assert await story(connection, other, message_id) is None
        assert await story(connection, house.owner, uuid4()) is None
        async with connection.transaction():
            assert await story(connection, house.owner, signal_id) is not None
