"""Replays the sample day over HTTP: candles and alerts in the order in which a live server would have seen them.

A bar is sent when it closes, before the alerts that were fired at or after that moment; an alert only after everything before it
was answered. So the day is the same in every run, however fast it goes: what a message leads to is decided as of its own time.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import httpx

from hookfill.demo.installation import DemoFailed
from hookfill.demo.sample_day import ALERTS, CANDLES

MINUTE = timedelta(minutes=1)
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Event:
    """One request of the day: an alert's body, or the bars that closed since the last alert.

    ``at`` (UTC) is when it reaches the server; ``weight`` is how many bars or alerts it holds.
    """

    at: datetime
    alert: str | None
    candles: tuple[dict[str, Any], ...]

    @property
    def weight(self) -> int:
        """Bars or alerts in it."""
        return len(self.candles) or 1


def read_events() -> list[Event]:
    """The bundled day as requests, in order."""
    with CANDLES.open(encoding="utf-8", newline="") as file:
        bars = [(datetime.fromisoformat(row["timestamp"]) + MINUTE, _candle(row)) for row in csv.DictReader(file)]
    alerts = [json.loads(line) for line in ALERTS.read_text(encoding="utf-8").splitlines()]
    moments: list[tuple[datetime, int, Any]] = [(closed, 0, candle) for closed, candle in bars]
    moments += [(datetime.fromisoformat(alert["at"]), 1, alert["body"]) for alert in alerts]
    moments.sort(key=lambda moment: moment[:2])  # stable: bars and alerts of one moment stay in their files' order
    return list(_batches(moments))


def _candle(row: dict[str, str]) -> dict[str, Any]:
    return {**row, "volume": int(row["volume"])}


def _batches(moments: Iterable[tuple[datetime, int, Any]]) -> Iterator[Event]:
    for is_alert, group in groupby(moments, key=lambda moment: moment[1]):
        if is_alert:
            yield from (Event(at, body, ()) for at, _, body in group)
        else:
            members = list(group)
            yield Event(members[-1][0], None, tuple(candle for _, _, candle in members))


async def replay(
    url: str, webhook_path: str, candles_key: str, events: Iterable[Event], on_progress: Callable[[int], None]
) -> None:
    """Send the day.

    Args:
        url: the server.
        webhook_path: the strategy's own path, with its secret.
        candles_key: the key of the candles door.
        events: from ``read_events``.
        on_progress: told after each request how many bars or alerts it held.

    Raises:
        DemoFailed: the server refused a request or did not answer.
    """
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        for event in events:
            headers = {"X-Hookfill-Time": event.at.isoformat()}
            try:
                if event.alert is not None:
                    answer = await client.post(webhook_path, content=event.alert.encode(), headers=headers)
                else:
                    headers["X-API-KEY"] = candles_key
                    answer = await client.post("/api/v1/candles", json={"candles": event.candles}, headers=headers)
            except httpx.HTTPError as error:
                raise DemoFailed(f"The demo's server did not answer ({type(error).__name__}): look above for why.") from error
            if not answer.is_success:
                raise DemoFailed(f"The demo's server answered {answer.status_code}: {answer.text[:300]}. Please report it.")
            on_progress(event.weight)
