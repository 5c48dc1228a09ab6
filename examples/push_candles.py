"""Push candles from a CSV file with the columns timestamp (ISO 8601 with zone, or Unix seconds), open, high, low, close, volume.

    HOOKFILL_CANDLES_KEY=… python examples/push_candles.py EURUSD M5 candles.csv

HOOKFILL_URL says where the server is. Pushing a file twice does no harm. (`hookfill import candles` reads many more kinds.)
"""

import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from hookfill.client import Client, ClientError, Pushed


def read_candles(path: Path, symbol: str, timeframe: str) -> Iterator[dict[str, object]]:
    """The file's rows; numbers stay text, so that no digit is lost."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            prices = {name: row[name] for name in ("open", "high", "low", "close")}
            yield {
                "symbol": symbol,
                "timeframe": timeframe,
                "timestamp": row["timestamp"],
                **prices,
                "volume": row["volume"] or None,
            }


def show(pushed: Pushed) -> None:
    """How far it is."""
    print(f"{pushed.sent} sent, {pushed.added} new, {pushed.conflicting} differ from what is stored")


def main(symbol: str, timeframe: str, file: str) -> int:
    """Push the file; 0 if all of it is there."""
    url = os.environ.get("HOOKFILL_URL", "http://localhost:8000")
    try:
        with Client(url, candles_key=os.environ.get("HOOKFILL_CANDLES_KEY")) as client:
            client.push_candles(read_candles(Path(file), symbol, timeframe), on_batch=show)
    except ClientError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
