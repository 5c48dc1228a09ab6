"""Finds out how a candle file is written: delimiter, header, columns and decimal mark (pure)."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

from hookfill.kernel.errors import HookfillError
from hookfill.market.csv_times import is_clock, is_date, is_moment

PRICES = ("open", "high", "low", "close")
DELIMITERS = (",", ";", "\t", "|", " ")
"""What is tried; a space only where no other fits."""
MOST_PREAMBLE_LINES = 20
_NAMES: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "day", "dateutc", "dategmt", "dtyyyymmdd", "tradedate", "tradingday"),
    "time": (
        *("time", "timestamp", "datetime", "datetimeutc", "timeutc", "utctime", "timestamputc", "gmttime", "opentime", "localtime"),
        *("unix", "unixtimestamp", "timestampms", "timems", "begin", ""),
    ),
    "open": ("open", "o", "openprice"),
    "high": ("high", "h", "highprice", "max"),
    "low": ("low", "l", "lowprice", "min"),
    "close": ("close", "c", "last", "closeprice", "closelast", "price"),
    "volume": ("volume", "vol", "v"),
    "ticks": ("tickvol", "tickvolume"),
    "adjusted": ("adjclose", "adjustedclose"),
    "symbol": ("symbol", "ticker", "instrument", "pair"),
    "timeframe": ("timeframe", "interval", "period", "resolution", "per"),
}
"""Column names, without case, spaces and signs; where a file has several of one kind, the first name in this list counts."""
_NUMBER = re.compile(r"[$€£]?\d[\d.,' \u00a0\u202f]*(?:[eE][+-]?\d+)?")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")


class UnreadableCandles(HookfillError):
    """The file as a whole can't be read: no header, a column is missing, or symbol or timeframe are not known."""


class Dialect(StrEnum):
    """Who wrote the file."""

    METATRADER = "metatrader"
    YAHOO = "yahoo"
    TRADINGVIEW = "tradingview"
    GENERIC = "generic"


_KNOWN: Mapping[Dialect, frozenset[str]] = {
    Dialect.METATRADER: frozenset({"date", "time", *PRICES, "volume", "vol", "tickvol"}),
    Dialect.YAHOO: frozenset({"date", *PRICES, "adjclose", "volume"}),
    Dialect.TRADINGVIEW: frozenset({"time", *PRICES, "volume"}),
}
"""The columns of each; others are what users had drawn on the chart, and no bar's."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user tells about a file; None: found from the file itself.

    Attributes:
        now: bars may open at most one bar after this moment (UTC).
        symbol, timeframe: of all rows.
        named_symbol, named_timeframe: what the file's name says: counts where neither the user nor the file tells.
        zone: of times that name none; None is UTC.
        dialect: who wrote the file.
        delimiter: what stands between columns, one character.
        decimal: ``.`` or ``,``.
        time_column: the header of the column with date and time, or its number (the first is 1).
        time_format: as ``strptime`` knows it, of date and time with a space between.
        day_first: ``4/3/2026`` is the 4th of March (true) or the 3rd of April (false).
        adjusted: prices adjusted for splits and dividends, by the column of adjusted closes.
    """

    now: datetime
    symbol: str | None = None
    timeframe: str | None = None
    named_symbol: str | None = None
    named_timeframe: str | None = None
    zone: tzinfo | None = None
    dialect: Dialect | None = None
    delimiter: str | None = None
    decimal: str | None = None
    time_column: str | None = None
    time_format: str | None = None
    day_first: bool | None = None
    adjusted: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written.

    Attributes:
        columns: the place of each kind of column that it has.
        names: the columns as its header calls them; empty without a header.
        first_line: how many lines stand before the first row.
    """

    dialect: Dialect
    delimiter: str
    columns: Mapping[str, int]
    names: Sequence[str]
    first_line: int

    def name(self, kind: str) -> str:
        """What the file calls a column."""
        place = self.columns.get(kind)
        if place is None:
            return kind
        return self.names[place].strip() or kind if place < len(self.names) else f"column {place + 1} ({kind})"


def split(line: str, delimiter: str) -> list[str]:
    """A line's cells."""
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=delimiter == " "), [])
    except csv.Error:  # a cell longer than any number or name
        return []


def find_layout(sample: Sequence[str], options: Options) -> Layout:
    """How the file with these first lines is written.

    Raises:
        UnreadableCandles: it has no columns that could be bars.
    """
    delimiters: Sequence[str] = DELIMITERS if options.delimiter is None else (options.delimiter,)
    missing = [*PRICES, "time"]
    is_first = True
    for number, line in enumerate(sample[:MOST_PREAMBLE_LINES], start=1):
        for delimiter in delimiters:
            cells = split(line, delimiter)
            columns = _places(cells, options)
            # What is missing is told of the line that comes nearest to a header.
            missing = min(missing, _missing(columns), key=len)
            if not missing:
                return _with_header(cells, delimiter, columns, number, options)
            # Below a line that is none of the rows the columns may have any order.
            if is_first and (columns := _places_without_header(cells, options)):
                return Layout(_headless(cells, options), delimiter, columns, (), number - 1)
        is_first = is_first and (not line.strip() or line.startswith("sep="))
    raise UnreadableCandles(
        f"The file has no column for {', '.join(missing)}: its first line must name time (or date), open, high, low and close"
        f"{_hint(options)}."
    )


