"""The sample trading day, Wednesday 2026-03-04 from 12:00 to 21:00 UTC: ``python -m hookfill.demo.sample_day`` writes it anew.

Two files lie beside this module in ``sample/``, both made by this project from one seed and committed, so that they can be read
and so that every installation replays the same day:

* ``candles.csv``: one-minute bars of EURUSD and BTCUSDT (all nine hours), of SPY and AAPL (from 14:30, when
  New York opens) and ten minutes of GBPUSD.
* ``alerts.jsonl``: one message per line: ``at``, when it reaches the webhook, and ``body``, its exact text.

What to expect when one strategy with ``STRATEGY_SETTINGS`` and ``ALLOWED_PAIRS`` trades it on an account of 100,000 USD:

* EURUSD is scalped with stop and target: stop losses, take profits, stops moved to break-even, some reversals; each ninth trade is
  sent twice in two minutes, and the second is refused, since the strategy holds one entry per symbol.
* BTCUSDT follows crossing averages through ``market_position`` fields; from 16:15 to 18:15 its chart stands aside, and the
  position is left at its longest holding time, ninety minutes.
* SPY is traded by plain text with stop and target; every fourth trade is closed by an alert.
* AAPL is entered six times with a wide stop and no target: its trend up arms the trailing stop, its sideways hours end at the
  longest holding time.
* At 15:00 twenty alerts arrive within one second.
* Some messages come twice or thrice (resends); some can't be read, used or allowed. ``sample_alerts.Intent`` names them all, and
  ``make_day`` tells which alert is which.

The prices are drawn at random around planned trends. What the day earns says nothing about any strategy.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from hookfill.demo.sample_alerts import SampleAlert, draw_alerts
from hookfill.demo.sample_candles import MARKETS, Bar, draw_bars

SEED = 7
FOLDER = Path(__file__).parent / "sample"
CANDLES = FOLDER / "candles.csv"
ALERTS = FOLDER / "alerts.jsonl"

ALLOWED_PAIRS = ("EURUSD", "BTCUSDT", "SPY", "AAPL")

STRATEGY_SETTINGS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "exits": {
            "stop": {"percent": "0.6"},
            "trailing_percent": "0.2",
            "trailing_arm_percent": "0.4",
            "break_even_at_r": "1",
            "max_hold_hours": "1.5",
        }
    }
)
"""The strategy's exit rules, in proportion to what prices move within a day; everything else is Hookfill's default."""


def make_day(seed: int = SEED) -> tuple[list[Bar], list[SampleAlert]]:
    """Draw the day: its bars by time, then symbol in the order of ``MARKETS``, and its alerts by arrival."""
    bars = {market.symbol: draw_bars(market, seed) for market in MARKETS}
    alerts = draw_alerts(bars, seed)
    return sorted((bar for each in bars.values() for bar in each), key=lambda bar: bar.minute), alerts


def candles_csv(bars: Iterable[Bar]) -> str:
    """The bars as CSV with the field names of ``POST /api/v1/candles``."""
    lines = ["symbol,timeframe,timestamp,open,high,low,close,volume"]
    for bar in bars:
        prices = ",".join(bar.market.text(ticks) for ticks in (bar.open, bar.high, bar.low, bar.close))
        lines.append(f"{bar.market.symbol},M1,{bar.opened_at:%Y-%m-%dT%H:%M:%SZ},{prices},{bar.volume}")
    return "\n".join(lines) + "\n"


def alerts_jsonl(alerts: Sequence[SampleAlert]) -> str:
    """The alerts as JSON lines of ``at`` (ISO 8601, UTC, milliseconds) and ``body``."""
    lines = []
    for alert in alerts:
        at = alert.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines.append(json.dumps({"at": at, "body": alert.body}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def write_day() -> None:
    """Write both files of the sample."""
    bars, alerts = make_day()
    FOLDER.mkdir(exist_ok=True)
    CANDLES.write_text(candles_csv(bars), encoding="utf-8", newline="\n")
    ALERTS.write_text(alerts_jsonl(alerts), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_day()
