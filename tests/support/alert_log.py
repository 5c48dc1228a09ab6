"""Alert logs as TradingView writes them, for tests that make their own."""

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

HEADER = ("Alert ID", "Ticker", "Name", "Description", "Time")


def write_alert_log(
    path: Path, rows: Iterable[tuple[datetime | str, str | bytes | Mapping[str, Any]]], name: str = "Any alert"
) -> Path:
    """A log of (time, message), newest first."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for at, told in reversed(list(rows)):
            writer.writerow([7, "CME_MINI:MNQ1!, 1m", name, _text(told), at if isinstance(at, str) else at.isoformat()])
    return path


def _text(told: str | bytes | Mapping[str, Any]) -> str:
    if isinstance(told, bytes):
        return told.decode()
    return told if isinstance(told, str) else json.dumps(told)


def fired(path: Path) -> list[tuple[str, bytes]]:
    """A log's (time, message), in the order of their firing."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [(row["Time"], row["Description"].encode()) for row in csv.DictReader(file)]
    return sorted(rows, key=lambda row: row[0])
