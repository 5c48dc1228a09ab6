"""Instruments quoted in another currency than the paper account's: traded by a rate that is known, refused only without one."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.currency import in_account_currency, rate_symbols
from hookfill.desk.fold import fold
from hookfill.kernel.money import ZERO
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Quote
from hookfill.orders.model import Side
from hookfill.positions.apply import market_value, unrealized
from support.desk import CASH, NOON, account, at, bar, flat, only, signal, situation, strategy

D = Decimal
FREE = PaperModel(slippage_bps=D(0))


def quote(symbol: str, price: str) -> Quote:
    return Quote(symbol, D(price), NOON, "candle")


RATES = [
    # symbol, account, its own price, the rates that are known, units of account currency per point and lot
    ("EURUSD", "USD", "1.1", {}, "100000"),
    ("USDJPY", "USD", "160", {}, "625"),
    ("USDJPY", "USD", None, {"USDJPY": "160"}, "625"),
    ("EURGBP", "USD", "0.86", {"GBPUSD": "1.25"}, "125000"),
    ("EURGBP", "USD", "0.86", {"USDGBP": "0.8"}, "125000"),
    ("EURGBP", "EUR", "0.8", {}, "125000"),
    ("EURGBP", "CHF", "0.86", {"GBPCHF": "1.1"}, "110000"),
    ("EURGBP", "CHF", "0.86", {"GBPUSD": "1.25", "USDCHF": "0.9"}, "112500"),
    ("SPY", "EUR", "500", {"EURUSD": "1.25"}, "0.8"),
    ("ES1!", "EUR", "6000", {"EURUSD": "1.25"}, "40"),
    ("ETHBTC", "USD", "0.05", {"BTCUSD": "60000"}, "60000"),
    ("EURGBP", "USD", "0.86", {}, None),
    ("EURGBP", "CHF", "0.86", {"GBPUSD": "1.25"}, None),
    ("SPY", "EUR", "500", {}, None),
]


@pytest.mark.parametrize(("symbol", "currency", "price", "rates", "multiplier"), RATES)
def test_rates(symbol: str, currency: str, price: str | None, rates: dict[str, str], multiplier: str | None) -> None:
    known = {name: quote(name, rate) for name, rate in rates.items()}
    assert known.keys() <= set(rate_symbols(symbol, currency))
    found = in_account_currency(instrument_for(symbol), currency, None if price is None else D(price), known)
    assert (None if found is None else found.multiplier) == (None if multiplier is None else D(multiplier))


PRICES = st.decimals("0.01", "90", places=4)


@given(PRICES, PRICES, PRICES)
def test_two_ways_round_a_pair_is_the_same_rate(price: Decimal, rate: Decimal, other: Decimal) -> None:
    pair = instrument_for("EURGBP")
    straight = in_account_currency(pair, "USD", price, {"GBPUSD": Quote("GBPUSD", rate, NOON, "x")})
    around = in_account_currency(pair, "USD", price, {"USDGBP": Quote("USDGBP", 1 / rate, NOON, "x")})
    assert straight == around
    over = {"GBPUSD": Quote("GBPUSD", rate, NOON, "x"), "USDCHF": Quote("USDCHF", other, NOON, "x")}
    bridged = in_account_currency(pair, "CHF", price, over)
    assert bridged is not None
    assert abs(bridged.multiplier - pair.multiplier * rate * other) <= D("1e-9")


def test_a_yen_pair_is_bought_held_and_left_in_dollars() -> None:
    bars = [flat(-1, "160", symbol="USDJPY"), bar(1, "160 162 160 161.6", symbol="USDJPY")]
    outcome = fold(situation(signal("buy USDJPY 0.1", 0), signal("close USDJPY", 3), bars=bars, paper=FREE))
    closed = only(outcome.positions)
    # 1.60 yen on 10,000 dollars at the rate of the entry, 160: 100 dollars.
    assert (closed.multiplier, closed.realized_pnl) == (D(625), D(100))
    assert outcome.account.balance == CASH + 100
    assert {fill.multiplier for order in outcome.orders for fill in order.fills} == {D(625)}


def test_the_rate_of_the_entry_holds_when_it_grows_and_rests() -> None:
    bars = [
        flat(-1, "0.86", symbol="EURGBP"), flat(-1, "1.25", symbol="GBPUSD"),
        flat(1, "1.5", symbol="GBPUSD"), bar(3, "0.86 0.86 0.84 0.85", symbol="EURGBP"),
    ]  # fmt: skip
    signals = signal("buy EURGBP 0.1", 0), signal("buy EURGBP 0.1 limit=0.85", 2.5), signal("close EURGBP", 5)
    outcome = fold(situation(*signals, bars=bars, strategies=[strategy(policy={"pyramiding": 2})], paper=FREE))
    closed = only(outcome.positions)
    assert (closed.status, closed.multiplier) == ("closed", D(125_000))
    # Bought at 0.86 and 0.85, sold at 0.85.
    assert closed.realized_pnl == D("-0.01") * D("0.1") * 125_000
    assert only(outcome.rested).order.terms.multiplier == D(150_000)
    assert outcome.account.cash == outcome.account.balance == CASH + closed.realized_pnl


def test_an_order_that_rests_is_sized_by_the_rate_as_of_then() -> None:
    bars = [flat(-1, "0.86", symbol="EURGBP"), flat(-1, "1.25", symbol="GBPUSD")]
    sized = strategy(sizing={"mode": "risk_percent", "percent": 1})
    outcome = fold(situation(signal("buy EURGBP limit=0.85 sl=0.84", 0), bars=bars, strategies=[sized], paper=FREE))
    assert only(outcome.rested).order.quantity == D("0.8")  # 1,000 dollars over 100 pips of 12.50 each and lot


def test_a_pair_that_rests_has_its_own_price_as_its_rate() -> None:
    bars = [flat(-1, "160", symbol="USDJPY"), bar(1, "160 160 120 125", symbol="USDJPY")]
    outcome = fold(situation(signal("buy USDJPY 0.1 limit=125", 0), bars=bars, paper=FREE))
    assert only(outcome.positions).multiplier == D(800)


def test_the_rate_is_that_of_the_signals_own_time() -> None:
    bars = [flat(-1, "0.86", symbol="EURGBP"), flat(-1, "1.25", symbol="GBPUSD"), flat(0, "1.5", symbol="GBPUSD")]
    early, late = signal("buy EURGBP 0.1", 0.5), signal("buy EURGBP 0.1", 1.5, strategy=12)
    outcome = fold(situation(early, late, bars=bars, strategies=[strategy(), strategy(12)], paper=FREE))
    assert [position.multiplier for position in sorted(outcome.positions, key=lambda one: one.opened_at)] == [
        D(125_000),
        D(150_000),
    ]


def test_without_a_rate_it_is_refused_and_says_what_to_do() -> None:
    outcome = fold(situation(signal("buy EURGBP 0.1", 0), bars=[flat(-1, "0.86", symbol="EURGBP")]))
    verdict = only(outcome.verdicts)
    assert (verdict.status, verdict.reason) == ("rejected", "currency_unsupported")
    assert "Push candles of a pair" in (verdict.error_message or "")


def test_exposure_and_buying_power_are_counted_in_the_accounts_currency() -> None:
    bars = [flat(-1, "160", symbol="USDJPY")]
    checks = {
        check["check"]: check for check in only(fold(situation(signal("buy USDJPY 1", 0), bars=bars)).verdicts).trace["checks"]
    }
    assert Decimal(checks["insufficient_buying_power"]["figures"]["needed"]).quantize(D("0.01")) == D("3333.33")
    poor = account(cash=D(3_000), balance=D(3_000))
    refused = only(fold(situation(signal("buy USDJPY 1", 0), bars=bars, account=poor)).verdicts)
    assert refused.reason == "insufficient_buying_power"


@pytest.mark.parametrize("side", Side)
@given(entry=st.integers(10_000, 20_000), mark=st.integers(10_000, 20_000), rate=st.integers(50, 200))
def test_the_books_balance_to_the_last_digit(side: Side, entry: int, mark: int, rate: int) -> None:
    first, then, over = (str(D(value) / 10_000) for value in (entry, mark, rate * 100))
    bars = [flat(-1, first, symbol="EURGBP"), flat(-1, over, symbol="GBPUSD"), flat(1, then, symbol="EURGBP")]
    outcome = fold(situation(signal(f"{side.value} EURGBP 0.37", 0), bars=bars, paper=PaperModel()))
    held = only(outcome.positions)
    assert outcome.account.cash + market_value(held, held.mark) == outcome.account.balance + unrealized(held, held.mark)


async def test_rates_are_gathered_as_of_the_past(desk) -> None:
    """History is imported after the rates have moved on: each entry has the rate of its own time."""
    candles = [
        *(flat(minute, "0.86", symbol="EURGBP") for minute in range(-1, 5)),
        *(flat(minute, str(D("1.25") + D(minute) / 100), symbol="GBPUSD") for minute in range(-1, 5)),
    ]
    await desk.candles(*candles)
    await desk.alerts(("buy EURGBP 0.1", 1), ("close EURGBP", 2), ("buy EURGBP 0.1", 3))
    await desk.work()
    rows = await desk.rows("SELECT multiplier FROM positions ORDER BY opened_at")
    assert [row["multiplier"] for row in rows] == [D(125_000), D(127_000)]


async def test_a_rate_that_is_pushed_makes_it_tradable(desk) -> None:
    await desk.candles(flat(-1, "0.86", symbol="EURGBP"))
    before = await desk.alerts(("buy EURGBP 0.1", 0))
    await desk.work()
    await desk.candles(
        replace(flat(0, "1.25", symbol="GBPUSD")), flat(0, "0.86", symbol="EURGBP"), known_at=at(1) + timedelta(seconds=1)
    )
    after = await desk.alerts(("buy EURGBP 0.2", 1.1))
    await desk.work()
    assert await desk.verdicts([*before, *after]) == [("rejected", "currency_unsupported"), ("executed", None)]
    row = only(await desk.rows("SELECT cash, balance FROM accounts WHERE account_id = $1", desk.account_id))
    assert row["balance"] == CASH
    assert row["cash"] < ZERO + CASH
