"""``hookfill import candles``: bars from CSV files.

Bars that are stored already stay as they are, so an interrupted import is just started again.
"""

from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, Session, run_async, session
from hookfill.kernel.errors import ConfigurationError, HookfillError
from hookfill.market.csv_layout import Dialect

if TYPE_CHECKING:
    from datetime import datetime

    from hookfill.market.candle_csv import BadRow, CandleFile, Options
    from hookfill.market.model import Candle

CANDLES_PER_BATCH = 5_000
MOST_SHOWN = 20
MOST_KEPT = 1_000
"""Bad rows that ``--json`` tells one by one; further ones are counted by their reasons."""
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}


def import_candles(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.csv…", exists=True, dir_okay=False, readable=True)],
    symbol: Annotated[str | None, typer.Option(help="The symbol; default: the file's, else as its name tells.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="M1, H1, 1D …; default: the file's, else from the bars' distances.")] = None,
    zone: Annotated[
        str | None,
        typer.Option(help="Of times without one: Europe/Athens, +02:00, or new-york-close (most FX brokers); default: UTC."),
    ] = None,
    dialect: Annotated[Dialect | None, typer.Option(help="Who wrote the file; default: as it looks.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="One character, or comma, semicolon, tab, pipe, space.")] = None,
    decimal: Annotated[str | None, typer.Option(help="The decimal mark: . or ,")] = None,
    time_column: Annotated[str | None, typer.Option(help="The column with date and time: its header, or its number.")] = None,
    time_format: Annotated[str | None, typer.Option(help="As strptime knows it, such as '%d %b %Y %H:%M'.")] = None,
    day_first: Annotated[
        bool | None, typer.Option("--day-first/--month-first", help="4/3/2026 is the 4th of March, or the 3rd of April.")
    ] = None,
    adjusted: Annotated[bool, typer.Option("--adjusted", help="Adjust prices by the column Adj Close.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if any row was rejected.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing; tell what would be done.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import candles from any CSV with open, high, low and close; bars that are there already stay as they are."""
    from hookfill.kernel.clock import utc_now
    from hookfill.market.candle_csv import Options
    from hookfill.market.csv_times import read_zone
    from hookfill.market.timeframes import normalize_timeframe

    options = Options(
        now=utc_now(),
        symbol=_symbol(symbol),
        timeframe=None if timeframe is None else normalize_timeframe(timeframe),
        zone=None if zone is None else read_zone(zone),
        dialect=dialect,
        delimiter=_delimiter(delimiter),
        decimal=_decimal(decimal),
        time_column=time_column,
        time_format=time_format,
        day_first=day_first,
        adjusted=adjusted,
    )
    results = _run(_import_files(home, files, options, quiet=as_json, dry_run=dry_run))
    _show(results, zone or "UTC (none was told)", as_json=as_json, dry_run=dry_run)
    if not all(result.bars for result in results) or any(result.error for result in results):
        raise typer.Exit(1)
    if strict and any(result.rejected for result in results):
        raise typer.Exit(1)


def _run(importing: "Coroutine[Any, Any, list[_Result]]") -> "list[_Result]":
    from hookfill.cli.show import print_error

    try:
        return run_async(importing)
    except KeyboardInterrupt:
        print_error("Interrupted: what is stored stays; start the same import again to go on.")
        raise typer.Exit(130) from None  # as shells tell it


def _symbol(text: str | None) -> str | None:
    if text is not None and not (text.strip() and text.isprintable() and len(text) <= 32):
        raise ConfigurationError("A symbol has 1 to 32 characters that can be printed: give another --symbol.")
    return text


def _delimiter(text: str | None) -> str | None:
    found = _DELIMITERS.get(text.lower(), text) if text is not None else None
    if found is not None and (len(found) != 1 or found in '"\r\n' or found.isalnum()):
        raise ConfigurationError("--delimiter takes one character such as ; or a name: comma, semicolon, tab, pipe or space.")
    return found


def _decimal(text: str | None) -> str | None:
    found = {"comma": ",", "point": "."}.get(text.lower(), text) if text is not None else None
    if found not in (None, ".", ","):
        raise ConfigurationError("--decimal takes a point or a comma.")
    return found


@dataclass(slots=True)
class _Result:
    """What became of a file."""

    file: Path
    opened: "CandleFile | None" = None
    error: str | None = None
    bars: int = 0
    added: int = 0
    conflicting: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    bad_rows: "list[BadRow]" = field(default_factory=list)
    series: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: "datetime | None" = None
    last: "datetime | None" = None

    def count(self, bars: "Sequence[Candle]") -> None:
        self.bars += len(bars)
        self.series.update((bar.symbol, bar.timeframe) for bar in bars)
        moments = [bar.opened_at for bar in bars]
        self.first = min(moments if self.first is None else [self.first, *moments])
        self.last = max(moments if self.last is None else [self.last, *moments])

    def reject(self, row: "BadRow") -> None:
        self.rejected += 1
        self.reasons[f"{row.column}: {row.reason}" if row.column else row.reason] += 1
        if len(self.bad_rows) < MOST_KEPT:
            self.bad_rows.append(row)

    def counts(self) -> dict[str, int]:
        return {
            "rows": self.bars + self.rejected,
            "added": self.added,
            "duplicate": self.bars - self.added - self.conflicting,
            "conflicting": self.conflicting,
            "rejected": self.rejected,
        }

    def facts(self) -> dict[str, Any]:
        series = ", ".join(f"{symbol} {timeframe}" for symbol, timeframe in sorted(self.series))
        facts = self.counts() | {"series": series, "first": self.first, "last": self.last}
        return facts if self.opened is None else {"dialect": self.opened.layout.dialect.value} | facts

    def told(self) -> dict[str, Any]:
        """Everything, for ``--json``."""
        rows = [{"line": row.line, "column": row.column, "value": row.value, "reason": row.reason} for row in self.bad_rows]
        return {"file": self.file.name, **self.facts(), "error": self.error, "reasons": dict(self.reasons), "bad_rows": rows}


async def _import_files(
    home: Path | None, files: Sequence[Path], options: "Options", *, quiet: bool, dry_run: bool
) -> list[_Result]:
    results = [_Result(file) for file in files]
    async with session(home) as at:
        for result in results:
            try:
                await _import_file(at, result, options, quiet=quiet, dry_run=dry_run)
            except HookfillError as error:
                if len(files) == 1:
                    raise
                result.error = str(error)
    return results


async def _import_file(at: Session, result: _Result, told: "Options", *, quiet: bool, dry_run: bool) -> None:
    import asyncio
    from dataclasses import replace

    from hookfill.cli.files import opened
    from hookfill.market.candle_csv import CandleFile, guess_from_name

    named_symbol, named_timeframe = guess_from_name(Path(result.file.name.removesuffix(".gz")).stem)
    options = replace(told, named_symbol=named_symbol, named_timeframe=named_timeframe)
    with opened(result.file, quiet=quiet) as lines:
        result.opened = CandleFile(lines, options)
        items = iter(result.opened)
        bars = await asyncio.to_thread(_next_bars, items, result)
        while bars:
            # The next batch is read while the database stores this one.
            stored, bars = await asyncio.gather(
                _store(at, bars, options, dry_run=dry_run), asyncio.to_thread(_next_bars, items, result)
            )
            result.added += stored.added
            result.conflicting += stored.conflicting


async def _store(at: Session, bars: "list[Candle]", options: "Options", *, dry_run: bool) -> Any:
    from hookfill.market.file_store import compare_candles
    from hookfill.market.store import store_candles

    return await (compare_candles(at.connection, bars) if dry_run else store_candles(at.connection, bars, options.now))


def _next_bars(items: "Iterator[Candle | BadRow]", result: _Result) -> "list[Candle]":
    """The next batch of bars; the bad rows before and among them are counted."""
    from hookfill.market.candle_csv import BadRow

    bars: list[Candle] = []
    while not bars:
        found = list(islice(items, CANDLES_PER_BATCH))
        if not found:
            break
        for item in found:
            if isinstance(item, BadRow):
                result.reject(item)
            else:
                bars.append(item)
    if bars:
        result.count(bars)
    return bars


def _show(results: Sequence[_Result], zone: str, *, as_json: bool, dry_run: bool) -> None:
    from hookfill.cli.show import console, pairs, print_error, print_json

    if as_json:
        total = _sum(result.counts() for result in results)
        print_json({"dry_run": dry_run, "zone": zone.split(maxsplit=1)[0], **total, "files": [result.told() for result in results]})
        return
    for result in results:
        title = f"{result.file.name}: {'nothing stored, this is what would be done' if dry_run else 'candles imported'}"
        if result.error is not None:
            print_error(f"{result.file.name}: {result.error}")
            continue
        console().print(pairs(title, {**result.facts(), "zone": zone}), "")
        _show_bad_rows(result)
        if not result.bars:
            print_error(f"{result.file.name} has no row that is a bar: nothing could be imported.")


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _show_bad_rows(result: _Result) -> None:
    from hookfill.cli.show import console, table

    if not result.rejected:
        return
    rows = [(row.line, row.column, row.value, row.reason) for row in result.bad_rows[:MOST_SHOWN]]
    title = f"{result.rejected} rows were rejected" + (f"; the first {MOST_SHOWN}" if result.rejected > MOST_SHOWN else "")
    console().print(table(title, ("line", "column", "value", "why"), rows, right=("line",)))
    if result.rejected > MOST_SHOWN:
        console().print(
            table("All of them", ("rows", "why"), [(n, why) for why, n in result.reasons.most_common()], right=("rows",))
        )
