"""``hookfill export``: stored candles as CSV or Parquet, to the last digit."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from hookfill.cli.common import HomeOption, JsonOption, run_async, session
from hookfill.kernel.errors import ConfigurationError, HookfillError

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from hookfill.market.file_store import Series
    from hookfill.market.model import Candle

app = typer.Typer(help="Export what is stored to files.", no_args_is_help=True, rich_markup_mode=None)
COLUMNS = ("symbol", "timeframe", "timestamp", "open", "high", "low", "close", "volume")
PRICE_DIGITS, PRICE_PLACES = 25, 10
"""Stored prices have at most 15 digits before the decimal point and 10 after it."""
Write = Callable[[Sequence["Candle"]], None]


class Format(StrEnum):
    """What the file is written as."""

    CSV = "csv"
    PARQUET = "parquet"


class NothingStored(HookfillError):
    """There is no bar of that symbol and timeframe in that range."""


@app.command("candles")
def export_candles(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="Where to; its ending names the format.")],
    symbol: Annotated[str, typer.Option(help="The symbol, such as EURUSD.")],
    timeframe: Annotated[str, typer.Option(help="M1, H1, 1D …")],
    since: Annotated[str | None, typer.Option("--from", help="The first bar's open: ISO 8601 (UTC) or Unix time.")] = None,
    before: Annotated[str | None, typer.Option("--to", help="Bars that open before this time.")] = None,
    form: Annotated[Format | None, typer.Option("--format", help="Default: as the file's ending says.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export stored candles, oldest first: CSV with every digit as it is stored, or Parquet with prices as decimal128(25, 10)."""
    from hookfill.cli.show import console, pairs, print_json

    series = _series(symbol, timeframe, since, before)
    chosen = form or (Format.PARQUET if file.suffix.lower() in (".parquet", ".pq") else Format.CSV)
    if file.exists() and not force:
        raise ConfigurationError(f"{file.name!a} exists: choose another name, or replace it with --force.")
    facts = run_async(_export(home, file, series, chosen, quiet=as_json))
    if as_json:
        print_json(facts)
    else:
        console().print(pairs("Candles exported", facts))


def _series(symbol: str, timeframe: str, since: str | None, before: str | None) -> "Series":
    from hookfill.kernel.times import EARLIEST, LATEST, parse_time
    from hookfill.market.file_store import Series
    from hookfill.market.timeframes import normalize_timeframe

    first = EARLIEST if since is None else parse_time(since, "--from")
    end = LATEST if before is None else parse_time(before, "--to")
    if first >= end:
        raise ConfigurationError("--from must lie before --to: swap them.")
    if not symbol.isprintable():
        raise ConfigurationError("The symbol has characters that can't be printed: give it as `hookfill export` would write it.")
    # As candles are stored: in capitals, without the exchange.
    return Series(symbol.strip().upper().rpartition(":")[2], normalize_timeframe(timeframe), first, end)


async def _export(home: Path | None, file: Path, series: "Series", chosen: Format, *, quiet: bool) -> dict[str, Any]:
    from rich.progress import TextColumn

    from hookfill.cli.show import progress
    from hookfill.market.file_store import read_series

    writing = {Format.CSV: writing_csv, Format.PARQUET: writing_parquet}[chosen]
    number, first, last = 0, None, None
    shown_columns = (TextColumn("{task.description}", markup=False), TextColumn("{task.completed:,} candles"))
    async with session(home) as at:
        with _replacing(file) as target, writing(target) as write, progress(*shown_columns, quiet=quiet) as shown:
            task = shown.add_task(f"{series.symbol} {series.timeframe}", total=None)
            async for candles in read_series(at.connection, series):
                write(candles)
                number, last = number + len(candles), candles[-1].opened_at
                first = first or candles[0].opened_at
                shown.update(task, completed=number)
            if not number:
                raise NothingStored(await _what_there_is(at.connection, series))
    return {
        "file": str(file),
        "format": chosen.value,
        "series": f"{series.symbol} {series.timeframe}",
        "candles": number,
        "first": first,
        "last": last,
    }


async def _what_there_is(connection: Any, series: "Series") -> str:
    from hookfill.market.file_store import timeframes_of

    stored = await timeframes_of(connection, series.symbol)
    if not stored:
        return f"No candles of {series.symbol!a} are stored: check the symbol, or import some with `hookfill import candles`."
    if series.timeframe not in stored:
        return f"{series.symbol} is not stored in {series.timeframe}, but in {', '.join(stored)}: choose one with --timeframe."
    return f"No candles of {series.symbol} {series.timeframe} are stored in that range: widen --from and --to."


@contextmanager
def _replacing(file: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when it is complete; an export that fails leaves nothing behind.

    Raises:
        ConfigurationError: the folder does not exist or can't be written to, or the disk is full.
    """
    import os

    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as target:
            yield target
        part.replace(file)
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):  # the database's, not the file's
            raise
        raise ConfigurationError(
            f"{str(file)!a} can't be written ({error.strerror or error}): check that its folder exists and has room, "
            "and that you may write there."
        ) from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def writing_csv(target: IO[bytes]) -> Iterator[Write]:
    """Comma, point and UTC; ``hookfill import candles`` reads it back to the same bars."""
    import io

    from hookfill.market.formula import guarded

    with io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=False) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)

        def write(candles: Sequence["Candle"]) -> None:
            symbol = guarded(candles[0].symbol)
            writer.writerows(
                [
                    symbol,
                    candle.timeframe,
                    _moment(candle.opened_at),
                    *(format(price, "f") for price in (candle.open, candle.high, candle.low, candle.close)),
                    candle.volume,
                ]
                for candle in candles
            )

        yield write


def _moment(moment: "datetime") -> str:
    return moment.isoformat().replace("+00:00", "Z")


@contextmanager
def writing_parquet(target: IO[bytes]) -> Iterator[Write]:
    """A row group per batch; prices as decimal128(25, 10), which holds every stored price exactly.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigurationError(
            "Parquet needs the package pyarrow: install it with `pip install 'hookfill[parquet]'`, or choose --format csv."
        ) from error
    price = pa.decimal128(PRICE_DIGITS, PRICE_PLACES)
    kinds = (pa.string(), pa.string(), pa.timestamp("us", tz="UTC"), price, price, price, price, pa.int64())
    schema = pa.schema([pa.field(name, kind, nullable=name == "volume") for name, kind in zip(COLUMNS, kinds, strict=True)])
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:

        def write(candles: Sequence["Candle"]) -> None:
            values = zip(*map(_values, candles), strict=True)
            arrays = [pa.array(column, kind) for column, kind in zip(values, kinds, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))

        yield write


def _values(candle: "Candle") -> tuple["str | datetime | Decimal | int | None", ...]:
    from hookfill.kernel.money import as_price

    prices = map(as_price, (candle.open, candle.high, candle.low, candle.close))
    return (candle.symbol, candle.timeframe, candle.opened_at, *prices, candle.volume)
