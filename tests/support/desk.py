"""Situations of a paper account, built in few words, and folding them in one go or in parts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from hookfill.accounts.model import Account, Strategy
from hookfill.desk.fold import fold
from hookfill.desk.model import HaltRow, Outcome, Situation, Verdict
from hookfill.desk.price import quote_of_bar
from hookfill.desk.rows import Order
from hookfill.kernel.ids import derived_id
from hookfill.market.model import Candle, Quote
from hookfill.market.timeframes import TIMEFRAMES, bar_close
from hookfill.positions.model import Position
from hookfill.risk.model import Halt, Limits
from hookfill.signals.grammar import parse_alert
from hookfill.signals.model import Alert, Signal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday on which all markets are open or about to be."""
ACCOUNT = UUID(int=1)
STRATEGY = UUID(int=11)
CASH = Decimal(100_000)
WIDE = Limits(
    max_open_positions=Decimal(100),
    max_positions_per_symbol=Decimal(100),
    max_position_size=Decimal(1_000),
    max_exposure=Decimal(10**9),
    max_exposure_pct=Decimal(10**6),
    daily_loss_limit_pct=Decimal(0),
    order_rate_per_minute=Decimal(10_000),
)
"""Limits that stop nothing, for tests about something else."""


def at(minutes: float = 0, *, seconds: float = 0) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes, seconds=seconds)


def account(**changes: Any) -> Account:
    """A fresh account whose day is today."""
    fresh = Account(ACCOUNT, "USD", "UTC", CASH, CASH, date(2026, 3, 2), CASH, Decimal(0))
    return replace(fresh, **changes)


def strategy(number: int = 11, **fields: Any) -> Strategy:
    """A strategy that takes alerts at their word, with these settings sections: ``strategy(policy={…}, exits={…})``."""
    own = {"engine", "is_enabled", "risk_override_pct", "allowed_pairs"}
    columns = {name: fields.pop(name) for name in own & fields.keys()}
    return Strategy(ACCOUNT, UUID(int=number), f"strategy {number}", columns.pop("engine", "direct"), settings=fields, **columns)


def bar(minute: float, prices: str, *, symbol: str = "EURUSD", timeframe: str = "M1") -> Candle:
    """A bar that opens so many minutes after noon; ``prices``: open, high, low, close."""
    opening, high, low, close = map(Decimal, prices.split())
    opened_at = at(minute)
    return Candle(symbol, timeframe, opened_at, bar_close(timeframe, opened_at), opening, high, low, close, 1)


def flat(minute: float, price: str, *, symbol: str = "EURUSD", timeframe: str = "M1") -> Candle:
    """A bar that does not move."""
    return bar(minute, f"{price} {price} {price} {price}", symbol=symbol, timeframe=timeframe)


def signal(text: str, minute: float, *, strategy: int = 11, number: int = 0, source: str = "live", **fields: Any) -> Signal:
    """A pending signal of an alert, in any dialect, received so many minutes after noon."""
    alert = parse_alert(text.encode())
    assert isinstance(alert, Alert), alert
    as_of = at(minute)
    signal_id = derived_id(as_of, text, str(strategy), str(number))
    return Signal(ACCOUNT, signal_id, signal_id, UUID(int=strategy), source, alert, as_of, **fields)


def situation(
    *signals: Signal,
    bars: Iterable[Candle] = (),
    strategies: Iterable[Strategy] | None = None,
    halts: Iterable[HaltRow] = (),
    limits: Limits = WIDE,
    horizon: datetime | None = None,
    quotes: Mapping[str, Quote] | None = None,
    **fields: Any,
) -> Situation:
    """What gathering would find when these bars are all that is stored, and nothing is known later than ``horizon``."""
    stored = sorted(bars, key=lambda one: (one.closes_at, -TIMEFRAMES[one.timeframe]))
    known = {one.symbol: quote_of_bar(one) for one in stored} | dict(quotes or {})
    latest = max([NOON, *(one.as_of for one in signals), *(one.closes_at for one in stored)])
    history = {symbol: tuple(one for one in stored if one.symbol == symbol) for symbol in {one.symbol for one in stored}}
    listed = (strategy(),) if strategies is None else strategies
    return Situation(
        account=fields.pop("account", account()),
        limits=limits,
        strategies={one.strategy_id: one for one in listed},
        signals=signals,
        positions=fields.pop("positions", ()),
        halts=tuple(halts),
        entry_times=fields.pop("entry_times", {}),
        quotes=known,
        bars=tuple(sorted(stored, key=lambda one: (one.closes_at, TIMEFRAMES[one.timeframe], one.symbol))),
        history=history,
        studies=fields.pop("studies", {}),
        horizon=latest if horizon is None else horizon,
        **fields,
    )


def after(before: Situation, outcome: Outcome, signals: Sequence[Signal], horizon: datetime) -> Situation:
    """What gathering would find once an outcome is stored."""
    positions = {one.position_id: one for one in (*before.positions, *outcome.positions)}
    entries = {key: list(times) for key, times in before.entry_times.items()}
    for order in outcome.orders:
        if order.purpose == "entry":
            entries.setdefault(order.strategy_id, []).append(order.as_of)
    for rested in outcome.rested:
        if rested.is_new:
            entries.setdefault(rested.order.strategy_id, []).append(rested.order.as_of)
    halts = [HaltRow(Halt("strategy", True, halt.reason), strategy_id=halt.strategy_id) for halt in outcome.halts]
    resting = {one.order_id: one for one in before.resting} | {one.order_id: one.order for one in outcome.rested}
    return replace(
        before,
        account=outcome.account,
        positions=tuple(one for one in positions.values() if one.status != "closed"),
        entry_times={key: tuple(times) for key, times in entries.items()},
        halts=(*before.halts, *halts),
        resting=tuple(one for one in resting.values() if one.is_open),
        signals=tuple(signals),
        horizon=horizon,
    )


def fold_in_parts(whole: Situation, cuts: Iterable[int]) -> tuple[list[Order], dict[UUID, Position], Outcome, list[Verdict]]:
    """Fold a situation in several transactions: the signals up to each cut, prices up to the last of them, then the rest."""
    places = [0, *sorted(cuts), len(whole.signals)]
    now, orders, positions, verdicts = whole, [], {}, []
    for number, (first, last) in enumerate(pairwise(places), start=1):
        signals = whole.signals[first:last]
        is_last = number == len(places) - 1
        if not signals and not is_last:
            continue
        part = replace(now, signals=signals, horizon=whole.horizon if is_last else signals[-1].as_of)
        outcome = fold(part)
        orders += outcome.orders
        positions |= {one.position_id: one for one in outcome.positions}
        verdicts += outcome.verdicts
        now = after(part, outcome, (), whole.horizon)
    return orders, positions, outcome, verdicts


def only(items: Sequence[Any]) -> Any:
    """The one item there is."""
    assert len(items) == 1, items
    return items[0]
