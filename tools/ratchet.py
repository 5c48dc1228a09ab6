"""Holds the lengths of functions and files, and keeps clocks and chance out of the pure modules.

``python tools/ratchet.py`` prints what it found and exits with 1 if

* a function is longer than 50 lines or a file longer than 400, unless ``tools/ratchet.toml`` lists it with a reason; a listed
  length may only shrink, and an entry that is no longer needed must go;
* a pure module (those of the ``purity`` contract in ``pyproject.toml``) calls or imports what reads a clock or draws at random.
  Imports of whole modules are import-linter's affair; this finds what shares a module with harmless things, as
  ``datetime.now`` and ``kernel.clock.utc_now`` do.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "tools", "benchmarks")
MAX_FUNCTION_LINES = 50
MAX_FILE_LINES = 400

IMPURE_NAMES = frozenset({"now", "utcnow", "today", "utc_now", "new_id", "uuid1", "uuid4", "uuid7", "urandom", "getenv"})
"""Last names of what reads a clock, draws at random or looks at the process: ``datetime.now``, ``ids.new_id``, …"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A length beyond the limit that is tolerated for ``reason`` and may only shrink."""

    lines: int
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A function (``path::Class.method``) or a file (``path``) with its length in lines."""

    name: str
    lines: int
    limit: int


def functions_in(tree: ast.AST, prefix: str) -> Iterator[Measured]:
    """Every function and method under ``tree`` with its length: from ``def`` to its last line, less the docstring."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield Measured(name, _span(node) - _docstring_lines(node), MAX_FUNCTION_LINES)
            yield from functions_in(node, f"{name}.")
        else:
            yield from functions_in(node, prefix)


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return 0 if ast.get_docstring(node, clean=False) is None else _span(node.body[0])


def too_long(measured: list[Measured], allowances: Mapping[str, Allowance]) -> list[str]:
    """What is wrong with the lengths, one sentence each."""
    found = []
    for item in measured:
        allowed = allowances.get(item.name)
        if item.lines > max(item.limit, allowed.lines if allowed else 0):
            found.append(f"{item.name} has {item.lines} lines; at most {allowed.lines if allowed else item.limit}. Split it.")
    known = {item.name: item for item in measured}
    for name, allowed in allowances.items():
        if name not in known or known[name].lines <= known[name].limit:
            found.append(f"{name} needs its entry in tools/ratchet.toml no longer. Remove it.")
        elif known[name].lines < allowed.lines:
            found.append(f"{name} has shrunk to {known[name].lines} lines. Write that into tools/ratchet.toml.")
    return found


def impure_uses(tree: ast.AST, path: str) -> list[str]:
    """What in a pure module would make its results depend on more than their arguments, one sentence each."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call | ast.ImportFrom)]
    uses = [(node.lineno, name) for node in nodes for name in sorted(_names_used(node) & IMPURE_NAMES)]
    return [f"{path}:{line} uses {name} in a pure module. Take its result as a parameter." for line, name in uses]


def _names_used(node: ast.Call | ast.ImportFrom) -> set[str]:
    """The last names of what ``node`` calls or imports."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return {name}
        case ast.ImportFrom(names=names):
            return {alias.name for alias in names}
    return set()


def module_name(path: Path) -> str:
    """``src/hookfill/risk/model.py`` → ``hookfill.risk.model``; a package's ``__init__.py`` is the package."""
    parts = path.with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def pure_patterns(project: Mapping[str, Any]) -> list[str]:
    """The module patterns of the purity contract in a parsed ``pyproject.toml``."""
    contracts = project["tool"]["importlinter"]["contracts"]
    return [str(pattern) for contract in contracts if contract["id"] == "purity" for pattern in contract["source_modules"]]


def is_pure(module: str, patterns: list[str]) -> bool:
    """Whether a pattern covers ``module``; a pattern that covers a package covers what is in it."""
    return any(fnmatchcase(module, pattern) or fnmatchcase(module, f"{pattern}.*") for pattern in patterns)


def allowances_from(listed: Mapping[str, Any]) -> dict[str, Allowance]:
    """The parsed ``tools/ratchet.toml``: ``[allowed."path::function"]`` with ``lines`` and ``reason``.

    Raises:
        ValueError: an entry lacks its length or its reason.
    """
    allowances = {}
    for name, entry in listed.get("allowed", {}).items():
        if not isinstance(entry.get("lines"), int) or not str(entry.get("reason", "")).strip():
            raise ValueError(f'tools/ratchet.toml: [allowed."{name}"] needs lines = <today\'s length> and a reason.')
        allowances[name] = Allowance(entry["lines"], entry["reason"])
    return allowances


def examine(root: Path) -> tuple[list[str], list[int]]:
    """Everything wrong in the checkout at ``root``, and the lengths of the product's own functions."""
    patterns = pure_patterns(tomllib.loads((root / "pyproject.toml").read_text("utf-8")))
    allowances = allowances_from(tomllib.loads((root / "tools/ratchet.toml").read_text("utf-8")))
    found: list[str] = []
    measured: list[Measured] = []
    for file in sorted(file for folder in FOLDERS for file in (root / folder).rglob("*.py")):
        path = file.relative_to(root)
        source = file.read_text("utf-8")
        tree = ast.parse(source, str(path))
        measured.append(Measured(path.as_posix(), len(source.splitlines()), MAX_FILE_LINES))
        measured.extend(functions_in(tree, f"{path.as_posix()}::"))
        if path.parts[0] == "src" and is_pure(module_name(path), patterns):
            found.extend(impure_uses(tree, path.as_posix()))
    own = [item.lines for item in measured if item.name.startswith("src/") and "::" in item.name]
    return found + too_long(measured, allowances), own


def main() -> int:
    """Print the findings and the median length; 1 if there are findings."""
    found, lengths = examine(ROOT)
    for sentence in found:
        print(sentence)
    typical = f"half of the {len(lengths)} functions in src have at most {median(lengths):g} lines" if lengths else "no functions"
    print(f"Lengths and purity: {len(found)} findings; {typical}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
