"""The hand on the switch over HTTP: who may halt what, what is answered, what another's is."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import TypeAdapter

from hookfill.api.control_models import FlattenAnswer, HaltAnswer, HaltRecord, ResumeAnswer
from support.house import TOKEN, House
from support.people import bearer

OTHER = "canary-other-token-5e02f7a4c9"
BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.01}


async def post(house: House, path: str, body: Any, token: str = TOKEN) -> httpx.Response:
    return await house.client.post(f"/api/v1/{path}", json=body, headers=bearer(token))


async def opened(house: House) -> None:
    await house.bar(0, "1.0800 1.0810 1.0790 1.0805")
    await house.alert(await house.new_strategy(), BUY, 1)
    await house.decide()


async def test_a_halt_is_told_listed_and_lifted(house: House) -> None:
    asked = {"scope": "account", "id": str(house.account_id), "reduce_only": False, "reason": "news"}
    answer = await post(house, "halt", asked)
    assert answer.status_code == 201, answer.text
    TypeAdapter(HaltAnswer).validate_json(answer.content)
    told = answer.json()
    assert told["created_by"] == str(house.owner)
    assert told["settled_at"] is not None
    assert (told["busy_accounts"], told["lifted_at"], told["reason"], told["reduce_only"]) == ([], None, "news", False)
    listed = (await house.get("/api/v1/halts", in_force=True)).json()
    TypeAdapter(list[HaltRecord]).validate_python(listed)
    assert [one["id"] for one in listed] == [told["id"]]
    assert [one["id"] for one in (await house.get("/api/v1/account")).json()["halts"]] == [told["id"]]
    lifted = await post(house, "resume", {"scope": "account", "id": str(house.account_id)})
    TypeAdapter(ResumeAnswer).validate_json(lifted.content)
    assert [one["id"] for one in lifted.json()["lifted"]] == [told["id"]]
    assert lifted.json()["lifted"][0]["lifted_by"] == str(house.owner)
    assert lifted.json()["in_force"] == 0
    assert (await house.get("/api/v1/halts", in_force=True)).json() == []
    assert [one["id"] for one in (await house.get("/api/v1/halts", in_force=False)).json()] == [told["id"]]


async def test_only_the_owner_halts_everybody(house: House) -> None:
    await house.new_user(OTHER)
    for path in ("halt", "resume", "flatten"):
        answer = await post(house, path, {"scope": "global"}, OTHER)
        assert answer.status_code == 403, path
        assert "Only the owner" in answer.json()["detail"]
    assert (await post(house, "halt", {"scope": "global"})).status_code == 201
    seen = await house.client.get("/api/v1/halts", headers=bearer(OTHER))
    assert [one["scope"] for one in seen.json()] == ["global"]


async def test_a_users_own_halt_is_nobody_elses_to_see(house: House) -> None:
    user_id = await house.new_user(OTHER)
    mine = (await post(house, "halt", {"scope": "user"}, OTHER)).json()
    assert mine["user_id"] == str(user_id)
    await post(house, "halt", {"scope": "symbol", "symbol": "spy"}, OTHER)
    assert (await house.get("/api/v1/halts")).json() == []
    seen = (await house.client.get("/api/v1/halts", headers=bearer(OTHER))).json()
    assert [(one["scope"], one["symbol"]) for one in seen] == [("symbol", "SPY"), ("user", None)]
    assert (await post(house, "resume", {"scope": "user"})).json()["lifted"] == []
    assert len((await post(house, "resume", {"scope": "user"}, OTHER)).json()["lifted"]) == 2


@pytest.mark.parametrize("path", ["halt", "resume", "flatten"])
async def test_what_is_anothers_is_not_there(house: House, path: str) -> None:
    await house.new_user(OTHER)
    strategy = await house.new_strategy()
    missing = await post(house, path, {"scope": "account", "id": str(UUID(int=7))}, OTHER)
    assert missing.status_code == 404
    for body in (
        {"scope": "account", "id": str(house.account_id)},
        {"scope": "strategy", "id": str(strategy.strategy_id)},
        {"scope": "symbol", "id": str(house.account_id), "symbol": "SPY"},
        {"scope": "user", "id": str(house.owner)},
    ):
        answer = await post(house, path, body, OTHER)
        assert (answer.status_code, answer.content) == (404, missing.content), body
    assert await house.pool.fetchval("SELECT count(*) FROM halts") == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scope": "planet"},
        {"scope": "account"},
        {"scope": "strategy"},
        {"scope": "symbol"},
        {"scope": "account", "id": str(UUID(int=7)), "symbol": "SPY"},
        {"scope": "global", "id": str(UUID(int=7))},
        {"scope": "user", "symbol": "SPY"},
        {"scope": "symbol", "symbol": "S\u0000Y"},
        {"scope": "user", "reason": ""},
        {"scope": "user", "reason": "two\nlines"},
        {"scope": "user", "surprise": 1},
    ],
)
async def test_what_makes_no_sense_is_refused(house: House, body: dict[str, Any]) -> None:
    answer = await post(house, "halt", body)
    assert answer.status_code == 422, answer.text


async def test_flattening_halts_first_and_tells_what_is_left(house: House) -> None:
    await opened(house)
    answer = await post(house, "flatten", {"scope": "user", "reason": "week-end"})
    assert answer.status_code == 201, answer.text
    TypeAdapter(FlattenAnswer).validate_json(answer.content)
    told = answer.json()
    assert (told["positions"], len(told["signal_ids"])) == (1, 1)
    assert (told["halt"]["scope"], told["halt"]["reduce_only"]) == ("user", True)
    again = (await post(house, "flatten", {"scope": "user", "reason": "week-end"})).json()
    assert again["signal_ids"] == told["signal_ids"]
    assert again["halt"]["id"] == told["halt"]["id"]
    await house.decide()
    story = (await house.get(f"/api/v1/signals/{told['signal_ids'][0]}/story")).json()
    assert story["status"] == "executed"
    assert "operator" in story["steps"][0]["says"]
    [position] = (await house.get("/api/v1/positions", status="closed")).json()
    assert position["exit_reason"] == "flatten"


async def test_flattening_without_a_halt(house: House) -> None:
    await opened(house)
    told = (await post(house, "flatten", {"scope": "symbol", "symbol": "EURUSD", "halt": False})).json()
    assert (told["positions"], told["halt"]) == (1, None)
    assert await house.pool.fetchval("SELECT count(*) FROM halts") == 0


async def test_a_full_halt_conflicts_with_flattening(house: House) -> None:
    await opened(house)
    await post(house, "halt", {"scope": "global", "reduce_only": False})
    answer = await post(house, "flatten", {"scope": "user"})
    assert answer.status_code == 409
    assert "A full halt (global: halted by hand) stops exits too: lift it, then flatten again." in answer.json()["detail"]
    await post(house, "resume", {"scope": "global"})
    told = (await post(house, "flatten", {"scope": "user"})).json()
    assert (told["positions"], told["halt"]["reduce_only"]) == (1, True)


async def test_a_foreign_page_can_press_nothing(house: House) -> None:
    """A form of another origin brings no token; cookies are not looked at."""
    for path in ("halt", "resume", "flatten"):
        answer = await house.client.post(
            f"/api/v1/{path}",
            content=b'{"scope": "global"}',
            headers={"Origin": "https://evil.example", "Content-Type": "text/plain", "Cookie": f"token={TOKEN}"},
        )
        assert answer.status_code == 401
    assert await house.pool.fetchval("SELECT count(*) FROM halts") == 0


async def test_an_api_key_needs_to_trade(house: House) -> None:
    for scope, expected in (("read", 403), ("trade", 201)):
        made = await post(house, "api-keys", {"label": scope, "scopes": [scope]})
        answer = await house.client.post("/api/v1/halt", json={"scope": "user"}, headers={"X-API-KEY": made.json()["key"]})
        assert answer.status_code == expected, answer.text


async def test_a_refused_signal_tells_of_the_halt(house: House) -> None:
    await post(house, "halt", {"scope": "global", "reason": "exchange is down"})
    await house.alert(await house.new_strategy(), BUY, 1)
    await house.decide()
    [signal] = (await house.get("/api/v1/signals")).json()
    assert (signal["status"], signal["reason"]) == ("discarded", "halted")
    assert "global: exchange is down" in signal["error_message"]


@pytest.mark.parametrize("spelling", ["fx:eurusd", " EURUSD "])
async def test_a_symbol_is_read_as_alerts_are(house: House, spelling: str) -> None:
    """TradingView shows an exchange in front of it: a halt of `FX:EURUSD` that stops nothing in EURUSD would be none."""
    await opened(house)
    halted = await post(house, "halt", {"scope": "symbol", "symbol": spelling})
    assert halted.json()["symbol"] == "EURUSD", halted.text
    await house.alert(await house.new_strategy(name="second"), {**BUY, "symbol": "FX:EURUSD"}, 2)
    await house.decide()
    assert (await house.get("/api/v1/signals")).json()[0]["reason"] == "halted"
    assert (await post(house, "flatten", {"scope": "symbol", "symbol": spelling})).json()["positions"] == 1
    await house.decide()
    assert len((await house.get("/api/v1/exit-signals", symbol=spelling)).json()) == 1
    assert len((await post(house, "resume", {"scope": "symbol", "symbol": spelling})).json()["lifted"]) == 1


async def test_a_contract_may_be_spelt_as_charts_do(house: House) -> None:
    for spelling in (".SPY260220C500", "OPRA:SPY260220C500.0", "SPY   260220C00500000"):
        answer = await post(house, "halt", {"scope": "symbol", "symbol": spelling})
        assert answer.json()["symbol"] == "SPY260220C00500000", answer.text
    assert await house.pool.fetchval("SELECT count(*) FROM halts") == 1
