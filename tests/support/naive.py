"""A paper account in a few dozen lines, to witness against the desk: nothing of Hookfill's is imported here.

One position of one strategy, in EURUSD or whatever has another lot, tick and hours, sized by the alerts. The rules are the
contracts' words: market orders fill at the last closed bar's close, a basis point worse, on the tick grid away from the trader's
favour and within that bar; stops at their level or the open if that is worse, a basis point worse; targets at their level or the
open if that is better; a stop counts before a target; a bar under way at a fill counts by its close only; whose time is up
leaves at the next bar's close, or two minutes later where none comes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

GRACE = timedelta(minutes=2)
LOT, TICK, BASIS_POINT = 100_000, Decimal("0.00001"), Decimal("0.0001")
NEW_YORK = ZoneInfo("America/New_York")


class Bar(NamedTuple):
    opened_at: datetime
    closes_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class Fired(NamedTuple):
    """An alert and what it means: ``kind`` is buy, sell, close or target; ``size`` is signed for a target."""

    at: datetime
    body: str
    kind: str
    size: Decimal = Decimal(0)
    stop: Decimal | None = None
    target: Decimal | None = None


class Fill(NamedTuple):
    at: datetime
    side: str
    quantity: Decimal
    price: Decimal
    purpose: str
    reason: str | None


def is_trading(at: datetime) -> bool:
    """The currency week: Sunday 17:00 to Friday 17:00 in New York."""
    local = at.astimezone(NEW_YORK)
    hours = local.weekday() * 24 + local.hour
    return not 4 * 24 + 17 <= hours < 6 * 24 + 17


@dataclass
class Naive:
    """The account while it is walked through bars and alerts."""

    cash: Decimal
    max_hold: timedelta
    held: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    stop: Decimal | None = None
    target: Decimal | None = None
    opened_at: datetime | None = None
    since: datetime | None = None
    seen_due: datetime | None = None
    last: Bar | None = None
    fills: list[Fill] = field(default_factory=list)
    outcomes: list[str | None] = field(default_factory=list)
    closed: list[tuple[datetime, datetime, str, Decimal]] = field(default_factory=list)
    realized: Decimal = Decimal(0)
    lot: int = LOT
    tick: Decimal = TICK
    is_trading: Callable[[datetime], bool] = is_trading

    def walk(self, bars: list[Bar], alerts: list[Fired]) -> "Naive":
        """All of it in order of time; a bar that closes at an alert's time comes first."""
        events = [(bar.closes_at, 0, bar) for bar in bars] + [(alert.at, 1, alert) for alert in alerts]
        for at, is_alert, event in sorted(events, key=lambda one: one[:2]):
            self._pass_time(at)
            if is_alert:
                self.outcomes.append(self._alert(event))
            else:
                self._bar(event)
                self.last = event
        return self

    def _worse(self, price: Decimal, sign: int, bar: Bar) -> Decimal:
        slipped = price * (1 + sign * BASIS_POINT)
        grid = (slipped / self.tick).to_integral_value(ROUND_CEILING if sign > 0 else ROUND_FLOOR) * self.tick
        return min(max(grid, bar.low), bar.high)

    def _pass_time(self, until: datetime) -> None:
        """Two minutes after its time is up a position is left at the last price, if that was less than three bars old then."""
        if not self.held or until <= self.opened_at + self.max_hold + GRACE:
            return
        due, last = self.opened_at + self.max_hold, self.last
        is_seen = self.seen_due == due
        if is_seen or not self.is_trading(due) or due - last.closes_at > 3 * (last.closes_at - last.opened_at):
            self.seen_due = due
            return
        sign = 1 if self.held > 0 else -1
        anywhere = Bar(last.opened_at, last.closes_at, last.close, 2 * last.close, Decimal(0), last.close)
        price = self._worse(last.close, -sign, anywhere)
        self._fill(due + GRACE, -self.held, price, "exit", "max_hold")

    def _bar(self, bar: Bar) -> None:
        if not self.held:
            return
        sign = 1 if self.held > 0 else -1
        is_whole = bar.opened_at >= self.since
        opening, high, low = (bar.open, bar.high, bar.low) if is_whole else (bar.close,) * 3
        worst, best = (low, high) if sign > 0 else (high, low)
        if self.stop is not None and sign * (worst - self.stop) <= 0:
            met = min(self.stop, opening) if sign > 0 else max(self.stop, opening)
            self._fill(bar.closes_at, -self.held, self._worse(met, -sign, bar), "exit", "stop_loss")
        elif self.target is not None and sign * (best - self.target) >= 0:
            met = max(self.target, opening) if sign > 0 else min(self.target, opening)
            self._fill(bar.closes_at, -self.held, met, "exit", "take_profit")
        elif bar.closes_at - self.opened_at >= self.max_hold:
            self._fill(bar.closes_at, -self.held, self._worse(bar.close, -sign, bar), "exit", "max_hold")
        self.since = max(self.since, bar.closes_at) if self.held else None

    def _alert(self, alert: Fired) -> str | None:
        """Returns why it was refused, or None."""
        wanted = self._wanted(alert)
        if isinstance(wanted, str):
            return wanted
        crosses = self.held * wanted < 0
        if self.held and (crosses or abs(wanted) < abs(self.held)):
            change = -self.held if crosses else wanted - self.held
            self._market(alert, change, "exit", "signal")
        if wanted != self.held:
            if not self.is_trading(alert.at):
                return "market_closed"
            self._market(alert, wanted - self.held, "entry", None)
            self.stop = alert.stop if alert.stop is not None else self.stop
            self.target = alert.target if alert.target is not None else self.target
        return None

    def _wanted(self, alert: Fired) -> Decimal | str:
        if alert.kind == "close":
            return Decimal(0) if self.held else "no_position"
        if alert.kind == "target":
            return alert.size if alert.size != self.held else "already_at_target"
        sign = 1 if alert.kind == "buy" else -1
        return "pyramiding_limit" if self.held * sign > 0 else sign * alert.size

    def _market(self, alert: Fired, change: Decimal, purpose: str, reason: str | None) -> None:
        price = self._worse(self.last.close, 1 if change > 0 else -1, self.last)
        self._fill(alert.at, change, price, purpose, reason)

    def _fill(self, at: datetime, change: Decimal, price: Decimal, purpose: str, reason: str | None) -> None:
        self.fills.append(Fill(at, "buy" if change > 0 else "sell", abs(change), price, purpose, reason))
        self.cash -= change * price * self.lot
        if purpose == "entry":
            self.opened_at = self.opened_at if self.held else at
            self.cost += change * price
        else:
            share = self.cost * -change / self.held
            self.realized += (-change * price - share) * self.lot
            self.cost -= share
        self.held += change
        self.since = at
        if not self.held:
            self.closed.append((self.opened_at, at, reason, price))
            self.stop = self.target = self.opened_at = self.since = None
            self.cost = Decimal(0)

    @property
    def equity(self) -> Decimal:
        return self.cash + self.held * self.last.close * self.lot