def _hint(options: Options) -> str:
    if options.time_column is not None:
        return f" (--time-column names {options.time_column[:40]!a})"
    return "" if options.dialect in (None, Dialect.GENERIC) else f" (leave --dialect {options.dialect} away if it is another's)"


def _missing(columns: Mapping[str, int]) -> list[str]:
    return [name for name in PRICES if name not in columns] + ([] if {"date", "time"} & columns.keys() else ["time"])


def _places(header: Sequence[str], options: Options) -> dict[str, int]:
    plain = [re.sub(r"[^a-z]", "", name.lower()) for name in header]
    # Dialects' own names only, lest a drawn line called "last" or "v" counts as a bar's.
    known = _KNOWN.get(options.dialect) if options.dialect is not None else None
    places: dict[str, int] = {}
    for kind, names in _NAMES.items():
        for name in names:
            if name in plain and (name or header[0].strip() == "") and (known is None or name in known):
                places[kind] = plain.index(name)
                break
    if options.time_column is not None:
        places.pop("date", None)
        places.pop("time", None)
        wanted = options.time_column.strip().lower()
        for place, name in enumerate(header):
            if name.strip().lower() == wanted or str(place + 1) == wanted:
                places["time"] = place
    return places


def _with_header(cells: list[str], delimiter: str, columns: dict[str, int], number: int, options: Options) -> Layout:
    found = options.dialect or _dialect(cells, columns)
    if found is not options.dialect and found in _KNOWN:
        columns = {kind: place for kind, place in columns.items() if re.sub(r"[^a-z]", "", cells[place].lower()) in _KNOWN[found]}
    if options.adjusted and "adjusted" not in columns:
        raise UnreadableCandles("The file has no column of adjusted closes (Adj Close): leave --adjusted away.")
    return Layout(found, delimiter, columns, cells, number)


def _dialect(cells: Sequence[str], columns: Mapping[str, int]) -> Dialect:
    if cells[0].strip().startswith("<") and "symbol" not in columns:
        return Dialect.METATRADER
    if "adjusted" in columns and "date" in columns and "symbol" not in columns:
        return Dialect.YAHOO
    if [cell.strip() for cell in cells[:5]] == ["time", *PRICES] and not {"symbol", "timeframe"} & columns.keys():
        return Dialect.TRADINGVIEW
    return Dialect.GENERIC


def _headless(cells: Sequence[str], options: Options) -> Dialect:
    if options.dialect is not None:
        return options.dialect
    return Dialect.METATRADER if re.fullmatch(r"\d{4}\.\d{2}\.\d{2}", cells[0].strip()) else Dialect.GENERIC


def _places_without_header(cells: Sequence[str], options: Options) -> dict[str, int]:
    """Date, clock if it stands apart, open, high, low, close, and volume if there is one; empty if the cells are nothing such."""
    bare = [cell.strip() for cell in cells]
    has_clock = len(bare) > 1 and is_date(bare[0]) and is_clock(bare[1])
    after = 2 if has_clock else 1
    is_row = len(bare) >= after + 4 and (is_moment(bare[0]) or options.time_format is not None)
    if not is_row or not all(_NUMBER.fullmatch(cell) for cell in bare[after : after + 4]):
        return {}
    columns = {"date": 0, "time": 1} if has_clock else {"time": 0}
    columns |= {name: after + place for place, name in enumerate(PRICES)}
    return columns | ({"volume": after + 4} if len(bare) > after + 4 else {})


def decimal_mark(numbers: Sequence[str], delimiter: str) -> str:
    """Whether these prices have a decimal point or a comma.

    Raises:
        UnreadableCandles: ``1,234`` may be both in a file whose columns are divided by commas.
    """
    with_comma = [text for text in numbers if "," in text]
    if not with_comma:
        return "."
    both = [text for text in with_comma if "." in text]
    if both:
        return "," if all(text.rindex(",") > text.rindex(".") for text in both) else "."
    if any("." in text for text in numbers) or any(text.count(",") > 1 for text in with_comma):
        return "."
    if delimiter == "," and all(_GROUPED.fullmatch(text.lstrip("$€£")) for text in with_comma):
        raise UnreadableCandles(
            f"Prices like {with_comma[0][:20]!a} can be read in two ways: tell with --decimal whether the comma or the point is it."
        )
    return ","


def plain_number(text: str, decimal: str) -> str:
    """A number's text with a decimal point and nothing between its thousands; what is no number at all stays as it is.

    Raises:
        ValueError: points or commas stand where this file's numbers have none.
    """
    if decimal == "." and text.replace(".", "", 1).isdigit():
        return text
    group = "," if decimal == "." else "."
    whole, mark, fraction = re.sub("[\u00a0\u202f' ]", group, text.lstrip("$€£")).partition(decimal)
    first, *others = whole.split(group)
    is_grouped = 1 <= len(first.lstrip("+-")) <= 3 and all(len(part) == 3 and part.isdigit() for part in others)
    if (others and not is_grouped) or group in fraction or decimal in fraction:
        raise ValueError("is no number as the others in this file: write it as 1234.5, or tell the decimal mark with --decimal")
    return f"{first}{''.join(others)}.{fraction}" if mark else first + "".join(others)
