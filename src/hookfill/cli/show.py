"""Printing: tables for people, JSON for programs. Texts of strangers are shown, never obeyed."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hookfill.kernel import exact_json
from hookfill.kernel.money import plain
from hookfill.kernel.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

_NOT_PLAIN = re.compile(r"[^\n -~]")
NOTHING = "–"


def console() -> Console:
    """Standard output; tables are as wide as the terminal, or 160 columns where there is none."""
    return Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else 160)


def progress(*columns: "ProgressColumn", quiet: bool) -> "Progress":
    """A progress bar on standard error that leaves nothing behind; none where that is no terminal, or if ``quiet``."""
    from rich.progress import Progress

    errors = Console(stderr=True, highlight=False)
    return Progress(*columns, console=errors, transient=True, disable=quiet or not errors.is_terminal)


def print_error(text: str) -> None:
    """One red line (more only if the text has more) on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(visible(text, keep_lines=True), style="red"))


def print_json(value: Any, *, on_one_line: bool = False) -> None:
    """A value as JSON on standard output, in ASCII, so that no stranger's text can steer a terminal; decimals are exact numbers."""
    text = exact_json.dumps(value, indent=not on_one_line).decode().rstrip("\n")
    sys.stdout.write(_NOT_PLAIN.sub(lambda match: json.dumps(match[0])[1:-1], text) + "\n")
    sys.stdout.flush()


def cell(value: Any) -> Text:
    """A value as a table's cell."""
    match value:
        case None | "":
            return Text(NOTHING, style="dim")
        case bool():
            return Text("yes" if value else "no")
        case Decimal():
            return Text(plain(value))
        case datetime():
            return Text(moment(value))
        case Text():
            return value
        case _:
            return Text(visible(str(value)))


def moment(value: datetime) -> str:
    """A moment in UTC, to the second."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def money(value: Decimal, currency: str = "") -> str:
    """An amount with two decimals (shown, not stored) and thousands."""
    return f"{value:,.2f} {currency}".rstrip()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> Table:
    """A table; ``right`` names the columns of numbers."""
    made = Table(title=Text(visible(title)), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*map(cell, row))
    return made


def pairs(title: str, facts: Mapping[str, Any]) -> Table:
    """Names and values below each other."""
    made = Table(title=Text(visible(title)), title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in facts.items():
        made.add_row(Text(name), cell(value))
    return made
