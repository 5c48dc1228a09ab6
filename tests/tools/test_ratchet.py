"""The ratchet finds what it is there to find, and lets pass what it should."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """
[[tool.importlinter.contracts]]
id = "purity"
source_modules = ["hookfill.*.model", "hookfill.signals.*"]
"""


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ratchet", ROOT / "tools/ratchet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ratchet = load()


def function(name: str, lines: int) -> str:
    return f"def {name}():\n" + "    pass\n" * (lines - 1)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "src/hookfill/signals").mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "tools/ratchet.toml").write_text("")
    return tmp_path


def put(checkout: Path, path: str, source: str) -> None:
    (checkout / path).write_text(source)


def test_a_clean_checkout_has_no_findings(checkout: Path) -> None:
    put(checkout, "src/hookfill/signals/read.py", function("read", 50))
    assert ratchet.examine(checkout) == ([], [50])


def test_long_functions_methods_and_files_are_found(checkout: Path) -> None:
    indented = "".join(f"    {line}\n" for line in function("method", 51).splitlines())
    put(checkout, "src/hookfill/signals/long.py", function("read", 51) + "class Reader:\n" + indented)
    put(checkout, "src/hookfill/signals/huge.py", "x = 1\n" * 401)
    found, _ = ratchet.examine(checkout)
    assert [sentence.split(" has ")[0] for sentence in found] == [
        "src/hookfill/signals/huge.py",
        "src/hookfill/signals/long.py::read",
        "src/hookfill/signals/long.py::Reader.method",
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(60, None), (61, "at most 60. Split it"), (59, "has shrunk to 59"), (50, "no longer. Remove it")],
)
def test_an_allowance_may_only_shrink(checkout: Path, lines: int, expected: str | None) -> None:
    put(checkout, "src/hookfill/signals/read.py", function("read", lines))
    entry = '[allowed."src/hookfill/signals/read.py::read"]\nlines = 60\nreason = "a table"\n'
    put(checkout, "tools/ratchet.toml", entry)
    found, _ = ratchet.examine(checkout)
    assert len(found) == (0 if expected is None else 1)
    assert expected is None or expected in found[0]


def test_an_allowance_for_nothing_is_found(checkout: Path) -> None:
    put(checkout, "tools/ratchet.toml", '[allowed."src/hookfill/gone.py"]\nlines = 500\nreason = "a table"\n')
    found, _ = ratchet.examine(checkout)
    assert found == ["src/hookfill/gone.py needs its entry in tools/ratchet.toml no longer. Remove it."]


@pytest.mark.parametrize("entry", ['reason = "a table"', "lines = 60", 'lines = 60\nreason = " "'])
def test_an_allowance_needs_length_and_reason(checkout: Path, entry: str) -> None:
    put(checkout, "tools/ratchet.toml", f'[allowed."src/x.py"]\n{entry}\n')
    with pytest.raises(ValueError, match="needs lines"):
        ratchet.examine(checkout)


@pytest.mark.parametrize(
    "call",
    ["datetime.now(UTC)", "datetime.datetime.utcnow()", "date.today()", "utc_now()", "ids.new_id()", "uuid4()", "os.urandom(8)"],
)
def test_a_pure_module_may_not_call_clock_or_chance(checkout: Path, call: str) -> None:
    put(checkout, "src/hookfill/signals/read.py", f"def read():\n    return {call}\n")
    put(checkout, "src/hookfill/shell.py", f"def shell():\n    return {call}\n")
    found, _ = ratchet.examine(checkout)
    assert len(found) == 1
    assert found[0].startswith("src/hookfill/signals/read.py:2 uses ")


def test_a_pure_module_may_not_import_them_either_but_may_import_their_neighbours(checkout: Path) -> None:
    put(checkout, "src/hookfill/signals/read.py", "from hookfill.kernel.clock import to_us, utc_now as clock\n")
    found, _ = ratchet.examine(checkout)
    assert found == ["src/hookfill/signals/read.py:1 uses utc_now in a pure module. Take its result as a parameter."]


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("hookfill.risk.model", True),
        ("hookfill.signals.grammar", True),
        ("hookfill.signals.dialects.text", True),
        ("hookfill.risk.store", False),
        ("hookfill.signals", False),
        ("hookfill.kernel.clock", False),
    ],
)
def test_which_modules_are_pure(module: str, expected: bool) -> None:
    assert ratchet.is_pure(module, ["hookfill.*.model", "hookfill.signals.*"]) is expected


def test_module_names() -> None:
    assert ratchet.module_name(Path("src/hookfill/risk/model.py")) == "hookfill.risk.model"
    assert ratchet.module_name(Path("src/hookfill/risk/__init__.py")) == "hookfill.risk"


def test_nested_functions_count_by_themselves_too() -> None:
    source = "def outer():\n    def inner():\n        pass\n    return inner\n"
    measured = list(ratchet.functions_in(ast.parse(source), ""))
    assert [(item.name, item.lines) for item in measured] == [("outer", 4), ("outer.inner", 2)]


def test_docstrings_are_not_counted() -> None:
    source = 'async def told():\n    """One.\n\n    Two.\n    """\n    return 1\n'
    assert [item.lines for item in ratchet.functions_in(ast.parse(source), "")] == [2]


def test_the_purity_contract_names_every_module_of_the_pure_rooms() -> None:
    patterns = ratchet.pure_patterns(ratchet.tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")))
    for room in ("engines", "risk", "orders", "positions", "exits", "signals"):
        for file in (ROOT / "src/hookfill" / room).rglob("*.py"):
            module = ratchet.module_name(file.relative_to(ROOT))
            assert file.name == "__init__.py" or file.name == "store.py" or ratchet.is_pure(module, patterns), module
