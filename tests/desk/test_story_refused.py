"""What a story tells of messages and signals that were not traded."""

import hashlib
import hmac
from typing import Any
from uuid import UUID

import pytest

from hookfill.desk import fold
from hookfill.desk.story import story
from hookfill.kernel import exact_json
from support.house import HMAC_SECRET, House, at


async def tell(house: House, asked: UUID) -> dict[str, Any]:
    async with house.pool.acquire() as connection:
        told = await story(connection, house.owner, asked)
    assert told is not None
    exact_json.dumps(told)
    return told


async def only_signal(house: House) -> dict[str, Any]:
    [signal_id] = await house.signal_ids()
    return await tell(house, signal_id)


def names(told: dict[str, Any]) -> list[str]:
    return [step["step"] for step in told["steps"]]


def last(told: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = [step for step in told["steps"] if step["step"] == name][-1]
    return found


async def test_an_unusable_alert(house: House) -> None:
    await house.alert(await house.new_strategy(), {"symbol": "EURUSD"})
    await house.decide()
    told = await only_signal(house)
    assert names(told) == ["message", "stored", "parse", "gate", "verdict"]
    assert (told["status"], told["reason"]) == ("discarded", "action_missing")
    assert last(told, "parse")["title"] == "Alert not usable"
    assert last(told, "verdict")["at"] is not None


async def test_a_pending_signal(house: House) -> None:
    await house.alert(await house.new_strategy(), "close EURUSD")
    told = await only_signal(house)
    assert names(told) == ["message", "stored", "parse", "gate", "verdict"]
    assert last(told, "parse")["title"] == "Alert not read yet"
    assert last(told, "verdict")["says"] == "It waits for the desk's decision."
    assert last(told, "verdict")["at"] is None


async def test_a_disabled_strategy(house: House) -> None:
    strategy = await house.new_strategy("Breakout")
    await house.pool.execute("UPDATE strategies SET is_enabled = false WHERE strategy_id = $1", strategy.strategy_id)
    await house.alert(strategy, "buy EURUSD 0.1")
    await house.decide()
    told = await only_signal(house)
    assert (told["status"], told["reason"]) == ("discarded", "strategy_disabled")
    assert names(told) == ["message", "stored", "parse", "gate", "verdict"]
    assert "Breakout" in last(told, "verdict")["says"]


async def test_a_stale_alert_shows_the_gate_that_stopped_it(house: House) -> None:
    await house.alert(await house.new_strategy(), {"symbol": "EURUSD", "action": "buy", "timenow": at(-60).isoformat()})
    await house.decide()
    told = await only_signal(house)
    assert (told["status"], told["reason"]) == ("discarded", "signal_stale")
    refused = [step for step in told["steps"] if step["step"] == "check" and not step["figures"]["passed"]]
    assert [step["figures"]["check"] for step in refused] == ["signal_stale"]
    assert refused[0]["figures"]["age_seconds"] == 3600
    assert refused[0]["says"] == last(told, "verdict")["says"] == told["error_message"]
    assert "engine" not in names(told)


async def test_a_rejected_signal_has_no_order(house: House) -> None:
    await house.alert(await house.new_strategy(), "buy EURUSD 0.1")
    await house.decide()
    told = await only_signal(house)
    assert (told["status"], told["reason"]) == ("rejected", "price_missing")
    assert last(told, "price")["says"] == "No price is known for the symbol."
    assert not {"sizing", "order", "fill", "position", "exit"} & set(names(told))


async def test_nothing_to_close(house: House) -> None:
    await house.alert(await house.new_strategy(), "close EURUSD")
    await house.decide()
    told = await only_signal(house)
    assert (told["status"], told["reason"]) == ("rejected", "no_position")
    assert last(told, "plan")["figures"]["refusal"] == "no_position"


async def test_an_engine_that_refuses(house: House) -> None:
    await house.alert(await house.new_strategy(engine="rules", settings={"filters": {"trend": True}}), "buy EURUSD 0.1 price=1.08")
    await house.decide()
    told = await only_signal(house)
    assert (told["status"], told["reason"]) == ("rejected", "candles_missing")
    assert last(told, "engine")["says"].startswith("Engine rules refuses: ")
    assert last(told, "engine")["figures"]["approved"] is False


async def test_an_option_without_a_chain(house: House) -> None:
    body = b'{"symbol": "SPY", "direction": "CALL", "timeframe": "5m", "timestamp": "2026-03-02T12:00:00Z", "strike": 500}'
    signature = hmac.new(HMAC_SECRET.encode(), body, hashlib.sha256).hexdigest()
    answer = await house.client.post("/webhook", content=body, headers={"x-webhook-signature": signature})
    assert answer.status_code == 201
    await house.decide()
    told = await tell(house, UUID(answer.json()["signal_id"]))
    assert (told["status"], told["reason"]) == ("rejected", "option_chain_missing")
    assert "CALL option" in last(told, "parse")["says"]
    assert last(told, "message")["figures"]["door"] == "signed"


async def test_the_daily_loss_limit_is_explained_behind_its_bare_code(house: House) -> None:
    strategy = await house.new_strategy()
    await house.pool.execute("UPDATE accounts SET day = '2026-03-02', day_realized = -5000")
    await house.alert(strategy, "buy EURUSD 0.1 price=1.08")
    await house.decide()
    told = await only_signal(house)
    assert told["error_message"] == "daily_loss_limit_reached"
    assert last(told, "verdict")["says"].startswith("Today's realised loss reached the limit.")


async def test_a_reversal_whose_entry_is_refused_closes_only(house: House) -> None:
    strategy = await house.new_strategy()
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.alert(strategy, "buy EURUSD 0.1")
    await house.decide()
    await house.alert(strategy, "sell EURUSD 100", 0.2)
    await house.decide()
    told = await tell(house, (await house.signal_ids())[1])
    assert (told["status"], told["reason"]) == ("executed", "max_position_size_exceeded")
    assert last(told, "verdict")["says"].startswith("Closed only; the entry was refused:")
    assert last(told, "order")["figures"]["purpose"] == "exit"


async def test_a_signal_whose_handling_raises(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(*_: object) -> None:
        raise ZeroDivisionError("poison")

    monkeypatch.setattr(fold, "decide_signal", poison)
    await house.alert(await house.new_strategy(), "close EURUSD")
    await house.decide()
    told = await only_signal(house)
    verdict = last(told, "verdict")
    assert told["status"] == "pending"
    assert verdict["says"] == "Handling it raised once, it will be tried again: ZeroDivisionError: poison"
    assert verdict["figures"]["retry_at"] is not None
    for _ in range(2):
        await house.pool.execute("UPDATE signals SET retry_at = NULL")
        await house.decide()
    told = await only_signal(house)
    verdict = last(told, "verdict")
    assert (told["status"], told["reason"]) == ("failed", "dead_lettered")
    assert verdict["title"] == "Handling failed"
    assert verdict["says"] == "Handling it raised 3 times, it will not be tried again: ZeroDivisionError: poison"
    assert "Traceback (most recent call last)" in verdict["figures"]["traceback"]


async def test_a_duplicate_points_to_what_it_repeats(house: House) -> None:
    strategy = await house.new_strategy()
    await house.alert(strategy, "close EURUSD")
    await house.alert(strategy, "close EURUSD", 0.5)
    await house.decide()
    [first], [message_id] = await house.signal_ids(), await house.message_ids("duplicate")
    told = await tell(house, message_id)
    assert names(told) == ["message", "stored", "gate"]
    assert (told["status"], told["signal_id"], told["symbol"]) == ("duplicate", first, "EURUSD")
    gate = last(told, "gate")
    assert gate["figures"] == {
        "is_fresh": False, "window_seconds": 60, "signal_id": first, "seconds_after": 30.0, "status": "rejected",
    }  # fmt: skip
    assert "30.000 s before, which is rejected" in gate["says"]


async def test_a_malformed_message(house: House) -> None:
    await house.alert(await house.new_strategy("Breakout"), b'{"symbol": ')
    [message_id] = await house.message_ids("malformed")
    told = await tell(house, message_id)
    assert names(told) == ["message", "stored", "refusal"]
    assert (told["status"], told["reason"], told["signal_id"]) == ("malformed", "json_invalid", None)
    assert told["strategy_name"] == "Breakout"
    assert last(told, "message")["figures"]["body"] == '{"symbol": '
    assert last(told, "refusal")["says"] == told["error_message"]


async def test_a_refused_message(house: House) -> None:
    answer = await house.client.post("/webhook", content=b"{}")
    assert answer.status_code == 401
    [message_id] = await house.message_ids("refused")
    told = await tell(house, message_id)
    assert (told["status"], told["reason"]) == ("refused", "signature_invalid")
    assert "Sign the raw body" in last(told, "refusal")["says"]


async def test_a_duplicate_of_a_signal_that_was_deleted(house: House) -> None:
    strategy = await house.new_strategy()
    await house.alert(strategy, "close EURUSD")
    await house.alert(strategy, "close EURUSD", 0.5)
    await house.pool.execute("DELETE FROM signals")
    [message_id] = await house.message_ids("duplicate")
    told = await tell(house, message_id)
    assert (told["status"], told["symbol"]) == ("duplicate", None)
    assert last(told, "gate")["figures"]["is_fresh"] is False
