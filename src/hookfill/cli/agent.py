"""``hookfill agent``: the program beside a MetaTrader 5 terminal."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, read_settings, run_async, start_logging
from hookfill.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from hookfill.brokers.mt5.agent.client import Client
    from hookfill.brokers.mt5.agent.identity import Identity
    from hookfill.brokers.mt5.agent.journal import Journal
    from hookfill.brokers.mt5.agent.pushing import Candles
    from hookfill.brokers.mt5.agent.terminal import Terminal

app = typer.Typer(help="The program beside a MetaTrader 5 terminal.", no_args_is_help=True, rich_markup_mode=None)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="File with the agent's identity; default: agent/agent.json in Hookfill's folder.")
]
ServerOption = Annotated[str | None, typer.Option(envvar="HOOKFILL_SERVER", help="Address of the Hookfill server.")]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the options say of a simulated terminal."""

    state: Path | None
    prices: tuple[str, ...]
    faults: tuple[str, ...]
    seed: int
    is_netting: bool
    is_still: bool


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in to a real terminal; without a number, the account that it is logged in to already."""

    login: int | None
    password: str | None
    server: str | None
    path: Path | None


@app.command("pair")
def pair(
    server: Annotated[str, typer.Option(envvar="HOOKFILL_SERVER", help="Address of the Hookfill server.")],
    token: Annotated[str, typer.Option(envvar="HOOKFILL_TOKEN", help="Your access token; better given as HOOKFILL_TOKEN.")],
    connection: Annotated[str, typer.Option(help="Id of the broker connection that the agent shall serve.")],
    label: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Introduce this agent to a server; its key is kept in a file that only you can read."""
    from hookfill.brokers.mt5.agent import client
    from hookfill.brokers.mt5.agent.identity import Identity, save
    from hookfill.cli.show import print_json

    place = _config(config, home)
    agent_id, key = run_async(client.pair(server, token, connection, label))
    save(place, Identity(server, agent_id, key))
    if as_json:
        print_json({"agent_id": agent_id, "config": str(place)})
    else:
        print(f"Paired agent {agent_id}. Start it with `hookfill agent run`; its key is in {place}.")


