"""What each fill must have cost, and which levels must have been met, by the plain words of the contracts: see ``naive_ledger``."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from support.naive_ledger import STALE, TICK_STALE, Ask, NaiveLedger, Price, is_trading

TIMED = frozenset({"max_hold", "session_close", "week_close", "min_dte"})
STOPS = frozenset({"stop_loss", "trailing_stop", "break_even"})
TARGETS = frozenset({"take_profit", "partial_target"})


def check_price(ledger: NaiveLedger, order: Any, fill: Any) -> None:
    """A fill of anything but an option must have cost just this; call it before the fill is booked."""
    sign = 1 if fill.side == "buy" else -1
    if order.signal_id is not None and fill.filled_at == order.as_of:
        price, met = _at_once(ledger, order, fill, sign)
    elif order.purpose == "entry":
        price, met = _rested(ledger, order, fill, sign)
    else:
        price, met = _left(ledger, order, fill, sign)
    assert fill.price == price, f"{order.purpose} {order.exit_reason} {order.order_type}: {fill.price} instead of {price}"
    assert fill.bar_low is None or fill.bar_low == met.low
    assert met.bottom <= fill.price <= met.top or met.low is None, "outside its bar"
    if order.purpose == "entry":
        most = ledger.bound(fill.symbol, order.quantity - ledger.filled[order.order_id], met)
        assert fill.quantity == most, f"{fill.quantity} of a bar that lets {most} through"


def _at_once(ledger: NaiveLedger, order: Any, fill: Any, sign: int) -> tuple[Decimal, Price]:
    met = ledger.known(fill.symbol, fill.filled_at)
    assert met is not None, "a fill without a price"
    price = ledger.worse(fill.symbol, met.close, sign, met)
    if order.order_type == "limit":
        assert sign * (met.close - order.level) <= 0, "a limit that the market had not reached"
        price = min(price, order.level) if sign > 0 else max(price, order.level)
    if order.order_type == "stop":
        assert sign * (met.close - order.level) >= 0, "a stop that was not triggered"
    return price, met


def _rested(ledger: NaiveLedger, order: Any, fill: Any, sign: int) -> tuple[Decimal, Price]:
    met = ledger.price_at(fill.symbol, fill.filled_at)
    assert met is not None, "a fill at no price"
    assert met.opened_at >= order.as_of, "a fill in the bar in which the order was made"
    if order.order_type == "market":
        return ledger.worse(fill.symbol, met.open, sign, met), met
    beyond = max if (order.order_type == "stop") == (sign > 0) else min
    assert beyond(met.top, met.bottom, order.level) != order.level or order.level in (met.top, met.bottom), "a level not reached"
    price = beyond(order.level, met.open)
    return (price if order.order_type == "limit" else ledger.worse(fill.symbol, price, sign, met)), met


def _left(ledger: NaiveLedger, order: Any, fill: Any, sign: int) -> tuple[Decimal, Price]:
    lot, met, reason = ledger.open[fill.position_id], ledger.price_at(fill.symbol, fill.filled_at), order.exit_reason
    if met is None:
        assert reason in TIMED, f"{reason} without a price"
        met = ledger.known(fill.symbol, fill.filled_at)
        assert met is not None
        return ledger.worse(fill.symbol, met.close, sign, None), met._replace(high=None, low=None)
    is_whole, side = met.opened_at >= ledger.seen_before(lot, fill.filled_at), -sign
    opening = met.open if is_whole else met.close
    worst, best = ((met.bottom, met.top) if side > 0 else (met.top, met.bottom)) if is_whole else (met.close, met.close)
    if reason in TIMED:
        return ledger.worse(fill.symbol, met.close, sign, met), met
    level = order.level
    if reason in STOPS:
        assert side * (worst - level) <= 0, "a stop that was not reached"
        return ledger.worse(fill.symbol, min(level, opening) if side > 0 else max(level, opening), sign, met), met
    assert reason in TARGETS, reason
    assert side * (best - level) >= 0, "a target that was not reached"
    assert all(side * (worst - stop) > 0 for stop in ledger.stops.get(fill.position_id, [])), "a target before a stop in one bar"
    return (max(level, opening) if side > 0 else min(level, opening)), met


def check_levels_were_met(ledger: NaiveLedger, before: Iterable[Any], dealt: set[Any], until: datetime) -> None:
    """No stop or target of before was passed over by a price that has come since.

    Args:
        before: positions as they stood before the transaction.
        dealt: positions in which signals made it deal: their levels may be new ones, and a bar under way counts by its close.
        until: it looked at prices up to here.
    """
    for position in before:
        symbol, side = position.symbol, 1 if position.quantity > 0 else -1
        if position.underlying is not None or position.position_id in dealt:
            continue
        if ledger.is_halted(position.strategy_id, symbol, leaving=True):
            continue
        for price in ledger.prices[symbol]:
            if not position.marked_until < price.at <= until or price.opened_at < position.marked_until:
                continue
            worst, best = (price.bottom, price.top) if side > 0 else (price.top, price.bottom)
            stops = [stop for stop in (position.stop_price, position.trailing_stop) if stop is not None]
            is_hit = any(side * (worst - stop) <= 0 for stop in stops)
            if position.target_price is not None:
                is_hit = is_hit or side * (best - position.target_price) >= 0
            if is_hit:
                lot = ledger.closed.get(position.position_id)
                assert lot is not None, f"{symbol}: a level was passed over by {price}"
                assert lot.fills[-1] <= price.at, f"{symbol}: left only after {price}"
                break


def check_orders_were_met(ledger: NaiveLedger, resting: Iterable[Any], until: datetime) -> None:
    """No order that still rests, unfilled, was reached by a price that came whole after it was made."""
    for order in resting:
        if order.filled or ledger.cap is not None or order.level is None:
            continue
        sign = 1 if order.side == "buy" else -1
        goes_up = (order.order_type == "stop") == (sign > 0)
        for price in ledger.prices[order.symbol]:
            if price.opened_at >= order.as_of and order.as_of < price.at <= until:
                reached = price.top >= order.level if goes_up else price.bottom <= order.level
                assert not reached, f"{order.symbol} {order.order_type} at {order.level} was passed over by {price}"


def check_answer(
    ledger: NaiveLedger, ask: Ask, verdict: Any, orders: list[Any], fills: list[Any], wanted: list[Decimal] | None
) -> None:
    """What became of a signal is what its alert means for what was held; call it with what was wanted before its fills."""
    changes = [fill.quantity if fill.side == "buy" else -fill.quantity for fill in fills if fill.filled_at == ask.at]
    purposes = [order.purpose for order in orders]
    if ledger.is_halted(ask.strategy, ask.symbol, leaving=False):
        assert "entry" not in purposes, "an entry during a halt"
    if ledger.is_halted(ask.strategy, ask.symbol, leaving=True):
        assert not orders, "an order during a full halt"
    if verdict.status in ("discarded", "rejected", "failed", "expired"):
        assert not changes, f"{verdict.status} with fills"
        _check_refusal(ledger, ask, verdict.reason, wanted)
        return
    assert wanted, f"{ask}: {verdict.status}, but nothing was to be done; held {ledger.lot(ask.strategy, ask.symbol)}"
    if verdict.status == "executed" and verdict.reason is None:
        assert changes == wanted, f"{changes} instead of {wanted}"
    elif verdict.status == "executed":
        assert changes == wanted[:1], f"the entry was refused ({verdict.reason}): {changes} instead of {wanted[:1]}"
    else:
        assert verdict.status == "approved"
        assert purposes[-1:] == ["entry"], "approved, and no entry waits"
        assert abs(sum(changes)) <= sum(abs(leg) for leg in wanted)


def _check_refusal(ledger: NaiveLedger, ask: Ask, reason: str | None, wanted: list[Decimal] | None) -> None:
    known = ledger.known(ask.symbol, ask.at)
    if reason == "halted":
        assert ledger.is_halted(ask.strategy, ask.symbol, leaving=False), "refused by a halt that is not there"
    elif reason in ("no_position", "already_at_target", "opposite_ignored"):
        assert wanted is None, f"{reason}, but {wanted} was to be done"
    elif reason == "market_closed":
        assert not is_trading(ask.symbol, ask.at), "refused as if the market were closed"
    elif reason == "price_missing":
        assert known is None
    elif reason == "price_stale":
        assert known is not None
        assert ask.at - known.at > (STALE if known.low is not None else TICK_STALE), f"{ask}: {known} is not stale"
    elif reason not in OTHERS:
        raise AssertionError(f"refused by {reason}")


OTHERS = frozenset(
    {
        "pyramiding_limit",
        "order_type_unsupported",
        "max_open_positions_exceeded",
        "stop_wrong_side",
        "target_wrong_side",
        "order_rate_exceeded",
        "insufficient_buying_power",
    }
)
"""Refusals that the ledger does not foresee."""
