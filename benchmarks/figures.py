"""A figure, its reference and its aim; the table that shows them and the JSON that keeps them."""

import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 180
"""Columns of the tables where the output is no terminal."""


class BenchmarkError(Exception):
    """What was measured did not do what it was measured for, so its figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its reference.

    Attributes:
        value, reference_value: medians of the run's rounds, both in ``unit``.
        least_ratio: the ratio that is aimed at, if any; most_value: the largest value that is aimed at, if any.
        details: further numbers, named with their unit; ``cpu`` values are cores in use on average.
    """

    benchmark: str
    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    least_ratio: float | None = None
    most_value: float | None = None
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The value as a multiple of its reference."""
        return self.value / self.reference_value if self.reference_value else math.inf

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        if self.least_ratio is not None:
            return self.ratio >= self.least_ratio
        return None if self.most_value is None else self.value <= self.most_value

    @property
    def aim(self) -> str:
        """The aim in words."""
        if self.least_ratio is not None:
            return f"ratio ≥ {self.least_ratio:g}"
        return "" if self.most_value is None else f"≤ {self.most_value:g} {self.unit}"


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latency_details(latencies: Sequence[float], prefix: str = "") -> dict[str, float]:
    """Median, 99th percentile and maximum of latencies in seconds, as milliseconds."""
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {f"{prefix}{name}_ms": round(1000 * quantile(latencies, share), 2) for name, share in shares.items()}


def show(figures: Sequence[Figure]) -> None:
    """Print two tables: the figures, and what else was seen while they were measured."""
    table = Table("benchmark", "measured", "value", "reference", "value", "ratio", "aim", "", title="Hookfill benchmarks")
    more = Table("benchmark", "measured", "details", title="Latencies, processor use in cores (cpu_…), and what else was seen")
    for figure in figures:
        table.add_row(
            figure.benchmark,
            figure.name,
            f"{_number(figure.value)} {figure.unit}",
            figure.reference,
            f"{_number(figure.reference_value)} {figure.unit}",
            f"{figure.ratio:.2f}",
            figure.aim,
            {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.is_met],
        )
        if figure.details:
            details = "  ".join(f"{name} {_number(value)}" for name, value in figure.details.items())
            more.add_row(figure.benchmark, figure.name, details)
    console = Console(width=None if os.isatty(1) else WIDTH)
    console.print(table)
    console.print(more)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def as_json(figures: Sequence[Figure]) -> dict[str, Any]:
    """All figures and the machine they were measured on."""
    machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
    rows = [{**asdict(figure), "ratio": figure.ratio, "aim": figure.aim, "is_met": figure.is_met} for figure in figures]
    return {"machine": machine, "figures": rows}
