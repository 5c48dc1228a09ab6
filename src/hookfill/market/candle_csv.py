"""Reads candles from the CSV files that platforms export: MetaTrader, Yahoo, TradingView, and whatever is like them (pure).

The header decides which column is which; what is no bar's (adjusted closes, spreads, indicators) is ignored. Numbers stay exact.
A row that is no sound bar is reported with its line, and the others go on.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation

from hookfill.kernel.errors import HookfillError
from hookfill.market.ingest import read_candles
from hookfill.market.model import Candle
from hookfill.market.timeframes import InvalidTimeframe, normalize_timeframe

_NAMES: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "day"),
    "time": ("time", "timestamp", "datetime", "opentime", "gmttime", "localtime", "unix", "unixtimestamp", ""),
    "open": ("open", "o", "openprice"),
    "high": ("high", "h", "highprice", "max"),
    "low": ("low", "l", "lowprice", "min"),
    "close": ("close", "c", "last", "closeprice", "closelast"),
    "volume": ("volume", "vol", "tickvol", "tickvolume", "v"),
    "symbol": ("symbol", "ticker", "instrument", "pair"),
    "timeframe": ("timeframe", "interval", "period", "resolution"),
}
"""Column names, without case, spaces and signs; where a file has several of one kind, the first name in this list counts."""
_PRICES = ("open", "high", "low", "close")
_DELIMITERS = (",", ";", "\t")
_SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})(.*)")
_DOTTED = re.compile(r"(\d{4})[./](\d{1,2})[./](\d{1,2})(.*)")
_CLOCK = re.compile(r"[T ]?(\d{1,2}):(\d{2})(?::(\d{2})(\.\d{1,6})?)?\s*(Z|[+-]\d{2}:?\d{2})?")
_FILE_NAME = re.compile(r"(?:[A-Z0-9]+_)*([A-Z0-9.!]+),\s*([0-9]+[A-Za-z]?)")
_LONGEST_CLOCK = len("23:59:59.999999")
_WORDS = re.compile(r"[_\-\s]+")


class UnreadableCandles(HookfillError):
    """The file as a whole can't be read: no header, a column is missing, or symbol or timeframe are not known."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was skipped: its line in the file, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a file does not say itself.

    Attributes:
        symbol, timeframe: of rows that do not name theirs; None if all do.
        zone: of times without one.
        day_first: ``4/3/2026`` is the 4th of March, not the 3rd of April.
        now: bars may open at most one bar after this moment (UTC).
    """

    symbol: str | None
    timeframe: str | None
    now: datetime
    zone: tzinfo = UTC
    day_first: bool = False


def guess_from_name(stem: str) -> tuple[str | None, str | None]:
    """Symbol and timeframe from a file's name without its ending: ``EURUSD_H1_2017-2018``, ``BINANCE_BTCUSDT, 60``.

    Each is None where the name does not tell.
    """
    chart = _FILE_NAME.match(stem)
    if chart is not None:
        return chart[1], _timeframe(chart[2])
    first, *others = _WORDS.split(stem)
    symbol = first.upper() if re.fullmatch(r"[A-Za-z][A-Za-z0-9.!]{0,31}", first) else None
    named = [word for word in others if any(letter.isalpha() for letter in word)]
    return symbol, next((name for name in map(_timeframe, named) if name is not None), None)


def _timeframe(text: str) -> str | None:
    try:
        return normalize_timeframe(text)
    except InvalidTimeframe:
        return None


def read_candle_csv(lines: Iterable[str], dialect: Dialect) -> Iterator[Candle | BadRow]:
    """The file's bars in its own order, and the rows that are none.

    Args:
        lines: the file's lines, decoded.
        dialect: what the file does not say itself.

    Raises:
        UnreadableCandles: the file as a whole can't be read.
    """
    source = iter(lines)
    header = next(source, "")
    delimiter = max(_DELIMITERS, key=header.count)
    columns = _columns(next(csv.reader([header], delimiter=delimiter), []), dialect)
    reader = csv.reader(source, delimiter=delimiter)
    for row in reader:
        if any(value.strip() for value in row):
            yield _read_row(row, reader.line_num + 1, columns, dialect)


def _columns(header: Sequence[str], dialect: Dialect) -> dict[str, int]:
    plain = [re.sub(r"[^a-z]", "", name.lower()) for name in header]
    places: dict[str, int] = {}
    for kind, names in _NAMES.items():
        for name in names:
            if name in plain and (name or plain[0] == ""):
                places[kind] = plain.index(name)
                break
    missing = [name for name in _PRICES if name not in places]
    if missing or not {"date", "time"} & places.keys():
        missing += [] if {"date", "time"} & places.keys() else ["time"]
        raise UnreadableCandles(
            f"The file has no column for {', '.join(missing)}: its first line must name time (or date), open, high, low and close."
        )
    for kind, given in (("symbol", dialect.symbol), ("timeframe", dialect.timeframe)):
        if kind not in places and given is None:
            raise UnreadableCandles(f"Neither the file nor its name tells the {kind}: give it with --{kind}.")
    return places


def _read_row(row: Sequence[str], line: int, columns: Mapping[str, int], dialect: Dialect) -> Candle | BadRow:
    cells = {kind: row[place].strip() for kind, place in columns.items() if place < len(row)}
    if len(cells) < len(columns):
        return BadRow(line, f"it has {len(row)} columns, fewer than the header")
    try:
        moment = _moment(cells, dialect)
    except ValueError as error:
        return BadRow(line, str(error))
    entry = {
        "symbol": cells.get("symbol") or dialect.symbol,
        "timeframe": cells.get("timeframe") or dialect.timeframe,
        "timestamp": moment,
        **{name: cells[name] for name in _PRICES},
        "volume": _whole(cells.get("volume") or None),
    }
    candles, faults = read_candles({"candles": [entry]}, dialect.now)
    if faults:
        return BadRow(line, f"{faults[0].place[-1]}: {faults[0].text}")
    return candles[0]


def _whole(volume: str | None) -> str | None:
    """Coins are traded in fractions; stored volumes are whole."""
    if volume is None or volume.isdigit():
        return volume
    try:
        number = Decimal(volume)
    except InvalidOperation:
        return volume
    return str(int(number)) if number.is_finite() and abs(number) < Decimal(10) ** 18 else volume


def _moment(cells: Mapping[str, str], dialect: Dialect) -> str:
    """The bar's open as text with its zone, or a Unix time as it stands."""
    date, clock = cells.get("date", ""), cells.get("time", "")
    # Some files tell the same moment twice, as text and as a Unix time.
    text = date if ":" in date else clock if len(clock) > _LONGEST_CLOCK else f"{date} {clock}".strip()
    if re.fullmatch(r"\d{9,13}(\.\d+)?", text):
        return text
    moment = _parse(text, dialect)
    if moment.tzinfo is None:
        local = moment.replace(tzinfo=dialect.zone)
        if local.astimezone(UTC).astimezone(dialect.zone).replace(tzinfo=None) != moment:
            raise ValueError(f"the time {text!a} does not exist in the zone: the clocks went forward")
        moment = local
    return moment.astimezone(UTC).isoformat()


