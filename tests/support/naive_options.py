"""A paper account that trades options by model, to witness against the desk: nothing of Hookfill's is imported here.

Calls and puts on one index, bought by alerts. The rules are the contracts' words: an alert buys the nearest contract that is not in
the money, on a grid of five points, for the first Friday at least five days away, unless it names another; a model prices it from
the index's last closed bar and the volatility of its last 300 bars; the market deals at bid and ask, one percent to either side of
that, and a quarter of the spread worse; a contract costs 0.65 to buy and to sell; half of the cost lost or won, or 15 % below the
best price once 20 % are won, and it is left; what is held to its end is settled at what it is worth then.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from itertools import pairwise
from math import erf, exp, log, sqrt
from typing import NamedTuple
from zoneinfo import ZoneInfo

from support.naive import Bar

NEW_YORK = ZoneInfo("America/New_York")
CENT, RATE, FEE, LOT = Decimal("0.01"), 0.04, Decimal("0.65"), 100
YEAR = timedelta(days=365)
NIGHT = 0.25
"""What the hours in which nothing is traded count for, as a part of a day."""


class Wish(NamedTuple):
    """An alert and what it means: ``right`` is CALL, PUT, or None to leave all that is held."""

    at: datetime
    body: str
    right: str | None
    quantity: int = 0
    strike: Decimal | None = None
    expiration: date | None = None


class Deal(NamedTuple):
    at: datetime
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    purpose: str
    reason: str | None
    low: Decimal | None
    high: Decimal | None


@dataclass
class Held:
    """A contract that is held."""

    symbol: str
    right: str
    strike: Decimal
    ends_at: datetime
    quantity: Decimal
    volatility: float
    since: datetime
    half_share: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    best: Decimal = Decimal(0)
    stop: Decimal | None = None
    target: Decimal | None = None
    trailing: Decimal | None = None

    def worth(self, spot: Decimal, at: datetime) -> Decimal:
        return max(Decimal(f"{black_scholes(self.right, spot, self.strike, self.ends_at - at, self.volatility):.2f}"), CENT)

    def bar(self, bar: Bar) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Open, high, low and close of the contract."""
        prices = [self.worth(spot, bar.closes_at) for spot in (bar.open, bar.high, bar.low, bar.close)]
        return prices[0], max(prices[1:3]), min(prices[1:3]), prices[3]

    def half(self, price: Decimal) -> Decimal:
        return max((price * self.half_share).quantize(CENT), CENT)

    def bid(self, price: Decimal) -> Decimal:
        return max((price - self.half(price)).quantize(CENT, ROUND_FLOOR), CENT)

    def ask(self, price: Decimal) -> Decimal:
        return (price + self.half(price)).quantize(CENT, ROUND_CEILING)

    def sold_at(self, price: Decimal, bar: Bar) -> Decimal:
        """A bid, a quarter of the spread worse, on the grid, within the bar."""
        _, high, low, _ = self.bar(bar)
        return min(max((price * Decimal("0.995")).quantize(CENT, ROUND_FLOOR), self.bid(low)), self.ask(high))


def black_scholes(right: str, spot: Decimal, strike: Decimal, left: timedelta, volatility: float) -> float:
    sign = 1 if right == "CALL" else -1
    price, level, years = float(spot), float(strike), max(left / YEAR, 0.0)
    if years == 0:
        return max(sign * (price - level), 0.0)
    deviation = volatility * sqrt(years)
    first = (log(price / level) + (RATE + volatility**2 / 2) * years) / deviation
    second = first - deviation
    return sign * (price * normal(sign * first) - level * exp(-RATE * years) * normal(sign * second))


def normal(value: float) -> float:
    return (1 + erf(value / sqrt(2))) / 2


def volatility_of(bars: list[Bar]) -> float:
    """Annualised, of the moves from close to close."""
    last = bars[-300:]
    variance = sum(log(float(after.close) / float(before.close)) ** 2 for before, after in pairwise(last))
    return sqrt(variance / days_between(last[0].closes_at, last[-1].closes_at) * 252)


def days_between(start: datetime, end: datetime) -> float:
    """Days of trade: three quarters for the hours from 9:30 to 16:00, one quarter for the night before them."""
    total, day = 0.0, start.astimezone(NEW_YORK).date()
    while day <= end.astimezone(NEW_YORK).date():
        opens, closes = moment(day, 9, 30), moment(day, 16, 0)
        night = moment(day - timedelta(days=1), 16, 0)
        total += (1 - NIGHT) * common(opens, closes, start, end) + NIGHT * common(night, opens, start, end)
        day += timedelta(days=1)
    return total


def common(opens: datetime, closes: datetime, start: datetime, end: datetime) -> float:
    return max((min(closes, end) - max(opens, start)) / (closes - opens), 0.0)


