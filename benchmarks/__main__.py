"""``python -m benchmarks``: measure, print the table, and keep the figures as JSON if asked to."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import orjson

from benchmarks import acknowledge, burst, candles, charts, journal, latency, layouts, marks, mixed, startup, telemetry
from benchmarks.figures import BenchmarkError, Figure, as_json, show
from benchmarks.plan import QUICK, Plan

BENCHMARKS: dict[str, Callable[[Plan], Awaitable[list[Figure]]]] = {
    module.NAME: module.run
    for module in (acknowledge, latency, burst, mixed, candles, charts, layouts, marks, telemetry, journal, startup)
}


def arguments() -> argparse.Namespace:
    """The command line."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="measure this alone (may be repeated)")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="length of one measurement (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="turns of measurement and reference (default %(default)s)")
    rows_help = "rows of the large table of charts and layouts (default %(default)s; 20000000 takes 5 and 15 minutes, 4 and 12 GB)"
    parser.add_argument("--chart-rows", type=int, default=usual.chart_rows, help=rows_help)
    parser.add_argument("--quick", action="store_true", help="only show that everything works; the figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    return parser.parse_args()


async def measure(plan: Plan, names: list[str]) -> list[Figure]:
    """Run some benchmarks one after the other."""
    figures = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures += await BENCHMARKS[name](plan)
    return figures


def main() -> int:
    """Measure; exit code 1 if a benchmark did not do what it is for. A missed aim is shown, and is no failure."""
    given = arguments()
    plan = QUICK if given.quick else replace(Plan(), seconds=given.seconds, rounds=given.rounds, chart_rows=given.chart_rows)
    try:
        figures = asyncio.run(measure(plan, given.only or list(BENCHMARKS)))
    except BenchmarkError as error:
        print(f"benchmark failed: {error}", file=sys.stderr)
        return 1
    show(figures)
    if given.json is not None:
        given.json.write_bytes(orjson.dumps(as_json(figures), option=orjson.OPT_INDENT_2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
