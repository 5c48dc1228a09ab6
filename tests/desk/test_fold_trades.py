"""What signals and bars do to the account: fills, exits, reversals, targets, and their order in time."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from hookfill.desk.fold import fold
from hookfill.desk.model import MAX_ATTEMPTS, HaltRow, Situation
from hookfill.engines import registry
from hookfill.kernel.errors import LedgerError
from hookfill.market.model import Quote
from hookfill.risk.model import Halt, Limits
from support.desk import CASH, STRATEGY, WIDE, account, after, at, bar, flat, only, signal, situation, strategy

BARS = (flat(0, "1.1000"), bar(1, "1.1000 1.1010 1.0990 1.1000"))
BUY = "buy EURUSD 0.1"
# One basis point of 1.1000 is 0.00011.
BOUGHT, SOLD = Decimal("1.10011"), Decimal("1.09989")


def prices(outcome) -> list[tuple[str, str, Decimal, Decimal]]:
    return [(order.purpose, order.side, order.quantity, fill.price) for order in outcome.orders for fill in order.fills]


def test_an_entry_and_its_close_both_pay_slippage() -> None:
    """Leaving a second after entering is dealt at the market's price, not at the price that the entry got."""
    outcome = fold(situation(signal(BUY, 2.2), signal("close EURUSD", 2.22), bars=BARS))
    assert prices(outcome) == [("entry", "buy", Decimal("0.1"), BOUGHT), ("exit", "sell", Decimal("0.1"), SOLD)]
    loss = (SOLD - BOUGHT) * 10_000
    assert outcome.account.cash == outcome.account.balance == CASH + loss
    assert outcome.account.day_realized == loss
    position = only(outcome.positions)
    assert (position.status, position.exit_reason, position.realized_pnl, position.closed_at) == (
        "closed",
        "signal",
        loss,
        at(2.22),
    )


def test_a_new_position_is_marked_at_the_market() -> None:
    position = only(fold(situation(signal(BUY, 2.2), bars=BARS)).positions)
    assert (position.average_price, position.mark, position.marked_at, position.marked_until) == (
        BOUGHT, Decimal("1.1000"), at(2), at(2.2),
    )  # fmt: skip


def test_a_reversal_is_two_orders_that_share_nothing() -> None:
    outcome = fold(situation(signal(BUY, 2), signal("sell EURUSD 0.3", 2.5), bars=BARS))
    tenth, more = Decimal("0.1"), Decimal("0.3")
    assert prices(outcome) == [("entry", "buy", tenth, BOUGHT), ("exit", "sell", tenth, SOLD), ("entry", "sell", more, SOLD)]
    first, second = outcome.positions
    assert (first.status, second.status, second.quantity, second.entries) == ("closed", "open", -more, 1)
    assert first.position_id != second.position_id
    assert outcome.verdicts[1].order_id == outcome.orders[2].order_id
    assert outcome.account.balance == CASH + (SOLD - BOUGHT) * 10_000


