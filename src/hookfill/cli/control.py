"""``hookfill halt``, ``resume`` and ``flatten``: straight on the database, so that they work whatever became of the server."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from hookfill.cli.common import HomeOption, JsonOption, Session, run_async, session
from hookfill.kernel.errors import ConfigurationError, HookfillError

if TYPE_CHECKING:
    from hookfill.desk.control import Leaving, Settled, Target

AllOption = Annotated[bool, typer.Option("--all", help="Everything in this installation, whoever's it is.")]
AccountOption = Annotated[str | None, typer.Option(help="Only this account: its name or id.")]
StrategyOption = Annotated[str | None, typer.Option(help="Only this strategy: its name or id.")]
SymbolOption = Annotated[
    str | None,
    typer.Option(help="Only this symbol, and options on it: in all of the owner's accounts, or with --account only there."),
]
UserOption = Annotated[str | None, typer.Option(help="All accounts of this user: e-mail address or id.")]
ReasonOption = Annotated[str, typer.Option(help="Kept, and shown with every signal that is refused for it.")]
MOST_REASON = 500


class Busy(HookfillError):
    """Decisions that had begun before the halt were not waited for to the end."""


def halt(
    account: AccountOption = None,
    strategy: StrategyOption = None,
    symbol: SymbolOption = None,
    user: UserOption = None,
    reduce_only: Annotated[
        bool, typer.Option("--reduce-only/--full", help="Let exits through; --full lets nothing through, not even a stop loss.")
    ] = True,
    reason: ReasonOption = "halted by hand",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Halt trading: all of it, unless you name an account, strategy, symbol or user. It stays halted until you resume it."""
    from hookfill.cli.show import print_json

    settled = run_async(_halt(home, (account, strategy, symbol, user), reduce_only, _line(reason)))
    if as_json:
        print_json({**_told(settled.halt), "busy_accounts": list(settled.busy)})
    else:
        kind = "Entries are" if settled.halt["reduce_only"] else "Everything is"
        print(f"{kind} halted ({settled.halt['scope']}). `{_lifting(account, strategy, symbol, user)}` lifts it.")
    if settled.busy:
        raise Busy(
            f"The halt is in force, but {len(settled.busy)} account(s) were being decided for all the time, and one decision may "
            "not have seen it: run the command again to wait for that."
        )


async def _halt(home: Path | None, names: tuple[str | None, ...], reduce_only: bool, reason: str) -> "Settled":
    from hookfill.desk.control import BY_COMMAND, put_in_force, settle

    async with session(home) as at:
        target = await _target(at, *names)
        row = await put_in_force(at.connection, target, reduce_only=reduce_only, reason=reason, by=BY_COMMAND)
        return await settle(at.connection, target, row)


