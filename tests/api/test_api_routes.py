"""Every route answers what its model says, to whom it belongs, and to nobody else."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from hookfill.api import models
from hookfill.kernel.lifecycle import ORDER, POSITION, SIGNAL
from support.house import TOKEN, House, at

OTHER = "canary-other-token-5e02f7a4c9"


async def seed(house: House) -> None:
    """Something of every kind: traded, open, refused, repeated, malformed."""
    strategy = await house.new_strategy("Breakout")
    await house.bar(-1, "1.0800 1.0805 1.0795 1.0800")
    await house.bar(-1, "1.2500 1.2505 1.2495 1.2500", "GBPUSD")
    await house.alert(strategy, {"symbol": "EURUSD", "action": "buy", "volume": 0.1, "tp": 1.09, "note": 1.10})
    await house.alert(strategy, "sell GBPUSD 0.1 sl=1.27")
    await house.alert(strategy, "sell GBPUSD 0.1 sl=1.27", 0.1)
    await house.alert(strategy, {"symbol": "EURUSD"}, 0.2)
    await house.alert(strategy, "buy AUDUSD 0.1", 0.3)
    await house.alert(strategy, b"{", 0.4)
    await house.decide()
    await house.bar(1, "1.0800 1.0905 1.0795 1.0900")
    await house.decide()
    await house.pool.execute(
        "INSERT INTO halts (account_id, halt_id, scope, symbol, reduce_only, reason) "
        "VALUES ($1, gen_random_uuid(), 'symbol', 'XAUUSD', false, 'news')",
        house.account_id,
    )


def check(answer: httpx.Response, model: Any) -> Any:
    """The answer, which must be just what the model describes."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    TypeAdapter(model).validate_json(answer.content, strict=False)
    return json.loads(answer.content, parse_float=Decimal)


async def test_signals(house: House) -> None:
    await seed(house)
    listed = check(await house.get("/api/v1/signals"), list[models.Signal])
    assert [signal["status"] for signal in listed] == ["rejected", "discarded", "executed", "executed"]
    assert listed[-1]["fill_price"] == Decimal("1.08011")
    assert '"fill_price":1.08011' in (await house.get("/api/v1/signals")).text
    assert listed[-1]["raw_payload"]["note"] == Decimal("1.1")
    assert check(await house.get("/api/v1/signals", limit=1, offset=1), list[models.Signal]) == listed[1:2]
    assert check(await house.get("/api/v1/signals", status="executed"), list[models.Signal]) == listed[2:]
    for signal in listed:
        assert check(await house.get(f"/api/v1/signals/{signal['id']}"), models.Signal) == signal


async def test_stories(house: House) -> None:
    await seed(house)
    ids = [*await house.signal_ids(), *await house.message_ids("duplicate"), *await house.message_ids("malformed")]
    told = [check(await house.get(f"/api/v1/signals/{one}/story"), models.Story) for one in ids]
    assert [one["status"] for one in told] == ["executed", "executed", "discarded", "rejected", "duplicate", "malformed"]


async def test_orders(house: House) -> None:
    await seed(house)
    listed = check(await house.get("/api/v1/orders"), list[models.Order])
    assert len(listed) == 3
    own = [order for order in listed if order["signal_id"] is not None]
    signal_id = own[0]["signal_id"]
    assert check(await house.get("/api/v1/orders", signal_id=signal_id), list[models.Order]) == own[:1]
    assert check(await house.get("/api/v1/orders", status="filled", limit=2, offset=1), list[models.Order]) == listed[1:]
    assert check(await house.get("/api/v1/orders", status="rejected"), list[models.Order]) == []


async def test_positions(house: House) -> None:
    await seed(house)
    [held] = check(await house.get("/api/v1/positions"), list[models.Position])
    [left] = check(await house.get("/api/v1/positions", status="closed"), list[models.Position])
    assert (held["symbol"], left["symbol"]) == ("GBPUSD", "EURUSD")
    assert len(check(await house.get("/api/v1/positions", status="all", limit=1), list[models.Position])) == 1


async def test_accounts(house: House) -> None:
    await seed(house)
    second = (await house.new_strategy_elsewhere()).account_id
    default = check(await house.get("/api/v1/account"), models.Account)
    assert (default["id"], default["open_positions"]) == (str(house.account_id), 1)
    assert datetime.fromisoformat(default["as_of"]) == at(2)
    assert [halt["reason"] for halt in default["halts"]] == ["news"]
    assert check(await house.get("/api/v1/account", account_id=second), models.Account)["id"] == str(second)
    both = check(await house.get("/api/v1/accounts"), list[models.Account])
    assert [account["id"] for account in both] == [str(house.account_id), str(second)]


READING = (
    "/api/v1/signals", "/api/v1/signals/{signal}", "/api/v1/signals/{signal}/story", "/api/v1/signals/{message}/story",
    "/api/v1/orders", "/api/v1/orders?signal_id={signal}", "/api/v1/positions?status=all", "/api/v1/account",
    "/api/v1/account?account_id={account}", "/api/v1/accounts",
)  # fmt: skip


async def paths(house: House) -> list[str]:
    ids = {
        "signal": (await house.signal_ids())[0],
        "message": (await house.message_ids("malformed"))[0],
        "account": house.account_id,
    }
    return [path.format(**ids) for path in READING]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer \u00ff"},
        {"Cookie": f"token={TOKEN}"},
    ],
)
async def test_without_the_token_nothing_is_shown(house: House, headers: dict[str, str]) -> None:
    await seed(house)
    for path in await paths(house):
        answer = await house.client.get(path, headers={name: value.encode("latin-1") for name, value in headers.items()})
        assert answer.status_code == 401, (path, answer.text)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "hookfill token" in answer.json()["detail"]


async def test_the_scheme_may_be_written_in_any_case(house: House) -> None:
    answer = await house.client.get("/api/v1/signals", headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.status_code == 200


async def test_a_token_in_the_query_is_no_token(house: House) -> None:
    answer = await house.client.get("/api/v1/signals", params={"token": TOKEN, "access_token": TOKEN})
    assert answer.status_code == 401


async def test_what_belongs_to_others_does_not_exist(house: House) -> None:
    await seed(house)
    await house.new_user(OTHER)
    headers = {"Authorization": f"Bearer {OTHER}"}
    for path in await paths(house):
        answer = await house.client.get(path, headers=headers)
        if "/signals/" in path or "account_id" in path:
            assert answer.status_code == 404, path
        else:
            assert answer.status_code == 200
            assert str(house.account_id) not in answer.text
            assert path.endswith(("account", "accounts")) or answer.json() == []


async def test_an_unknown_id_and_another_users_answer_alike(house: House) -> None:
    await seed(house)
    await house.new_user(OTHER)
    headers = {"Authorization": f"Bearer {OTHER}"}
    known = (await house.signal_ids())[0]
    for path in ("/api/v1/signals/{}", "/api/v1/signals/{}/story", "/api/v1/account?account_id={}"):
        foreign = await house.client.get(path.format(known), headers=headers)
        unknown = await house.client.get(path.format(uuid4()), headers=headers)
        assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
        assert unknown.status_code == 404
        assert "lists" in unknown.json()["detail"]


@pytest.mark.parametrize(
    ("lifecycle", "states"),
    [(SIGNAL, models.SignalStatus), (ORDER, models.OrderStatus), (POSITION, models.PositionState)],
)
def test_the_documented_states_are_the_lifecycles(lifecycle: Any, states: Any) -> None:
    assert set(lifecycle.steps) == set(states)
