"""Accounts, strategies, halts and tokens on the command line."""

import json
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from hookfill.accounts.store import hash_secret
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from support.cli import OWNER_TOKEN, Cli
from support.database import query, value

PREFIX = "/api/v1/webhooks/tv/"


def test_an_account_is_made_with_its_limits(cli: Cli) -> None:
    options = ["--cash", "2500.50", "--currency", "eur", "--time-zone", "Europe/Berlin", "--limit", "max_open_positions=10"]
    made = cli.json("accounts", "create", "Swing", *options)
    row = query(
        cli.database.url,
        "SELECT name, cash, currency, time_zone, limits, is_default FROM accounts WHERE account_id = %s",
        made["id"],
    )
    assert row == [("Swing", Decimal("2500.50"), "EUR", "Europe/Berlin", {"max_open_positions": "10"}, False)]
    assert [account["name"] for account in cli.json("accounts", "list")] == ["Paper", "Swing"]
    assert "2,500.50 EUR" in cli.text("accounts", "list")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--limit", "max_everything=1"], "Unknown limit"),
        (["--limit", "max_open_positions"], "has no value"),
        (["--limit", "max_open_positions=many"], "not a number"),
        (["--limit", "max_open_positions=-1"], "must not be negative"),
        (["--cash", "lots"], "not a number"),
        (["--cash", "-1"], "less than nothing"),
        (["--cash", "NaN"], "finite"),
        (["--currency", "EURO"], "three letters"),
        (["--time-zone", "Mars/Olympus"], "Unknown time zone"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(cli: Cli, options: list[str], says: str) -> None:
    assert says in cli.error("accounts", "create", "Swing", *options)
    assert value(cli.database.url, "SELECT count(*) FROM accounts") == 1


def test_two_accounts_have_two_names(cli: Cli) -> None:
    assert "already" in cli.error("accounts", "create", "Paper")


def test_a_strategy_is_made_and_its_url_shown_once(cli: Cli) -> None:
    settings = {"exits": {"stop": {"pips": 50}}, "sizing": {"mode": "fixed", "quantity": 0.1}}
    options = ["--pairs", "eurusd, spy", "--risk-pct", "0.5", "--engine", "rules", "--settings", json.dumps(settings)]
    made = cli.json("strategies", "create", "Scalper", *options, HOOKFILL_BASE_URL="https://alerts.example/")
    base, _, secret = made["webhook_url"].partition(PREFIX)
    assert base == "https://alerts.example"
    assert len(secret) >= 43
    rows = query(
        cli.database.url,
        "SELECT name, engine, allowed_pairs, risk_override_pct, settings, secret_sha256 "
        "FROM strategies JOIN webhook_secrets USING (strategy_id)",
    )
    stored = {"exits": {"stop": {"pips": 50}}, "sizing": {"mode": "fixed", "quantity": "0.1"}}
    assert rows == [("Scalper", "rules", ["EURUSD", "SPY"], Decimal("0.5"), stored, hash_secret(secret))]
    assert secret not in cli.text("strategies", "list") + cli.text("strategies", "list", "--json")


def test_without_a_base_url_the_url_is_where_the_server_would_listen(cli: Cli) -> None:
    text = cli.text("strategies", "create", "Scalper", HOOKFILL_PORT="8123")
    assert f"http://127.0.0.1:8123{PREFIX}" in text
    assert "http://[::1]:8000/" in cli.text("strategies", "create", "Other", HOOKFILL_HOST="::1")


def test_settings_may_come_from_a_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"policy": {"pyramiding": 3}}')
    cli.text("strategies", "create", "Scalper", "--settings", f"@{file}")
    assert value(cli.database.url, "SELECT settings FROM strategies WHERE name = 'Scalper'") == {"policy": {"pyramiding": 3}}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--settings", '{"exit": {}}'], "Unknown settings section"),
        (["--settings", '{"exits": {"stop": {"pips": -1}}}'], "exits.stop"),
        (["--settings", "[1]"], "JSON object"),
        (["--settings", "{"], "Not valid JSON"),
        (["--settings", "@/nowhere/settings.json"], "can't be read"),
        (["--pairs", " , "], "names no symbol"),
        (["--risk-pct", "0"], "above 0"),
        (["--risk-pct", "100.1"], "above 0"),
        (["--account", "Nobody's"], "no account"),
    ],
)
def test_a_strategy_that_makes_no_sense_is_refused(cli: Cli, options: list[str], says: str) -> None:
    assert says in cli.error("strategies", "create", "Scalper", *options)
    assert value(cli.database.url, "SELECT count(*) FROM strategies WHERE NOT is_signed_door") == 0


def test_two_strategies_have_two_names_and_each_has_one(cli: Cli) -> None:
    cli.text("strategies", "create", "Scalper")
    assert "already" in cli.error("strategies", "create", "Scalper")
    assert "needs a name" in cli.error("strategies", "create", " ")


def test_a_strategy_belongs_to_the_account_that_was_named(cli: Cli) -> None:
    account = cli.json("accounts", "create", "Swing")
    by_name = cli.json("strategies", "create", "One", "--account", "Swing")
    by_id = cli.json("strategies", "create", "Two", "--account", account["id"])
    assert by_name["account_id"] == by_id["account_id"] == account["id"]


