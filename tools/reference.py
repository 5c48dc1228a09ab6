"""Writes the reference pages from the tables in the code.

``python tools/reference.py`` writes them, ``--check`` only says whether they are fresh.
"""

import sys
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

from pydantic_core import PydanticUndefined

from hookfill.kernel.lifecycle import MESSAGE, ORDER, POSITION, SIGNAL
from hookfill.kernel.reasons import MEANINGS
from hookfill.risk.assess import CHECKS
from hookfill.risk.model import Limits
from hookfill.settings import Settings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
_NOTE = "<!-- Written by tools/reference.py from the code's own tables: change those, then run `make reference`. -->\n\n"


def _table(header: str, rows: Sequence[tuple[str, ...]]) -> str:
    columns = header.split(" | ")
    lines = [f"| {header} |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def reasons() -> str:
    """Every reason code with its meaning and remedy."""
    rows = [(f"`{reason}`", meaning.says, meaning.remedy) for reason, meaning in MEANINGS.items()]
    return "# Reasons for refusals\n\nStored with every refused message, signal and order.\n\n" + _table(
        "code | what it says | what to do", rows
    )


def lifecycles() -> str:
    """Every state and what may follow it."""
    parts = ["# Lifecycles\n\nAn illegal step is an error; a state with nothing after it is terminal.\n"]
    for cycle in (MESSAGE, SIGNAL, ORDER, POSITION):
        rows = [(f"`{state}`", ", ".join(f"`{after}`" for after in sorted(steps)) or "–") for state, steps in cycle.steps.items()]
        parts.append(f"\n## {cycle.thing.capitalize()}\n\n" + _table("state | may become", rows))
    return "".join(parts)


def risk() -> str:
    """The checks in their order, and the limits."""
    checks = [(f"`{check.run.__name__}`", check.stage.value, (check.run.__doc__ or "").split("\n")[0]) for check in CHECKS]
    limits = [(f"`{name}`", f"{getattr(Limits(), name)}") for name in Limits.__slots__]
    return (
        "# Risk checks and limits\n\nIn this order; the first refusal wins, all results are kept. "
        "An exit is stopped by nothing but a full halt.\n\n"
        + _table("check | a refused signal becomes | passes when", checks)
        + "\n## Limits of an account, with their defaults\n\n"
        + _table("limit | default", limits)
    )


def settings() -> str:
    """Every environment variable."""
    rows = []
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        choices = getattr(alias, "choices", None) or [alias or name.upper()]
        names = ", ".join(f"`{choice}`" for choice in choices)
        default = field.default
        shown = (
            "" if default is PydanticUndefined or default is None else str(default.value if isinstance(default, Enum) else default)
        )
        rows.append((names, f"`{shown}`" if shown else "–", field.description or ""))
    return "# Settings\n\nRead from the environment.\n\n" + _table("variable | default | meaning", rows)


PAGES: dict[str, Callable[[], str]] = {
    "lifecycles.md": lifecycles,
    "reasons.md": reasons,
    "risk.md": risk,
    "settings.md": settings,
}


def stale() -> list[str]:
    """The pages that do not say what the code says."""
    return [
        name
        for name, write in PAGES.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != _NOTE + write()
    ]


def main() -> int:
    """Write the pages, or check them."""
    if "--check" in sys.argv[1:]:
        for name in stale():
            print(f"docs/reference/{name} is not what the code says: run `make reference`.")
        return int(bool(stale()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(_NOTE + write(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