def resume(
    account: AccountOption = None,
    strategy: StrategyOption = None,
    symbol: SymbolOption = None,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lift halts: those of all trading and your own, unless you name an account, strategy, symbol or user."""
    from hookfill.cli.show import print_json

    lifted = run_async(_resume(home, (account, strategy, symbol, user)))
    if as_json:
        print_json({"lifted": lifted})
    else:
        print(f"Lifted {lifted} halt(s)." if lifted else "There was no halt to lift.")


async def _resume(home: Path | None, names: tuple[str | None, ...]) -> int:
    from hookfill.desk.control import BY_COMMAND, Target
    from hookfill.desk.control import resume as lift
    from hookfill.risk.halts import Scope

    async with session(home) as at:
        targets = [await _target(at, *names)]
        if targets[0].scope is Scope.GLOBAL:
            targets.append(Target(Scope.USER, user_id=at.user_id))
        return sum([len(await lift(at.connection, target, BY_COMMAND)) for target in targets])


def flatten(
    everything: AllOption = False,
    account: AccountOption = None,
    strategy: StrategyOption = None,
    symbol: SymbolOption = None,
    user: UserOption = None,
    no_halt: Annotated[bool, typer.Option("--no-halt", help="Don't put a reduce-only halt in force first.")] = False,
    reason: ReasonOption = "flattened by hand",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave every open position of an account, strategy, symbol or user, or with --all of everybody, at the market.

    The server's worker does it; while it is down, the positions are left as soon as it is up again.
    """
    from hookfill.cli.show import print_json

    names = (account, strategy, symbol, user)
    if everything == any(name is not None for name in names):
        raise ConfigurationError("Say whose positions: --account, --strategy, --symbol or --user, or --all alone.")
    leaving = run_async(_flatten(home, names, _line(reason), is_halting=not no_halt))
    found = {
        "positions": sum(one.is_open for one in leaving),
        "signal_ids": [one.signal_id for one in leaving],
        "new": sum(one.is_new for one in leaving),
    }
    if as_json:
        print_json(found)
    else:
        print(f"Leaving {found['positions']} position(s), {found['new']} of which nobody had asked for yet.")


async def _flatten(home: Path | None, names: tuple[str | None, ...], reason: str, *, is_halting: bool) -> "list[Leaving]":
    import asyncpg

    from hookfill.desk import control

    async with session(home) as at:
        target = await _target(at, *names)
        if is_halting:
            row = await control.put_in_force(at.connection, target, reduce_only=True, reason=reason, by=control.BY_COMMAND)
            await control.settle(at.connection, target, row)
        try:
            return await control.flatten(at.connection, target, reason=reason, by=control.BY_COMMAND)
        except asyncpg.LockNotAvailableError:
            raise Busy("An account is being decided for without a pause: run the command again.") from None


async def _target(at: Session, account: str | None, strategy: str | None, symbol: str | None, user: str | None) -> "Target":
    """What the options name.

    Raises:
        ConfigurationError: something that is not there, or two things at once.
        AlertRefused: what no symbol can be.
    """
    from hookfill.cli.accounts import account_named
    from hookfill.cli.strategies import strategy_named
    from hookfill.cli.users import user_named
    from hookfill.desk.control import Target
    from hookfill.risk.halts import Scope
    from hookfill.signals.fields import read_symbol

    narrow = [name for name in (strategy, symbol or account, user) if name is not None]
    if len(narrow) > 1:
        raise ConfigurationError("Name one of --account, --strategy, --symbol and --user; --symbol goes together with --account.")
    if strategy is not None:
        found = await strategy_named(at, strategy)
        return Target(Scope.STRATEGY, account_id=found["account_id"], strategy_id=found["strategy_id"])
    account_id = None if account is None else await account_named(at, account)
    if symbol is not None:
        return Target(
            Scope.SYMBOL, user_id=at.user_id if account_id is None else None, account_id=account_id, symbol=read_symbol(symbol)
        )
    if account_id is not None:
        return Target(Scope.ACCOUNT, account_id=account_id)
    if user is not None:
        return Target(Scope.USER, user_id=(await user_named(at, user))["user_id"])
    return Target(Scope.GLOBAL)


def _lifting(account: str | None, strategy: str | None, symbol: str | None, user: str | None) -> str:
    """The command that lifts a halt of what these options name, and nothing wider."""
    named = {"account": account, "strategy": strategy, "symbol": symbol, "user": user}
    words = [word for name, value in named.items() if value is not None for word in (f"--{name}", value)]
    return shlex.join(["hookfill", "resume", *words])


def _line(reason: str) -> str:
    text = reason.strip()
    if not text or not text.isprintable() or len(text) > MOST_REASON:
        raise ConfigurationError(f"--reason must be one line of 1 to {MOST_REASON} printable characters.")
    return text


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("scope", "strategy_id", "symbol", "reduce_only", "reason", "created_at", "settled_at")
    told: dict[str, UUID | Any] = {"id": row["halt_id"], **{name: row[name] for name in names}}
    return told
