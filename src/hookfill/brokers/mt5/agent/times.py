"""Broker time: terminals tell times on their server's own clock; how far that is ahead of UTC follows from a fresh tick (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

STEP_SECONDS = 1800
"""Time zones lie whole half hours apart."""
MOST_SECONDS = 15 * 3600
LATE_SECONDS = 300
"""How far a live tick may lie from a whole half hour: the clocks of this computer and of the broker differ by less."""


@dataclass(frozen=True, slots=True)
class Zone:
    """What is known of the broker's clock.

    Attributes:
        offset_seconds: how far it is ahead of UTC.
        is_sure: it follows from a tick that was seen to arrive; the last tick of a closed market may be hours or days old.
        seen: each symbol's last tick time on the broker's clock, in seconds.
    """

    offset_seconds: int = 0
    is_sure: bool = False
    seen: Mapping[str, float] = field(default_factory=dict)

    def with_tick(self, symbol: str, tick_seconds: float, now: datetime) -> "Zone":
        """What is known after one more look at a symbol's last tick.

        Args:
            tick_seconds: the tick's time as the terminal tells it: seconds of a broker-time clock since 1970.
            now: the present (UTC).
        """
        before = self.seen.get(symbol)
        seen = {**self.seen, symbol: tick_seconds}
        ahead = tick_seconds - now.timestamp()
        rounded = round(ahead / STEP_SECONDS) * STEP_SECONDS
        if abs(rounded) > MOST_SECONDS or abs(ahead - rounded) > LATE_SECONDS:
            return replace(self, seen=seen)
        if before is not None and tick_seconds > before:
            return Zone(rounded, is_sure=True, seen=seen)
        # Age only ever makes a tick look like that of a zone further west: the easternmost is the best guess.
        is_better = not self.is_sure and (not self.seen or rounded > self.offset_seconds)
        return replace(self, seen=seen, offset_seconds=rounded if is_better else self.offset_seconds)


def to_utc(broker_seconds: float, offset_seconds: int) -> datetime:
    """A terminal's time as UTC."""
    return datetime.fromtimestamp(broker_seconds, UTC) - timedelta(seconds=offset_seconds)


def to_broker(moment: datetime, offset_seconds: int) -> datetime:
    """A moment as the terminal expects it in queries: its own clock's reading, labelled UTC."""
    return moment.astimezone(UTC) + timedelta(seconds=offset_seconds)
