"""The benchmarks run, and what they report has the promised form; how fast anything is, is not asserted.

Here run some, which between them use nearly all that the others are made of; ``make bench ARGS=--quick`` runs all of them.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {"acknowledge": 5, "candles": 3, "marks": 2}


@pytest.mark.parametrize("name", FIGURES)
def test_a_quick_run_reports_every_figure_with_its_reference(name: str, tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", name, "--json", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(report.read_text(encoding="utf-8"))["figures"]
    assert len(figures) == FIGURES[name]
    for figure in figures:
        assert figure["benchmark"] == name
        assert figure["name"].split()[0] in done.stdout
        assert figure["value"] > 0
        assert figure["reference_value"] > 0
        assert figure["ratio"] == pytest.approx(figure["value"] / figure["reference_value"])


def test_an_unknown_benchmark_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
