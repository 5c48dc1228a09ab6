"""Every check on both sides of its limit, and what holds for all entries."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.kernel.errors import ConfigurationError
from hookfill.kernel.reasons import MEANINGS, Reason
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Quote
from hookfill.risk.assess import CHECKS, Stage, assess_checks, assess_gates
from hookfill.risk.checks import needed_capital
from hookfill.risk.committed import committed_capital
from hookfill.risk.model import Assessment, CheckResult, Entry, Halt, Limits, limits_from

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
FULL = Halt("global", reduce_only=False, reason="the operator stopped everything")
REDUCE_ONLY = Halt("strategy", reduce_only=True, reason="too many orders")


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def quote(price: str = "1.1", *, age: float = 0, bar_seconds: int | None = None) -> Quote:
    return Quote("EURUSD", Decimal(price), ago(age), "candle", bar_seconds)


# One lot of EURUSD at 1.1 commits 110,000 x 0.0333333333 = 3,666.666663.
SOUND = Entry(
    now=NOW,
    symbol="EURUSD",
    instrument=instrument_for("EURUSD"),
    quote=quote(),
    quantity=Decimal(1),
    resulting_quantity=Decimal(1),
    equity=Decimal(100_000),
    day_start_balance=Decimal(100_000),
)
NEEDED = Decimal("3666.666663")


def limited(**limits: Any) -> dict[str, Any]:
    return {"limits": Limits(**{name: Decimal(str(value)) for name, value in limits.items()})}


CASES: list[tuple[Reason, bool, dict[str, Any]]] = [
    (Reason.HALTED, True, {}),
    (Reason.HALTED, False, {"halts": (FULL,)}),
    (Reason.HALTED, False, {"halts": (REDUCE_ONLY,)}),
    (Reason.SIGNAL_STALE, True, {"fired_at": None}),
    (Reason.SIGNAL_STALE, True, {"fired_at": ago(300)}),
    (Reason.SIGNAL_STALE, False, {"fired_at": ago(300.001)}),
    (Reason.SIGNAL_STALE, True, {"fired_at": ago(30), "max_lag_seconds": 30}),
    (Reason.SIGNAL_STALE, False, {"fired_at": ago(31), "max_lag_seconds": 30}),
    (Reason.SIGNAL_STALE, False, {"fired_at": ago(301), "max_lag_seconds": 3_600}),
    (Reason.SIGNAL_STALE, True, {"fired_at": ago(301), **limited(max_signal_age_seconds=301)}),
    (Reason.SIGNAL_STALE, True, {"fired_at": ago(-60)}),
    (Reason.SIGNAL_STALE, True, {"fired_at": ago(-1), "max_lag_seconds": 0}),
    (Reason.SIGNAL_STALE, False, {"fired_at": ago(-60.001)}),
    (Reason.CURRENCY_UNSUPPORTED, True, {}),
    (Reason.CURRENCY_UNSUPPORTED, False, {"instrument": instrument_for("USDJPY"), "is_convertible": False}),
    (Reason.CURRENCY_UNSUPPORTED, True, {"instrument": instrument_for("USDJPY"), "is_convertible": True}),
    (Reason.CURRENCY_UNSUPPORTED, True, {"instrument": instrument_for("USDJPY"), "account_currency": "JPY"}),
    (Reason.CURRENCY_UNSUPPORTED, False, {"account_currency": "EUR", "is_convertible": False}),
    (Reason.MARKET_CLOSED, True, {"market_open": True}),
    (Reason.MARKET_CLOSED, False, {"market_open": False}),
    (Reason.OUTSIDE_TRADING_WINDOW, True, {"in_trading_window": True}),
    (Reason.OUTSIDE_TRADING_WINDOW, False, {"in_trading_window": False}),
    (Reason.PRICE_MISSING, True, {}),
    (Reason.PRICE_MISSING, False, {"quote": None}),
    (Reason.PRICE_STALE, True, {"quote": quote(age=120)}),
    (Reason.PRICE_STALE, False, {"quote": quote(age=121)}),
    (Reason.PRICE_STALE, True, {"quote": quote(age=180, bar_seconds=60)}),
    (Reason.PRICE_STALE, False, {"quote": quote(age=181, bar_seconds=60)}),
    (Reason.PRICE_STALE, True, {"quote": quote(age=120, bar_seconds=1)}),
    (Reason.PRICE_STALE, True, {"quote": quote(age=10_800, bar_seconds=3_600)}),
    (Reason.PRICE_STALE, True, {"quote": quote(age=200), **limited(price_max_age_seconds=200)}),
    (Reason.PRICE_STALE, True, {"quote": quote(age=-5)}),
    (Reason.PRICE_STALE, True, {"quote": None}),
    (Reason.DAILY_LOSS_LIMIT_REACHED, True, {"day_realized": Decimal("-4999.99")}),
    (Reason.DAILY_LOSS_LIMIT_REACHED, False, {"day_realized": Decimal(-5_000)}),
    (Reason.DAILY_LOSS_LIMIT_REACHED, True, {"day_realized": Decimal(9_000)}),
    (Reason.DAILY_LOSS_LIMIT_REACHED, True, {"day_realized": Decimal(-90_000), **limited(daily_loss_limit_pct=0)}),
    (Reason.DAILY_LOSS_LIMIT_REACHED, False, {"day_realized": Decimal(-2_000), **limited(daily_loss_limit_pct=2)}),
    (Reason.DAILY_LOSS_LIMIT_REACHED, False, {"day_start_balance": Decimal(0)}),
    (Reason.MAX_OPEN_POSITIONS_EXCEEDED, True, {"open_positions": 4}),
    (Reason.MAX_OPEN_POSITIONS_EXCEEDED, False, {"open_positions": 5}),
    (Reason.MAX_OPEN_POSITIONS_EXCEEDED, True, {"open_positions": 5, "adds_to_position": True}),
    (Reason.MAX_OPEN_POSITIONS_EXCEEDED, False, limited(max_open_positions=0)),
    (Reason.MAX_POSITIONS_PER_SYMBOL_EXCEEDED, True, {"symbol_positions": 2}),
    (Reason.MAX_POSITIONS_PER_SYMBOL_EXCEEDED, False, {"symbol_positions": 3}),
    (Reason.MAX_POSITIONS_PER_SYMBOL_EXCEEDED, True, {"symbol_positions": 3, "adds_to_position": True}),
    (Reason.MAX_POSITION_SIZE_EXCEEDED, True, {"resulting_quantity": Decimal(10)}),
    (Reason.MAX_POSITION_SIZE_EXCEEDED, True, {"resulting_quantity": Decimal(-10)}),
    (Reason.MAX_POSITION_SIZE_EXCEEDED, False, {"resulting_quantity": Decimal("10.01")}),
    (Reason.MAX_POSITION_SIZE_EXCEEDED, False, {"resulting_quantity": Decimal("-10.01")}),
    (Reason.MAX_POSITION_SIZE_EXCEEDED, True, {"resulting_quantity": Decimal(500), "instrument": instrument_for("AAPL")}),
    (Reason.MAX_EXPOSURE_EXCEEDED, True, {"committed": Decimal(10_000) - NEEDED}),
    (Reason.MAX_EXPOSURE_EXCEEDED, False, {"committed": Decimal(10_000) - NEEDED + Decimal("0.0000000001")}),
    (Reason.MAX_EXPOSURE_EXCEEDED, True, {"equity": NEEDED * 5}),
    (Reason.MAX_EXPOSURE_EXCEEDED, False, {"equity": NEEDED * 5 - 1}),
    (Reason.MAX_EXPOSURE_EXCEEDED, False, {"equity": Decimal(-1)}),
    (Reason.MAX_EXPOSURE_EXCEEDED, True, {"quote": None, "committed": Decimal(99_999)}),
    (Reason.PAIR_NOT_ALLOWED, True, {"allowed_pairs": None}),
    (Reason.PAIR_NOT_ALLOWED, False, {"allowed_pairs": ()}),
    (Reason.PAIR_NOT_ALLOWED, False, {"allowed_pairs": ("GBPUSD", "USDJPY")}),
    (Reason.PAIR_NOT_ALLOWED, True, {"allowed_pairs": ("GBPUSD", "EURUSD")}),
    (Reason.PAIR_NOT_ALLOWED, True, {"allowed_pairs": ("eur/usd",)}),
    (Reason.PAIR_NOT_ALLOWED, True, {"allowed_pairs": ("FX:EUR_USD",)}),
    (Reason.PAIR_NOT_ALLOWED, True, {"allowed_pairs": ("EURUSD",), "symbol": "EUR-USD"}),
    (
        Reason.PAIR_NOT_ALLOWED,
        True,
        {"allowed_pairs": ("MNQ1!",), "symbol": "MNQ1!_DLY", "instrument": instrument_for("MNQ1!_DLY")},
    ),
    (Reason.PRICE_COLLAR, True, {"alert_price": None}),
    (Reason.PRICE_COLLAR, True, {"alert_price": Decimal("1.155")}),
    (Reason.PRICE_COLLAR, False, {"alert_price": Decimal("1.15501")}),
    (Reason.PRICE_COLLAR, True, {"alert_price": Decimal("1.045")}),
    (Reason.PRICE_COLLAR, False, {"alert_price": Decimal("1.04499")}),
    (Reason.PRICE_COLLAR, True, {"alert_price": Decimal(9), "quote": None}),
    (Reason.PRICE_COLLAR, False, {"alert_price": Decimal("1.12"), **limited(price_collar_pct=1)}),
    (Reason.ORDER_RATE_EXCEEDED, True, {"orders_last_minute": 29}),
    (Reason.ORDER_RATE_EXCEEDED, False, {"orders_last_minute": 30}),
    (Reason.INSUFFICIENT_BUYING_POWER, True, {"equity": NEEDED}),
    (Reason.INSUFFICIENT_BUYING_POWER, False, {"equity": NEEDED - Decimal("0.0000000001")}),
    (Reason.INSUFFICIENT_BUYING_POWER, True, {"committed": Decimal(100_000) - NEEDED}),
    (Reason.INSUFFICIENT_BUYING_POWER, False, {"committed": Decimal(100_000)}),
    (Reason.INSUFFICIENT_BUYING_POWER, True, {"quote": None, "equity": Decimal(0)}),
]


def assess(entry: Entry) -> Assessment:
    """The gates, then the checks, as a signal meets them."""
    return Assessment(assess_gates(entry).results + assess_checks(entry).results)


def result_of(entry: Entry, check: Reason) -> CheckResult:
    return next(result for result in assess(entry).results if result.check is check)


@pytest.mark.parametrize(("check", "passed", "changes"), CASES)
def test_a_check_on_both_sides_of_its_limit(check: Reason, passed: bool, changes: dict[str, Any]) -> None:
    result = result_of(replace(SOUND, **changes), check)
    assert result.passed is passed
    assert bool(result.detail) is not passed
    assert result.figures
    json.dumps(dict(result.figures), allow_nan=False)


def test_a_sound_entry_passes_everything() -> None:
    assessment = assess(SOUND)
    assert assessment.refusal is None
    assert len(assessment.results) == len(CHECKS) == 16


def test_the_checks_stand_in_the_design_s_order() -> None:
    order = [check.run.__name__ for check in CHECKS]
    assert order == [
        "halted",
        "signal_stale",
        "currency_unsupported",
        "market_closed",
        "outside_trading_window",
        "price_missing",
        "price_stale",
        "daily_loss_limit_reached",
        "max_open_positions_exceeded",
        "max_positions_per_symbol_exceeded",
        "max_position_size_exceeded",
        "max_exposure_exceeded",
        "pair_not_allowed",
        "price_collar",
        "order_rate_exceeded",
        "insufficient_buying_power",
    ]
    # Each is named after the reason it refuses with, and each reason has a meaning.
    assert [check.run(SOUND).check.value for check in CHECKS] == order
    assert all(Reason(name) in MEANINGS for name in order)


def test_gates_discard_and_checks_reject() -> None:
    assert [result.check for result in assess_gates(SOUND).results] == [
        Reason.HALTED,
        Reason.SIGNAL_STALE,
        Reason.DAILY_LOSS_LIMIT_REACHED,
    ]
    assert len(assess_checks(SOUND).results) == 13
    assert (Stage.GATE.value, Stage.CHECK.value) == ("discarded", "rejected")


def test_the_first_refusal_wins_and_all_results_are_kept() -> None:
    entry = replace(SOUND, market_open=False, orders_last_minute=99, day_realized=Decimal(-9_000))
    assert assess_gates(entry).refusal == result_of(entry, Reason.DAILY_LOSS_LIMIT_REACHED)
    assert assess_checks(entry).refusal == result_of(entry, Reason.MARKET_CLOSED)
    assert assess(entry).refusal == result_of(entry, Reason.DAILY_LOSS_LIMIT_REACHED)
    refused = [result.check for result in assess(entry).results if not result.passed]
    assert refused == [Reason.DAILY_LOSS_LIMIT_REACHED, Reason.MARKET_CLOSED, Reason.ORDER_RATE_EXCEEDED]


def test_the_figures_are_the_numbers_compared() -> None:
    entry = replace(SOUND, committed=Decimal("7000.50"))
    result = result_of(entry, Reason.MAX_EXPOSURE_EXCEEDED)
    assert dict(result.figures) == {"committed": "7000.5", "needed": "3666.666663", "exposure": "10667.166663", "limit": "10000"}
    assert result.detail == "10667.166663 committed, at most 10000"


def test_gates_need_neither_quote_nor_size() -> None:
    assert assess_gates(replace(SOUND, quote=None, quantity=None, resulting_quantity=None)).refusal is None


def test_without_a_quote_the_missing_price_is_what_refuses() -> None:
    refusal = assess_checks(replace(SOUND, quote=None, quantity=None, resulting_quantity=None)).refusal
    assert refusal is not None
    assert refusal.check is Reason.PRICE_MISSING


@pytest.mark.parametrize("missing", ["quantity", "resulting_quantity"])
def test_an_entry_that_was_not_sized_is_a_defect_not_a_pass(missing: str) -> None:
    with pytest.raises(ValueError, match="size the entry first"):
        assess_checks(replace(SOUND, **{missing: None}))


@pytest.mark.parametrize(
    ("halts", "is_exit", "scope"),
    [
        ((), False, None),
        ((), True, None),
        ((REDUCE_ONLY,), False, "strategy"),
        ((REDUCE_ONLY,), True, None),
        ((FULL,), True, "global"),
        ((REDUCE_ONLY, FULL), False, "global"),
        ((REDUCE_ONLY, FULL), True, "global"),
    ],
)
def test_the_strictest_halt_is_named(halts: tuple[Halt, ...], is_exit: bool, scope: str | None) -> None:
    result = result_of(replace(SOUND, halts=halts, is_exit=is_exit), Reason.HALTED)
    assert result.passed is (scope is None)
    assert result.figures.get("scope") == scope


@pytest.mark.parametrize(
    ("symbol", "quantity", "price", "expected"),
    [
        ("EURUSD", "1", "1.1", "3666.666663"),
        ("EURUSD", "-0.01", "1.1", "36.66666663"),
        ("AAPL", "-3", "200.5", "601.5"),
        ("MNQ1!", "2", "20000", "8000"),
        ("BTCUSDT", "0.0001", "65000", "6.5"),
        ("AAPL", "0", "200.5", "0"),
    ],
)
def test_committed_capital(symbol: str, quantity: str, price: str, expected: str) -> None:
    instrument = instrument_for(symbol)
    size, rate = Decimal(quantity), instrument.margin_rate
    assert committed_capital(size, Decimal(price), multiplier=instrument.multiplier, margin_rate=rate) == Decimal(expected)


def test_what_an_entry_needs() -> None:
    assert needed_capital(SOUND) == NEEDED
    assert needed_capital(replace(SOUND, quote=None)) is None
    assert needed_capital(replace(SOUND, quantity=None)) is None


def test_limits_are_read_strictly() -> None:
    assert limits_from({"max_open_positions": 7}) == Limits(max_open_positions=Decimal(7))
    for wrong in ({"max_positions": 1}, {"max_exposure": -1}, {"max_exposure": "NaN"}):
        with pytest.raises(ConfigurationError):
            limits_from(wrong)


amounts = st.decimals(-20_000, 200_000, places=2)
ages = st.none() | st.floats(-200, 1_000)
limits_strategy = st.builds(
    Limits,
    max_open_positions=st.integers(0, 10).map(Decimal),
    max_positions_per_symbol=st.integers(0, 10).map(Decimal),
    max_position_size=st.integers(0, 20).map(Decimal),
    max_exposure=st.integers(0, 50_000).map(Decimal),
    max_exposure_pct=st.integers(0, 100).map(Decimal),
    # Zero is another thing here: it switches the limit off.
    daily_loss_limit_pct=st.integers(1, 100).map(Decimal),
    max_signal_age_seconds=st.integers(0, 600).map(Decimal),
    price_max_age_seconds=st.integers(0, 600).map(Decimal),
    price_collar_pct=st.integers(0, 20).map(Decimal),
    order_rate_per_minute=st.integers(0, 60).map(Decimal),
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    instrument = instrument_for(draw(st.sampled_from(["EURUSD", "USDJPY", "AAPL", "MNQ1!", "BTCUSDT"])))
    quantity = draw(st.decimals("0.01", 20, places=2))
    fired, age = draw(ages), draw(st.floats(-60, 1_000))
    price = draw(st.decimals("0.5", 200, places=4))
    return Entry(
        now=NOW,
        symbol=instrument.symbol,
        instrument=instrument,
        fired_at=None if fired is None else ago(fired),
        max_lag_seconds=draw(st.none() | st.integers(0, 600)),
        alert_price=draw(st.none() | st.decimals("0.5", 200, places=4)),
        quote=draw(
            st.none() | st.just(Quote(instrument.symbol, price, ago(age), "candle", draw(st.sampled_from([None, 60, 3_600]))))
        ),
        market_open=draw(st.booleans()),
        quantity=quantity,
        resulting_quantity=draw(st.sampled_from([1, -1])) * (quantity + draw(st.integers(0, 5))),
        equity=draw(amounts),
        committed=draw(st.decimals(0, 20_000, places=2)),
        open_positions=draw(st.integers(0, 10)),
        symbol_positions=draw(st.integers(0, 10)),
        adds_to_position=draw(st.booleans()),
        orders_last_minute=draw(st.integers(0, 60)),
        # Not below zero: a higher percentage of a debt is a lower limit.
        day_start_balance=draw(st.decimals(0, 200_000, places=2)),
        day_realized=draw(amounts),
        allowed_pairs=draw(st.none() | st.just(("EURUSD", "AAPL"))),
        halts=draw(st.sampled_from([(), (), (FULL,), (REDUCE_ONLY,), (REDUCE_ONLY, FULL)])),
        limits=draw(limits_strategy),
    )


@given(entries())
def test_assessing_is_deterministic_and_complete(entry: Entry) -> None:
    assessment = assess(entry)
    assert assessment == assess(entry)
    assert len({result.check for result in assessment.results}) == len(CHECKS)
    refused = [result for result in assessment.results if not result.passed]
    assert assessment.refusal == (refused[0] if refused else None)
    for result in assessment.results:
        json.dumps(dict(result.figures), allow_nan=False)


@given(entries())
def test_an_exit_is_stopped_by_a_full_halt_alone(entry: Entry) -> None:
    leaving = replace(entry, is_exit=True, quantity=None, resulting_quantity=None)
    refusal = assess(leaving).refusal
    assert (refusal is not None) is (FULL in entry.halts)
    assert refusal is None or refusal.check is Reason.HALTED


@settings(max_examples=300)
@given(entries(), st.sampled_from([limit.name for limit in fields(Limits)]), st.decimals(0, 1_000, places=2))
def test_raising_a_limit_never_refuses_what_passed(entry: Entry, name: str, more: Decimal) -> None:
    higher = replace(entry, limits=replace(entry.limits, **{name: getattr(entry.limits, name) + more}))
    for before, after in zip(assess(entry).results, assess(higher).results, strict=True):
        assert after.passed or not before.passed


@given(entries(), st.integers(1, 10))
def test_a_bigger_order_never_passes_where_a_smaller_one_was_refused(entry: Entry, more: int) -> None:
    assert entry.quantity is not None
    assert entry.resulting_quantity is not None
    growth = more if entry.resulting_quantity > 0 else -more
    bigger = replace(entry, quantity=entry.quantity + more, resulting_quantity=entry.resulting_quantity + growth)
    for small, big in zip(assess(entry).results, assess(bigger).results, strict=True):
        assert small.passed or not big.passed


@given(entries())
def test_what_passes_keeps_the_account_within_its_limits(entry: Entry) -> None:
    if assess(entry).refusal is None:
        needed = needed_capital(entry)
        assert needed is not None
        assert entry.committed + needed <= min(entry.limits.max_exposure, entry.equity)
        assert not entry.halts
        assert entry.market_open
