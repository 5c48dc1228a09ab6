"""The benchmarks run, and what they report has the promised form; how fast anything is, is not asserted.

Here run those that between them use everything that the others are made of; ``make bench ARGS=--quick`` runs all of them.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {"acknowledge": 5, "burst": 4, "candles": 3, "journal": 3, "marks": 2}


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """The figures of a quick run, and what it has printed."""
    report = tmp_path_factory.mktemp("benchmarks") / "figures.json"
    chosen = [argument for name in FIGURES for argument in ("--only", name)]
    command = [sys.executable, "-m", "benchmarks", "--quick", *chosen, "--json", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(report.read_text(encoding="utf-8"))["figures"], done.stdout


@pytest.mark.parametrize("name", FIGURES)
def test_a_quick_run_reports_every_figure_with_its_reference(name: str, quick_run: tuple[list[dict[str, Any]], str]) -> None:
    told, printed = quick_run
    figures = [figure for figure in told if figure["benchmark"] == name]
    assert len(figures) == FIGURES[name]
    for figure in figures:
        assert figure["name"].split()[0] in printed
        assert figure["value"] > 0
        assert figure["reference_value"] > 0
        assert figure["ratio"] == pytest.approx(figure["value"] / figure["reference_value"])


def test_nothing_else_was_measured(quick_run: tuple[list[dict[str, Any]], str]) -> None:
    assert {figure["benchmark"] for figure in quick_run[0]} == set(FIGURES)


def test_an_unknown_benchmark_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