@app.command("run")
def run(
    simulated: Annotated[bool, typer.Option("--simulated", help="Trade at a simulated terminal instead of MetaTrader's.")] = False,
    server: ServerOption = None,
    agent_id: Annotated[str | None, typer.Option(envvar="HOOKFILL_AGENT_ID", help="Instead of the config's.")] = None,
    agent_key: Annotated[str | None, typer.Option(envvar="HOOKFILL_AGENT_KEY", help="Instead of the config's.")] = None,
    symbols: Annotated[str, typer.Option(help="Broker's symbols, by commas, whose prices are pushed from the start.")] = "",
    candles_key: Annotated[
        str | None, typer.Option(envvar="HOOKFILL_CANDLES_KEY", help="API key of the candles' door: pushes candles too.")
    ] = None,
    timeframes: Annotated[str, typer.Option(help="Which candles, by commas.")] = "M5",
    symbol_suffix: Annotated[str, typer.Option(help="What the broker adds to symbols, such as .r; taken off for candles.")] = "",
    login: Annotated[int | None, typer.Option(envvar="MT5_LOGIN", help="Account number; default: who is logged in.")] = None,
    password: Annotated[str | None, typer.Option(envvar="MT5_PASSWORD", help="Better given as MT5_PASSWORD.")] = None,
    terminal_server: Annotated[str | None, typer.Option(envvar="MT5_SERVER", help="The broker's server.")] = None,
    terminal_path: Annotated[Path | None, typer.Option(envvar="MT5_PATH", help="Path of terminal64.exe.")] = None,
    simulated_state: Annotated[Path | None, typer.Option(help="File of the simulated terminal's world.")] = None,
    simulated_price: Annotated[list[str] | None, typer.Option(help="A first price, EURUSD=1.085; repeatable.")] = None,
    simulated_faults: Annotated[str, typer.Option(help="What its next orders meet, by commas, such as 10004,none+done.")] = "",
    simulated_seed: Annotated[int, typer.Option(help="Seed of its prices.")] = 1,
    simulated_netting: Annotated[bool, typer.Option("--simulated-netting", help="Net positions instead of hedging.")] = False,
    simulated_still: Annotated[bool, typer.Option("--simulated-still", help="Prices stay where they are.")] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Work until Ctrl-C or SIGTERM; the job in hand is finished first."""
    from hookfill.brokers.mt5.agent.identity import alone

    settings = read_settings(home)
    start_logging(settings)
    place = _config(config, settings.home)
    identity = _identity(place, server, agent_id, agent_key)
    simulation = Simulation(
        simulated_state, tuple(simulated_price or ()), _list(simulated_faults), simulated_seed, simulated_netting, simulated_still
    )
    with alone(place.with_name(f"{identity.agent_id}.lock")):
        terminal = (
            _simulated(place.with_name("simulated-terminal.sqlite"), simulation)
            if simulated
            else _metatrader(Login(login, password, terminal_server, terminal_path))
        )
        candles = _candles(candles_key, timeframes, symbol_suffix)
        run_async(_work(_journal_of(place, identity), identity, terminal, _list(symbols), candles))


@app.command("status")
def status(config: ConfigOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show who this agent is and what its journal holds."""
    from hookfill.brokers.mt5.agent.identity import load
    from hookfill.brokers.mt5.agent.journal import Journal
    from hookfill.cli.show import console, pairs, print_json

    place = _config(config, home)
    identity = load(place)
    path = _journal_of(place, identity)
    facts: dict[str, Any] = {"agent_id": identity.agent_id, "server": identity.server, "journal": str(path)}
    if path.exists():
        journal = Journal(path)
        counts = journal.counts()
        facts |= {
            "jobs_done": counts.get("done", 0),
            "jobs_in_hand": counts.get("taken", 0) + counts.get("acting", 0),
            "results_to_report": len(journal.to_report()),
        }
        journal.close()
    if as_json:
        print_json(facts)
    else:
        console().print(pairs("Agent", {name.replace("_", " "): value for name, value in facts.items()}))


def _config(config: Path | None, home: Path | None) -> Path:
    return config or read_settings(home).home / "agent" / "agent.json"


def _journal_of(place: Path, identity: "Identity") -> Path:
    return place.with_name(f"{identity.agent_id}.journal")


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _identity(place: Path, server: str | None, agent_id: str | None, agent_key: str | None) -> "Identity":
    from hookfill.brokers.mt5.agent.identity import Identity, load

    if agent_id is not None and agent_key is not None and server is not None:
        return Identity(server, agent_id, agent_key)
    if agent_id is not None or agent_key is not None:
        raise ConfigurationError("Give --server, --agent-id and --agent-key together, or none of the last two.")
    kept = load(place)
    return kept if server is None else Identity(server, kept.agent_id, kept.agent_key)


def _candles(key: str | None, timeframes: str, suffix: str) -> "Candles | None":
    from hookfill.brokers.mt5.agent.pushing import Candles
    from hookfill.market.timeframes import normalize_timeframe

    if key is None:
        return None
    return Candles(key, tuple(normalize_timeframe(name) for name in _list(timeframes)), suffix)


def _simulated(default: Path, simulation: Simulation) -> "Terminal":
    from hookfill.brokers.mt5.agent.simulated import Market, SimulatedTerminal
    from hookfill.kernel.money import decimal_from

    prices: dict[str, Decimal] = {}
    for given in simulation.prices:
        symbol, sign, price = given.partition("=")
        if not sign:
            raise ConfigurationError("--simulated-price needs symbol and price, such as EURUSD=1.085.")
        prices[symbol.strip()] = decimal_from(price.strip(), "--simulated-price")
    market = Market(seed=simulation.seed, prices=prices, walks=not simulation.is_still, hedging=not simulation.is_netting)
    path = simulation.state or default
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    terminal = SimulatedTerminal(path, market)
    terminal.add_faults(*simulation.faults)
    return terminal


def _metatrader(login: Login) -> "Terminal":
    from hookfill.brokers.mt5.agent.metatrader5 import MetaTrader5Terminal, load_package

    return MetaTrader5Terminal(load_package(), login=login.login, password=login.password, server=login.server, path=login.path)


async def _work(
    journal_path: Path, identity: "Identity", terminal: "Terminal", symbols: tuple[str, ...], candles: "Candles | None"
) -> None:
    from hookfill.brokers.mt5.agent.client import Client
    from hookfill.brokers.mt5.agent.journal import Journal

    journal = Journal(journal_path)
    try:
        async with Client(identity.server, identity.agent_id, identity.agent_key) as client:
            await _run_until_told(journal, client, terminal, symbols, candles)
    finally:
        journal.close()


async def _run_until_told(
    journal: "Journal", client: "Client", terminal: "Terminal", symbols: tuple[str, ...], candles: "Candles | None"
) -> None:
    import asyncio
    import signal

    from hookfill.brokers.mt5.agent.pushing import Interest
    from hookfill.brokers.mt5.agent.runner import Runner

    runner = Runner(terminal, journal, client, interest=Interest(always=frozenset(symbols)), candles=candles)
    loop = asyncio.get_running_loop()

    def stop(*_: object) -> None:
        loop.call_soon_threadsafe(runner.stop)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        await runner.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
