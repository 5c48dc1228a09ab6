"""Reads candles from the CSV files that platforms export: MetaTrader, Yahoo, TradingView, and whatever is like them (pure).

What a file's first lines show is found once (who wrote it, delimiter, decimal mark, day or month first, timeframe); then it is read
row by row, so that its size does not matter. Columns that are no bar's (spreads, indicators) are ignored. Numbers stay exact.
A row that is no sound bar is reported with its line, column and value, and the others go on.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import chain, islice

from hookfill.kernel.money import as_price
from hookfill.market.csv_layout import PRICES, Dialect, Layout, Options, UnreadableCandles, decimal_mark, find_layout, plain_number
from hookfill.market.csv_spacing import spacing
from hookfill.market.csv_times import Clock, UnclearDates, day_comes_first, epoch_seconds, is_epoch, read_local
from hookfill.market.formula import unguarded
from hookfill.market.ingest import read_candles
from hookfill.market.model import Candle
from hookfill.market.timeframes import InvalidTimeframe, normalize_timeframe

SAMPLE_LINES = 2_000
"""The lines from which is found how a file is written."""
LONGEST_FIELD = 128 * 1024
"""Characters of one cell; more is a quote that was never closed."""
LONGEST_SHOWN = 40
MOST_FOOTER_LINES = 20
_FILE_NAME = re.compile(r"(?:[A-Z0-9]+_)*([A-Z0-9.!]+),\s*([0-9]+[A-Za-z]?)")
_WORDS = re.compile(r"[_\-\s]+")
_NO_SYMBOLS = frozenset(
    {"CANDLES", "CHART", "DATA", "DOWNLOAD", "EXPORT", "FILE", "HISTORY", "OHLC", "OHLCV", "OUTPUT", "PRICES", "QUOTES", "TABLE"}
)
"""First words of files' names that tell what is in them, and not of what."""
_LONGEST_CLOCK = len("23:59:59.999999 PM")
_SIZES = {"K": 3, "M": 6, "B": 9}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was skipped.

    Attributes:
        line: where it begins in the file, the first line is 1.
        column: what the file calls the column that is at fault; None if it is the whole row.
        value: what stands there, shortened.
        reason: what is wrong with it, and what to do.
    """

    line: int
    reason: str
    column: str | None = None
    value: str | None = None


class _Rejected(Exception):
    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


@dataclass(frozen=True, slots=True)
class _Habits:
    """How a file's rows are to be read, as its first ones show."""

    decimal: str
    day_first: bool
    volume: str | None
    newest_first: bool


def guess_from_name(stem: str) -> tuple[str | None, str | None]:
    """Symbol and timeframe from a file's name without its ending: ``EURUSD_H1_2017-2018``, ``BINANCE_BTCUSDT, 60``, ``EURUSD60``.

    Each is None where the name does not tell.
    """
    chart = _FILE_NAME.match(stem)
    if chart is not None:
        return chart[1], _timeframe(chart[2])
    first, *others = _WORDS.split(stem)
    # MetaTrader 4's own names have the minutes behind the pair.
    if pair := re.fullmatch(r"([A-Z]{6})(1|5|15|30|60|240|1440|10080|43200)", stem):
        return pair[1], _timeframe(pair[2])
    is_symbol = re.fullmatch(r"[A-Za-z][A-Za-z0-9.!]{0,31}", first) is not None and first.upper() not in _NO_SYMBOLS
    symbol = first.upper() if is_symbol else None
    named = [word for word in others if any(letter.isalpha() for letter in word)]
    return symbol, next((name for name in map(_timeframe, named) if name is not None), None)


def _timeframe(text: str) -> str | None:
    try:
        return normalize_timeframe(text)
    except InvalidTimeframe:
        return None


