"""``hookfill token`` and ``hookfill migrate``: what an installation needs before anything else."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hookfill.cli.common import HomeOption, JsonOption, open_database, read_settings, run_async, start_logging
from hookfill.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from hookfill.home import Home
    from hookfill.settings import Settings


def token(
    new: Annotated[bool, typer.Option("--new", help="Make new ones; the old ones stop working.")] = False,
    candles: Annotated[bool, typer.Option("--candles", help="Print the candles key alone.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the owner's token and the key of the candles door. Into a pipe, the token alone is printed."""
    from hookfill.cli.show import console, pairs, print_json
    from hookfill.home import Home

    settings = read_settings(home)
    place = Home.at(settings.home)
    if new:
        _renew(settings, place)
    secrets = {"owner_token": place.owner_token(settings), "candles_key": place.candles_key(settings)}
    sources = _sources(settings, place)
    if as_json:
        print_json({**secrets, "sources": sources})
    elif candles:
        print(secrets["candles_key"])
    elif sys.stdout.isatty():
        facts = {name.replace("_", " "): f"{value}  (from {sources[name]})" for name, value in secrets.items()}
        console().print(pairs("Secrets of this installation", facts), soft_wrap=True)
    else:
        print(secrets["owner_token"])


def _sources(settings: "Settings", home: "Home") -> dict[str, str]:
    token_file, key_file = home.secret_files
    return {
        "owner_token": "HOOKFILL_OWNER_TOKEN" if settings.owner_token is not None else str(token_file),
        "candles_key": "MT5_API_KEY" if settings.mt5_api_key is not None else str(key_file),
    }


def _renew(settings: "Settings", home: "Home") -> None:
    """Make new secrets and tell the database; a running server keeps the old candles key until it is started again."""
    if settings.owner_token is not None and settings.mt5_api_key is not None:
        raise ConfigurationError("Both secrets come from the environment: change HOOKFILL_OWNER_TOKEN and MT5_API_KEY there.")
    home.forget_secrets()
    run_async(_tell_database(settings, home))
    if home.listening_url() is not None:
        print("The running server takes the new candles key when it is started again.", file=sys.stderr)


async def _tell_database(settings: "Settings", home: "Home") -> None:
    from hookfill.accounts.store import bootstrap
    from hookfill.postgres.migrate import applied

    async with open_database(settings, home) as (_, connection):
        if await applied(connection):
            await bootstrap(connection, home.owner_token(settings))


def migrate(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Bring the database's schema to this version; safe to run at any time."""
    from hookfill.cli.show import print_json
    from hookfill.home import Home

    settings = read_settings(home)
    start_logging(settings)
    done = run_async(_migrate(settings, Home.at(settings.home)))
    if as_json:
        print_json({"applied": done})
    else:
        print(f"Applied: {', '.join(done)}." if done else "The database is up to date.")


async def _migrate(settings: "Settings", home: "Home") -> list[str]:
    from hookfill.postgres.migrate import pending
    from hookfill.starting import prepare

    async with open_database(settings, home) as (database, _):
        missing = await pending(database)
        await prepare(settings, home)
        return missing