def _parse(text: str, dialect: Dialect) -> datetime:
    day, rest = _day(text, dialect)
    clock = _CLOCK.fullmatch(rest.rstrip()) if rest.strip() else None
    if rest.strip() and clock is None:
        raise ValueError(f"{text[:40]!a} is no time that can be read: write it as 2026-03-04 12:00")
    hour, minute, second, fraction, zone = clock.groups() if clock is not None else ("0", "0", None, None, None)
    seconds = f"{int(second or 0):02}{fraction or ''}"
    try:
        return datetime.fromisoformat(f"{day}T{int(hour):02}:{minute:0>2}:{seconds}{zone or ''}")
    except ValueError:
        raise ValueError(f"{text[:40]!a} is no time that can be read: write it as 2026-03-04 12:00") from None


def _day(text: str, dialect: Dialect) -> tuple[str, str]:
    """The date in ISO's order, and what follows it."""
    if found := _SLASHED.fullmatch(text):
        first, second, year, rest = found.groups()
        # 4.3.2026 is how those write who put the day first.
        is_day_first = dialect.day_first or "." in text[: text.index(year)]
        month, day = (second, first) if is_day_first else (first, second)
        return f"{year}-{int(month):02}-{int(day):02}", rest
    if found := _DOTTED.fullmatch(text):
        year, month, day, rest = found.groups()
        return f"{year}-{int(month):02}-{int(day):02}", rest
    return text[:10], text[10:]