def test_a_strategy_is_switched_off_and_on_by_name_or_id(cli: Cli) -> None:
    made = cli.json("strategies", "create", "Scalper")
    cli.text("strategies", "disable", "Scalper")
    assert [strategy["is_enabled"] for strategy in cli.json("strategies", "list")] == [True, False]
    cli.text("strategies", "enable", made["strategy_id"])
    assert [strategy["is_enabled"] for strategy in cli.json("strategies", "list")] == [True, True]
    assert "no strategy" in cli.error("strategies", "enable", "Nobody's")


def test_a_rotated_strategy_shows_its_new_url_once(cli: Cli) -> None:
    made = cli.json("strategies", "create", "Scalper")
    new = cli.json("strategies", "rotate", "Scalper", "--overlap-hours", "2")
    assert new["strategy_id"] == made["strategy_id"]
    secrets = [one["webhook_url"].rpartition("/")[2] for one in (made, new)]
    stored = query(cli.database.url, "SELECT secret_sha256, expires_at < now() + interval '2 hours' FROM webhook_secrets")
    assert dict(stored) == {hash_secret(secrets[0]): True, hash_secret(secrets[1]): None}
    assert "works no longer" in cli.text("strategies", "rotate", made["strategy_id"], "--overlap-hours", "0")
    assert value(cli.database.url, "SELECT count(*) FROM webhook_secrets") == 1
    assert "no strategy" in cli.error("strategies", "rotate", "Nobody's")


def test_a_strategy_is_deleted_by_name_once_that_is_confirmed(cli: Cli) -> None:
    cli.text("strategies", "create", "Scalper")
    assert cli.run("strategies", "delete", "Scalper").exit_code == 1
    assert [strategy["name"] for strategy in cli.json("strategies", "list")] == ["Signed webhook", "Scalper"]
    assert "Deleted" in cli.text("strategies", "delete", "Scalper", "--yes")
    assert [strategy["name"] for strategy in cli.json("strategies", "list")] == ["Signed webhook"]
    assert "switch it off" in cli.error("strategies", "delete", "Signed webhook", "--yes")


def halt(cli: Cli, account_id: str, scope: str = "account", strategy_id: str | None = None) -> UUID:
    halt_id = new_id()
    statement = (
        "INSERT INTO halts (account_id, halt_id, scope, strategy_id, reduce_only, reason) VALUES (%s, %s, %s, %s, true, 'test')"
    )
    query(cli.database.url, statement, account_id, halt_id, scope, strategy_id)
    return halt_id


def test_resume_lifts_an_accounts_halts(cli: Cli) -> None:
    account_id = cli.json("accounts", "list")[0]["id"]
    halt(cli, account_id)
    assert "Halts in force" in cli.text("status")
    assert cli.json("resume") == {"lifted": 1}
    assert cli.json("resume") == {"lifted": 0}
    assert "Halts in force" not in cli.text("status")


def test_resume_can_be_for_one_strategy(cli: Cli) -> None:
    made = cli.json("strategies", "create", "Scalper", "--account", cli.json("accounts", "create", "Swing")["id"])
    halt(cli, made["account_id"])
    own = halt(cli, made["account_id"], "strategy", made["strategy_id"])
    assert cli.json("resume", "--strategy", "Scalper") == {"lifted": 1}
    assert query(cli.database.url, "SELECT halt_id FROM halts WHERE lifted_at IS NOT NULL") == [(own,)]
    assert cli.json("resume", "--account", "Swing") == {"lifted": 1}


def test_a_pipe_gets_the_token_alone(cli: Cli) -> None:
    assert cli.text("token") == f"{OWNER_TOKEN}\n"
    candles_key = cli.text("token", "--candles").strip()
    assert len(candles_key) >= 43
    found = cli.json("token")
    assert found["owner_token"] == OWNER_TOKEN
    assert found["candles_key"] == candles_key
    assert found["sources"]["owner_token"] == "HOOKFILL_OWNER_TOKEN"
    assert found["sources"]["candles_key"] == str(cli.home / "candles-key")
    assert (cli.home / "candles-key").stat().st_mode & 0o777 == 0o600


def test_a_new_token_replaces_the_old_one(cli: Cli) -> None:
    del cli.environment["HOOKFILL_OWNER_TOKEN"]
    before = cli.json("token")
    after = cli.json("token", "--new")
    assert before["owner_token"] != after["owner_token"]
    assert before["candles_key"] != after["candles_key"]
    assert cli.json("token") == after
    stored = value(cli.database.url, "SELECT token_sha256 FROM users WHERE role = 'owner'")
    assert stored == hash_secret(after["owner_token"])


def test_secrets_of_the_environment_are_not_made_anew(cli: Cli) -> None:
    assert "come from the environment" in cli.error("token", "--new", MT5_API_KEY="canary-key-of-the-environment")


def test_migrate_says_what_it_did(cli: Cli, unmigrated_database: Database) -> None:
    assert cli.json("migrate") == {"applied": []}
    assert "up to date" in cli.text("migrate")
    done = cli.json("migrate", DATABASE_URL=unmigrated_database.url)
    assert done["applied"][0] == "0001_spine"
    assert [account["name"] for account in cli.json("accounts", "list", DATABASE_URL=unmigrated_database.url)] == ["Paper"]


def test_the_first_command_makes_an_empty_database_ready(cli: Cli, unmigrated_database: Database) -> None:
    assert [account["name"] for account in cli.json("accounts", "list", DATABASE_URL=unmigrated_database.url)] == ["Paper"]
