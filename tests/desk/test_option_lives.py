"""What prices and time do to options: marks, targets, stops, ends, and the clock's own exits."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hookfill.desk.fold import fold
from hookfill.desk.model import HaltRow, Outcome, Situation
from hookfill.desk.timers import GRACE
from hookfill.market.model import Quote
from hookfill.risk.model import Halt
from support.desk import CASH, NOON, after, at, bar, flat, only, signal, strategy
from support.options import NOW, bought, premium, spy, still, with_options

D = Decimal
CALL = "buy SPY call 2"
ENDING = "buy SPY call strike=500 expiration=2026-03-04 2"
"""A contract that ends on Wednesday."""
END = datetime(2026, 3, 4, 21, tzinfo=UTC)
ENDS = int((END - NOON).total_seconds()) // 60
PLAIN = [strategy(exits={"option_defaults": False})]
MINUTE = timedelta(minutes=1)


def exits(outcome: Outcome) -> list[tuple[str | None, Decimal, Decimal]]:
    """Reason, size and price of each exit."""
    return [
        (order.exit_reason, order.quantity, fill.price)
        for order in outcome.orders
        if order.purpose == "exit"
        for fill in order.fills
    ]


def test_the_model_marks_at_each_price_of_the_underlying() -> None:
    bars = [spy(210, "500 503 499 502"), spy(215, "502 504 501 503")]
    position = only(bought(signal(CALL, NOW), bars=bars, strategies=PLAIN).positions)
    assert (position.marked_at, position.marked_until) == (at(220), at(220))
    assert position.mark == premium(position.symbol, D(503), at(220), position.terms)
    # The bar in which it was bought counts by its close only; the next one's high is the best price.
    assert position.best_price == premium(position.symbol, D(504), at(220), position.terms)


def test_a_target_is_hit_inside_its_bar() -> None:
    bars = [still(210, "500"), spy(215, "500 520 499 510")]
    outcome = bought(signal(CALL, NOW), bars=bars)
    position, [reason] = only(outcome.positions), exits(outcome)
    assert reason == ("take_profit", D(2), position.target_price)
    fill = outcome.orders[1].fills[0]
    assert premium(position.symbol, D(499), at(220), position.terms) > fill.bar_low
    assert fill.bar_low < fill.price < fill.bar_high
    assert outcome.account.cash == CASH + position.realized_pnl - D("2.60")
    assert position.realized_pnl == 200 * (position.target_price - outcome.orders[0].fills[0].price)


def test_a_target_is_hit_by_a_price_alone() -> None:
    """Its bid lies below the target that it reaches: the target, which waits at its own price, is what it is left at."""
    target = only(bought(signal(CALL, NOW)).positions).target_price
    left_at: list[Decimal] = []
    for cents in range(50_200, 50_800, 5):
        told = Quote("SPY", D(cents) / 100, at(NOW + 1), "feed")
        left_at += [price for _, _, price in exits(bought(signal(CALL, NOW), quotes={"SPY": told}, horizon=told.at))]
    assert left_at[0] == target
    assert left_at == sorted(left_at)
    assert left_at[-1] > target


def test_a_stop_is_filled_at_the_bid_or_worse() -> None:
    outcome = bought(signal(CALL, NOW), bars=[still(210, "500"), spy(215, "500 501 470 475")])
    position, [(reason, _, price)] = only(outcome.positions), exits(outcome)
    assert reason == "stop_loss"
    assert price < position.stop_price - D("0.03")
    gapped = bought(signal(CALL, NOW), bars=[still(210, "500"), spy(215, "470 471 469 470")])
    assert exits(gapped)[0][2] < premium(position.symbol, D(470), at(220), position.terms)


def test_profit_is_trailed_once_it_is_armed() -> None:
    bars = [still(210, "500"), spy(215, "500 504 500 504"), spy(220, "504 504.1 496 497")]
    outcome = bought(signal(CALL, NOW), bars=bars)
    assert [reason for reason, _, _ in exits(outcome)] == ["trailing_stop"]


def test_an_option_is_left_in_parts() -> None:
    rules = [strategy(exits={"targets": [{"at": {"percent": 20}, "percent": 50}, {"at": {"percent": 40}, "percent": 50}]})]
    bars = [still(210, "500"), spy(215, "500 503 499 502.5"), spy(220, "502.5 512 501 505")]
    outcome = bought(signal("buy SPY call 5", NOW), bars=bars, strategies=rules)
    position = only(outcome.positions)
    paid = outcome.orders[0].fills[0].price
    first, second = exits(outcome)
    assert (first[:2], second[:2]) == (("partial_target", D(2)), ("take_profit", D(3)))
    assert abs(first[2] / paid - D("1.2")) < D("0.01")
    assert abs(second[2] / paid - D("1.4")) < D("0.01")
    assert [order.client_order_id for order in outcome.orders[1:]] == [
        f"{position.position_id.hex}-target-1",
        f"{position.position_id.hex}-exit",
    ]
    assert (position.status, position.exit_reason) == ("closed", "take_profit")


def test_shares_are_left_in_parts_too() -> None:
    rules = [strategy(exits={"targets": [{"at": {"pips": 10}, "percent": 50}], "stop": {"pips": 20}})]
    bars = [flat(0, "1.1"), bar(2, "1.1 1.1012 1.1 1.101"), bar(3, "1.101 1.101 1.09 1.095")]
    outcome = bought(signal("buy EURUSD 0.03", 1.5), bars=bars, strategies=rules)
    assert [(reason, size) for reason, size, _ in exits(outcome)] == [("partial_target", D("0.01")), ("stop_loss", D("0.02"))]


def ended(close: str | None, *, until: datetime = END + GRACE, more: tuple[object, ...] = (), **fields: object) -> Outcome:
    """An option that is bought on Monday, and whose underlying closes so on Wednesday; None: no price comes any more."""
    last = () if close is None else (still(ENDS - 5, close),)
    fields = {"strategies": PLAIN} | fields
    return bought(signal(ENDING, NOW), *fields.pop("signals", ()), bars=(*last, *more), horizon=until, **fields)


def test_an_option_that_ends_in_the_money_is_worth_the_difference() -> None:
    outcome = ended("507.35")
    position, order = only(outcome.positions), outcome.orders[1]
    fill = only(order.fills)
    assert (fill.price, fill.price_source, fill.filled_at, fill.commission) == (D("7.35"), "expiry", END, 0)
    assert (fill.bar_low, fill.bar_high, order.stop_price, order.side) == (None, None, None, "sell")
    assert (position.status, position.exit_reason, position.closed_at, position.quantity) == ("closed", "expired", END, 0)
    assert outcome.account.cash == CASH - 200 * outcome.orders[0].fills[0].price - D("1.30") + 200 * D("7.35")
    assert outcome.account.timeline_at == END
    assert outcome.equity == outcome.account.cash == outcome.account.balance


@pytest.mark.parametrize("close", ["499.99", "500", "1"])
def test_an_option_that_ends_out_of_the_money_is_worth_nothing(close: str) -> None:
    outcome = ended(close)
    assert exits(outcome) == [("expired", D(2), D(0))]
    assert only(outcome.positions).realized_pnl == -200 * outcome.orders[0].fills[0].price


def test_puts_end_the_other_way() -> None:
    outcome = bought(
        signal("buy SPY put strike=500 expiration=2026-03-04 1", NOW),
        bars=[still(ENDS - 5, "490.5")],
        strategies=PLAIN,
        horizon=END + GRACE,
    )
    assert exits(outcome) == [("expired", D(1), D("9.5"))]


def test_it_ends_without_any_price() -> None:
    """Two days without a price: it is settled by the last one that was known."""
    outcome = ended(None)
    assert exits(outcome) == [("expired", D(2), D(0))]  # 500, where it was bought


def test_the_last_price_is_waited_for_a_little() -> None:
    early = ended("507.35", until=END + GRACE - MINUTE)
    assert exits(early) == []
    assert only(early.positions).mark == D("7.35")


def test_a_later_price_neither_marks_nor_leaves_it() -> None:
    """The price after the close, which comes before the grace is over, settles it by the last one before."""
    late = still(ENDS, "520", "M1")
    assert exits(ended("507.35", until=END + MINUTE, more=(late,))) == [("expired", D(2), D("7.35"))]


def test_an_alert_after_the_end_finds_nothing_to_leave() -> None:
    outcome = ended("507.35", signals=(signal("close SPY", ENDS + 1),), until=END + MINUTE)
    assert exits(outcome) == [("expired", D(2), D("7.35"))]
    assert outcome.verdicts[1].reason == "no_position"


def test_a_full_halt_holds_its_end_back_and_a_reduce_only_one_does_not() -> None:
    first = with_options(signal(ENDING, NOW), strategies=PLAIN)
    outcome = fold(first)
    later = [still(ENDS - 5, "507.35")]

    def end(reduce_only: bool) -> Outcome:
        halts = (HaltRow(Halt("account", reduce_only, "x")),)
        given = with_options(bars=later, halts=halts, horizon=END + 3 * GRACE, strategies=PLAIN)
        return fold(replace(given, account=outcome.account, positions=outcome.positions))

    assert exits(end(reduce_only=True)) == [("expired", D(2), D("7.35"))]
    assert exits(end(reduce_only=False)) == []


def held_on(outcome: Outcome, situation: Callable[..., Situation], **fields: object) -> Outcome:
    """What becomes of the positions of one fold in another."""
    return fold(replace(situation(**fields), account=outcome.account, positions=outcome.positions))


def test_a_server_that_was_down_settles_by_the_price_of_then() -> None:
    """It ended last week; since then the underlying has moved on, and bars tell what it was worth at the end."""
    outcome = bought(signal(ENDING, NOW), strategies=PLAIN)
    close = Quote("SPY", D("507.35"), END, "candle")
    newest = Quote("SPY", D(600), END + timedelta(days=5), "candle")
    given = {"closes": {("SPY", END): close}, "quotes": {"SPY": newest}, "horizon": newest.at, "strategies": PLAIN}
    assert exits(held_on(outcome, with_options, **given)) == [("expired", D(2), D("7.35"))]


def test_it_is_left_when_one_day_is_left() -> None:
    friday = "buy SPY call strike=500 expiration=2026-03-06 1"
    rules = [strategy(exits={"option_defaults": False, "min_dte_days": 1})]
    opening = int((datetime(2026, 3, 5, 14, 30, tzinfo=UTC) - NOON).total_seconds()) // 60
    bars = [still(opening - 60, "501"), still(opening, "502")]
    outcome = bought(signal(friday, NOW), bars=bars, strategies=rules)
    assert [reason for reason, _, _ in exits(outcome)] == ["min_dte"]
    assert outcome.orders[1].as_of == at(opening + 5)


FLAT = {"session_close_minutes": 10}
CLOSE = 540
"""The exchange closes so many minutes after noon (UTC)."""


def left_by_clock(*bars: object, horizon: float, exits_: dict[str, object] | None = None, text: str = "buy SPY 3") -> Outcome:
    rules = [strategy(exits=exits_ or FLAT)]
    return bought(signal(text, NOW), bars=bars, strategies=rules, horizon=at(horizon))


def test_the_session_s_close_is_not_stayed_over() -> None:
    bars = [still(CLOSE - 20, "501"), still(CLOSE - 15, "502"), still(CLOSE - 10, "503")]
    outcome = left_by_clock(*bars, horizon=CLOSE)
    assert [(reason, order.as_of) for (reason, _, _), order in zip(exits(outcome), outcome.orders[1:], strict=True)] == [
        ("session_close", at(CLOSE - 10))
    ]
    assert exits(outcome)[0][2] == D(502)


def test_without_a_price_it_is_left_at_the_last_one_that_was_fresh() -> None:
    outcome = left_by_clock(still(CLOSE - 20, "501"), horizon=CLOSE)
    assert outcome.orders[1].as_of == at(CLOSE - 10) + GRACE
    assert D("500.9") < exits(outcome)[0][2] < D(501)
    assert outcome.account.timeline_at == at(CLOSE - 10) + GRACE
    early = left_by_clock(still(CLOSE - 20, "501"), horizon=CLOSE - 9)
    assert exits(early) == []
    assert only(early.positions).due_at == at(CLOSE - 10)


def test_without_a_fresh_price_the_next_one_leaves() -> None:
    stale = left_by_clock(horizon=CLOSE)
    assert exits(stale) == []
    assert only(stale.positions).due_at is None  # looked at, and not again
    monday = left_by_clock(still(CLOSE + 1050, "510"), horizon=CLOSE + 1060)
    assert [reason for reason, _, _ in exits(monday)] == ["session_close"]
    assert exits(monday)[0][2] == D(510)


def test_currencies_are_flat_at_the_week_s_end() -> None:
    friday = int((datetime(2026, 3, 6, 22, tzinfo=UTC) - NOON).total_seconds()) // 60
    bars = [flat(0, "1.1"), flat(friday - 60, "1.2", timeframe="M1"), flat(friday - 15, "1.3", timeframe="M5")]
    outcome = bought(
        signal("buy EURUSD 0.1", 1.5),
        bars=bars,
        strategies=[strategy(exits={"week_close_minutes": 15})],
        horizon=at(friday),
    )
    assert [(reason, price > D("1.29")) for reason, _, price in exits(outcome)] == [("week_close", True)]


def test_what_others_told_of_the_contract_wins_over_the_model() -> None:
    outcome = bought(signal(CALL, NOW), strategies=PLAIN)
    position = only(outcome.positions)
    told = Quote(position.symbol, D("9.99"), at(218), "alpaca")
    given = {"bars": [spy(215, "500 504 499 503")], "quotes": {position.symbol: told}, "strategies": PLAIN}
    marked = only(held_on(outcome, with_options, **given).positions)
    assert (marked.mark, marked.marked_at) == (D("9.99"), at(218))
    # An alert leaves at what was told, less half of the spread and a quarter of it.
    closing = with_options(signal("close SPY", 220), **given)
    left = fold(replace(closing, account=outcome.account, positions=outcome.positions))
    assert D("9.80") < exits(left)[0][2] < D("9.90")
    old = Quote(position.symbol, D("9.99"), at(205), "alpaca")
    marked = only(held_on(outcome, with_options, **(given | {"quotes": {position.symbol: old}})).positions)
    assert marked.mark == premium(position.symbol, D(503), at(220), position.terms)


def test_positions_come_back_from_what_was_stored() -> None:
    """A position that was gathered again is the same to the fold as one that was just made."""
    first = with_options(signal(ENDING, NOW), strategies=PLAIN)
    outcome = fold(first)
    whole = ended("507.35")
    parts = fold(replace(after(first, outcome, (), END + GRACE), bars=with_options(bars=[still(ENDS - 5, "507.35")]).bars))
    assert exits(parts) == exits(whole)
