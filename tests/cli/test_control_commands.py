"""`hookfill halt`, `resume` and `flatten`: on the database alone, whatever became of the server."""

import psycopg
import pytest

from hookfill.desk import control
from hookfill.kernel.ids import new_id
from support.cli import Cli
from support.database import query, value

POSITION = """
INSERT INTO positions (account_id, position_id, strategy_id, symbol, status, quantity, average_price, cost, multiplier, entries,
                       realized_pnl, commission, mark, marked_at, marked_until, best_price, at_break_even, exits, opened_at)
VALUES (%s, %s, %s, 'EURUSD', 'open', 1, 1.08, 1.08, 100000, 1, 0, 0, 1.08, now(), now(), 1.08, false, '{}', now())
"""


def test_everything_is_halted_and_resumed(cli: Cli) -> None:
    told = cli.json("halt", "--reason", "exchange is down")
    assert (told["scope"], told["reduce_only"], told["busy_accounts"]) == ("global", True, [])
    assert told["settled_at"] is not None
    assert query(cli.database.url, "SELECT created_by, reason FROM halts") == [("command", "exchange is down")]
    assert "exchange is down" in cli.text("status")
    assert cli.json("halt", "--full")["reduce_only"] is False
    assert cli.json("resume") == {"lifted": 2}
    assert cli.json("resume") == {"lifted": 0}
    assert "no halt" in cli.text("resume")
    assert "Everything is halted (global)" in cli.text("halt", "--full")


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        (["--account", "Paper"], "account"),
        (["--strategy", "Signed webhook"], "strategy"),
        (["--symbol", "spy"], "symbol"),
        (["--symbol", "spy", "--account", "Paper"], "symbol"),
        (["--symbol", "AMEX:SPY"], "symbol"),
        (["--user", "owner"], "user"),
    ],
)
def test_a_part_is_halted_and_resumed(cli: Cli, options: list[str], scope: str) -> None:
    assert cli.json("halt", *options)["scope"] == scope
    symbols = query(cli.database.url, "SELECT symbol FROM halts")
    assert symbols == [("SPY" if scope == "symbol" else None,)]
    assert cli.json("resume", *options) == {"lifted": 1}


def test_a_narrow_resume_leaves_the_wide_halt(cli: Cli) -> None:
    cli.text("halt")
    assert cli.json("resume", "--account", "Paper") == {"lifted": 0}
    assert value(cli.database.url, "SELECT count(*) FROM halts WHERE lifted_at IS NULL") == 1


def test_what_does_not_fit_together_is_refused(cli: Cli) -> None:
    assert "Name one of" in cli.error("halt", "--strategy", "x", "--account", "Paper")
    assert "no account" in cli.error("halt", "--account", "Nobody's")
    assert "no user" in cli.error("halt", "--user", "nobody@example.com")
    assert "one line" in cli.error("halt", "--reason", " ")
    for symbol in ("", " ", "two words"):
        assert "symbol" in cli.error("halt", "--symbol", symbol)
        assert "symbol" in cli.error("flatten", "--symbol", symbol)
    assert "Say whose positions" in cli.error("flatten")
    assert "Say whose positions" in cli.error("flatten", "--all", "--account", "Paper")
    assert value(cli.database.url, "SELECT count(*) FROM halts") == 0


def test_a_name_that_two_have_is_told_from_one_that_nobody_has(cli: Cli) -> None:
    """The API makes accounts of equal names (two connections with one label): who is in a hurry must not look for a slip."""
    cli.text("accounts", "create", "Second")
    cli.text("strategies", "create", "Second")
    query(cli.database.url, "UPDATE accounts SET name = 'Paper' RETURNING account_id")
    query(cli.database.url, "UPDATE strategies SET name = 'Same' RETURNING strategy_id")
    assert "2 accounts 'Paper': name it by its id" in cli.error("halt", "--account", "Paper")
    assert "2 strategies 'Same': name it by its id" in cli.error("flatten", "--strategy", "Same")
    assert value(cli.database.url, "SELECT count(*) FROM halts") == 0


def test_positions_are_asked_to_be_left_while_no_server_runs(cli: Cli) -> None:
    [(account_id, strategy_id)] = query(cli.database.url, "SELECT account_id, strategy_id FROM strategies")
    query(cli.database.url, POSITION, account_id, new_id(), strategy_id)
    told = cli.json("flatten", "--account", "Paper")
    assert (told["positions"], told["new"], len(told["signal_ids"])) == (1, 1, 1)
    rows = query(cli.database.url, "SELECT door, symbol, action, status FROM signals")
    assert rows == [("operator", "EURUSD", "close", "pending")]
    assert query(cli.database.url, "SELECT scope, reduce_only FROM halts") == [("account", True)]
    assert "0 of which" in cli.text("flatten", "--all", "--no-halt")
    assert value(cli.database.url, "SELECT count(*) FROM halts") == 1


def test_a_full_halt_forbids_to_flatten(cli: Cli) -> None:
    [(account_id, strategy_id)] = query(cli.database.url, "SELECT account_id, strategy_id FROM strategies")
    query(cli.database.url, POSITION, account_id, new_id(), strategy_id)
    cli.text("halt", "--full")
    assert "stops exits too" in cli.error("flatten", "--all")


def test_a_halt_says_which_command_lifts_it(cli: Cli) -> None:
    """A plain `hookfill resume` lifts what is the owner's own, and no other user's halts."""
    cli.text("users", "create", "other@example.com", "--subject", "theirs")
    assert "`hookfill resume` lifts it." in cli.text("halt")
    said = cli.text("halt", "--user", "other@example.com")
    assert "`hookfill resume --user other@example.com` lifts it." in said
    assert cli.json("resume") == {"lifted": 1}
    assert cli.json("resume", "--user", "other@example.com") == {"lifted": 1}
    assert "`hookfill resume --account 'My account' --symbol SPY` lifts it." in _halted_in(cli, "My account")


def _halted_in(cli: Cli, account: str) -> str:
    cli.text("accounts", "create", account)
    return cli.text("halt", "--account", account, "--symbol", "SPY")


def test_the_status_tells_what_each_halt_stops(cli: Cli) -> None:
    cli.text("halt", "--symbol", "spy", "--reason", "earnings")
    cli.text("halt", "--strategy", "Signed webhook", "--full")
    shown = cli.text("status")
    assert "SPY" in shown
    assert str(value(cli.database.url, "SELECT strategy_id FROM strategies")) in shown
    assert "everything" in shown
    assert "entries" in shown


def test_who_was_not_waited_for_is_told_what_to_do(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control.settle, "__kwdefaults__", {"seconds": 0.05})
    with psycopg.connect(cli.database.url) as deciding:
        deciding.execute("SELECT FROM accounts FOR UPDATE")
        result = cli.run("halt")
    assert result.exit_code == 1
    assert "is in force, but 1 account(s)" in result.stderr
    assert "run the command again" in result.stderr
    assert value(cli.database.url, "SELECT settled_at IS NULL FROM halts") is True
    assert cli.json("halt")["busy_accounts"] == []
    assert value(cli.database.url, "SELECT settled_at IS NULL FROM halts") is False
