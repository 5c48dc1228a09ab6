"""Every way in which the desk refuses a signal: status, code and text, and nothing else happens."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from hookfill.desk.fold import fold
from hookfill.desk.model import HaltRow, Situation
from hookfill.kernel.reasons import Reason
from hookfill.market.model import Quote
from hookfill.risk.model import Halt, Limits
from support.desk import ACCOUNT, STRATEGY, WIDE, account, at, bar, flat, only, signal, situation, strategy

BARS = (flat(0, "1.1000"), flat(1, "1.1000"))
BUY = "buy EURUSD 0.1"


def limited(**limits: int | str) -> Limits:
    return replace(WIDE, **{name: Decimal(value) for name, value in limits.items()})


def held(text: str = BUY, **fields) -> Situation:
    """A situation after one entry at minute 2: its position is open."""
    first = situation(signal(text, 2), bars=BARS, **fields)
    outcome = fold(first)
    assert only(outcome.verdicts).status == "executed", outcome.verdicts
    return replace(first, account=outcome.account, positions=outcome.positions, signals=())


def halt(scope: str, *, reduce_only: bool = True, strategy_id: UUID | None = None, symbol: str | None = None) -> HaltRow:
    return HaltRow(Halt(scope, reduce_only, "a person said so"), strategy_id, symbol)


def rules(**settings) -> dict:
    return {"strategies": [strategy(**settings)]}


REFUSED: list[tuple[str, Reason, str, float, dict]] = [
    ("discarded", Reason.STRATEGY_MISSING, BUY, 2, {"strategies": []}),
    ("discarded", Reason.STRATEGY_DISABLED, BUY, 2, rules(is_enabled=False)),
    ("discarded", Reason.SIGNAL_STALE, BUY + " timenow=2026-03-02T11:56:59Z", 2, {}),
    ("discarded", Reason.SIGNAL_STALE, BUY + " timenow=2026-03-02T12:01:00Z max_lag_seconds=59", 2, {}),
    ("discarded", Reason.SIGNAL_STALE, BUY + " timenow=2026-03-02T12:03:01Z", 2, {}),
    ("discarded", Reason.HALTED, BUY, 2, {"halts": [halt("global")]}),
    ("discarded", Reason.HALTED, BUY, 2, {"halts": [halt("account")]}),
    ("discarded", Reason.HALTED, BUY, 2, {"halts": [halt("strategy", strategy_id=STRATEGY)]}),
    ("discarded", Reason.HALTED, BUY, 2, {"halts": [halt("symbol", symbol="EURUSD")]}),
    ("discarded", Reason.HALTED, "close EURUSD", 2, {"halts": [halt("account", reduce_only=False)]}),
    ("rejected", Reason.MARKET_CLOSED, "buy SPY 1", 2, {"bars": [flat(1, "500", symbol="SPY")]}),
    ("rejected", Reason.PRICE_MISSING, "buy GBPUSD 0.1", 2, {}),
    ("rejected", Reason.PRICE_STALE, BUY, 5.01, {}),
    ("rejected", Reason.PRICE_STALE, BUY + " @1.1", 5.01, rules(market={"use_alert_price": False})),
    ("rejected", Reason.PRICE_COLLAR, BUY + " @1.2", 2, {}),
    ("rejected", Reason.PAIR_NOT_ALLOWED, BUY, 2, rules(allowed_pairs=("GBPUSD",))),
    ("rejected", Reason.CURRENCY_UNSUPPORTED, "buy EURGBP 0.1", 2, {"bars": [flat(1, "0.85", symbol="EURGBP")]}),
    ("rejected", Reason.OPTION_CHAIN_MISSING, '{"symbol":"EURUSD","action":"buy","strike":1.2}', 2, {}),
    ("rejected", Reason.SIZE_TOO_SMALL, "buy EURUSD 0.009", 2, {}),
    ("rejected", Reason.STOP_WRONG_SIDE, BUY + " sl=1.1000", 2, {}),
    ("rejected", Reason.STOP_WRONG_SIDE, "sell EURUSD 0.1 sl=1.0990", 2, {}),
    ("rejected", Reason.TARGET_WRONG_SIDE, BUY + " tp=1.0990", 2, {}),
    ("rejected", Reason.TARGET_WRONG_SIDE, "sell EURUSD 0.1 tp=1.1010", 2, {}),
    ("rejected", Reason.STOP_REQUIRED, "buy EURUSD", 2, rules(sizing={"mode": "risk_percent"})),
    ("rejected", Reason.STOP_REQUIRED, BUY, 2, rules(exits={"target": {"r": 2}})),
    ("rejected", Reason.STOP_REQUIRED, BUY, 2, rules(exits={"break_even_at_r": 1})),
    ("rejected", Reason.NO_POSITION, "close EURUSD", 2, {}),
    ("rejected", Reason.ALREADY_AT_TARGET, '{"symbol":"EURUSD","market_position":"flat"}', 2, {}),
    ("rejected", Reason.MAX_OPEN_POSITIONS_EXCEEDED, BUY, 2, {"limits": limited(max_open_positions=0)}),
    ("rejected", Reason.MAX_POSITIONS_PER_SYMBOL_EXCEEDED, BUY, 2, {"limits": limited(max_positions_per_symbol=0)}),
    ("rejected", Reason.MAX_POSITION_SIZE_EXCEEDED, BUY, 2, {"limits": limited(max_position_size="0.09")}),
    ("rejected", Reason.MAX_EXPOSURE_EXCEEDED, BUY, 2, {"limits": limited(max_exposure=366)}),
    ("rejected", Reason.MAX_EXPOSURE_EXCEEDED, BUY, 2, {"limits": limited(max_exposure_pct="0.3")}),
    ("rejected", Reason.INSUFFICIENT_BUYING_POWER, "buy EURUSD 28", 2, {}),
    ("rejected", Reason.CANDLES_MISSING, BUY, 2, rules(engine="rules", filters={"trend": True})),
]


@pytest.mark.parametrize(("status", "reason", "text", "minute", "fields"), REFUSED)
def test_a_refused_signal_changes_nothing(status, reason, text, minute, fields) -> None:
    given = situation(signal(text, minute), **({"bars": BARS} | fields))
    outcome = fold(given)
    verdict = only(outcome.verdicts)
    assert (verdict.status, verdict.reason) == (status, reason.value)
    assert verdict.error_message
    assert (outcome.orders, outcome.positions, outcome.halts) == ((), (), ())
    assert outcome.account == replace(given.account, timeline_at=at(minute))


@pytest.mark.parametrize(
    ("text", "minute", "fields"),
    [
        (BUY + " timenow=2026-03-02T11:57:00Z", 2, {}),
        (BUY + " timenow=2026-03-02T12:03:00Z", 2, {}),
        (BUY, 5, {}),
        (BUY + " @1.155", 2, {}),
        (BUY + " @1.1", 60, {}),
        (BUY, 2, rules(allowed_pairs=("EUR/USD",))),
        (BUY, 2, {"halts": [halt("strategy", strategy_id=UUID(int=12)), halt("symbol", symbol="GBPUSD")]}),
        (BUY, 2, {"limits": limited(max_open_positions=1, max_positions_per_symbol=1, max_position_size="0.1", max_exposure=367)}),
        ("buy EURUSD 27", 2, {}),
    ],
)
def test_just_inside_the_limit_it_is_executed(text, minute, fields) -> None:
    outcome = fold(situation(signal(text, minute), **({"bars": BARS} | fields)))
    assert only(outcome.verdicts).status == "executed"
    assert only(outcome.orders).purpose == "entry"


def test_daily_loss_says_the_bare_code() -> None:
    given = situation(
        signal(BUY, 2), bars=BARS, limits=limited(daily_loss_limit_pct=5), account=account(day_realized=Decimal(-5000))
    )
    verdict = only(fold(given).verdicts)
    assert (verdict.status, verdict.error_message) == ("discarded", "daily_loss_limit_reached")
    one_cent_less = replace(given, account=account(day_realized=Decimal("-4999.99")))
    assert only(fold(one_cent_less).verdicts).status == "executed"


def test_the_daily_loss_is_forgotten_at_the_accounts_own_midnight() -> None:
    lost = account(day_realized=Decimal(-5000), balance=Decimal(95_000), cash=Decimal(95_000), time_zone="America/New_York")
    tight = limited(daily_loss_limit_pct=5)
    late = situation(signal(BUY, 2), bars=BARS, limits=tight, account=lost)
    assert only(fold(late).verdicts).reason == "daily_loss_limit_reached"
    # Midnight in New York is 05:00 UTC of the next day.
    for minute, reason in ((17 * 60 - 1, "daily_loss_limit_reached"), (17 * 60, None)):
        given = situation(signal(BUY, minute), bars=[flat(minute - 1, "1.1")], limits=tight, account=lost)
        outcome = fold(given)
        assert only(outcome.verdicts).reason == reason
    assert (outcome.account.day_start_balance, outcome.account.day_realized) == (Decimal(95_000), Decimal(0))


@pytest.mark.parametrize("scope", ["global", "account", "strategy", "symbol"])
def test_a_reduce_only_halt_lets_exits_through_and_a_full_one_nothing(scope: str) -> None:
    row = halt(scope, strategy_id=STRATEGY if scope == "strategy" else None, symbol="EURUSD" if scope == "symbol" else None)
    for text in ("close EURUSD", '{"symbol":"EURUSD","market_position":"flat"}', "close EURUSD 0.05"):
        open_ = replace(held(), signals=(signal(text, 2.5),))
        outcome = fold(replace(open_, halts=(row,)))
        assert (only(outcome.verdicts).status, only(outcome.orders).purpose) == ("executed", "exit")
        full = replace(row, halt=replace(row.halt, reduce_only=False))
        stopped = fold(replace(open_, halts=(full,)))
        assert (only(stopped.verdicts).reason, stopped.orders) == ("halted", ())


def test_exits_pass_what_stops_entries() -> None:
    """Stale alert, lost day, closed market, stale price, another currency's limits: out you get."""
    open_ = held()
    lost = replace(open_.account, day_realized=Decimal(-99_000))
    for minute in (3, 8 * 60, 5 * 24 * 60):
        text = "close EURUSD timenow=2026-03-02T12:00:00Z"
        given = replace(open_, account=lost, signals=(signal(text, minute),), limits=Limits(), horizon=at(minute))
        outcome = fold(given)
        assert only(outcome.verdicts).status == "executed", outcome.verdicts
        assert only(outcome.positions).status == "closed"


