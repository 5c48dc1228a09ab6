"""``hookfill flags``: what may be switched while everything runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, run_async, session
from hookfill.kernel.errors import ConfigurationError

app = typer.Typer(help="Feature flags of this installation.", no_args_is_help=True, rich_markup_mode=None)


class Switch(StrEnum):
    """What a flag may be."""

    ON = "on"
    OFF = "off"


@app.command("list")
def list_flags(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show all flags, and since when they are as they are."""
    from hookfill.cli.show import console, print_json, table

    flags = run_async(_flags(home))
    if as_json:
        print_json(flags)
        return
    rows = [
        (flag["name"], "on" if flag["is_enabled"] else "off", flag["changed_at"] or "never", flag["description"]) for flag in flags
    ]
    console().print(table("Feature flags", ("flag", "is", "changed", "when it is on"), rows))


@app.command("set")
def set_one(
    name: Annotated[str, typer.Argument(help="The flag's name: `hookfill flags list` shows all.")],
    switch: Annotated[Switch, typer.Argument(help="on or off.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Switch a flag. Running servers follow within a second; it works while none runs, too."""
    from hookfill.cli.show import print_json
    from hookfill.engines.flags import FLAGS

    if name not in FLAGS:
        raise ConfigurationError(f"There is no flag {name!a}; there are {', '.join(FLAGS)}.")
    flag = run_async(_set(home, name, is_enabled=switch is Switch.ON))
    if as_json:
        print_json(flag)
    else:
        print(f"{name} is {switch.value}.")


async def _flags(home: Path | None) -> list[dict[str, Any]]:
    from hookfill.accounts.flags import stored_flags
    from hookfill.engines.flags import FLAGS

    async with session(home) as at:
        stored = await stored_flags(at.connection)
    return [_told(name, stored.get(name)) for name in FLAGS]


async def _set(home: Path | None, name: str, *, is_enabled: bool) -> dict[str, Any]:
    from hookfill.accounts.flags import set_flag

    async with session(home) as at:
        return _told(name, await set_flag(at.connection, name, None, is_enabled=is_enabled))


def _told(name: str, stored: Any) -> dict[str, Any]:
    from hookfill.engines.flags import FLAGS

    return {
        "name": name,
        "is_enabled": stored is not None and stored.is_enabled,
        "description": FLAGS[name],
        "changed_by": None if stored is None else stored.changed_by,
        "changed_at": None if stored is None else stored.changed_at,
    }
