"""People on the command line: made, listed, invited, shut out and let in again."""

import json

import pytest
from typer.testing import CliRunner

from hookfill.cli.main import app
from support.cli import Cli
from support.database import query, value

EMAIL = "ada@example.com"
PASSWORD = "canary-password-correct horse"


def run(cli: Cli, *arguments: str, given: str = f"{PASSWORD}\n") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["users", *arguments], env=cli.environment, input=given)
    assert PASSWORD not in result.output
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def make(cli: Cli, email: str = EMAIL, *options: str) -> None:
    code, output = run(cli, "create", email, "--password-stdin", *options)
    assert code == 0, output


def test_the_owner_is_made_once_from_the_first_starts_row(cli: Cli) -> None:
    (cli.home / "setup-token").write_text("canary", encoding="utf-8")
    owner = value(cli.database.url, "SELECT user_id FROM users")
    code, output = run(cli, "create", " Ada@Example.com", "--owner", "--password-stdin", "--json")
    assert code == 0
    assert json.loads(output) == {"user_id": str(owner), "email": EMAIL}
    assert not (cli.home / "setup-token").exists()
    code, output = run(cli, "create", "bob@example.com", "--owner", "--password-stdin")
    assert code == 1
    assert "an owner already" in output
    [(email, stored, role)] = query(cli.database.url, "SELECT email, password_hash, role FROM users")
    assert (email, stored[:9], role) == (EMAIL, "$argon2id", "owner")


def test_a_user_is_made_with_account_and_settings(cli: Cli) -> None:
    make(cli)
    [(user_id, account)] = query(
        cli.database.url,
        "SELECT user_id, accounts.name FROM users JOIN user_settings USING (user_id) JOIN accounts USING (user_id)"
        " WHERE role = 'user'",
    )
    assert account == "Paper"
    code, output = run(cli, "create", EMAIL.upper(), "--password-stdin")
    assert code == 1
    assert "already" in output
    assert [user["user_id"] for user in cli.json("users", "list") if user["email"] == EMAIL] == [str(user_id)]


def test_the_password_is_asked_for_twice_and_not_shown(cli: Cli) -> None:
    code, output = run(cli, "create", EMAIL, given=f"{PASSWORD}\n{PASSWORD}\n")
    assert code == 0
    assert "Password" in output
    assert value(cli.database.url, "SELECT count(*) FROM users WHERE password_hash IS NOT NULL") == 1


@pytest.mark.parametrize(
    ("arguments", "given", "says"),
    [
        (["create", "ada", "--password-stdin"], PASSWORD, "no e-mail address"),
        (["create", EMAIL, "--password-stdin"], "short", "8 to 256"),
        (["create", EMAIL, "--password-stdin"], "", "8 to 256"),
        (["create", EMAIL, "--password-stdin"], "x" * 300, "8 to 256"),
        (["disable", "nobody@example.com"], "", "no user"),
        (["password", "nobody@example.com", "--password-stdin"], PASSWORD, "no user"),
        (["password", "owner", "--password-stdin"], PASSWORD, "--owner"),
        (["disable", "owner"], "", "can't be shut out"),
        (["invite", "ada"], "", "no e-mail address"),
    ],
)
def test_what_makes_no_sense_is_refused(module_cli: Cli, arguments: list[str], given: str, says: str) -> None:
    code, output = run(module_cli, *arguments, given=given)
    assert code == 1
    assert says in output
    assert value(module_cli.database.url, "SELECT count(*) FROM users") == 1


def test_a_user_who_logs_in_elsewhere(cli: Cli) -> None:
    code, _ = run(cli, "create", EMAIL, "--subject", "7f0a5c52", given="")
    assert code == 0
    assert query(cli.database.url, "SELECT external_subject, password_hash FROM users WHERE email = %s", EMAIL) == [
        ("7f0a5c52", None)
    ]
    text = cli.text("users", "list")
    assert "Supabase" in text
    assert "token only" in text


def test_shut_out_and_let_in_again(cli: Cli) -> None:
    make(cli)
    assert "shut out" in cli.text("users", "disable", EMAIL)
    assert "disabled" in cli.text("users", "list")
    assert value(cli.database.url, "SELECT is_disabled FROM users WHERE email = %s", EMAIL) is True
    cli.text("users", "enable", EMAIL)
    assert value(cli.database.url, "SELECT is_disabled FROM users WHERE email = %s", EMAIL) is False


def test_a_forgotten_password_is_replaced(cli: Cli) -> None:
    make(cli)
    before = value(cli.database.url, "SELECT password_hash FROM users WHERE email = %s", EMAIL)
    code, _ = run(cli, "password", EMAIL, "--password-stdin", given="another password\n")
    assert code == 0
    assert value(cli.database.url, "SELECT password_hash FROM users WHERE email = %s", EMAIL) not in (before, None)


def test_an_invitation_is_shown_once(cli: Cli) -> None:
    made = cli.json("users", "invite", "Bob@Example.com")
    [(email, stored)] = query(cli.database.url, "SELECT email, token_sha256 FROM invitations")
    assert (email, len(bytes(stored))) == ("bob@example.com", 32)
    assert made["token"].encode() not in bytes(stored)
    assert "shown this once" in cli.text("users", "invite")
