"""``hookfill strategies``: what alerts are sent to."""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hookfill.cli.accounts import account_named
from hookfill.cli.common import HomeOption, JsonOption, Session, run_async, session
from hookfill.kernel.errors import ConfigurationError

app = typer.Typer(help="Strategies: what alerts are sent to.", no_args_is_help=True, rich_markup_mode=None)
MOST = 100_000
StrategyArgument = Annotated[str, typer.Argument(help="The strategy's name or id.")]


class Engine(StrEnum):
    """What judges a strategy's alerts."""

    DIRECT = "direct"
    RULES = "rules"
    COUNCIL = "council"
    AB = "ab"


@app.command("list")
def list_strategies(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show all strategies with the number of their signals."""
    from hookfill.cli.show import console, print_json, table

    strategies = run_async(_strategies(home))
    if as_json:
        print_json(strategies)
        return
    rows = [
        (
            strategy["name"],
            strategy["account_name"],
            strategy["engine"],
            strategy["is_enabled"],
            ", ".join(strategy["allowed_pairs"]) if strategy["allowed_pairs"] is not None else "all",
            strategy["signals"],
            "POST /webhook" if strategy["is_signed_door"] else "its own URL",
            strategy["strategy_id"],
        )
        for strategy in strategies
    ]
    columns = ("strategy", "account", "engine", "enabled", "symbols", "signals", "door", "id")
    console().print(table("Strategies", columns, rows, right=("signals",)))


async def _strategies(home: Path | None) -> list[dict[str, Any]]:
    async with session(home) as at:
        return await _all(at)


async def _all(at: Session) -> list[dict[str, Any]]:
    """The owner's strategies, oldest first."""
    from hookfill.accounts.strategies import list_strategies

    return (await list_strategies(at.connection, at.user_id, limit=MOST))[::-1]


@app.command("create")
def create_strategy(
    name: Annotated[str, typer.Argument(help="The strategy's name.")],
    account: Annotated[str | None, typer.Option(help="Account name or id; default: the default account.")] = None,
    engine: Annotated[
        Engine,
        typer.Option(help="direct: the alert decides; rules: filters may refuse; council: agents vote; ab: rules and council."),
    ] = Engine.DIRECT,
    pairs: Annotated[str | None, typer.Option(help="The symbols that it may trade, such as EURUSD,SPY; default: all.")] = None,
    risk_pct: Annotated[str | None, typer.Option(help="Risk per trade in percent of equity, instead of the sizing's own.")] = None,
    settings: Annotated[
        str | None, typer.Option(help="sizing, policy, exits, filters, market and windows as JSON, or @FILE with it.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a strategy and print its webhook URL, which is its secret and can't be shown again."""
    from hookfill.cli.show import print_json

    values = {
        "engine": engine.value,
        "settings": _read_settings(settings),
        "allowed_pairs": _pairs(pairs),
        "risk_override_pct": _percent(risk_pct),
    }
    made = run_async(_create(home, name, account, values))
    if as_json:
        print_json(made)
        return
    print(f"Made strategy {name!a}. Its webhook URL, shown only now, is its secret:\n\n{made['webhook_url']}\n")
    print("Put it into the TradingView alert's Webhook URL.")


def _read_settings(given: str | None) -> dict[str, Any]:
    """The settings as JSON, checked as the desk will read them."""
    from hookfill.desk.settings import rules_of
    from hookfill.kernel.strict_json import loads

    if given is None:
        return {}
    try:
        text = Path(given[1:]).read_bytes() if given.startswith("@") else given.encode()
    except OSError as error:
        raise ConfigurationError(f"--settings: {given[1:]} can't be read ({error.strerror}).") from error
    found = loads(text)
    if not isinstance(found, dict):
        raise ConfigurationError('--settings must be a JSON object such as {"exits": {"stop": {"pips": 50}}}.')
    rules_of(found)
    return found


def _pairs(given: str | None) -> list[str] | None:
    if given is None:
        return None
    pairs = [pair.strip().upper() for pair in given.split(",") if pair.strip()]
    if not pairs:
        raise ConfigurationError("--pairs names no symbol: leave it out to allow all.")
    return pairs


def _percent(given: str | None) -> Decimal | None:
    from hookfill.kernel.money import decimal_from

    if given is None:
        return None
    percent = decimal_from(given, "risk-pct")
    if not 0 < percent <= 100:
        raise ConfigurationError("--risk-pct must lie above 0 and not above 100.")
    return percent


async def _create(home: Path | None, name: str, account: str | None, values: dict[str, Any]) -> dict[str, Any]:
    from hookfill.accounts.strategies import create

    if not name.strip():
        raise ConfigurationError("A strategy needs a name.")
    async with session(home) as at:
        if any(strategy["name"] == name for strategy in await _all(at)):
            raise ConfigurationError(f"There is a strategy named {name!a} already: choose another name.")
        made = await create(at.connection, await account_named(at, account), name, **values)
        return {
            "strategy_id": made.strategy_id,
            "account_id": made.account_id,
            "name": name,
            "webhook_url": webhook_url(at, made.secret),
        }


def webhook_url(at: Session, secret: str) -> str:
    """Where alerts with a secret are sent."""
    return f"{base_url(at)}/api/v1/webhooks/tv/{secret}"


def base_url(at: Session) -> str:
    """How this installation is reached: as configured, else where its server listens now, else where it would."""
    configured = at.settings.base_url or at.home.listening_url()
    if configured is not None:
        return configured.rstrip("/")
    host = at.settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{at.settings.port}"


@app.command()
def enable(strategy: StrategyArgument, home: HomeOption = None) -> None:
    """Switch a strategy on."""
    run_async(_switch(home, strategy, is_enabled=True))


@app.command()
def disable(strategy: StrategyArgument, home: HomeOption = None) -> None:
    """Switch a strategy off: its alerts are kept and discarded, its open positions still leave by their exit rules."""
    run_async(_switch(home, strategy, is_enabled=False))


async def _switch(home: Path | None, name: str, *, is_enabled: bool) -> None:
    from hookfill.accounts.strategies import change

    async with session(home) as at:
        found = await strategy_named(at, name)
        await change(at.connection, at.user_id, found["strategy_id"], {"is_enabled": is_enabled}, {})
        print(f"Strategy {found['name']!a} is {'on' if is_enabled else 'off'}.")


@app.command()
def rotate(
    strategy: StrategyArgument,
    overlap_hours: Annotated[int, typer.Option(min=0, max=720, help="How long the old URL still works.")] = 24,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a strategy a new webhook URL, which is its secret and can't be shown again."""
    from hookfill.cli.show import print_json

    made = run_async(_rotate(home, strategy, overlap_hours))
    if as_json:
        print_json(made)
        return
    left = f"works for {overlap_hours} hours more" if overlap_hours else "works no longer"
    print(f"The new webhook URL of {made['name']!a}, shown only now:\n\n{made['webhook_url']}\n\nThe old one {left}.")


async def _rotate(home: Path | None, name: str, overlap_hours: int) -> dict[str, Any]:
    from hookfill.accounts.strategies import rotate_secret

    async with session(home) as at:
        found = await strategy_named(at, name)
        secret = await rotate_secret(at.connection, at.user_id, found["strategy_id"], overlap_hours * 3600)
        assert secret is not None  # found a moment ago; nobody else deletes what is the owner's
        return {"strategy_id": found["strategy_id"], "name": found["name"], "webhook_url": webhook_url(at, secret)}


@app.command()
def delete(
    strategy: StrategyArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    home: HomeOption = None,
) -> None:
    """Delete a strategy with its signals and secrets; its orders and positions stay, open ones leave by their exit rules."""
    if not yes:
        typer.confirm(f"Delete strategy {strategy!a} and its signals?", abort=True)
    run_async(_delete(home, strategy))


async def _delete(home: Path | None, name: str) -> None:
    from hookfill.accounts.strategies import delete as delete_stored

    async with session(home) as at:
        found = await strategy_named(at, name)
        await delete_stored(at.connection, at.user_id, found["strategy_id"])
        print(f"Deleted strategy {found['name']!a}.")


async def strategy_named(at: Session, name: str) -> dict[str, Any]:
    """The strategy of a name or id, as ``accounts.strategies.list_strategies`` gives it.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    strategies = await _all(at)
    found = [strategy for strategy in strategies if name in (strategy["name"], str(strategy["strategy_id"]))]
    if len(found) > 1:
        raise ConfigurationError(
            f"There are {len(found)} strategies {name!a}: name it by its id, which `hookfill strategies list --json` shows."
        )
    if not found:
        raise ConfigurationError(f"There is no strategy {name!a}: `hookfill strategies list` shows all.")
    return found[0]
