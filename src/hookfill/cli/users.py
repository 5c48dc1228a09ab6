"""``hookfill users``: the people of this installation, as its owner sees them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, run_async, session
from hookfill.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from uuid import UUID

    from hookfill.cli.common import Session

app = typer.Typer(help="People who may use this installation.", no_args_is_help=True, rich_markup_mode=None)
EmailArgument = Annotated[str, typer.Argument(help="The e-mail address that the user logs in with.")]
StdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")]


@app.command("create")
def create(
    email: EmailArgument,
    owner: Annotated[bool, typer.Option("--owner", help="The owner of this installation: whoever is the first.")] = False,
    subject: Annotated[
        str | None, typer.Option(help="The `sub` of a Supabase user, who logs in there; no password is asked for.")
    ] = None,
    password_stdin: StdinOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a user who may log in; asks for the password."""
    from hookfill.accounts.users import email_from
    from hookfill.cli.show import print_json

    address = email_from(email)
    password = None if subject is not None else _password(from_stdin=password_stdin)
    user_id = run_async(_create(home, address, password, subject, is_owner=owner))
    if as_json:
        print_json({"user_id": user_id, "email": address})
    else:
        print(f"Made {'the owner' if owner else 'user'} {address} ({user_id}).")


async def _create(home: Path | None, email: str, password: str | None, subject: str | None, *, is_owner: bool) -> "UUID":
    from hookfill.accounts.passwords import Passwords
    from hookfill.accounts.users import claim_owner, create_user

    password_hash = None if password is None else await Passwords().hash(password)
    async with session(home) as at:
        if not is_owner:
            return await create_user(at.connection, email, password_hash, subject=subject)
        user_id = await claim_owner(at.connection, email, password_hash, subject=subject)
        if user_id is None:
            raise ConfigurationError("There is an owner already: leave out --owner, or use `hookfill users password` on the owner.")
        at.home.forget_setup_token()
        return user_id


def _password(*, from_stdin: bool) -> str:
    from hookfill.accounts.passwords import GREATEST_LENGTH, LEAST_LENGTH

    if from_stdin:
        password = sys.stdin.readline(GREATEST_LENGTH + 2).rstrip("\r\n")
    else:
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    if not LEAST_LENGTH <= len(password) <= GREATEST_LENGTH:
        raise ConfigurationError(f"A password has {LEAST_LENGTH} to {GREATEST_LENGTH} characters: choose another one.")
    return password


@app.command("list")
def list_users(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show all users."""
    from hookfill.cli.show import console, print_json, table

    users = run_async(_users(home))
    if as_json:
        print_json(users)
        return
    rows = [
        (user["email"] or user["name"], user["role"], _login(user), "disabled" if user["is_disabled"] else "", user["user_id"])
        for user in users
    ]
    console().print(table("Users", ("user", "role", "logs in with", "state", "id"), rows))


def _login(user: dict[str, Any]) -> str:
    if user["external_subject"] is not None:
        return "Supabase"
    return "password" if user["has_password"] else "token only"


async def _users(home: Path | None) -> list[dict[str, Any]]:
    async with session(home) as at:
        return await _all_users(at)


async def _all_users(at: "Session") -> list[dict[str, Any]]:
    from hookfill.accounts.users import list_users

    return await list_users(at.connection)


@app.command("disable")
def disable(user: Annotated[str, typer.Argument(help="E-mail address or id.")], home: HomeOption = None) -> None:
    """Shut a user out: every token and key stops working at once. Strategies and positions go on."""
    run_async(_set_disabled(home, user, is_disabled=True))
    print(f"User {user!a} is shut out. Strategies go on: disable those too if they must not trade.")


@app.command("enable")
def enable(user: Annotated[str, typer.Argument(help="E-mail address or id.")], home: HomeOption = None) -> None:
    """Let a user in again."""
    run_async(_set_disabled(home, user, is_disabled=False))
    print(f"User {user!a} may log in again.")


async def _set_disabled(home: Path | None, user: str, *, is_disabled: bool) -> None:
    from hookfill.accounts.users import set_disabled

    async with session(home) as at:
        found = await user_named(at, user)
        if is_disabled and found["role"] == "owner":
            raise ConfigurationError("The owner can't be shut out: change the password or the token instead.")
        await set_disabled(at.connection, found["user_id"], is_disabled=is_disabled)


async def user_named(at: "Session", user: str) -> dict[str, Any]:
    """The user of an e-mail address, name or id.

    Raises:
        ConfigurationError: there is none.
    """
    wanted = user.strip().lower()
    for found in await _all_users(at):
        if wanted in (found["email"], found["name"], str(found["user_id"])):
            return found
    raise ConfigurationError(f"There is no user {user!a}: `hookfill users list` shows all.")


@app.command("password")
def password(
    user: Annotated[str, typer.Argument(help="E-mail address or id.")], password_stdin: StdinOption = False, home: HomeOption = None
) -> None:
    """Set a user's password, for who has forgotten it; every session of theirs ends."""
    run_async(_set_password(home, user, _password(from_stdin=password_stdin)))
    print(f"User {user!a} has a new password.")


async def _set_password(home: Path | None, user: str, new: str) -> None:
    from hookfill.accounts.passwords import Passwords
    from hookfill.accounts.users import change_password

    password_hash = await Passwords().hash(new)
    async with session(home) as at:
        found = await user_named(at, user)
        if found["email"] is None:
            raise ConfigurationError("This user has no e-mail address to log in with: use `hookfill users create EMAIL --owner`.")
        await change_password(at.connection, found["user_id"], password_hash)


@app.command("invite")
def invite(
    email: Annotated[str | None, typer.Argument(help="The only address that may use it; left out: whoever has it.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an invitation: a token with which one person may register within seven days. It is shown this once."""
    from hookfill.accounts.users import email_from
    from hookfill.cli.show import print_json

    token, expires_at = run_async(_invite(home, None if email is None else email_from(email)))
    if as_json:
        print_json({"token": token, "expires_at": expires_at})
    else:
        print(f"Invitation until {expires_at:%Y-%m-%d %H:%M} UTC, shown this once:\n{token}")
        print("POST /api/v1/auth/register takes it as `invitation`.")


async def _invite(home: Path | None, email: str | None) -> tuple[str, Any]:
    from hookfill.accounts.invitations import invite

    async with session(home) as at:
        made = await invite(at.connection, at.user_id, email)
        return made.token, made.stored["expires_at"]