def test_history_must_not_go_back_in_time() -> None:
    known = account(timeline_at=at(2))
    bars = (*BARS, flat(2, "1.1"))
    for minute, source, status in ((1.9, "import", "discarded"), (2, "import", "executed"), (1.9, "live", "executed")):
        outcome = fold(situation(signal(BUY, minute, source=source), bars=bars, account=known))
        assert only(outcome.verdicts).status == status
        assert only(outcome.verdicts).reason == ("history_out_of_order" if status == "discarded" else None)


def test_history_must_not_go_back_within_one_batch_either() -> None:
    signals = (
        signal(BUY, 2, source="import"),
        signal("close EURUSD", 1.5, source="import"),
        signal("close EURUSD", 2, source="import"),
    )
    outcome = fold(situation(*signals, bars=BARS))
    assert [verdict.reason for verdict in outcome.verdicts] == [None, "history_out_of_order", None]


def test_too_many_orders_halt_the_strategy() -> None:
    texts = [BUY, "close EURUSD", BUY, "close EURUSD", BUY, BUY, "close EURUSD"]
    signals = [signal(text, 2 + number / 60, number=number) for number, text in enumerate(texts)]
    outcome = fold(situation(*signals, bars=BARS, limits=limited(order_rate_per_minute=2)))
    reasons = [verdict.reason for verdict in outcome.verdicts]
    assert reasons == [None, None, None, None, "order_rate_exceeded", "halted", "no_position"]
    made = only(outcome.halts)
    assert (made.strategy_id, made.at) == (STRATEGY, signals[4].as_of)
    assert made.reason.startswith("order_rate_exceeded")


