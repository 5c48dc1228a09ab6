"""Entries that rest on paper, folded: when they fill, at what price, how they end, and what they count for meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.fold import fold
from hookfill.desk.model import HaltRow, Outcome, Situation
from hookfill.desk.rows import Rested
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Candle, Quote
from hookfill.risk.model import Halt
from support.desk import WIDE, account, after, at, bar, flat, only, signal, situation, strategy

D = Decimal
FREE = PaperModel(slippage_bps=D(0))
QUOTE = flat(-1, "1.08")
LIMIT = "buy EURUSD 1 limit=1.07"
STOP = "buy EURUSD 1 order_type=stop stop_price=1.09"
MORE = strategy(policy={"pyramiding": 3})


def fold_with(text: str, *bars: Candle, later: tuple[tuple[str, float], ...] = (), **options: Any) -> Outcome:
    """The alert at noon, these bars and these other alerts."""
    signals = [signal(text, 0), *(signal(other, minute, number=place) for place, (other, minute) in enumerate(later, 1))]
    return fold(situation(*signals, bars=[QUOTE, *bars], **{"paper": FREE, **options}))


def rested(outcome: Outcome) -> Rested:
    return only(outcome.rested)


def carried(before: Situation, outcome: Outcome, horizon: datetime, *bars: Candle) -> Situation:
    """What gathering would find once the outcome is stored and these bars came."""
    stored = after(before, outcome, (), horizon)
    fresh = situation(bars=bars, horizon=horizon)
    waiting = tuple(one.order for one in outcome.rested if one.order.is_open)
    return replace(stored, resting=waiting, bars=fresh.bars, quotes=fresh.quotes, history=fresh.history)


def test_a_limit_rests_and_the_next_bar_that_reaches_it_fills_it() -> None:
    outcome = fold_with(LIMIT + " sl=1.06 tp=1.09", flat(1, "1.075"), bar(2, "1.072 1.073 1.069 1.0705"))
    order = rested(outcome)
    assert order.is_new
    assert (order.status, order.order.order_type, order.order.average_price) == ("filled", "limit", D("1.07"))
    fill = only(order.fills)
    assert (fill.price, fill.quantity, fill.filled_at) == (D("1.07"), D(1), at(3))
    assert (fill.bar_low, fill.bar_high) == (D("1.069"), D("1.073"))
    position = only(outcome.positions)
    assert (position.quantity, position.stop_price, position.target_price) == (D(1), D("1.06"), D("1.09"))
    assert (position.opened_at, position.mark, position.marked_until) == (at(3), D("1.0705"), at(3))
    verdict = only(outcome.verdicts)
    assert (verdict.status, verdict.fill_price, verdict.order_id) == ("approved", None, None)
    assert verdict.trace["resting"]["price"] == "1.07"
    assert outcome.resting == 0


FILLS = [
    # The open is better than the limit: it fills there.
    (LIMIT, "1.065 1.066 1.064 1.065", "1.065"),
    (LIMIT, "1.075 1.08 1.07 1.075", "1.07"),
    (LIMIT, "1.075 1.08 1.0701 1.075", None),
    ("sell EURUSD 1 limit=1.09", "1.085 1.095 1.08 1.085", "1.09"),
    ("sell EURUSD 1 limit=1.09", "1.1 1.11 1.095 1.1", "1.1"),
    ("sell EURUSD 1 limit=1.09", "1.085 1.0899 1.08 1.085", None),
    (STOP, "1.085 1.095 1.08 1.085", "1.09"),
    # It gapped through the stop: the open, which is worse.
    (STOP, "1.1 1.11 1.095 1.1", "1.1"),
    (STOP, "1.085 1.0899 1.08 1.085", None),
    ("sell stop EURUSD 1 @1.07", "1.075 1.08 1.065 1.075", "1.07"),
    ("sell stop EURUSD 1 @1.07", "1.06 1.065 1.05 1.06", "1.06"),
    ("sell stop EURUSD 1 @1.07", "1.075 1.08 1.0701 1.075", None),
]


@pytest.mark.parametrize(("text", "prices", "expected"), FILLS)
def test_fill_prices(text: str, prices: str, expected: str | None) -> None:
    order = rested(fold_with(text, bar(1, prices))).order
    assert order.average_price == (None if expected is None else D(expected))
    assert order.status == ("working" if expected is None else "filled")


def test_a_stop_is_worsened_by_slippage_within_its_bar() -> None:
    costs = PaperModel(slippage_bps=D(10))
    assert rested(fold_with(STOP, bar(1, "1.085 1.095 1.08 1.085"), paper=costs)).order.average_price == D("1.09109")
    assert rested(fold_with(STOP, bar(1, "1.085 1.0901 1.08 1.085"), paper=costs)).order.average_price == D("1.0901")


def test_the_bar_in_which_it_was_made_never_fills_it() -> None:
    made = [signal(LIMIT, 2.5)]
    around, later = bar(0, "1.08 1.08 1.05 1.08", timeframe="M5"), bar(2, "1.08 1.08 1.05 1.08")
    outcome = fold(situation(*made, bars=[QUOTE, flat(0, "1.08"), flat(1, "1.08"), later, around], paper=FREE))
    assert rested(outcome).status == "working"
    assert rested(outcome).order.seen_until == at(5)
    # Neither does the price that such a bar has left behind; one that came by itself does.
    waiting = situation(*made, bars=[QUOTE, flat(1, "1.08")], paper=FREE)
    then = carried(waiting, fold(waiting), at(8))
    for seconds, expected in ((300, "working"), (60, "filled"), (None, "filled")):
        told = Quote("EURUSD", D("1.05"), at(7), "candle", seconds)
        assert rested(fold(replace(then, quotes={"EURUSD": told}))).status == expected


def test_a_price_of_an_agent_fills_it() -> None:
    waiting = situation(signal(LIMIT, 0), bars=[QUOTE], paper=FREE)
    first = fold(waiting)
    told = Quote("EURUSD", D("1.0695"), at(1), "agent")
    then = fold(replace(carried(waiting, first, at(1)), quotes={"EURUSD": told}))
    assert only(only(then.rested).fills).price == D("1.0695")
    assert not only(then.rested).is_new


def test_prices_that_were_seen_change_nothing() -> None:
    waiting = situation(signal(LIMIT, 0), bars=[QUOTE, flat(1, "1.08")], paper=FREE)
    first = fold(waiting)
    again = carried(waiting, first, at(2), flat(1, "1.08"), bar(0, "1.08 1.08 1.05 1.08"))
    assert not fold(again)


AT_ONCE = [
    ("buy EURUSD 1 limit=1.09", "1.08011", "at the quote, worsened"),
    ("buy EURUSD 1 limit=1.0801", "1.0801", "never beyond the limit"),
    ("buy EURUSD 1 limit=1.08", "1.08", "at the limit itself"),
    ("sell EURUSD 1 limit=1.07", "1.07989", "a sale likewise"),
    ("buy EURUSD 1 order_type=stop stop_price=1.07", "1.08011", "a stop that is triggered already"),
    ("sell stop EURUSD 1 @1.09", "1.07989", "a stop to sell likewise"),
]


@pytest.mark.parametrize(("text", "price", "why"), AT_ONCE, ids=[case[2] for case in AT_ONCE])
def test_what_the_market_has_reached_fills_at_once(text: str, price: str, why: str) -> None:
    outcome = fold(situation(signal(text, 0), bars=[bar(-1, "1.08 1.1 1.05 1.08")]))
    verdict = only(outcome.verdicts)
    assert (verdict.status, verdict.fill_price) == ("executed", D(price)), why
    assert verdict.order_id == rested(outcome).order_id
    assert (rested(outcome).status, rested(outcome).order.average_price) == ("filled", D(price))
    assert only(outcome.positions).mark == D("1.08")


def test_limits_lie_on_the_grid_away_from_the_market() -> None:
    assert rested(fold_with("buy EURUSD 1 limit=1.070019")).order.level == D("1.07001")
    assert rested(fold_with("sell EURUSD 1 limit=1.090011")).order.level == D("1.09002")
    assert rested(fold_with("buy EURUSD 1 order_type=stop stop_price=1.090011")).order.level == D("1.09002")


def test_a_day_order_expires_at_the_close_of_its_day() -> None:
    close = datetime(2026, 3, 2, 22, tzinfo=UTC)
    waiting = situation(signal(LIMIT, 0), bars=[QUOTE], paper=FREE)
    first = fold(waiting)
    assert only(first.rested).order.expires_at == close
    # Until a minute after the close a bar that ends there may still come.
    minutes = (close - at(0)).total_seconds() / 60
    last = bar(minutes - 1, "1.08 1.08 1.06 1.08")
    assert only(fold(carried(waiting, first, at(minutes), last)).rested).status == "filled"
    assert not fold(carried(waiting, first, at(minutes + 0.9)))
    ended = only(fold(carried(waiting, first, at(minutes + 1.1))).rested)
    assert (ended.status, ended.reason) == ("expired", Reason.ORDER_EXPIRED)
    over = only(fold(carried(waiting, first, at(minutes + 1), bar(minutes, "1.08 1.08 1.05 1.08"))).rested)
    assert (over.status, over.fills) == ("expired", ())
    forever = only(fold_with(LIMIT + " tif=gtc").rested).order
    assert (forever.expires_at, forever.time_in_force) == (None, "gtc")


def test_a_coins_day_ends_at_midnight_utc() -> None:
    coin = fold(situation(signal("buy BTCUSD 0.1 limit=60000", 0), bars=[flat(-1, "65000", symbol="BTCUSD")], paper=FREE))
    assert only(coin.rested).order.expires_at == datetime(2026, 3, 3, tzinfo=UTC)


CANCELS = [
    ("close EURUSD", "rejected", "cancelled"),
    ("close long EURUSD", "rejected", "cancelled"),
    ("close short EURUSD", "rejected", "working"),
    ("sell EURUSD 1", "executed", "cancelled"),
    ("sell EURUSD 1 limit=1.2", "approved", "cancelled"),
    ('{"symbol":"EURUSD","market_position":"flat"}', "rejected", "cancelled"),
    ("close GBPUSD", "rejected", "working"),
]


@pytest.mark.parametrize(("text", "status", "expected"), CANCELS)
def test_alerts_that_speak_against_it_cancel_it(text: str, status: str, expected: str) -> None:
    outcome = fold_with(LIMIT, later=((text, 1),))
    assert outcome.verdicts[1].status == status, outcome.verdicts[1]
    first = outcome.rested[0]
    assert first.status == expected
    if expected == "cancelled":
        assert first.reason is Reason.ORDER_CANCELLED


def test_another_strategys_alert_cancels_nothing() -> None:
    signals = signal(LIMIT, 0), signal("close EURUSD", 1, strategy=12)
    outcome = fold(situation(*signals, bars=[QUOTE], strategies=[strategy(), strategy(12)], paper=FREE))
    assert rested(outcome).status == "working"


@pytest.mark.parametrize("scope", ["global", "account", "strategy", "symbol"])
@pytest.mark.parametrize("reduce_only", [True, False])
def test_a_halt_cancels_it_before_any_price(scope: str, *, reduce_only: bool) -> None:
    waiting = situation(signal(LIMIT, 0), bars=[QUOTE], paper=FREE)
    narrowed = {"strategy": {"strategy_id": UUID(int=11)}, "symbol": {"symbol": "EURUSD"}}.get(scope, {})
    halt = HaltRow(Halt(scope, reduce_only, "stop it"), **narrowed)
    then = replace(carried(waiting, fold(waiting), at(3), bar(1, "1.08 1.08 1.05 1.08")), halts=(halt,))
    ended = only(fold(then).rested)
    assert (ended.status, ended.reason, ended.fills) == ("cancelled", Reason.HALTED, ())


@pytest.mark.parametrize("reason", [Reason.ORDER_CANCELLED, Reason.STRATEGY_DISABLED, Reason.STRATEGY_MISSING])
def test_what_nobody_wants_ends_before_any_price(reason: Reason) -> None:
    waiting = situation(signal(LIMIT, 0), bars=[QUOTE], paper=FREE)
    then = carried(waiting, fold(waiting), at(3), bar(1, "1.08 1.08 1.05 1.08"))
    then = replace(then, resting=(replace(only(then.resting), unwanted=reason),))
    ended = only(fold(then).rested)
    assert (ended.status, ended.reason, ended.fills) == ("cancelled", reason, ())


def test_it_does_not_fill_once_the_days_loss_has_reached_its_limit() -> None:
    limits = replace(WIDE, daily_loss_limit_pct=D(5))
    waiting = situation(signal(LIMIT, 0), bars=[QUOTE], paper=FREE, limits=limits)
    then = carried(waiting, fold(waiting), at(3), bar(1, "1.08 1.08 1.05 1.08"))
    ended = only(fold(replace(then, account=account(day_realized=D(-5000)))).rested)
    assert (ended.status, ended.reason) == ("cancelled", Reason.DAILY_LOSS_LIMIT_REACHED)
    assert only(fold(replace(then, account=account(day_realized=D(-4999)))).rested).status == "filled"


def test_it_counts_as_made_while_it_rests() -> None:
    again = fold_with(LIMIT, later=((LIMIT + " tp=1.2", 1),))
    assert (again.verdicts[1].status, again.verdicts[1].reason) == ("rejected", "pyramiding_limit")
    market = fold_with(LIMIT, later=(("buy EURUSD 1", 1),))
    assert (market.verdicts[1].status, market.verdicts[1].reason) == ("rejected", "pyramiding_limit")
    more = fold_with(LIMIT, later=((LIMIT + " tp=1.2", 1), ("buy EURUSD 1", 2)), strategies=[MORE])
    assert [verdict.status for verdict in more.verdicts] == ["approved", "approved", "executed"]


COUNTED = [
    ({"max_open_positions": 1}, "buy GBPUSD 1", "max_open_positions_exceeded"),
    ({"max_positions_per_symbol": 1}, "buy EURUSD 1", "max_positions_per_symbol_exceeded"),
    ({"max_exposure": 7000}, "buy GBPUSD 1", "max_exposure_exceeded"),
]


@pytest.mark.parametrize(("changes", "text", "reason"), COUNTED)
def test_it_counts_in_the_limits(changes: dict[str, int], text: str, reason: str) -> None:
    limits = replace(WIDE, **{name: D(value) for name, value in changes.items()})
    bars = [QUOTE, flat(-1, "1.3", symbol="GBPUSD")]
    both = [strategy(), strategy(12)]
    alone = fold(situation(signal(text, 1, strategy=12), bars=bars, strategies=both, limits=limits, paper=FREE))
    assert only(alone.verdicts).status == "executed"
    outcome = fold(situation(signal(LIMIT, 0), signal(text, 1, strategy=12), bars=bars, strategies=both, limits=limits, paper=FREE))
    assert (outcome.verdicts[1].status, outcome.verdicts[1].reason) == ("rejected", reason)


def test_the_size_limit_counts_what_rests() -> None:
    limits = replace(WIDE, max_position_size=D("1.5"))
    outcome = fold_with(LIMIT, later=(("buy EURUSD 0.6", 1), ("buy EURUSD 0.5", 2)), strategies=[MORE], limits=limits)
    assert [(verdict.status, verdict.reason) for verdict in outcome.verdicts] == [
        ("approved", None),
        ("rejected", "max_position_size_exceeded"),
        ("executed", None),
    ]


def test_it_adds_to_the_position_that_is_open_when_it_fills() -> None:
    outcome = fold_with("buy EURUSD 1", bar(2, "1.08 1.08 1.06 1.065"), later=((LIMIT + " sl=1.05", 1),), strategies=[MORE])
    position = only(outcome.positions)
    assert (position.quantity, position.entries, position.average_price) == (D(2), 2, D("1.075"))
    assert position.stop_price == D("1.05")
    assert rested(outcome).order.position_id == position.position_id


def test_an_exit_in_the_same_bar_comes_first() -> None:
    """A bar that takes the old position out by its stop still counts in full for it; the order opens a new one."""
    bars = bar(2, "1.08 1.08 1.06 1.065")
    outcome = fold_with("buy EURUSD 1 sl=1.075", bars, later=((LIMIT + " sl=1.05", 1),), strategies=[MORE])
    closed, opened = sorted(outcome.positions, key=lambda one: one.status)
    assert (closed.status, closed.exit_reason, opened.quantity) == ("closed", "stop_loss", D(1))
    assert only(outcome.orders[1].fills).price == D("1.075")


def test_it_never_exits_in_the_bar_that_filled_it() -> None:
    text, first = LIMIT + " sl=1.065 tp=1.075", bar(1, "1.08 1.09 1.06 1.07")
    assert only(fold_with(text, first).positions).status == "open"
    next_bar = fold_with(text, first, flat(2, "1.0749"), bar(3, "1.07 1.08 1.06 1.07"))
    assert only(next_bar.positions).exit_reason == "stop_loss"


def test_an_opposite_position_is_not_turned_by_a_price() -> None:
    outcome = fold_with("sell EURUSD 1", later=((LIMIT, 1),))
    refused = outcome.verdicts[1]
    assert (refused.status, refused.reason) == ("rejected", "order_type_unsupported")


REFUSED = [
    ({"account": account(kind="mt5")}, LIMIT, "order_type_unsupported"),
    ({"strategies": [strategy(options={"trade": "always"})]}, "buy SPY 1 limit=500", "order_type_unsupported"),
    ({}, '{"symbol":"SPY","action":"call","order_type":"limit","limit_price":500}', "order_type_unsupported"),
    ({}, LIMIT + " sl=1.075", "stop_wrong_side"),
    ({}, "buy EURUSD 0.001 limit=1.07", "size_too_small"),
    ({"strategies": [strategy(sizing={"mode": "risk_percent"})]}, "buy EURUSD limit=1.07", "stop_required"),
]


@pytest.mark.parametrize(("options", "text", "reason"), REFUSED)
def test_refusals(options: dict[str, Any], text: str, reason: str) -> None:
    outcome = fold_with(text, **options)
    assert (only(outcome.verdicts).status, only(outcome.verdicts).reason) == ("rejected", reason)
    assert outcome.rested == ()


def test_it_may_be_made_while_the_market_is_closed_and_without_any_price() -> None:
    outcome = fold(situation(signal("buy SPY 1 limit=500", 0), paper=FREE))
    order = rested(outcome).order
    assert order.expires_at == datetime(2026, 3, 2, 21, tzinfo=UTC)
    assert only(outcome.verdicts).status == "approved"


def test_risk_is_sized_by_its_own_price() -> None:
    sized = fold_with("buy EURUSD limit=1.07 sl=1.06", strategies=[strategy(sizing={"mode": "risk_percent", "percent": 1})])
    assert rested(sized).order.quantity == D(1)  # 1,000 of 100,000 at risk, 100 pips at 10 a pip and lot


def test_what_filled_at_once_is_left_within_the_bar_that_it_was_filled_in() -> None:
    """The price that it met stays the market's newest: an exit a moment later meets the same one, with its bar's bounds."""
    costs = PaperModel(slippage_bps=D(10))
    signals = signal("sell EURUSD 1 limit=1.07", 0.5), signal("close EURUSD", 0.6)
    outcome = fold(situation(*signals, bars=[QUOTE], paper=costs))
    assert only(rested(outcome).fills).price == D("1.08")
    fill = only(only(outcome.orders).fills)
    assert (fill.side, fill.price, fill.bar_high, fill.price_source) == ("buy", D("1.08"), D("1.08"), "candle")
