"""Trading accounts over HTTP: money in and out, limits, the equity curve; the ledger stays sound."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from hookfill.accounts.trading import record_equity
from hookfill.api import models_accounts
from hookfill.ops.ledger import check_ledger
from support.asking import OTHER, ask, made, send
from support.house import NOON, House, at

BUY = {"symbol": "EURUSD", "action": "buy", "volume": 0.1}


async def details(house: House, account_id: object = None) -> dict[str, Any]:
    answer = await ask(house, "GET", f"accounts/{account_id or house.account_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = json.loads(answer.content, parse_float=Decimal)
    models_accounts.AccountDetails.model_validate(found)
    return found


async def move(house: House, kind: str, amount: object, **more: Any) -> Any:
    return await ask(house, "POST", f"accounts/{house.account_id}/{kind}s", {"amount": amount}, **more)


async def sound(house: House) -> None:
    async with house.pool.acquire() as connection:
        assert [one for one in await check_ledger(connection) if not one.holds] == []


async def trade(house: House, *, close_at: str | None = None) -> None:
    """Buy 0.1 lots at 1.1, and leave at a price."""
    strategy = await made(house)
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    await send(house, strategy["webhook_url"], BUY)
    await house.decide()
    if close_at is not None:
        await house.bar(1, f"1.1 {max('1.1', close_at)} {min('1.1', close_at)} {close_at}")
        await send(house, strategy["webhook_url"], {"symbol": "EURUSD", "action": "close"}, 3)
        await house.decide()


async def test_money_goes_in_and_out_and_the_ledger_stays_sound(house: House) -> None:
    await trade(house)
    before = await details(house)
    put_in = await move(house, "deposit", "2500.25")
    assert put_in.status_code == 201
    models_accounts.MovedAnswer.model_validate(put_in.json())
    after = await details(house)
    for name in ("cash", "balance", "equity", "starting_cash"):
        assert after[name] - before[name] == Decimal("2500.25")
    assert (after["unrealized_pnl"], after["realized_today"]) == (before["unrealized_pnl"], before["realized_today"])
    assert (put_in.json()["cash"], put_in.json()["balance"]) == (float(after["cash"]), float(after["balance"]))
    await sound(house)
    taken = await move(house, "withdrawal", 50_000)
    assert taken.status_code == 201
    assert (await details(house))["equity"] == before["equity"] + Decimal("2500.25") - 50_000
    await sound(house)
    listed = (await ask(house, "GET", f"accounts/{house.account_id}/movements")).json()
    assert [(row["kind"], row["amount"]) for row in listed] == [("withdrawal", 50_000), ("deposit", 2500.25)]
    assert listed[1]["id"] == put_in.json()["id"]


async def test_only_what_is_free_can_be_taken_out(house: House) -> None:
    await trade(house)
    await house.bar(1, "1.1 1.2 1.1 1.2")  # unrealised profit of 1,000
    await house.decide()
    found = await details(house)
    assert found["unrealized_pnl"] > 900
    free = found["balance"] - found["committed"]
    refused = await move(house, "withdrawal", free + Decimal("0.01"))
    assert refused.status_code == 409
    assert "are free" in refused.json()["detail"]
    assert (await details(house))["cash"] == found["cash"]
    assert (await move(house, "withdrawal", free)).status_code == 201
    assert (await move(house, "withdrawal", "0.01")).status_code == 409
    await sound(house)


async def test_a_loss_counts_against_what_is_free(house: House) -> None:
    await trade(house)
    await house.bar(1, "1.1 1.1 1.0 1.0")
    await house.decide()
    found = await details(house)
    assert found["unrealized_pnl"] < -900
    assert (await move(house, "withdrawal", found["balance"] - found["committed"])).status_code == 409
    assert (await move(house, "withdrawal", found["equity"] - found["committed"])).status_code == 201


async def test_profit_can_be_taken_out_beyond_what_was_put_in(house: House) -> None:
    await trade(house, close_at="1.2")
    found = await details(house)
    assert found["balance"] > 100_900
    assert (await move(house, "withdrawal", found["balance"])).status_code == 201
    after = await details(house)
    assert (after["cash"], after["balance"]) == (0, 0)
    assert after["starting_cash"] < -900
    assert after["realized_today"] == found["realized_today"]
    await sound(house)


async def test_a_movement_does_not_touch_what_was_lost_today(house: House) -> None:
    await ask(house, "PATCH", f"accounts/{house.account_id}", {"limits": {"daily_loss_limit_pct": 5}})
    await trade(house, close_at="1.0")
    row = await house.pool.fetchrow("SELECT day_realized, day_start_balance FROM accounts WHERE is_default")
    await move(house, "deposit", 1_000)
    after = await house.pool.fetchrow("SELECT day_realized, day_start_balance FROM accounts WHERE is_default")
    assert after["day_realized"] == row["day_realized"] < -900
    assert after["day_start_balance"] == row["day_start_balance"] + 1_000
    await move(house, "withdrawal", 90_000)  # 5 % of what is left is less than what was lost
    strategy = await made(house)
    await send(house, strategy["webhook_url"], BUY, 5)
    await house.decide()
    assert (await house.get("/api/v1/signals", limit=1)).json()[0]["error_message"] == "daily_loss_limit_reached"


async def test_an_account_that_starts_empty_trades_once_there_is_money(house: House) -> None:
    one = (await ask(house, "POST", "broker-connections", {"kind": "paper", "label": "Empty", "starting_cash": 0})).json()
    strategy = await made(house, broker_connection_id=one["broker_connection_id"])
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    await send(house, strategy["webhook_url"], BUY)
    await house.decide()
    assert (await house.get("/api/v1/signals", limit=1)).json()[0]["status"] != "executed"
    await ask(house, "POST", f"accounts/{one['account_id']}/deposits", {"amount": 100_000})
    await send(house, strategy["webhook_url"], BUY, 1.5)
    await house.decide()
    assert (await house.get("/api/v1/signals", limit=1)).json()[0]["status"] == "executed"
    await sound(house)


async def test_the_same_key_moves_the_money_once(house: House) -> None:
    key = {"Idempotency-Key": "order-17"}
    first = await move(house, "deposit", 100, **key)
    again = await move(house, "deposit", 100, **key)
    assert again.status_code == first.status_code == 201
    assert again.json() == first.json()
    other = await move(house, "deposit", 101, **key)
    assert (other.status_code, "another movement" in other.json()["detail"]) == (409, True)
    assert (await move(house, "withdrawal", 100, **key)).status_code == 409
    assert (await details(house))["cash"] == 100_100
    together = await asyncio.gather(*(move(house, "deposit", 5, **{"Idempotency-Key": "at-once"}) for _ in range(5)))
    assert {answer.status_code for answer in together} == {201}
    assert (await details(house))["cash"] == 100_105


async def test_a_repeated_withdrawal_is_answered_although_nothing_is_left(house: House) -> None:
    key = {"Idempotency-Key": "all"}
    first = await move(house, "withdrawal", 100_000, **key)
    again = await move(house, "withdrawal", 100_000, **key)
    assert (again.status_code, again.json()) == (201, first.json())


async def test_movements_at_once_are_all_counted(house: House) -> None:
    answers = await asyncio.gather(*(move(house, "withdrawal", 30_000) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 409, 409]
    assert (await details(house))["cash"] == 10_000
    await sound(house)


async def test_a_broker_s_account_is_not_moved_by_us(house: House) -> None:
    one = (await ask(house, "POST", "broker-connections", {"kind": "mt5", "label": "Terminal"})).json()
    for kind in ("deposits", "withdrawals"):
        answer = await ask(house, "POST", f"accounts/{one['account_id']}/{kind}", {"amount": 1})
        assert (answer.status_code, "broker" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize("amount", [0, -1, "NaN", None, True, 10**12 + 1, "1e-11", [1], "1e400"])
@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
async def test_an_amount_out_of_bounds_is_refused(house: House, kind: str, amount: Any) -> None:
    assert (await move(house, kind, amount)).status_code == 422
    assert (await details(house))["cash"] == 100_000


async def test_an_account_holds_only_so_much(house: House) -> None:
    await house.pool.execute("UPDATE accounts SET starting_cash = 1e14 - 5")
    answer = await move(house, "deposit", 5)
    assert (answer.status_code, "more than" in answer.json()["detail"]) == (409, True)


async def test_name_zone_limits_and_symbols_can_be_changed(house: House) -> None:
    body = {
        "name": "Main",
        "time_zone": "Asia/Tokyo",
        "limits": {"max_open_positions": 7, "max_exposure_pct": "12.5"},
        "symbol_map": {"eurusd": "EURUSD.r"},
    }
    found = (await ask(house, "PATCH", f"accounts/{house.account_id}", body)).json()
    assert (found["name"], found["time_zone"], found["symbol_map"]) == ("Main", "Asia/Tokyo", {"EURUSD": "EURUSD.r"})
    assert found["own_limits"] == {"max_open_positions": 7, "max_exposure_pct": 12.5}
    assert (found["limits"]["max_open_positions"], found["limits"]["price_collar_pct"]) == (7, 5)
    found = (await ask(house, "PATCH", f"accounts/{house.account_id}", {"limits": {"max_open_positions": None}})).json()
    assert (found["own_limits"], found["name"]) == ({"max_exposure_pct": 12.5}, "Main")
    assert (await ask(house, "PATCH", f"accounts/{house.account_id}", {})).json()["own_limits"] == {"max_exposure_pct": 12.5}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"time_zone": None}, "time_zone"),
        ({"limits": None}, "limits"),
        ({"limits": {"max_everything": 1}}, "limits"),
        ({"limits": {"max_exposure": -1}}, "limits"),
        ({"limits": {"max_exposure": "NaN"}}, "limits"),
        ({"limits": {"max_exposure": 10**12 + 1}}, "limits"),
        ({"symbol_map": None}, "symbol_map"),
        ({"symbol_map": {"a b": "c"}}, "symbol_map"),
        ({"cash": 5}, "cash"),
        ({"is_default": True}, "is_default"),
    ],
)
async def test_a_change_that_can_t_be_made_is_named(house: House, body: Any, place: str) -> None:
    answer = await ask(house, "PATCH", f"accounts/{house.account_id}", body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", place]


async def test_the_equity_curve_has_one_point_a_minute(house: House) -> None:
    async with house.pool.acquire() as connection:
        for seconds, equity in ((0, 1), (59, 2), (60, 3), (180, 4)):
            when = NOON + timedelta(seconds=seconds)
            await record_equity(connection, house.account_id, when, Decimal(equity), Decimal(10), Decimal("0.5"))
    path = f"accounts/{house.account_id}/equity"
    points = (await ask(house, "GET", path)).json()
    assert [(row["at"], row["equity"]) for row in points] == [
        ("2026-03-02T12:00:00Z", 2), ("2026-03-02T12:01:00Z", 3), ("2026-03-02T12:03:00Z", 4),
    ]  # fmt: skip
    models_accounts.EquityPoint.model_validate(points[0])
    asked = {
        "limit=2": [3, 4],
        "from=2026-03-02T12:01:30Z": [3, 4],
        "to=2026-03-02T12:01:59Z": [2, 3],
        "from=2026-03-02T12:01:00Z&to=1772452860": [3],
        "from=2026-03-03T00:00:00Z&to=2026-03-01T00:00:00Z": [],
    }
    for query, expected in asked.items():
        assert [row["equity"] for row in (await ask(house, "GET", f"{path}?{query}")).json()] == expected, query
    for query in ("from=yesterday", "to=1", "limit=0", "limit=10001", "from=9999-12-31T23:59:59Z", "from="):
        assert (await ask(house, "GET", f"{path}?{query}")).status_code == 422, query


async def test_a_movement_is_seen_on_the_equity_curve(house: House) -> None:
    await trade(house)
    await move(house, "deposit", 100)
    found = await details(house)
    point = (await ask(house, "GET", f"accounts/{house.account_id}/equity")).json()[-1]
    assert (point["equity"], point["balance"], point["cash"]) == tuple(float(found[name]) for name in ("equity", "balance", "cash"))
    assert point["at"] == at(0).strftime("%Y-%m-%dT%H:%M:00Z")


async def test_what_belongs_to_others_does_not_exist(house: House) -> None:
    await house.new_user(OTHER)
    routes = (
        ("GET", "", None), ("GET", "/movements", None), ("GET", "/equity", None), ("PATCH", "", {"name": "Mine"}),
        ("POST", "/deposits", {"amount": 1}), ("POST", "/withdrawals", {"amount": 1}),
    )  # fmt: skip
    for method, tail, body in routes:
        foreign = await ask(house, method, f"accounts/{house.account_id}{tail}", body, OTHER)
        unknown = await ask(house, method, f"accounts/{uuid4()}{tail}", body, OTHER)
        assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content), (method, tail)
        assert foreign.status_code == 404
    found = await details(house)
    assert (found["name"], found["cash"]) == ("Paper", 100_000)


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
async def test_a_key_has_bounds(house: House, key: str) -> None:
    assert (await move(house, "deposit", 1, **{"Idempotency-Key": key})).status_code == 422