REFUSED_ENTRIES = [
    ("sell EURUSD 9", {"limits": replace(WIDE, max_position_size=Decimal(1))}, "max_position_size_exceeded"),
    ("sell EURUSD 0.1 @1.5", {}, "price_collar"),
    ("sell EURUSD 0.1 sl=1.05", {}, "stop_wrong_side"),
    ("sell EURUSD 0.001", {}, "size_too_small"),
    ("sell EURUSD 0.1", {"halts": (HaltRow(Halt("account", True, "enough")),)}, "halted"),
    ("sell EURUSD 0.1", {"lost": 6000, "limits": replace(WIDE, daily_loss_limit_pct=Decimal(5))}, "daily_loss_limit_reached"),
    ("sell EURUSD 0.1", {"limits": replace(WIDE, order_rate_per_minute=Decimal(1))}, "order_rate_exceeded"),
    ("sell EURUSD 0.1", {"rules": {"engine": "rules", "filters": {"trend": True}}}, "candles_missing"),
    ('{"symbol":"EURUSD","market_position":"short","market_position_size":9}',
     {"limits": replace(WIDE, max_position_size=Decimal(1))}, "max_position_size_exceeded"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fields", "reason"), REFUSED_ENTRIES)
def test_a_reversal_whose_entry_is_refused_closes_only(text, fields, reason) -> None:
    open_ = fold(situation(signal(BUY, 2), bars=BARS))
    given = situation(
        signal(text, 2.5),
        bars=BARS,
        positions=open_.positions,
        account=replace(open_.account, day_realized=Decimal(-fields.get("lost", 0))),
        entry_times={STRATEGY: (at(2),)},
        strategies=[strategy(**fields.get("rules", {}))],
        halts=fields.get("halts", ()),
        limits=fields.get("limits", WIDE),
    )
    outcome = fold(given)
    verdict = only(outcome.verdicts)
    assert prices(outcome) == [("exit", "sell", Decimal("0.1"), SOLD)]
    assert (verdict.status, verdict.reason) == ("executed", reason)
    assert verdict.error_message.startswith("Closed only")
    assert only(outcome.positions).status == "closed"
    assert bool(outcome.halts) == (reason == "order_rate_exceeded")


def test_a_stale_reversal_closes_nothing_whatever_else_forbids_its_entry() -> None:
    open_ = fold(situation(signal(BUY, 2), bars=BARS))
    for halts in ((), (HaltRow(Halt("account", True, "enough")),)):
        text = "sell EURUSD 0.1 timenow=2026-03-02T11:00:00Z"
        given = situation(signal(text, 2.5), bars=BARS, positions=open_.positions, account=open_.account, halts=halts)
        outcome = fold(given)
        assert only(outcome.verdicts).status == "discarded"
        assert outcome.orders == ()


@pytest.mark.parametrize(
    ("target", "orders"),
    [
        ("long 0.3", [("entry", "buy", "0.2")]),
        ("long 0.04", [("exit", "sell", "0.06")]),
        ("long 0.1", []),
        ("flat", [("exit", "sell", "0.1")]),
        ("short 0.2", [("exit", "sell", "0.1"), ("entry", "sell", "0.2")]),
    ],
)
def test_a_target_makes_the_difference(target: str, orders) -> None:
    side, _, size = target.partition(" ")
    body = f'{{"ticker":"EURUSD","market_position":"{side}"' + (f',"market_position_size":{size}}}' if size else "}")
    outcome = fold(situation(signal(BUY, 2), signal(body, 2.5), bars=BARS))
    assert [(order.purpose, order.side, str(order.quantity)) for order in outcome.orders[1:]] == orders


def test_adding_to_a_position_keeps_one_and_takes_the_new_levels() -> None:
    adding = [strategy(policy={"pyramiding": 3})]
    signals = [signal(BUY + " sl=1.09 tp=1.12", 2), signal("buy EURUSD 0.3 sl=1.095", 2.2), signal(BUY, 2.4)]
    outcome = fold(situation(*signals, bars=BARS, strategies=adding))
    position = only(outcome.positions)
    assert (position.quantity, position.entries, position.stop_price, position.target_price) == (
        Decimal("0.5"), 3, Decimal("1.095"), Decimal("1.12"),
    )  # fmt: skip
    assert position.cost == BOUGHT * Decimal("0.5")
    assert position.initial_risk == BOUGHT - Decimal("1.09")


@pytest.mark.parametrize(("levels", "reason"), [("", "stop_loss"), (" sl=1.1050", "stop_loss")])
def test_a_stop_that_is_no_longer_the_average_price_is_no_break_even(levels: str, reason: str) -> None:
    """The break-even stop of the first entry is a loss once a dearer second entry has raised the average."""
    adding = [strategy(policy={"pyramiding": 2}, exits={"break_even_at_r": 1, "stop": {"pips": 100}})]
    rise, fall = bar(2, "1.1 1.1110 1.1 1.1110"), bar(4, "1.11 1.11 1.08 1.09")
    signals = [signal(BUY + " sl=1.0901", 2), signal(BUY + levels, 3.5)]
    outcome = fold(situation(*signals, bars=(*BARS, rise, flat(3, "1.1110"), fall), strategies=adding))
    assert only(outcome.positions).realized_pnl < 0
    assert outcome.orders[-1].exit_reason == reason


def test_a_part_is_closed_in_whole_lots_and_the_rest_stays_protected() -> None:
    texts = [BUY + " sl=1.0989", "close EURUSD 0.059", "close EURUSD 0.009"]
    signals = [signal(text, 2 + number / 10) for number, text in enumerate(texts)]
    outcome = fold(situation(*signals, bars=(*BARS, bar(2, "1.1 1.1 1.0985 1.1"), bar(3, "1.1 1.1 1.0985 1.1"))))
    assert [order.quantity for order in outcome.orders] == [Decimal("0.1"), Decimal("0.05"), Decimal("0.05")]
    assert [verdict.reason for verdict in outcome.verdicts] == [None, None, "size_too_small"]
    assert (only(outcome.positions).exit_reason, outcome.orders[2].as_of) == ("stop_loss", at(4))


# Long from 1.10011 (at minute 2) and what the bars from minute 2 on do to it.
EXITS = [
    ("sl=1.0980", {}, ["1.1 1.1001 1.0970 1.1"], ("stop_loss", "1.09789", 3)),
    ("sl=1.0980", {}, ["1.0970 1.0975 1.0960 1.0965"], ("stop_loss", "1.09689", 3)),
    ("tp=1.1050", {}, ["1.1 1.1060 1.1 1.1"], ("take_profit", "1.1050", 3)),
    ("tp=1.1050", {}, ["1.1070 1.1080 1.1060 1.1"], ("take_profit", "1.1070", 3)),
    ("sl=1.0980 tp=1.1050", {}, ["1.1 1.1060 1.0970 1.1"], ("stop_loss", "1.09789", 3)),
    ("", {"stop": {"pips": 20}}, ["1.1 1.1 1.0970 1.1"], ("stop_loss", "1.09800", 3)),
    ("", {"trailing_percent": 1}, ["1.1 1.2 1.1 1.2", "1.2 1.2 1.1 1.1"], ("trailing_stop", "1.18788", 4)),
    ("", {"trailing_percent": 1, "trailing_arm_percent": 5}, ["1.1 1.12 1.09 1.1", "1.1 1.1 1.08 1.09"], None),
    ("sl=1.0901", {"break_even_at_r": 1}, ["1.1 1.1102 1.1 1.11", "1.11 1.11 1.1 1.1"], ("break_even", "1.10000", 4)),
    ("sl=1.0901", {"break_even_at_r": 1}, ["1.1 1.1101 1.0999 1.11", "1.11 1.11 1.1 1.1"], None),
    ("", {"max_hold_hours": "0.04"}, ["1.1 1.1 1.1 1.1"] * 2 + ["1.2 1.3 1.1 1.25"], ("max_hold", "1.24987", 5)),
]


@pytest.mark.parametrize(("levels", "exits", "bars", "expected"), EXITS)
def test_bars_fire_exits(levels, exits, bars, expected) -> None:
    all_bars = (*BARS, *(bar(2 + number, prices) for number, prices in enumerate(bars)))
    outcome = fold(situation(signal(f"{BUY} {levels}", 2), bars=all_bars, strategies=[strategy(exits=exits)]))
    if expected is None:
        assert len(outcome.orders) == 1
        assert only(outcome.positions).marked_until == all_bars[-1].closes_at
        return
    reason, price, minute = expected
    order, position = outcome.orders[1], only(outcome.positions)
    assert (order.exit_reason, order.purpose, order.side, order.signal_id) == (reason, "exit", "sell", None)
    assert (only(order.fills).price, order.as_of) == (Decimal(price), at(minute))
    assert (position.status, position.exit_reason, position.closed_at) == ("closed", reason, at(minute))
    assert outcome.account.balance == CASH + (Decimal(price) - BOUGHT) * 10_000


def test_bars_and_signals_take_their_turns() -> None:
    """A bar before the first signal is none of its business; one between two, or closing at the second, comes between them."""
    between = bar(2, "1.1 1.1 1.0970 1.1")
    signals = [signal(BUY + " sl=1.0980", 2), signal("sell EURUSD 0.2", 3)]
    outcome = fold(situation(*signals, bars=(bar(1, "1.1 1.2 1.0 1.1"), between)))
    assert [(order.purpose, order.side, order.exit_reason, order.as_of) for order in outcome.orders] == [
        ("entry", "buy", None, at(2)),
        ("exit", "sell", "stop_loss", at(3)),
        ("entry", "sell", None, at(3)),
    ]
    a_moment_before = fold(situation(signals[0], signal("sell EURUSD 0.2", 2.999), bars=(*BARS, between)))
    assert [order.exit_reason for order in a_moment_before.orders] == [None, "signal", None]


def test_a_bar_that_was_under_way_at_the_entry_counts_by_its_close_only() -> None:
    under_way = bar(2, "1.1 1.2 1.0 1.1")
    outcome = fold(situation(signal(BUY + " sl=1.0980 tp=1.12", 2.5), bars=(*BARS, under_way)))
    assert len(outcome.orders) == 1
    closes_below = replace(under_way, close=Decimal("1.05"))
    outcome = fold(situation(signal(BUY + " sl=1.0980", 2.5), bars=(*BARS, closes_below)))
    assert only(outcome.orders[1].fills).price == Decimal("1.04989")


def test_a_price_between_bars_marks_and_fires_exits() -> None:
    """The last, still forming bar is a price as of when it became known: it is not to be passed over."""
    open_ = fold(situation(signal(BUY + " sl=1.0980", 2), bars=BARS))
    given = situation(bars=BARS, positions=open_.positions, account=open_.account)
    for price, exit_price in (("1.0990", None), ("1.0975", Decimal("1.09739"))):
        newest = Quote("EURUSD", Decimal(price), at(2.3), "candle", 60, Decimal(price), Decimal("1.1"))
        outcome = fold(replace(given, quotes={"EURUSD": newest}, horizon=at(2.4)))
        position = only(outcome.positions)
        assert (position.mark, position.marked_at, position.marked_until) == (Decimal(price), at(2.3), at(2.3))
        assert outcome.account.timeline_at == at(2.3)
        if exit_price is None:
            assert outcome.orders == ()
        else:
            order = only(outcome.orders)
            assert (order.exit_reason, order.as_of) == ("stop_loss", at(2.3))
            assert only(order.fills).price >= exit_price


def test_a_price_between_bars_comes_before_the_signals_after_it() -> None:
    open_ = fold(situation(signal(BUY + " sl=1.0980", 2), bars=BARS))
    newest = Quote("EURUSD", Decimal("1.0970"), at(2.3), "candle", 60)
    close = signal("close EURUSD", 2.4)
    given = situation(close, bars=BARS, positions=open_.positions, account=open_.account, quotes={"EURUSD": newest})
    outcome = fold(given)
    assert only(outcome.orders).exit_reason == "stop_loss"
    assert only(outcome.verdicts).reason == "no_position"
    later = replace(given, signals=(replace(close, as_of=at(2.2)),))
    assert only(fold(later).orders).exit_reason == "signal"


def test_a_horizon_within_a_bar_does_not_halve_it() -> None:
    """History in several transactions: the bar that spans their border still counts in full."""
    hours = (flat(-60, "1.1", timeframe="H1"), flat(0, "1.1", timeframe="H1"), bar(60, "1.1 1.1 1.05 1.1", timeframe="H1"))
    whole = situation(signal(BUY + " sl=1.08", 60), signal("buy GBPUSD 0.1", 90), bars=hours, horizon=at(120))
    at_once = fold(whole)
    first = fold(replace(whole, horizon=at(90)))
    second = fold(after(whole, first, (), at(120)))
    assert [order.exit_reason for order in at_once.orders] == [None, "stop_loss"]
    assert (*first.orders, *second.orders) == at_once.orders


def test_one_bar_moves_every_strategys_position() -> None:
    signals = [signal(BUY + " sl=1.0980", 2), signal("sell EURUSD 0.2 tp=1.0980", 2, strategy=12)]
    fall = bar(2, "1.1 1.1 1.0970 1.0970")
    outcome = fold(situation(*signals, bars=(*BARS, fall), strategies=[strategy(), strategy(12)]))
    assert [(order.strategy_id.int, order.exit_reason) for order in outcome.orders[2:]] == [(11, "stop_loss"), (12, "take_profit")]
    made = (Decimal("1.09789") - BOUGHT) * 10_000 + (SOLD - Decimal("1.0980")) * 20_000
    assert outcome.account.cash == outcome.account.balance == CASH + made
    assert outcome.account.day_realized == made


def test_a_larger_bar_over_smaller_ones_is_no_second_look() -> None:
    ones = [bar(2 + number, "1.1 1.1005 1.0995 1.1") for number in range(3)]
    outcome = fold(situation(signal(BUY + " sl=1.0980", 2), bars=(*BARS, *ones, bar(0, "1.1 1.2 1.0 1.1", timeframe="M5"))))
    assert len(outcome.orders) == 1


def test_the_day_rolls_before_the_loss_that_a_bar_realises() -> None:
    """A stop hit at the account's midnight belongs to the new day, and the old day's loss no longer counts."""
    midnight = 12 * 60
    before = account(day_realized=Decimal(-100), balance=Decimal(99_900), cash=Decimal(99_900))
    signals = [signal(BUY + " sl=1.0980", midnight - 1)]
    bars = (bar(midnight - 2, "1.1 1.2 1.0 1.1"), bar(midnight - 1, "1.1 1.1 1.0970 1.0970"))
    outcome = fold(situation(*signals, bars=bars, account=before))
    loss = (Decimal("1.09789") - BOUGHT) * 10_000
    assert (outcome.account.day_start_balance, outcome.account.day_realized) == (Decimal(99_900), loss)
    assert outcome.account.day.day == 3


def test_equity_sizing_counts_open_profit_as_of_the_signal() -> None:
    half = [strategy(12, sizing={"mode": "equity_percent", "percent": 50}), strategy()]
    bars = (flat(1, "100000", symbol="BTCUSDT"), BARS[1], bar(2, "1.1 1.2 1.1 1.2"))
    signals = [signal("buy EURUSD 1", 2), signal("buy BTCUSDT", 2.5, strategy=12), signal("buy EURUSD", 3, strategy=12)]
    outcome = fold(situation(*signals, bars=bars, strategies=half))
    # 2.5: equity is 100,000 less the slippage of a lot; 3: the lot has gained a tenth.
    coins, lots = outcome.orders[1].quantity, outcome.orders[2].quantity
    assert coins == Decimal("0.4999")
    assert lots == Decimal("13.74")


class Poison(Exception):
    pass


def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(*_):
        raise Poison("no way")

    monkeypatch.setitem(registry.ENGINES, "poison", decide)


@pytest.mark.parametrize("settings", [{"engine": "poison"}, {"sizing": {"mode": "wishful"}}, {"nonsense": {}}])
def test_a_poison_signal_is_tried_again_and_dead_lettered_and_leaves_no_trace(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned(monkeypatch)
    strategies = [strategy(), strategy(12, **settings)]
    good = [signal(BUY, 2), signal("close EURUSD", 2.5)]
    for attempts in range(MAX_ATTEMPTS):
        bad = signal("buy EURUSD 5", 2.2, strategy=12, attempts=attempts)
        with_it = fold(situation(good[0], bad, good[1], bars=BARS, strategies=strategies))
        without = fold(situation(*good, bars=BARS, strategies=strategies))
        assert (with_it.orders, with_it.positions, with_it.account) == (without.orders, without.positions, without.account)
        verdict = with_it.verdicts[1]
        is_last = attempts == MAX_ATTEMPTS - 1
        assert (verdict.status, verdict.attempts) == ("failed" if is_last else "pending", attempts + 1)
        assert verdict.reason == ("dead_lettered" if is_last else None)
        assert "Traceback" in verdict.trace["traceback"]


def test_a_poison_signal_that_rolls_the_day_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned(monkeypatch)
    bad = signal(BUY, 24 * 60)
    outcome = fold(situation(bad, bars=[flat(24 * 60 - 1, "1.1")], strategies=[strategy(engine="poison")]))
    assert outcome.account == account(timeline_at=bad.as_of)


def test_a_broken_ledger_is_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    from hookfill.desk import decide

    monkeypatch.setattr(decide, "pay", lambda account, *_: account)
    with pytest.raises(LedgerError, match="cash"):
        fold(situation(signal(BUY, 2), bars=BARS))


def test_an_engine_sees_the_same_window_however_it_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 closed bars, no more when a batch of history brought more, and none of the future."""
    seen = []

    def decide(signal, market, filters):
        seen.append(market.candles)
        return registry.ENGINES["direct"](signal, market, filters)

    monkeypatch.setitem(registry.ENGINES, "watching", decide)
    study = tuple(flat(minute - 350, "1.1") for minute in range(353))
    given = situation(
        signal(BUY + " tf=1m", 2), bars=study, strategies=[strategy(engine="watching")], studies={("EURUSD", "M1"): study}
    )
    fold(given)
    assert [len(bars) for bars in seen] == [300]
    assert seen[0][-1].closes_at == at(2)


def test_nothing_to_do_is_nothing_done() -> None:
    empty: Situation = situation()
    outcome = fold(empty)
    assert (outcome.orders, outcome.positions, outcome.verdicts, outcome.account) == ((), (), (), empty.account)


def test_default_limits_hold_for_a_typical_account() -> None:
    outcome = fold(situation(*(signal(BUY, 2, strategy=number) for number in (11, 12, 13, 14)), bars=BARS, limits=Limits(),
                             strategies=[strategy(number) for number in (11, 12, 13, 14)]))  # fmt: skip
    assert [verdict.reason for verdict in outcome.verdicts] == [None, None, None, "max_positions_per_symbol_exceeded"]
    assert {position.strategy_id for position in outcome.positions} == {UUID(int=number) for number in (11, 12, 13)}


@pytest.mark.parametrize(("price", "filled"), [("9.0", "1.0998"), ("1.11", "1.10988")])
def test_an_exit_is_not_dealt_at_an_absurd_price_of_its_own_alert(price: str, filled: str) -> None:
    """While no fresh market price is known, an alert's own price counts only within the collar around the last mark."""
    bars = [flat(-1, "1.1")]
    outcome = fold(
        situation(
            signal("buy EURUSD 0.1", 0),
            signal(f'{{"ticker":"EURUSD","action":"close","price":{price}}}', 60),
            bars=bars,
            limits=Limits(),
        )
    )
    assert [order.purpose for order in outcome.orders] == ["entry", "exit"]
    assert outcome.orders[-1].fills[0].price == pytest.approx(Decimal(filled), abs=Decimal("0.0001"))