class CandleFile:
    """One file; iterating it once yields its bars in its own order, and the rows that are none.

    Attributes:
        layout: how it is written.
        timeframe: of its bars; None if each row tells its own.
        symbol: the same.
        timeframe_is_found: the timeframe follows from how far the bars lie apart.
    """

    def __init__(self, lines: Iterable[str], options: Options) -> None:
        """Read a file's first lines.

        Args:
            lines: the file's lines, decoded, with their ends.
            options: what the user tells about it.

        Raises:
            UnreadableCandles: the file as a whole can't be read.
        """
        source = iter(lines)
        sample = list(islice(source, SAMPLE_LINES))
        if sample and (told := re.fullmatch(r"sep=(.)\s*", sample[0].lstrip("\ufeff"))):  # Excel's way to say so
            options = replace(options, delimiter=options.delimiter or told[1])
        csv.field_size_limit(LONGEST_FIELD)  # the process's own: reading alert logs sets it to more
        self._options = options
        self.layout = find_layout(sample, options)
        self._lines = chain(sample[self.layout.first_line :], source)
        rows = self._sampled(sample[self.layout.first_line :])
        self._habits = _habits(rows, self.layout, options)
        self.symbol = self._one_symbol()
        self._symbol_text: str | None = None
        self.timeframe, self.timeframe_is_found = self._one_timeframe(rows)

    def _sampled(self, lines: Sequence[str]) -> list[dict[str, str]]:
        found = []
        try:
            for row in csv.reader(lines, delimiter=self.layout.delimiter, skipinitialspace=self.layout.delimiter == " "):
                cells = self._cells(row)
                if len(cells) == len(self.layout.columns):
                    found.append(cells)
        except csv.Error:  # reported with its line when the rows themselves are read
            pass
        return found

    def _cells(self, row: Sequence[str]) -> dict[str, str]:
        return {kind: row[place].strip() for kind, place in self.layout.columns.items() if place < len(row)}

    def _one_symbol(self) -> str | None:
        options = self._options
        if options.symbol is not None or "symbol" in self.layout.columns:
            return options.symbol
        if options.named_symbol is None:
            raise UnreadableCandles("Neither the file nor its name tells the symbol: give it with --symbol.")
        return options.named_symbol

    def _one_timeframe(self, rows: Sequence[Mapping[str, str]]) -> tuple[str | None, bool]:
        options = self._options
        if options.timeframe is not None or "timeframe" in self.layout.columns:
            return options.timeframe, False
        found, why_not = spacing(self._moments(rows))
        named = options.named_timeframe
        if found is not None and named is not None and found != named:
            raise UnreadableCandles(
                f"The file's name says {named}, but its bars are {found}: tell with --timeframe which one is right."
            )
        if found is None and named is None:
            raise UnreadableCandles(f"The timeframe is unknown: {why_not}. Give it with --timeframe.")
        return found or named, named is None

    def _moments(self, rows: Sequence[Mapping[str, str]]) -> list[list[datetime]]:
        clock = Clock(self._options.zone or UTC, newest_first=self._habits.newest_first)
        series: dict[str, list[datetime]] = {}
        for cells in rows:
            try:
                text = self._time_text(cells)
                moment = datetime.fromtimestamp(_seconds(text), UTC) if is_epoch(text) else self._local(text)
                symbol = cells.get("symbol", "")
                series.setdefault(symbol, []).append(clock.utc(symbol, moment))
            except (ValueError, OverflowError, OSError):
                continue
        return list(series.values())

    def __iter__(self) -> Iterator[Candle | BadRow]:
        """The rows, read as they are asked for.

        Raises:
            UnreadableCandles: a quote is never closed.
        """
        held: list[Candle | BadRow] = []
        is_no_footer = False
        for row, item in self._items():
            held.append(item)
            if isinstance(item, Candle):
                is_no_footer = False
            elif _is_note(row) and not is_no_footer:
                # Words below the last bar are none of the file's rows.
                if len(held) <= MOST_FOOTER_LINES:
                    continue
                is_no_footer = True
            yield from held
            held.clear()

    def _items(self) -> Iterator[tuple[list[str], Candle | BadRow]]:
        reader = csv.reader(self._lines, delimiter=self.layout.delimiter, skipinitialspace=self.layout.delimiter == " ")
        clock = Clock(self._options.zone or UTC, newest_first=self._habits.newest_first)
        above: list[str] = []
        line = self.layout.first_line + 1
        try:
            for row in reader:
                here, line = line, self.layout.first_line + reader.line_num + 1
                if any(value.strip() for value in row):
                    yield row, self._read(row, here, clock, is_repeated=row == above)
                    above = row
        except csv.Error as error:
            raise UnreadableCandles(f"Line {line} can't be read ({error}): is there a quote that is never closed?") from None

    def _read(self, row: Sequence[str], line: int, clock: Clock, *, is_repeated: bool) -> Candle | BadRow:
        cells = self._cells(row)
        if len(cells) < len(self.layout.columns):
            return BadRow(line, f"The row has {len(row)} columns, fewer than the header: mend or complete it.")
        try:
            return self._candle(cells, clock, is_repeated=is_repeated)
        except _Rejected as error:
            kind = "date" if error.kind == "time" and "time" not in self.layout.columns else error.kind
            value = self._time_text(cells) if error.kind == "time" else cells.get(kind)
            return BadRow(line, error.reason, self.layout.name(kind), None if value is None else value[:LONGEST_SHOWN])

    def _candle(self, cells: Mapping[str, str], clock: Clock, *, is_repeated: bool) -> Candle:
        symbol = self._symbol(cells)
        moment = self._moment(cells, clock, symbol, is_repeated=is_repeated)
        prices = self._prices(cells)
        entry = {
            "symbol": symbol,
            "timeframe": self.timeframe or cells.get("timeframe"),
            "timestamp": moment,
            **prices,
            "volume": self._volume(cells),
        }
        candles, faults = read_candles({"candles": [entry]}, self._options.now)
        if faults:
            kind = str(faults[0].place[-1])
            raise _Rejected({"timestamp": "time"}.get(kind, kind), faults[0].text)
        return candles[0]

    def _symbol(self, cells: Mapping[str, str]) -> str:
        text = cells.get("symbol", "")
        if self.symbol is not None:
            # A file of several symbols would end as one.
            self._symbol_text = text if self._symbol_text is None else self._symbol_text
            if text != self._symbol_text:
                raise _Rejected("symbol", "is another symbol than the first row's: import the file without --symbol")
            return self.symbol
        if not text.isprintable():
            raise _Rejected("symbol", "has characters that can't be printed: mend the file")
        return unguarded(text)

    def _prices(self, cells: Mapping[str, str]) -> dict[str, str | Decimal]:
        prices: dict[str, str | Decimal] = {name: self._number(cells, name) for name in PRICES}
        if not self._options.adjusted:
            return prices
        try:
            adjusted, close = Decimal(self._number(cells, "adjusted")), Decimal(prices["close"])
            return {name: as_price(Decimal(price) * adjusted / close) for name, price in prices.items()}
        except (InvalidOperation, ZeroDivisionError):
            raise _Rejected("adjusted", "is no number that prices can be adjusted by: mend the row") from None

    def _number(self, cells: Mapping[str, str], kind: str) -> str | Decimal:
        text = cells[kind]
        # The common case, without the detours.
        if len(text) <= LONGEST_SHOWN and self._habits.decimal == "." and text.isascii() and text.replace(".", "", 1).isdigit():
            return Decimal(text)
        if text.lower() in ("", "null", "nan", "n/a", "-"):
            raise _Rejected(kind, "has no value: a bar needs all four prices")
        try:
            return plain_number(text, self._habits.decimal)
        except ValueError as error:
            raise _Rejected(kind, str(error)) from None

    def _volume(self, cells: Mapping[str, str]) -> str | int | None:
        """Coins are traded in fractions; stored volumes are whole."""
        kind = self._habits.volume
        text = cells[kind] if kind is not None else ""
        if text.isdigit():
            return int(text) if len(text) <= LONGEST_SHOWN else text
        if text.lower() in ("", "-", "null", "nan", "n/a"):
            return None
        places = _SIZES.get(text[-1].upper(), 0)  # 1.5M
        try:
            number = Decimal(plain_number(text[:-1].strip() if places else text, self._habits.decimal)).scaleb(places)
        except InvalidOperation:
            return text
        except ValueError as error:
            raise _Rejected("volume", str(error)) from None
        return str(int(number)) if number.is_finite() and number.copy_abs() < Decimal(10) ** 18 else text

    def _time_text(self, cells: Mapping[str, str]) -> str:
        """Date and time in one; some files tell the same moment twice, as text and as a Unix time."""
        day, clock = cells.get("date", ""), cells.get("time", "")
        if self._options.time_format is not None:
            return f"{day} {clock}".strip()
        if ":" in day:
            return day
        return clock if len(clock) > _LONGEST_CLOCK or is_epoch(clock) else f"{day} {clock}".strip()

    def _local(self, text: str) -> datetime:
        form = self._options.time_format
        if form is None:
            return read_local(text, day_first=self._habits.day_first)
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  # a zone follows from the file or the options
        except ValueError:
            raise ValueError(
                f"does not have the form {form[:LONGEST_SHOWN]!a} that --time-format tells: mend one of them"
            ) from None

    def _moment(self, cells: Mapping[str, str], clock: Clock, symbol: str, *, is_repeated: bool) -> str:
        """The bar's open as text with its zone, or a Unix time as it stands."""
        text = self._time_text(cells)
        if self._options.time_format is None and is_epoch(text):
            return epoch_seconds(text)
        try:
            return clock.utc(symbol, self._local(text), is_repeated=is_repeated).isoformat()
        except (ValueError, OverflowError) as error:
            raise _Rejected("time", str(error)) from None