def test_the_order_rate_counts_what_was_decided_before_and_only_the_last_minute() -> None:
    limits = limited(order_rate_per_minute=2)
    for times, reason in (
        ((at(1.5), at(1.8)), "order_rate_exceeded"),
        ((at(1), at(1.8)), None),  # exactly a minute ago is no longer within it
        ((at(1.5), at(2.1)), None),  # later than the signal
    ):
        given = situation(signal(BUY, 2), bars=BARS, limits=limits, entry_times={STRATEGY: times})
        assert only(fold(given).verdicts).reason == reason


def test_a_position_of_another_strategy_is_not_this_ones() -> None:
    two = [strategy(), strategy(12)]
    open_ = held(strategies=two)
    outcome = fold(replace(open_, signals=(signal("close EURUSD", 2.5, strategy=12),)))
    assert only(outcome.verdicts).reason == "no_position"
    assert outcome.orders == ()


def test_counts_and_exposure_are_the_accounts() -> None:
    two = [strategy(), strategy(12)]
    again = signal(BUY, 2.5, strategy=12)
    for limits, reason in (
        (limited(max_open_positions=1), Reason.MAX_OPEN_POSITIONS_EXCEEDED),
        (limited(max_positions_per_symbol=1), Reason.MAX_POSITIONS_PER_SYMBOL_EXCEEDED),
        (limited(max_exposure=700), Reason.MAX_EXPOSURE_EXCEEDED),
        (limited(max_exposure=734), None),
        (limited(max_position_size="0.1"), None),
    ):
        outcome = fold(replace(held(strategies=two), signals=(again,), limits=limits))
        assert only(outcome.verdicts).reason == (reason.value if reason else None)