def moment(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


@dataclass
class NaiveOptions:
    """The account while it is walked through bars and alerts; ``has_exits``: whether options are left by themselves."""

    cash: Decimal
    has_exits: bool
    held: dict[str, Held] = field(default_factory=dict)
    seen: list[Bar] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    outcomes: list[str | None] = field(default_factory=list)
    realized: Decimal = Decimal(0)

    def walk(self, bars: list[Bar], wishes: list[Wish]) -> "NaiveOptions":
        """All of it in order of time; a bar that closes at an alert's time comes first."""
        events = [(bar.closes_at, 0, bar) for bar in bars] + [(wish.at, 1, wish) for wish in wishes]
        for at, is_wish, event in sorted(events, key=lambda one: one[:2]):
            if is_wish:
                self.outcomes.append(self._wish(event))
            else:
                self.seen.append(event)
                for one in list(self.held.values()):
                    self._price(one, event)
            for one in [one for one in self.held.values() if one.ends_at <= at]:
                worth = (self.seen[-1].close - one.strike) * (1 if one.right == "CALL" else -1)
                self._sell(one, one.ends_at, max(worth, Decimal(0)), "expired", None, Decimal(0))
        return self

    def _wish(self, wish: Wish) -> str | None:
        bar = self.seen[-1]
        leaving = [one for one in self.held.values() if one.right != wish.right]
        for one in leaving:
            self._sell(one, wish.at, one.sold_at(one.bid(one.worth(bar.close, bar.closes_at)), bar), "signal", bar)
        if wish.right is None:
            return None if leaving else "no_position"
        one = self._choose(wish, bar)
        if one.symbol in self.held:
            return "pyramiding_limit"
        self._buy(one, wish.at, bar)
        return None

    def _choose(self, wish: Wish, bar: Bar) -> Held:
        assert wish.right is not None
        up = ROUND_CEILING if wish.right == "CALL" else ROUND_FLOOR
        strike = wish.strike or (bar.close / 5).to_integral_value(up) * 5
        earliest = wish.at.astimezone(NEW_YORK).date() + timedelta(days=5)
        ends = wish.expiration or earliest + timedelta(days=(4 - earliest.weekday()) % 7)
        symbol = f"SPX{ends:%y%m%d}{wish.right[0]}{int(strike * 1000):08}"
        one = Held(symbol, wish.right, strike, moment(ends, 16, 0), Decimal(wish.quantity), volatility_of(self.seen), wish.at)
        middle = one.worth(bar.close, bar.closes_at)
        half = max((middle / 100).quantize(CENT, ROUND_HALF_UP), CENT)
        one.half_share = ((middle + half - max(middle - half, Decimal(0))) / 2 / middle).quantize(Decimal("1e-10"))
        return one

    def _buy(self, one: Held, at: datetime, bar: Bar) -> None:
        _, high, low, close = one.bar(bar)
        bounds = (one.bid(low), one.ask(high))
        price = min(max((one.ask(close) * Decimal("1.005")).quantize(CENT, ROUND_CEILING), bounds[0]), bounds[1])
        one.paid = one.best = price
        if self.has_exits:
            one.stop, one.target = (price / 2).quantize(CENT, ROUND_FLOOR), (price * 3 / 2).quantize(CENT, ROUND_CEILING)
        self.held[one.symbol] = one
        self.cash -= one.quantity * (price * LOT + FEE)
        self.realized -= one.quantity * FEE
        self.deals.append(Deal(at, one.symbol, "buy", one.quantity, price, "entry", None, *bounds))

    def _price(self, one: Held, bar: Bar) -> None:
        opening, high, low, close = one.bar(bar)
        if bar.opened_at < one.since:
            opening = high = low = close
        one.since = bar.closes_at
        if not self.has_exits:
            return
        assert one.stop is not None
        assert one.target is not None
        stop, reason = max((one.stop, "stop_loss"), (one.trailing or Decimal(0), "trailing_stop"))
        if low <= stop:
            self._sell(one, bar.closes_at, one.sold_at(min(one.bid(stop), one.bid(opening)), bar), reason, bar)
        elif high >= one.target:
            self._sell(one, bar.closes_at, max(one.target, one.bid(opening)), "take_profit", bar)
        else:
            one.best = max(one.best, high)
            if (one.best - one.paid) * 100 >= 20 * one.paid:
                one.trailing = max(one.trailing or Decimal(0), (one.best * 85 / 100).quantize(CENT, ROUND_FLOOR))

    def _sell(self, one: Held, at: datetime, price: Decimal, reason: str, bar: Bar | None, fee: Decimal = FEE) -> None:
        bounds: tuple[Decimal | None, Decimal | None] = (None, None)
        if bar is not None:
            _, high, low, _ = one.bar(bar)
            bounds = one.bid(low), one.ask(high)
        self.cash += one.quantity * (price * LOT - fee)
        self.realized += one.quantity * ((price - one.paid) * LOT - fee)
        self.deals.append(Deal(at, one.symbol, "sell", one.quantity, price, "exit", reason, *bounds))
        del self.held[one.symbol]

    def reasons(self) -> Iterator[str | None]:
        """Why contracts were left."""
        return (deal.reason for deal in self.deals if deal.purpose == "exit")
