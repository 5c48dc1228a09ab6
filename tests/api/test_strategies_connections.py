"""Broker connections and user settings over HTTP: each with its account, its secrets closed up, and each user's own."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from hookfill.accounts import connections
from hookfill.accounts.vault import Vault
from hookfill.api import models_accounts
from support.asking import OTHER, ask, made, send
from support.house import House

SECRET = "canary-broker-secret-18e0c2"


async def connected(house: House, token: str | None = None, **body: Any) -> dict[str, Any]:
    answer = await ask(house, "POST", "broker-connections", {"kind": "paper", "label": "Swing", **body}, *filter(None, [token]))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("body", "kind", "cash", "currency"),
    [
        ({}, "paper", Decimal(100_000), "USD"),
        ({"starting_cash": 0}, "paper", Decimal(0), "USD"),
        ({"starting_cash": "2500.5", "currency": "EUR"}, "paper", Decimal("2500.5"), "EUR"),
        ({"kind": "mt5", "currency": "JPY"}, "mt5", Decimal(0), "JPY"),
        ({"kind": "alpaca", "credentials": {"key_id": "PK", "secret_key": SECRET}}, "alpaca", Decimal(0), "USD"),
    ],
)
async def test_a_connection_comes_with_an_account_of_its_kind(
    house: House, body: Any, kind: str, cash: Decimal, currency: str
) -> None:
    one = await connected(house, **body)
    assert one.keys() == {"broker_connection_id", "account_id"}
    row = await house.pool.fetchrow("SELECT * FROM accounts WHERE account_id = $1", UUID(one["account_id"]))
    assert (row["kind"], row["name"], row["currency"], row["is_default"], row["user_id"]) == (
        kind, "Swing", currency, False, house.owner,
    )  # fmt: skip
    assert {row[name] for name in ("starting_cash", "cash", "balance", "day_start_balance")} == {cash}


async def test_strategies_trade_where_their_connection_leads(house: House) -> None:
    one = await connected(house, time_zone="Europe/Berlin", symbol_map={"*": ".r", "us30": "DJ30"})
    strategy = await made(house, broker_connection_id=one["broker_connection_id"])
    row = (await ask(house, "GET", f"strategies/{strategy['strategy_id']}")).json()
    assert [row[name] for name in ("account_id", "broker_connection_id", "connection_label", "account_name")] == [
        one["account_id"], one["broker_connection_id"], "Swing", "Swing",
    ]  # fmt: skip
    listed = (await ask(house, "GET", "broker-connections")).json()
    assert [models_accounts.ConnectionAnswer.model_validate(found).strategies for found in listed] == [1]
    assert (listed[0]["symbol_map"], listed[0]["time_zone"]) == ({"*": ".r", "US30": "DJ30"}, "Europe/Berlin")


async def test_credentials_are_closed_up_and_never_come_back(house: House, caplog: pytest.LogCaptureFixture) -> None:
    one = await connected(house, kind="alpaca", credentials={"secret_key": SECRET, "key_id": "PK1"})
    path = f"broker-connections/{one['broker_connection_id']}"
    stored = await house.pool.fetchval("SELECT credentials FROM broker_connections")
    assert SECRET.encode() not in stored
    for method, where, body in (("GET", "broker-connections", None), ("GET", path, None), ("PATCH", path, {"label": "Other"})):
        answer = await ask(house, method, where, body)
        assert SECRET not in answer.text
        assert "PK1" not in answer.text
        found = answer.json()[0] if isinstance(answer.json(), list) else answer.json()
        assert found["credential_names"] == ["key_id", "secret_key"]
    assert await house.pool.fetchval("SELECT credentials FROM broker_connections") == stored
    assert (await ask(house, "PATCH", path, {"credentials": {"token": "x"}})).json()["credential_names"] == ["token"]
    assert (await ask(house, "PATCH", path, {"credentials": None})).json()["credential_names"] == []
    assert await house.pool.fetchval("SELECT credentials FROM broker_connections") is None
    assert SECRET not in caplog.text


async def test_what_the_vault_closes_the_server_can_open(house: House) -> None:
    vault = Vault("k" * 32)
    async with house.pool.acquire() as connection:
        wanted = connections.NewConnection("alpaca", "A", "USD", "UTC", Decimal(0), {"key_id": "PK", "secret_key": SECRET})
        await connections.create(connection, house.owner, vault, wanted)
        closed = await connection.fetchval("SELECT credentials FROM broker_connections")
    assert vault.open(closed) == {"key_id": "PK", "secret_key": SECRET}


async def test_a_change_keeps_what_it_does_not_name(house: House) -> None:
    one = await connected(house, kind="mt5", symbol_map={"*": ".r"})
    path = f"broker-connections/{one['broker_connection_id']}"
    found = (await ask(house, "PATCH", path, {"label": "Terminal"})).json()
    assert (found["label"], found["account_name"], found["symbol_map"]) == ("Terminal", "Terminal", {"*": ".r"})
    await ask(house, "PATCH", f"accounts/{one['account_id']}", {"name": "My own"})
    found = (await ask(house, "PATCH", path, {"label": "Third", "symbol_map": None})).json()
    assert (found["label"], found["account_name"], found["symbol_map"]) == ("Third", "My own", {})


async def test_a_connection_in_use_is_not_deleted(house: House) -> None:
    one = await connected(house)
    path = f"broker-connections/{one['broker_connection_id']}"
    strategy = await made(house, broker_connection_id=one["broker_connection_id"])
    answer = await ask(house, "DELETE", path)
    assert (answer.status_code, "delete them first" in answer.json()["detail"]) == (409, True)
    await house.bar(-1, "1.1 1.1 1.1 1.1")
    await send(house, strategy["webhook_url"], {"symbol": "EURUSD", "action": "buy", "volume": 0.01})
    await house.decide()
    answer = await ask(house, "DELETE", path)
    assert (answer.status_code, "close them first" in answer.json()["detail"]) == (409, True)
    await send(house, strategy["webhook_url"], {"symbol": "EURUSD", "action": "close"}, 1)
    await house.decide()
    await house.pool.execute("UPDATE orders SET status = 'submitting' WHERE purpose = 'exit'")
    answer = await ask(house, "DELETE", path)
    assert (answer.status_code, "under way" in answer.json()["detail"]) == (409, True)
    await house.pool.execute("UPDATE orders SET status = 'filled'")
    assert (await ask(house, "DELETE", f"strategies/{strategy['strategy_id']}")).status_code == 204
    answer = await ask(house, "DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await ask(house, "GET", path)).status_code == 404
    assert (await ask(house, "DELETE", path)).status_code == 404
    details = (await ask(house, "GET", f"accounts/{one['account_id']}")).json()
    assert (details["name"], details["broker_connection_id"]) == ("Swing", None)
    assert await house.pool.fetchval("SELECT count(*) FROM orders") == 2


async def test_what_belongs_to_others_does_not_exist(house: House) -> None:
    await house.new_user(OTHER)
    one = await connected(house, kind="mt5")
    for method, body in (("GET", None), ("PATCH", {"label": "Mine"}), ("DELETE", None)):
        foreign = await ask(house, method, f"broker-connections/{one['broker_connection_id']}", body, OTHER)
        unknown = await ask(house, method, f"broker-connections/{uuid4()}", body, OTHER)
        assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
        assert foreign.status_code == 404
    body = {"name": "a", "broker_connection_id": one["broker_connection_id"]}
    assert (await ask(house, "POST", "strategies", body, OTHER)).status_code == 404
    assert (await ask(house, "GET", "broker-connections", token=OTHER)).json() == []
    theirs = await connected(house, OTHER)
    assert [row["id"] for row in (await ask(house, "GET", "broker-connections", token=OTHER)).json()] == [
        theirs["broker_connection_id"]
    ]
    assert (await ask(house, "GET", "broker-connections")).json()[0]["label"] == "Swing"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"label": "a"}, ["body", "kind"]),
        ({"kind": "oanda", "label": "a"}, ["body", "kind"]),
        ({"kind": "paper"}, ["body", "label"]),
        ({"kind": "paper", "label": " "}, ["body", "label"]),
        ({"kind": "paper", "label": "a", "currency": "EURO"}, ["body", "currency"]),
        ({"kind": "paper", "label": "a", "currency": "eur"}, ["body", "currency"]),
        ({"kind": "paper", "label": "a", "time_zone": "Mars/Olympus"}, ["body", "time_zone"]),
        ({"kind": "paper", "label": "a", "starting_cash": -1}, ["body", "starting_cash"]),
        ({"kind": "paper", "label": "a", "starting_cash": 10**13}, ["body", "starting_cash"]),
        ({"kind": "mt5", "label": "a", "starting_cash": 5}, ["body"]),
        ({"kind": "mt5", "label": "a", "symbol_map": {"EUR USD": "X"}}, ["body", "symbol_map"]),
        ({"kind": "mt5", "label": "a", "symbol_map": {"EURUSD": ""}}, ["body", "symbol_map"]),
        ({"kind": "mt5", "label": "a", "symbol_map": {"EURUSD": "x" * 33}}, ["body", "symbol_map"]),
        ({"kind": "mt5", "label": "a", "symbol_map": {"EURUSD": 1}}, ["body", "symbol_map", "EURUSD"]),
        ({"kind": "mt5", "label": "a", "symbol_map": {f"S{i}": "x" for i in range(1001)}}, ["body", "symbol_map"]),
        ({"kind": "alpaca", "label": "a", "credentials": {"Key!": "x"}}, ["body", "credentials", "Key!", "[key]"]),
        ({"kind": "alpaca", "label": "a", "credentials": {"key": ""}}, ["body", "credentials", "key"]),
        ({"kind": "alpaca", "label": "a", "credentials": {"key": "x" * 2001}}, ["body", "credentials", "key"]),
        ({"kind": "alpaca", "label": "a", "credentials": {f"k{i}": "x" for i in range(21)}}, ["body", "credentials"]),
    ],
)
async def test_a_field_that_can_t_be_used_is_named(house: House, body: Any, place: list[str]) -> None:
    answer = await ask(house, "POST", "broker-connections", body)
    assert answer.status_code == 422, answer.text
    assert [str(part) for part in answer.json()["detail"][0]["loc"]] == place
    assert await house.pool.fetchval("SELECT count(*) FROM broker_connections") == 0


async def test_a_suffix_may_be_empty(house: House) -> None:
    assert (await connected(house, symbol_map={"*": ""})).keys() == {"broker_connection_id", "account_id"}


async def test_settings_are_the_defaults_until_they_are_changed_and_each_user_s_own(house: House) -> None:
    defaults = {
        "risk_percent": 1.0,
        "daily_loss_limit_pct": 5.0,
        "max_spread": 30,
        "default_lot_size": 0.01,
        "stop_loss_pips": 50,
        "take_profit_pips": 100,
    }
    await house.new_user(OTHER)
    await house.pool.execute("DELETE FROM user_settings")
    assert (await ask(house, "GET", "user-settings")).json() == defaults
    assert (await ask(house, "PATCH", "user-settings", {})).json() == defaults
    changed = await ask(house, "PATCH", "user-settings", {"daily_loss_limit_pct": 0, "risk_percent": "0.25"})
    assert changed.json() == {**defaults, "daily_loss_limit_pct": 0, "risk_percent": 0.25}
    changed = await ask(house, "PATCH", "user-settings", {"max_spread": 0})
    assert changed.json() == {**defaults, "daily_loss_limit_pct": 0, "risk_percent": 0.25, "max_spread": 0}
    assert (await ask(house, "GET", "user-settings")).json() == changed.json()
    assert (await ask(house, "GET", "user-settings", token=OTHER)).json() == defaults
    assert (await ask(house, "PATCH", "user-settings", {"stop_loss_pips": 10}, OTHER)).json()["stop_loss_pips"] == 10
    assert (await ask(house, "GET", "user-settings")).json() == changed.json()


@pytest.mark.parametrize("name", list(models_accounts.UserSettingsChange.model_fields))
@pytest.mark.parametrize("value", [-1, 10**6, "NaN", None, True, "much", 1e-11, [1]])
async def test_a_setting_out_of_bounds_is_refused(house: House, name: str, value: Any) -> None:
    answer = await ask(house, "PATCH", "user-settings", {name: value})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", name]


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("risk_percent", 0, 422),
        ("risk_percent", 100, 200),
        ("risk_percent", 100.1, 422),
        ("daily_loss_limit_pct", 100.1, 422),
        ("default_lot_size", 0, 422),
        ("default_lot_size", 999_999, 200),
        ("stop_loss_pips", 0, 200),
        ("take_profit_pips", 999_999, 200),
    ],
)
async def test_the_bounds_are_the_table_s(house: House, name: str, value: Any, status: int) -> None:
    assert (await ask(house, "PATCH", "user-settings", {name: value})).status_code == status


async def test_a_person_s_role_can_t_read_what_is_closed_up(house: House) -> None:
    may = "SELECT has_column_privilege('authenticated', 'broker_connections', 'credentials', $1)"
    assert await house.pool.fetchval(may, "UPDATE")
    assert not await house.pool.fetchval(may, "SELECT")