def test_adding_counts_the_whole_position() -> None:
    adding = rules(policy={"pyramiding": 2})
    again = signal(BUY, 2.5)
    for limits, reason in (
        (limited(max_open_positions=1, max_positions_per_symbol=1), None),
        (limited(max_position_size="0.19"), Reason.MAX_POSITION_SIZE_EXCEEDED),
        (limited(max_exposure=700), Reason.MAX_EXPOSURE_EXCEEDED),
    ):
        outcome = fold(replace(held(**adding), signals=(again,), limits=limits))
        assert only(outcome.verdicts).reason == (reason.value if reason else None)


def test_pyramiding_and_opposite_policies() -> None:
    for settings, text, reason in (
        ({}, BUY, Reason.PYRAMIDING_LIMIT),
        ({"policy": {"on_opposite": "ignore"}}, "sell EURUSD 0.1", Reason.OPPOSITE_IGNORED),
    ):
        outcome = fold(replace(held(**rules(**settings)), signals=(signal(text, 2.5),)))
        assert only(outcome.verdicts).reason == reason.value
        assert outcome.orders == ()


def test_the_story_keeps_every_figure() -> None:
    executed = fold(situation(signal(BUY + " sl=1.09 tp=1.12", 2), bars=BARS)).verdicts[0]
    assert {"plan", "quote", "gates", "engine", "sizing", "checks"} <= executed.trace.keys()
    assert executed.trace["quote"] == {"price": "1.1", "at": at(2).isoformat(), "source": "candle", "age_seconds": 0.0}
    assert [check["passed"] for check in executed.trace["checks"]] == [True] * 13
    stale = fold(situation(signal(BUY, 9), bars=BARS)).verdicts[0]
    assert stale.trace["quote"]["age_seconds"] == 420
    assert {check["check"]: check["passed"] for check in stale.trace["checks"]}["price_stale"] is False


def test_the_alerts_own_price_stands_in_for_a_stale_market() -> None:
    order = only(fold(situation(signal(BUY + " @1.2345", 60), bars=BARS)).orders)
    fill = only(order.fills)
    assert (fill.price, fill.price_source, fill.bar_low) == (Decimal("1.23463"), "alert", None)


def test_a_quote_that_is_newer_than_the_signal_is_not_traded_at() -> None:
    """The price as of the signal comes from the bars that had closed by then."""
    bars = (*BARS, bar(2, "1.1 1.3 1.1 1.3"))
    order = only(fold(situation(signal(BUY, 2.5), bars=bars)).orders)
    assert only(order.fills).price == Decimal("1.1000")
    nothing_before = situation(signal(BUY, 0.5), bars=BARS)
    assert only(fold(nothing_before).verdicts).reason == "price_missing"


def test_a_quote_beyond_the_horizon_marks_nothing() -> None:
    later = Quote("EURUSD", Decimal("1.0"), at(10), "candle", 60)
    open_ = replace(held(), horizon=at(3), quotes={"EURUSD": later})
    assert fold(open_).positions == ()


def test_ids_follow_from_causes() -> None:
    given = situation(signal(BUY, 2), signal("sell EURUSD 0.2", 2.5), bars=BARS)
    assert fold(given) == fold(given)
    orders = fold(given).orders
    assert len({order.order_id for order in orders}) == 3
    assert [order.client_order_id for order in orders] == [
        f"{given.signals[0].signal_id.hex}-0",
        f"{given.signals[1].signal_id.hex}-0",
        f"{given.signals[1].signal_id.hex}-1",
    ]
    assert given.account.account_id == ACCOUNT
