"""TradingView's alert-log export (``Alert ID,Ticker,Name,Description,Time``), read row by row (pure).

``Description`` is the message that was sent, ``Time`` when it was fired. What becomes of the rows is for others to say.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from hookfill.kernel.errors import HookfillError
from hookfill.kernel.times import InvalidTime, parse_time

LONGEST_FIELD = 16 * 1024 * 1024
"""Real logs have messages of more than a megabyte."""
_TEXT, _TIME = "Description", "Time"


class UnreadableLog(HookfillError):
    """The file is no alert log."""


@dataclass(frozen=True, slots=True)
class LoggedAlert:
    """One fired alert: its place in the file, its message, when it was fired (UTC), and the log's other columns."""

    line: int
    body: bytes
    fired_at: datetime
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no alert: its line in the file, and why."""

    line: int
    reason: str


def read_alert_log(lines: Iterable[str]) -> Iterator[LoggedAlert | BadRow]:
    """The rows of an alert log, in the file's order.

    Args:
        lines: the file's lines, decoded, with their line breaks.

    Raises:
        UnreadableLog: its columns are not those of an alert log, or it is no CSV.
    """
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not {_TEXT, _TIME} <= set(header):
            raise UnreadableLog(
                f"This is no alert log: it lacks the columns {_TEXT} and {_TIME}. Export it from TradingView's alert log."
            )
        for row in reader:
            if row:
                yield _read_row(dict(zip(header, row, strict=False)), len(row) == len(header), reader.line_num)
    except csv.Error as error:
        raise UnreadableLog(f"The file is no sound CSV at line {reader.line_num} ({error}): export it again.") from error


def _read_row(cells: dict[str, str], is_whole: bool, line: int) -> LoggedAlert | BadRow:
    if not is_whole:
        return BadRow(line, "it has not as many columns as the header")
    try:
        fired_at = parse_time(cells[_TIME], _TIME)
    except InvalidTime as error:
        return BadRow(line, str(error))
    labels = {name: value.replace("\x00", "") for name, value in cells.items() if name not in (_TEXT, _TIME) and value}
    return LoggedAlert(line, cells[_TEXT].encode("utf-8", "replace"), fired_at, labels)


def in_order(alerts: Sequence[LoggedAlert]) -> list[LoggedAlert]:
    """By the time of their firing; TradingView's own order is newest first, also within a second."""
    is_newest_first = bool(alerts) and alerts[0].fired_at > alerts[-1].fired_at
    return sorted(reversed(alerts) if is_newest_first else alerts, key=lambda alert: alert.fired_at)