def _seconds(text: str) -> float:
    number = float(epoch_seconds(text))
    return number / 1000 if number > 1e11 else number


def _is_note(row: Sequence[str]) -> bool:
    """Whether a row is words, such as ``* Prices are delayed``, and no bar that went wrong."""
    first = next(cell.strip() for cell in row if cell.strip())
    return not first[0].isdigit() and not any(cell.strip()[:1].isdigit() for cell in row[1:5])


def _habits(rows: Sequence[Mapping[str, str]], layout: Layout, options: Options) -> _Habits:
    days = [cells.get("date") or cells.get("time", "") for cells in rows]
    try:
        day_first = options.day_first if options.day_first is not None else options.time_format is None and day_comes_first(days)
    except UnclearDates as error:
        raise UnreadableCandles(str(error)) from None
    numbers = [cells[name] for cells in rows for name in PRICES]
    decimal = options.decimal or decimal_mark(numbers, layout.delimiter)
    # MetaTrader writes zeros where a market tells no real volume.
    has_real = "ticks" not in layout.columns or any(cells["volume"].strip("0.,") for cells in rows if "volume" in cells)
    volume = next((kind for kind in (("volume", "ticks") if has_real else ("ticks",)) if kind in layout.columns), None)
    return _Habits(decimal, day_first, volume, newest_first=_is_newest_first(days, day_first=day_first))


def _is_newest_first(days: Sequence[str], *, day_first: bool) -> bool:
    """Whether the first row's day is later than the last one's."""
    found = []
    for text in days:
        try:
            found.append(read_local(text, day_first=day_first).replace(tzinfo=None))
        except ValueError:
            continue
    return bool(found) and found[0] > found[-1]


def read_candle_csv(lines: Iterable[str], options: Options) -> Iterator[Candle | BadRow]:
    """A file's bars and bad rows; see `CandleFile`."""
    return iter(CandleFile(lines, options))


__all__ = ["BadRow", "CandleFile", "Dialect", "Options", "UnreadableCandles", "guess_from_name", "read_candle_csv"]
