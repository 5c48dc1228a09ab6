"""Alpaca's terms: what goes over the wire, what its answers mean, and how tidings of an order add up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.alpaca.answers import MOST_PAUSE_SECONDS, failure_of, pause
from hookfill.brokers.alpaca.compare import Held, account_of, deals_of, held_of, positions_of, stray_subject, stray_text, strays
from hookfill.brokers.alpaca.instruct import alpaca_symbol, ask_from, fields_of, missing_coins, plain_symbol
from hookfill.brokers.alpaca.model import Unreadable, funds_from, holding_from, order_from, realised
from hookfill.brokers.alpaca.outcome import result_of
from hookfill.brokers.alpaca.stream import stream_url
from hookfill.brokers.mt5.model import magic_of
from hookfill.brokers.port import Ask, Funds, Holding, KnownAlready, NotNow, OrderState, Refused, Standing, Unknown, merge
from hookfill.kernel.ids import new_id
from support.alpaca.book import Order

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPTION = "SPY260320C00500000"


def ask(symbol: str = "SPY", **options: Any) -> Ask:
    quantity = Decimal(options.pop("quantity", "10"))
    return Ask("ours", symbol, options.pop("side", "buy"), quantity, **options)


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        (ask(), {"symbol": "SPY", "qty": "10", "type": "market", "time_in_force": "day"}),
        (ask("BTCUSD", quantity="0.00000001"), {"symbol": "BTC/USD", "qty": "0.00000001", "time_in_force": "gtc"}),
        (ask(OPTION), {"symbol": OPTION, "time_in_force": "day"}),
        (ask(OPTION, stop_loss=Decimal(1), take_profit=Decimal(9)), {"symbol": OPTION, "time_in_force": "day"}),
        (ask(quantity="0.5", stop_loss=Decimal(1), time_in_force="gtc"), {"qty": "0.5", "time_in_force": "day"}),
        (ask(order_type="limit", price=Decimal("500.019")), {"type": "limit", "limit_price": "500.01"}),
        (ask(order_type="limit", price=Decimal("500.011"), side="sell"), {"limit_price": "500.02"}),
        (ask(order_type="limit", price=Decimal("0.98769"), time_in_force="gtc"), {"limit_price": "0.9876", "time_in_force": "gtc"}),
        (ask(order_type="stop", price=Decimal("500.011")), {"type": "stop", "stop_price": "500.02"}),
        (ask(order_type="stop", price=Decimal("500.019"), side="sell"), {"stop_price": "500.01"}),
        (ask("ETHUSD", order_type="limit", price=Decimal("1.23456789")), {"limit_price": "1.23456789", "time_in_force": "gtc"}),
        (
            ask(stop_loss=Decimal("489.999"), take_profit=Decimal("520.001")),
            {
                "order_class": "bracket",
                "time_in_force": "gtc",
                "stop_loss": {"stop_price": "489.99"},
                "take_profit": {"limit_price": "520.01"},
            },
        ),
        (
            ask(side="sell", stop_loss=Decimal("510.001"), take_profit=Decimal("480.009")),
            {"order_class": "bracket", "stop_loss": {"stop_price": "510.01"}, "take_profit": {"limit_price": "480"}},
        ),
        (ask(take_profit=Decimal(520)), {"order_class": "oto", "take_profit": {"limit_price": "520"}}),
    ],
)
def test_an_order_as_it_goes_over_the_wire(asked: Ask, fields: dict) -> None:
    sent = fields_of(asked)
    assert fields.items() <= sent.items(), sent
    assert ("order_class" in sent) == ("order_class" in fields)
    assert sent["client_order_id"] == "ours"


@pytest.mark.parametrize(
    ("symbol", "theirs"),
    [
        ("BTCUSD", "BTC/USD"),
        ("BTC/USD", "BTC/USD"),
        ("ETHUSDT", "ETH/USDT"),
        ("ETHBTC", "ETH/BTC"),
        ("SPY", "SPY"),
        ("BRK.B", "BRK.B"),
        ("SPY   260320C00500000", OPTION),
    ],
)
def test_symbols(symbol: str, theirs: str) -> None:
    assert alpaca_symbol(symbol) == theirs
    assert "/" not in plain_symbol(theirs)


def test_a_job_is_understood() -> None:
    told = {"symbol": "SPY", "side": "sell", "volume": 3, "client_order_id": "x", "order_type": "limit", "order_price": "5.5"}
    assert ask_from({**told, "time_in_force": "gtc", "sl": "6"}) == Ask(
        "x", "SPY", "sell", Decimal(3), "limit", Decimal("5.5"), "gtc", Decimal(6)
    )


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, '{"message":"too many"}', NotNow),
        (500, "", Unknown),
        (503, "no healthy upstream", Unknown),
        (504, "<html>", Unknown),
        (408, "", Unknown),
        (422, '{"code":40010001,"message":"client_order_id must be unique"}', KnownAlready),
        (422, '{"code":42210000,"message":"asset not found"}', Refused),
        (403, '{"code":40310000,"message":"insufficient buying power"}', Refused),
        (401, "unauthorized", Refused),
        (302, "", Refused),
        (400, "[1]", Refused),
    ],
)
def test_what_an_answer_means(status: int, body: str, error: type) -> None:
    assert type(failure_of(status, body, {})) is error


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("soon", None), ("-1", None), ("nan", None), ("1e9", None)])
def test_how_long_it_asks_to_wait(header: str, seconds: float | None) -> None:
    failure = failure_of(429, "", {"retry-after": header})
    assert isinstance(failure, NotNow)
    assert failure.after_seconds == seconds


@given(st.integers(1, 10_000), st.floats(0, 0.999), st.none() | st.floats(0, 86_000))
def test_pauses_grow_are_spread_and_bounded(attempt: int, chance: float, after: float | None) -> None:
    waited = pause(attempt, chance, after)
    assert 0.25 <= waited <= MOST_PAUSE_SECONDS
    assert waited >= min(after or 0, MOST_PAUSE_SECONDS)
    assert pause(1, 0) == 0.25
    assert pause(2, 0) == 0.5


def state(**changes: Any) -> OrderState:
    return replace(OrderState("ours", "theirs", "SPY", "buy", Standing.WORKING, Decimal(10)), **changes)


STATES = st.builds(
    state,
    standing=st.sampled_from(Standing),
    filled=st.integers(0, 10).map(Decimal),
    at=st.none() | st.integers(0, 5).map(lambda minutes: NOON + timedelta(minutes=minutes)),
)


@given(STATES, STATES, STATES)
def test_tidings_add_up_in_any_order_and_number(one: OrderState, two: OrderState, three: OrderState) -> None:
    def key(told: OrderState) -> tuple:
        return told.standing, told.filled, told.at

    assert key(merge(one, one)) == key(one)
    ends = {key(merge(merge(a, b), c)) for a, b, c in permutations((one, two, three))}
    assert len(ends) == 1
    assert ends == {key(merge(one, merge(two, merge(three, merge(one, two)))))}


def test_a_fill_after_a_cancellation_that_came_first_is_kept() -> None:
    cancelled, partly = state(standing=Standing.CANCELLED), state(filled=Decimal(4), price=Decimal(5))
    both = merge(cancelled, partly)
    assert (both.standing, both.filled, both.price) == (Standing.CANCELLED, Decimal(4), Decimal(5))
    assert merge(both, state(standing=Standing.FILLED, filled=Decimal(10))).standing is Standing.FILLED


TOLD = {**Order("ours", "SPY", "buy", Decimal(10)).told(), "filled_at": "2026-03-02T12:00:00.123456789Z"}


def test_an_order_is_read() -> None:
    told = {**TOLD, "status": "filled", "filled_qty": "10", "filled_avg_price": "500.1"}
    read = order_from(told)
    assert (read.standing, read.filled, read.price) == (Standing.FILLED, Decimal(10), Decimal("500.1"))
    assert read.at == datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("status", ["new", "held", "pending_cancel", "done_for_day", "calculated", "something new"])
def test_a_status_that_is_no_end_is_working(status: str) -> None:
    assert order_from({**TOLD, "status": status}).standing is Standing.WORKING


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {**TOLD, "filled_qty": "NaN"},
        {**TOLD, "filled_qty": "9" * 30},
        {**TOLD, "qty": True},
        {**TOLD, "id": None},
        {**TOLD, "client_order_id": 5},
        {**TOLD, "filled_at": "yesterday"},
        {**TOLD, "legs": ["?"]},
        {**TOLD, "legs": 7},
    ],
)
def test_what_is_no_order_concludes_nothing(told: object) -> None:
    with pytest.raises(Unreadable):
        order_from(told)


@pytest.mark.parametrize("read", [holding_from, funds_from])
@pytest.mark.parametrize("told", [None, {}, {"symbol": "SPY", "qty": "x"}, {"equity": "inf", "currency": "USD"}, {"equity": 1}])
def test_what_is_no_position_or_account_concludes_nothing(read: Any, told: object) -> None:
    with pytest.raises(Unreadable):
        read(told)


def test_positions_and_accounts_are_read() -> None:
    short = holding_from({"symbol": "SPY", "qty": "-5", "side": "short", "qty_available": "-2", "unrealized_pl": "-7.5"})
    assert short == Holding("SPY", Decimal(-5), Decimal(2), Decimal("-7.5"))
    told = {"status": "ACTIVE", "equity": "1000", "currency": "USD"}
    assert realised(funds_from(told), (short,)) == Decimal("1007.5")
    assert funds_from(told).blocked is None
    assert funds_from({**told, "trading_blocked": True}).blocked == "Alpaca says trading_blocked"
    assert "SUBMITTED" in (funds_from({**told, "status": "SUBMITTED"}).blocked or "")


@pytest.mark.parametrize(
    ("standing", "status"),
    [(Standing.CANCELLED, "failed"), (Standing.EXPIRED, "expired"), (Standing.REJECTED, "failed"), (Standing.FILLED, "failed")],
)
def test_an_end_without_a_fill_books_nothing(standing: Standing, status: str) -> None:
    result = result_of(state(standing=standing, text="because"))
    assert (result.status, result.fill_price, result.filled_volume) == (status, None, None)
    assert "because" in (result.error_message or "")


def test_a_part_that_was_filled_is_told_without_fee_coins() -> None:
    result = result_of(state(standing=Standing.CANCELLED, filled=Decimal(4), price=Decimal(5)), Decimal(1))
    assert (result.status, result.filled_volume, result.commission) == ("completed", Decimal(4), None)


@pytest.mark.parametrize(
    ("wanted", "left", "symbol", "missing"),
    [("1", "0.9975", "BTCUSD", "0.0025"), ("1", "0.98", "BTCUSD", "0"), ("1", "1", "BTCUSD", "0"), ("100", "99.9", "SPY", "0")],
)
def test_only_a_fee_is_missing_coins(wanted: str, left: str, symbol: str, missing: str) -> None:
    assert missing_coins(Decimal(wanted), Decimal(left), symbol) == Decimal(missing)


def test_both_sides_as_they_are_compared() -> None:
    held = [Holding("BTCUSD", Decimal("0.9975"), Decimal(1)), Holding("SPY", Decimal(-5), Decimal(5))]
    told = positions_of(held, {"BTCUSD": Held(Decimal(1), 7), "AAPL": Held(Decimal(2), 8)}, {})
    assert [one["magic"] for one in told] == [7, None]
    assert [(one["symbol"], one["side"], one["volume"]) for one in told] == [("BTCUSD", "buy", "1"), ("SPY", "sell", "5")]
    assert positions_of(held, {"SP": Held(Decimal(-5), 9)}, {"SP": "SPY"})[1]["symbol"] == "SP"
    account = account_of(Funds(Decimal(10), "USD"), held)
    assert (account["hedging"], account["holds_stops"], account["equity"]) == (False, False, Decimal(10))


def test_positions_of_several_strategies_net() -> None:
    one, two = new_id(), new_id()
    rows = [
        {"strategy_id": one, "symbol": "SPY", "quantity": 5, "bought": 6},
        {"strategy_id": two, "symbol": "SPY", "quantity": -2, "bought": 2},
    ]
    assert held_of(rows) == {"SPY": Held(Decimal(3), magic_of(one), Decimal(8))}


def test_the_fee_of_all_coins_is_missing_in_what_is_left_of_them() -> None:
    held = [Holding("BTCUSD", Decimal("0.0975"), Decimal("0.0975"))]
    for bought, volume in (("1", "0.1"), ("0.1", "0.0975")):
        [told] = positions_of(held, {"BTCUSD": Held(Decimal("0.1"), 7, Decimal(bought))}, {})
        assert told["volume"] == volume


def test_deals_of_guards() -> None:
    strategy = new_id()
    stop = state(
        broker_order_id="leg",
        side="sell",
        standing=Standing.FILLED,
        filled=Decimal(10),
        price=Decimal(490),
        at=NOON,
        order_type="stop",
    )
    target = replace(stop, broker_order_id="other", standing=Standing.CANCELLED, filled=Decimal(0), order_type="limit")
    [deal] = deals_of(state(legs=(stop, target)), strategy, "SP", {"SP": "SPY"})
    assert (deal["deal_id"], deal["symbol"], deal["side"], deal["reason"]) == ("leg", "SPY", "sell", "stop_loss")
    assert (deal["quantity"], deal["price"], deal["magic"]) == (Decimal(10), Decimal(490), magic_of(strategy))
    working = replace(target, standing=Standing.WORKING, filled=Decimal(2), price=Decimal(9))
    assert deals_of(state(legs=(working,)), strategy, "SPY", {}) == []
    [deal] = deals_of(state(legs=(replace(stop, order_type="limit"),)), strategy, "SPY", {})
    assert deal["reason"] == "take_profit"


def test_strays_are_orders_that_live_though_they_were_given_up() -> None:
    ended = {"ours": "SPY"}
    working, filled = state(), state(standing=Standing.FILLED, filled=Decimal(10))
    assert strays([working, filled, state(standing=Standing.CANCELLED)], ended) == [working, filled]
    assert strays([working], {}) == []
    assert stray_subject(working) != stray_subject(filled)
    assert "cancelled" in stray_text(working)
    assert "10 SPY" in stray_text(filled)


def test_where_the_stream_is() -> None:
    assert stream_url("https://paper-api.alpaca.markets") == "wss://paper-api.alpaca.markets/stream"
    assert stream_url("http://127.0.0.1:5/") == "ws://127.0.0.1:5/stream"
