"""Strategies over HTTP: made, listed, changed, given new secrets, deleted; each user's own and nobody else's."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from hookfill.accounts.store import hash_secret
from hookfill.api import models_strategies
from hookfill.ops.ledger import check_ledger
from support.asking import OTHER, ask, made, send
from support.house import TOKEN, House

PREFIX = "http://house/api/v1/webhooks/tv/"
SETTINGS = {
    "sizing": {"mode": "risk_percent", "percent": 1.5},
    "policy": {"on_opposite": "close", "pyramiding": 3},
    "exits": {"stop": {"pips": 50}, "target": {"r": 2}, "max_hold_hours": 120},
    "filters": {"trend": True, "min_confluence": 2},
    "market": {"extended_hours": True},
    "windows": [{"days": ["mon", "fri"], "from": "09:30", "to": "16:00", "time_zone": "America/New_York"}],
}


async def listed(house: House, token: str = TOKEN) -> list[dict[str, Any]]:
    answer = await ask(house, "GET", "strategies", token=token)
    rows: list[dict[str, Any]] = json.loads(answer.content, parse_float=Decimal)
    for row in rows:
        models_strategies.StrategyAnswer.model_validate(row)
    return rows


async def test_a_strategy_is_made_on_the_default_account_and_its_url_shown_once(house: House) -> None:
    first, second = await made(house), await made(house)
    assert first.keys() == {"strategy_id", "webhook_url"}
    assert first["webhook_url"].startswith(PREFIX)
    secret = first["webhook_url"].removeprefix(PREFIX)
    assert len(secret) == 43
    assert first["webhook_url"] != second["webhook_url"]
    stored = await house.pool.fetchrow("SELECT * FROM webhook_secrets WHERE strategy_id = $1", UUID(first["strategy_id"]))
    assert (stored["secret_sha256"], stored["account_id"]) == (hash_secret(secret), house.account_id)
    answer = await ask(house, "GET", "strategies")
    assert secret not in answer.text
    rows = await listed(house)
    assert [row["id"] for row in rows[:2]] == [second["strategy_id"], first["strategy_id"]]
    assert rows[0] | {"created_at": "", "updated_at": ""} == {
        "id": second["strategy_id"],
        "strategy_id": second["strategy_id"],
        "name": "Breakout",
        "account_id": str(house.account_id),
        "account_name": "Paper",
        "account_kind": "paper",
        "broker_connection_id": None,
        "connection_label": None,
        "engine": "direct",
        "is_enabled": True,
        "is_signed_door": False,
        "risk_override_pct": None,
        "allowed_pairs": None,
        "settings": {},
        "signals": 0,
        "signals_by_status": {},
        "created_at": "",
        "updated_at": "",
    }


async def test_everything_that_a_strategy_can_have_comes_back_as_it_was_sent(house: House) -> None:
    body = {
        "risk_override_pct": 0.5,
        "allowed_pairs": ["eurusd", " SPY "],
        "engine": "ab",
        "is_enabled": False,
        "settings": SETTINGS,
    }
    one = await made(house, **body)
    row = (await listed(house))[0]
    assert row["id"] == one["strategy_id"]
    assert (row["risk_override_pct"], row["allowed_pairs"], row["engine"], row["is_enabled"]) == (
        Decimal("0.5"), ["EURUSD", "SPY"], "ab", False,
    )  # fmt: skip
    assert row["settings"] == json.loads(json.dumps(SETTINGS), parse_float=Decimal)
    assert (await ask(house, "GET", f"strategies/{one['strategy_id']}")).json()["id"] == one["strategy_id"]


async def test_an_alert_to_the_new_url_is_traded_and_counted(house: House) -> None:
    one = await made(house)
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    await send(house, one["webhook_url"], {"symbol": "EURUSD", "action": "buy", "volume": 0.01})
    await send(house, one["webhook_url"], {"symbol": "EURUSD", "action": "explode"}, 1)
    row = (await listed(house))[0]
    assert (row["signals"], row["signals_by_status"]) == (2, {"pending": 2})
    await house.decide()
    row = (await listed(house))[0]
    assert (row["signals"], row["signals_by_status"]) == (2, {"discarded": 1, "executed": 1})


async def test_a_change_counts_at_once_and_null_clears_an_override(house: House) -> None:
    one = await made(house, risk_override_pct=2, allowed_pairs=["SPY"], settings=SETTINGS)
    path = f"strategies/{one['strategy_id']}"
    answer = await ask(house, "PATCH", path, {"is_enabled": False})
    assert (answer.status_code, answer.json()["is_enabled"], answer.json()["risk_override_pct"]) == (200, False, 2)
    await send(house, one["webhook_url"], {"symbol": "SPY", "action": "buy", "price": 500})
    await house.decide()
    signal = (await house.get("/api/v1/signals", limit=1)).json()[0]
    assert (signal["status"], signal["reason"]) == ("discarded", "strategy_disabled")
    changed = await ask(
        house,
        "PATCH",
        path,
        {"name": "Other", "risk_override_pct": None, "allowed_pairs": None, "engine": "rules", "is_enabled": True},
    )
    found = changed.json()
    assert [found[name] for name in ("name", "risk_override_pct", "allowed_pairs", "engine", "is_enabled")] == [
        "Other", None, None, "rules", True,
    ]  # fmt: skip
    assert found["updated_at"] > found["created_at"]


async def test_a_settings_section_takes_the_old_one_s_place_and_the_others_stay(house: House) -> None:
    one = await made(house, settings=SETTINGS)
    path = f"strategies/{one['strategy_id']}"
    body = {"settings": {"exits": {"stop": {"percent": "2.5"}}, "policy": None, "filters": {}}}
    found = json.loads((await ask(house, "PATCH", path, body)).content, parse_float=Decimal)["settings"]
    assert found["exits"] == {"stop": {"percent": Decimal("2.5")}}
    assert found["sizing"] == {"mode": "risk_percent", "percent": Decimal("1.5")}
    assert "policy" not in found
    assert found["filters"] == {}
    assert (await ask(house, "PATCH", path, {})).json()["settings"] == json.loads(json.dumps(found, default=float))
    assert (await ask(house, "PATCH", path, {"settings": None})).json()["settings"] == {}


async def test_entries_outside_the_trading_windows_are_rejected_and_exits_pass(house: House) -> None:
    windows = [{"from": "11:00", "to": "12:01"}]
    one = await made(house, settings={"windows": windows})
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    await send(house, one["webhook_url"], {"symbol": "EURUSD", "action": "buy", "volume": 0.01})
    await send(house, one["webhook_url"], {"symbol": "GBPUSD", "action": "buy", "volume": 0.01, "price": 1.3}, 1)
    await send(house, one["webhook_url"], {"symbol": "EURUSD", "action": "close"}, 2)
    await house.decide()
    rows = (await house.get("/api/v1/signals")).json()
    assert [(row["status"], row["reason"]) for row in rows] == [
        ("executed", None), ("rejected", "outside_trading_window"), ("executed", None),
    ]  # fmt: skip


async def test_a_deleted_strategy_takes_its_signals_along_and_leaves_the_ledger_clean(house: House) -> None:
    one, kept = await made(house), await made(house)
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    alert = {"symbol": "EURUSD", "action": "buy", "volume": 0.01}
    for minute, url in ((0, one["webhook_url"]), (0.1, kept["webhook_url"])):
        await send(house, url, alert, minute)
    await house.decide()
    await send(house, one["webhook_url"], {**alert, "volume": 0.02}, 1)  # still to be decided
    before = await house.pool.fetchrow("SELECT count(*) FROM messages")
    answer = await ask(house, "DELETE", f"strategies/{one['strategy_id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await listed(house))[0]["id"] == kept["strategy_id"]
    assert {row["strategy_id"] for row in (await house.get("/api/v1/signals")).json()} == {kept["strategy_id"]}
    for table in ("signals", "webhook_secrets", "strategies"):
        assert await house.pool.fetch(f"SELECT 1 FROM {table} WHERE strategy_id = $1", UUID(one["strategy_id"])) == []
    assert await house.pool.fetchval("SELECT count(*) FROM decisions") == 1
    await house.decide()
    assert await house.pool.fetchrow("SELECT count(*) FROM messages") == before
    assert await house.pool.fetchval("SELECT count(*) FROM orders") == 2
    async with house.pool.acquire() as connection:
        assert [one for one in await check_ledger(connection) if not one.holds] == []
    for path in (f"strategies/{one['strategy_id']}", "strategies/rotate"):
        assert (await ask(house, "GET", path)).status_code in (404, 422)
    assert (await ask(house, "DELETE", f"strategies/{one['strategy_id']}")).status_code == 404
    for path in ("signals", "orders", "positions", "positions?status=all", "account"):
        assert (await house.get(f"/api/v1/{path}")).status_code == 200
    for message in await house.pool.fetch("SELECT message_id FROM messages WHERE strategy_id = $1", UUID(one["strategy_id"])):
        assert (await house.get(f"/api/v1/signals/{message['message_id']}/story")).status_code in (200, 404)


async def test_a_position_of_a_deleted_strategy_still_leaves_by_its_exit_rules(house: House) -> None:
    one = await made(house, settings={"exits": {"stop": {"pips": 50}}})
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    await send(house, one["webhook_url"], {"symbol": "EURUSD", "action": "buy", "volume": 0.01})
    await house.decide()
    assert (await ask(house, "DELETE", f"strategies/{one['strategy_id']}")).status_code == 204
    await house.bar(1, "1.1 1.1 1.09 1.09")
    await house.decide()
    row = (await house.get("/api/v1/positions", status="closed")).json()[0]
    assert (row["exit_reason"], row["strategy_name"]) == ("stop_loss", None)
    async with house.pool.acquire() as connection:
        assert [one for one in await check_ledger(connection) if not one.holds] == []


async def test_the_signed_door_s_strategy_stays(house: House) -> None:
    door = next(row for row in await listed(house) if row["is_signed_door"])
    answer = await ask(house, "DELETE", f"strategies/{door['id']}")
    assert answer.status_code == 409
    assert "switch it off" in answer.json()["detail"]
    assert len(await listed(house)) == 1


async def test_what_belongs_to_others_does_not_exist(house: House) -> None:
    await house.new_user(OTHER)
    one = await made(house)
    bodies = {"GET": None, "PATCH": {"name": "Mine now"}, "DELETE": None, "POST": {}}
    for method, tail in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret"), ("GET", "/alert-template")):
        foreign = await ask(house, method, f"strategies/{one['strategy_id']}{tail}", bodies[method], OTHER)
        unknown = await ask(house, method, f"strategies/{uuid4()}{tail}", bodies[method], OTHER)
        assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content), (method, tail)
        assert foreign.status_code == 404
    assert await listed(house, OTHER) == []
    assert (await listed(house))[0]["name"] == "Breakout"
    theirs = await made(house, OTHER)
    assert [row["id"] for row in await listed(house, OTHER)] == [theirs["strategy_id"]]
    assert theirs["strategy_id"] not in str(await listed(house))


BAD: list[tuple[Any, list[str]]] = [
    ({}, ["body", "name"]),
    ({"name": ""}, ["body", "name"]),
    ({"name": " \t "}, ["body", "name"]),
    ({"name": "a\nb"}, ["body", "name"]),
    ({"name": "x" * 121}, ["body", "name"]),
    ({"name": "a\u202eb"}, ["body", "name"]),
    ({"name": 1}, ["body", "name"]),
    ({"name": "a", "more": 1}, ["body", "more"]),
    ({"name": "a", "risk_override_pct": 0}, ["body", "risk_override_pct"]),
    ({"name": "a", "risk_override_pct": 100.1}, ["body", "risk_override_pct"]),
    ({"name": "a", "risk_override_pct": "NaN"}, ["body", "risk_override_pct"]),
    ({"name": "a", "risk_override_pct": True}, ["body", "risk_override_pct"]),
    ({"name": "a", "risk_override_pct": "0.00000000001"}, ["body", "risk_override_pct"]),
    ({"name": "a", "allowed_pairs": "EURUSD"}, ["body", "allowed_pairs"]),
    ({"name": "a", "allowed_pairs": ["EUR USD"]}, ["body", "allowed_pairs", "0"]),
    ({"name": "a", "allowed_pairs": [None]}, ["body", "allowed_pairs", "0"]),
    ({"name": "a", "allowed_pairs": ["X"] * 501}, ["body", "allowed_pairs"]),
    ({"name": "a", "engine": "oracle"}, ["body", "engine"]),
    ({"name": "a", "is_enabled": "yes"}, ["body", "is_enabled"]),
    ({"name": "a", "broker_connection_id": "mine"}, ["body", "broker_connection_id"]),
    ({"name": "a", "settings": []}, ["body", "settings"]),
    ({"name": "a", "settings": {"exit": {}}}, ["body", "settings", "exit"]),
    ({"name": "a", "settings": {"sizing": {"mode": "all in"}}}, ["body", "settings", "sizing", "mode"]),
    ({"name": "a", "settings": {"sizing": {"mode": "equity_percent"}}}, ["body", "settings", "sizing"]),
    ({"name": "a", "settings": {"exits": {"stop": {"r": 1}}}}, ["body", "settings", "exits"]),
    ({"name": "a", "settings": {"exits": {"stop": {"pips": 1, "percent": 1}}}}, ["body", "settings", "exits"]),
    ({"name": "a", "settings": {"exits": {"max_hold_hours": 0}}}, ["body", "settings", "exits", "max_hold_hours"]),
    ({"name": "a", "settings": {"policy": {"pyramiding": 0}}}, ["body", "settings", "policy", "pyramiding"]),
    ({"name": "a", "settings": {"policy": {"pyramiding": 10**30}}}, ["body", "settings", "policy", "pyramiding"]),
    ({"name": "a", "settings": {"policy": {"on_opposite": "panic"}}}, ["body", "settings", "policy", "on_opposite"]),
    ({"name": "a", "settings": {"filters": {"min_confluence": 6}}}, ["body", "settings", "filters", "min_confluence"]),
    ({"name": "a", "settings": {"filters": {"min_atr_percent": 3, "max_atr_percent": 1}}}, ["body", "settings", "filters"]),
    ({"name": "a", "settings": {"market": {"extended_hours": 1}}}, ["body", "settings", "market", "extended_hours"]),
    ({"name": "a", "settings": {"windows": [{"from": "9:00", "to": "10:00"}]}}, ["body", "settings", "windows", "0", "from"]),
    ({"name": "a", "settings": {"windows": [{"from": "24:00", "to": "10:00"}]}}, ["body", "settings", "windows"]),
    ({"name": "a", "settings": {"windows": [{"from": "09:00", "to": "10:00", "time_zone": "Mars"}]}},
     ["body", "settings", "windows", "0", "time_zone"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "place"), BAD)
async def test_a_field_that_can_t_be_used_is_named(house: House, body: Any, place: list[str]) -> None:
    answer = await ask(house, "POST", "strategies", body)
    assert answer.status_code == 422, answer.text
    assert [str(part) for part in answer.json()["detail"][0]["loc"]] == place
    if "name" not in place and "more" not in body:
        strategy = (await listed(house))[0]["id"]
        changes = {name: value for name, value in body.items() if name not in ("name", "broker_connection_id")}
        if changes:
            assert (await ask(house, "PATCH", f"strategies/{strategy}", changes)).status_code == 422
    assert len(await listed(house)) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b'{"name": "a", "name": "b"}', b'{"name": "\\u0000"}', b'{"name": "\\ud800"}', b"\xff",
     b'{"name": "a", "risk_override_pct": NaN}', b'{"name": "a", "risk_override_pct": 1e400}', b"[" * 10_000],
)  # fmt: skip
async def test_a_body_that_is_no_strict_json_object_is_refused(house: House, body: bytes) -> None:
    assert (await ask(house, "POST", "strategies", body)).status_code == 422
    assert len(await listed(house)) == 1


@pytest.mark.parametrize("body", [{"name": None}, {"engine": None}, {"is_enabled": None}, {"broker_connection_id": None}])
async def test_what_a_strategy_must_have_can_t_be_cleared(house: House, body: Any) -> None:
    one = await made(house)
    assert (await ask(house, "PATCH", f"strategies/{one['strategy_id']}", body)).status_code == 422


async def test_somebody_else_s_connection_is_none(house: House) -> None:
    answer = await ask(house, "POST", "strategies", {"name": "a", "broker_connection_id": str(uuid4())})
    assert answer.status_code == 404
    assert "broker-connections" in answer.json()["detail"]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "offset=-1", "offset=99999999999999999999", "limit=x"])
async def test_pages_have_bounds(house: House, query: str) -> None:
    assert (await ask(house, "GET", f"strategies?{query}")).status_code == 422


async def test_without_a_token_nothing_is_done(house: House) -> None:
    one = await made(house)
    for method, tail in (("GET", ""), ("POST", ""), *((m, f"/{one['strategy_id']}") for m in ("GET", "PATCH", "DELETE"))):
        answer = await house.client.request(method, f"/api/v1/strategies{tail}", json={"name": "x"})
        assert answer.status_code == 401
    assert [row["name"] for row in await listed(house)] == ["Breakout", "Signed webhook"]


async def test_the_alert_template_is_that_of_the_strategy_and_holds_no_secret(house: House) -> None:
    one = await made(house, allowed_pairs=["SPY"], risk_override_pct=1)
    answer = await ask(house, "GET", f"strategies/{one['strategy_id']}/alert-template")
    found = models_strategies.AlertTemplates.model_validate(answer.json())
    assert (found.webhook_url, found.recommended) == (f"{PREFIX}SECRET", "own_size")
    assert any("SPY" in hint for hint in found.hints)
    assert one["webhook_url"].removeprefix(PREFIX) not in answer.text


async def test_a_new_secret_takes_over_and_the_old_one_works_for_the_overlap(house: House) -> None:
    one = await made(house)
    path = f"strategies/{one['strategy_id']}/rotate-secret"
    answer = await ask(house, "POST", path, {"overlap_seconds": 3600})
    models_strategies.NewSecretAnswer.model_validate(answer.json())
    second = answer.json()["webhook_url"]
    assert second != one["webhook_url"]
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    for minute, url in enumerate((one["webhook_url"], second)):
        await send(house, url, {"symbol": "EURUSD", "action": "buy", "volume": 0.01}, 2 * minute)
    assert [row["strategy_id"] for row in (await house.get("/api/v1/signals")).json()] == [one["strategy_id"]] * 2
    third = (await ask(house, "POST", path)).json()["webhook_url"]  # without a body: a day
    left = await house.pool.fetch("SELECT extract(epoch FROM expires_at - now()) FROM webhook_secrets ORDER BY expires_at")
    assert [row[0] is None or row[0] // 3600 for row in left] == [0, 23, True]
    fourth = (await ask(house, "POST", path, {"overlap_seconds": 0})).json()["webhook_url"]
    stored = await house.pool.fetch("SELECT secret_sha256 FROM webhook_secrets")
    assert [row[0] for row in stored] == [hash_secret(fourth.removeprefix(PREFIX))]
    assert third != fourth


@pytest.mark.parametrize("overlap", [-1, 30 * 86_400 + 1, 1.5, "60", None, True, 10**30])
async def test_an_overlap_has_bounds(house: House, overlap: Any) -> None:
    one = await made(house)
    answer = await ask(house, "POST", f"strategies/{one['strategy_id']}/rotate-secret", {"overlap_seconds": overlap})
    assert answer.status_code == 422
    assert await house.pool.fetchval("SELECT count(*) FROM webhook_secrets") == 1


async def test_who_has_no_account_yet_gets_a_paper_account_with_the_first_strategy(house: House) -> None:
    user_id = await house.new_user(OTHER)
    await house.pool.execute("DELETE FROM accounts WHERE user_id = $1", user_id)
    first, second = await made(house, OTHER), await made(house, OTHER)
    rows = await listed(house, OTHER)
    assert {row["id"] for row in rows} == {first["strategy_id"], second["strategy_id"]}
    (account,) = await house.pool.fetch("SELECT * FROM accounts WHERE user_id = $1", user_id)
    assert (account["is_default"], account["kind"], account["cash"]) == (True, "paper", 100_000)
    assert {row["account_id"] for row in rows} == {str(account["account_id"])}


async def test_the_routes_run_as_the_person_s_role(house: House) -> None:
    """What one must not see is withheld by the database: a policy that lets nothing through empties the list."""
    one = await made(house)
    await house.pool.execute("ALTER POLICY own ON strategies USING (false)")
    assert await listed(house) == []
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert (await ask(house, method, f"strategies/{one['strategy_id']}", body)).status_code == 404
    await house.pool.execute("ALTER POLICY own ON accounts USING (false)")
    assert (await ask(house, "GET", f"accounts/{house.account_id}")).status_code == 404
    assert (await ask(house, "POST", f"accounts/{house.account_id}/deposits", {"amount": 1})).status_code == 404
