"""``hookfill accounts``."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from hookfill.cli.common import HomeOption, JsonOption, Session, run_async, session
from hookfill.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(help="Trading accounts.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_accounts(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show all accounts with what they are worth."""
    from hookfill.cli.show import console, money, print_json, table

    accounts = run_async(_accounts(home))
    if as_json:
        print_json(accounts)
        return
    rows = [
        (
            account["name"] + (" (default)" if account["is_default"] else ""),
            money(account["equity"], account["currency"]),
            money(account["cash"]),
            account["open_positions"],
            money(account["realized_today"]),
            account["time_zone"],
            len(account["halts"]),
            account["id"],
        )
        for account in accounts
    ]
    columns = ("account", "equity", "cash", "open", "realised today", "time zone", "halts", "id")
    console().print(table("Accounts", columns, rows, right=("equity", "cash", "open", "realised today")))


async def _accounts(home: Path | None) -> list[dict[str, Any]]:
    from hookfill.desk.summary import account_summary

    async with session(home) as at:
        return await account_summary(at.connection, at.user_id, at.settings.limits)


@app.command("create")
def create_account(
    name: Annotated[str, typer.Argument(help="The account's name.")],
    cash: Annotated[str, typer.Option(help="What it starts with, in its currency.")] = "100000",
    currency: Annotated[str, typer.Option(help="Three letters, such as USD.")] = "USD",
    time_zone: Annotated[str, typer.Option(help="Whose midnight begins its trading day.")] = "UTC",
    limit: Annotated[list[str] | None, typer.Option(help="A risk limit, such as max_open_positions=10; repeatable.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a paper account."""
    from hookfill.cli.show import print_json
    from hookfill.kernel.money import decimal_from

    amount = decimal_from(cash, "cash")
    if amount < 0:
        raise ConfigurationError("An account can't start with less than nothing: choose another --cash.")
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise ConfigurationError("A currency has three letters, such as USD: mend --currency.")
    account_id = run_async(_create(home, name, amount, currency.upper(), time_zone, _limits(limit or [])))
    if as_json:
        print_json({"id": account_id, "name": name})
    else:
        print(f"Made account {name!a} ({account_id}).")


def _limits(given: Sequence[str]) -> "Mapping[str, Any]":
    from hookfill.risk.model import limits_from

    limits: dict[str, Any] = {}
    for entry in given:
        name, sign, value = entry.partition("=")
        if not sign:
            raise ConfigurationError(f"--limit {entry!a} has no value: write it as max_open_positions=10.")
        limits[name.strip()] = value.strip()
    limits_from(limits)
    return limits


async def _create(home: Path | None, name: str, cash: Decimal, currency: str, time_zone: str, limits: "Mapping[str, Any]") -> UUID:
    from hookfill.accounts.store import account_by_name
    from hookfill.accounts.store import create_account as store_account

    async with session(home) as at:
        if await account_by_name(at.connection, at.user_id, name) is not None:
            raise ConfigurationError(f"There is an account named {name!a} already: choose another name.")
        return await store_account(
            at.connection, at.user_id, name, cash=cash, currency=currency, time_zone=time_zone, limits=limits
        )


async def account_named(at: Session, name: str | None) -> UUID:
    """The account of a name or id; without one, the default account.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    from hookfill.accounts.store import accounts_of_user, default_account

    if name is None:
        return await default_account(at.connection, at.user_id)
    accounts = await accounts_of_user(at.connection, at.user_id)
    found: list[UUID] = [row["account_id"] for row in accounts if name in (row["name"], str(row["account_id"]))]
    if len(found) > 1:
        raise ConfigurationError(
            f"There are {len(found)} accounts {name!a}: name it by its id, which `hookfill accounts list --json` shows."
        )
    if not found:
        raise ConfigurationError(f"There is no account {name!a}: `hookfill accounts list` shows all.")
    return found[0]
