"""Alerts that buy options and those that leave them: what is bought, at which price, and what stands in the way."""

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from hookfill.desk.flight import Abroad
from hookfill.desk.fold import fold
from hookfill.desk.model import HaltRow, Outcome
from hookfill.kernel.reasons import Reason
from hookfill.market.model import OptionContract, Quote
from hookfill.market.option_chain import OptionChain, model_chain
from hookfill.risk.model import Halt
from support.desk import CASH, WIDE, account, after, at, only, signal, strategy
from support.options import MORNING, NOW, bought, premium, spy, still, with_options

D = Decimal
CALL, PUT = "buy SPY call 2", "buy SPY put 2"
CALL_500, PUT_500 = "SPY260313C00500000", "SPY260313P00500000"
"""At the money; five days after the Monday comes a Saturday, the Friday after it is the 13th."""


def orders(outcome: Outcome) -> list[tuple[str, str, str, Decimal]]:
    return [(order.purpose, order.side, order.symbol, order.quantity) for order in outcome.orders]


def refusals(outcome: Outcome) -> list[tuple[str, str | None]]:
    return [(verdict.status, verdict.reason) for verdict in outcome.verdicts]


def test_a_call_is_bought_at_the_ask_and_worse() -> None:
    outcome = bought(signal(CALL, NOW))
    position, order, verdict = only(outcome.positions), only(outcome.orders), only(outcome.verdicts)
    fill = only(order.fills)
    middle = premium(CALL_500, D(500), at(210), position.terms)
    half = max((middle / 100).quantize(D("0.01")), D("0.01"))
    # The ask, and a quarter of the spread on top of it, on the tick grid away from the trader.
    assert middle + half < fill.price <= (middle + half) * D("1.005") + D("0.01")
    assert fill.bar_low is not None
    assert fill.bar_low <= fill.price <= fill.bar_high
    assert (order.symbol, order.side, order.quantity, fill.multiplier, fill.commission) == (CALL_500, "buy", 2, 100, D("1.30"))
    assert fill.price_source == "model"
    assert (position.symbol, position.underlying, position.priced_by, position.quantity) == (CALL_500, "SPY", "SPY", 2)
    assert (position.mark, position.marked_at) == (middle, at(210))
    assert (verdict.status, verdict.fill_price, verdict.asked.symbol) == ("executed", fill.price, "SPY")
    assert outcome.account.cash == CASH - 2 * 100 * fill.price - D("1.30")


def test_its_own_exits_are_half_of_its_cost() -> None:
    position = only(bought(signal(CALL, NOW)).positions)
    half = position.average_price / 2
    assert abs(position.stop_price - half) <= D("0.01")
    assert abs(position.target_price - 3 * half) <= D("0.01")
    assert position.exits == {
        "stop": {"percent": "50"},
        "target": {"percent": "50"},
        "trailing_percent": "15",
        "trailing_arm_percent": "20",
        "max_hold_hours": "120",
        "min_dte_days": "1",
    }
    assert (position.leave_for, position.leave_at) == ("max_hold", at(NOW + 120 * 60))
    bare = only(bought(signal(CALL, NOW), strategies=[strategy(exits={"option_defaults": False})]).positions)
    assert (bare.stop_price, bare.target_price, bare.leave_at) == (None, None, None)
    assert bare.due_at is not None  # its end


def test_the_story_has_the_chain_and_the_candidates() -> None:
    told = only(bought(signal(CALL, NOW)).verdicts).trace["option"]
    assert (told["contract"], told["source"], told["readable"], told["spot"]) == (CALL_500, "model", "SPY 2026-03-13 500 C", "500")
    assert {"chosen", "in_the_money", "expiration"} <= told["verdicts"].keys()
    assert told["candidates"][0]["verdict"] == "chosen"
    assert orjson.dumps(told)  # it is stored as it is


def test_what_the_alert_names_is_bought() -> None:
    outcome = bought(signal("buy SPY put strike=495 expiration=2026-03-20 1", NOW))
    assert orders(outcome) == [("entry", "buy", "SPY260320P00495000", 1)]


def test_levels_of_the_alert_are_the_underlying_s() -> None:
    """A stop and a target at the underlying's prices become the premiums that the contract has there now."""
    for text, symbol in (("buy SPY call sl=495 tp=510", CALL_500), ("buy SPY put sl=505 tp=490", PUT_500)):
        position = only(bought(signal(text, NOW)).positions)
        stop, target = (495, 510) if symbol == CALL_500 else (505, 490)
        assert position.stop_price == premium(symbol, D(stop), at(210), position.terms)
        assert position.target_price == premium(symbol, D(target), at(210), position.terms)
    assert refusals(bought(signal("buy SPY call sl=505", NOW))) == [("rejected", "stop_wrong_side")]


@pytest.mark.parametrize(
    ("text", "fields", "status", "reason"),
    [
        ("buy SPY call", {"quotes": {}, "bars": ()}, "executed", None),
        ("buy QQQ call", {}, "rejected", Reason.OPTION_CHAIN_MISSING),
        ("buy QQQ call @300", {}, "rejected", Reason.OPTION_CHAIN_MISSING),
        ("buy BTCUSD call @88000", {}, "rejected", Reason.OPTION_CHAIN_MISSING),
        ("buy SPY call 50", {"limits": replace(WIDE, max_position_size=D(10))}, "rejected", Reason.MAX_POSITION_SIZE_EXCEEDED),
        ("buy SPY call 200", {}, "rejected", Reason.INSUFFICIENT_BUYING_POWER),
        ("buy SPY call 2", {"limits": replace(WIDE, max_exposure=D(1_000))}, "rejected", Reason.MAX_EXPOSURE_EXCEEDED),
        ("buy SPY call", {"strategies": [strategy(allowed_pairs=("QQQ",))]}, "rejected", Reason.PAIR_NOT_ALLOWED),
        ("buy SPY call", {"strategies": [strategy(allowed_pairs=("SPY",))]}, "executed", None),
        ("buy SPY call", {"halts": (HaltRow(Halt("symbol", True, "x"), symbol="SPY"),)}, "discarded", Reason.HALTED),
        ("buy SPY call strike=500.123", {}, "rejected", Reason.OPTION_NOT_LISTED),
        ("close SPY", {}, "rejected", Reason.NO_POSITION),
    ],
)
def test_what_stands_in_the_way(text: str, fields: dict[str, object], status: str, reason: Reason | None) -> None:
    assert refusals(bought(signal(text, NOW), **fields)) == [(status, reason)]


def test_an_alert_s_price_is_compared_with_the_underlying_s() -> None:
    limits = replace(WIDE, price_collar_pct=D(5))
    assert refusals(bought(signal("buy SPY call @530", NOW), limits=limits)) == [("rejected", "price_collar")]
    assert refusals(bought(signal("buy SPY call @520", NOW), limits=limits)) == [("executed", None)]


def test_a_strategy_may_buy_nothing_but_options() -> None:
    always = [strategy(options={"trade": "always"})]
    assert orders(bought(signal("buy SPY 1", NOW), strategies=always)) == [("entry", "buy", CALL_500, 1)]
    assert orders(bought(signal("sell SPY 1", NOW), strategies=always)) == [("entry", "buy", PUT_500, 1)]
    short = signal('{"symbol":"SPY","market_position":"short","market_position_size":3}', NOW)
    assert orders(bought(short, strategies=always)) == [("entry", "buy", PUT_500, 3)]
    assert orders(bought(signal("buy SPY 1", NOW))) == [("entry", "buy", "SPY", 1)]


def test_the_size_follows_from_the_premium() -> None:
    rules = [strategy(sizing={"mode": "equity_percent", "percent": 10})]
    position = only(bought(signal("buy SPY call", NOW), strategies=rules).positions)
    assert D(9_000) < position.quantity * position.average_price * 100 <= D(10_000) * D("1.01")
    rules = [strategy(sizing={"mode": "risk_percent", "percent": 1})]
    position = only(bought(signal("buy SPY call", NOW), strategies=rules).positions)
    lost = position.quantity * (position.average_price - position.stop_price) * 100
    assert D(500) < lost <= D(1_010)


@pytest.mark.parametrize(
    ("policy", "expected", "reason"),
    [
        ("reverse", [("exit", "sell", CALL_500, 2), ("entry", "buy", PUT_500, 2)], None),
        ("close", [("exit", "sell", CALL_500, 2)], None),
        ("ignore", [], "opposite_ignored"),
    ],
)
def test_the_opposite_view(policy: str, expected: list[object], reason: str | None) -> None:
    outcome = bought(signal(CALL, NOW), signal(PUT, NOW + 1), strategies=[strategy(policy={"on_opposite": policy})])
    assert orders(outcome)[1:] == expected
    assert outcome.verdicts[1].reason == reason


def test_a_reversal_whose_put_is_refused_closes_only() -> None:
    outcome = bought(signal(CALL, NOW), signal("buy SPY put strike=500.123", NOW + 1))
    assert orders(outcome)[1:] == [("exit", "sell", CALL_500, 2)]
    assert refusals(outcome)[1] == ("executed", "option_not_listed")


def test_pyramiding_counts_per_contract() -> None:
    again = [signal(CALL, NOW), signal(CALL, NOW + 1)]
    assert refusals(bought(*again))[1] == ("rejected", "pyramiding_limit")
    other = signal("buy SPY call strike=505 1", NOW + 1)
    assert [order[2] for order in orders(bought(again[0], other))] == [CALL_500, "SPY260313C00505000"]
    twice = bought(*again, strategies=[strategy(policy={"pyramiding": 2})])
    grown = only(twice.positions)
    assert (grown.quantity, grown.entries) == (4, 2)


LEAVING = [
    ("close SPY", [("exit", "sell", CALL_500, 2)]),
    ("exit long SPY", [("exit", "sell", CALL_500, 2)]),
    ('{"symbol":"SPY","market_position":"flat","market_position_size":0}', [("exit", "sell", CALL_500, 2)]),
    ("close SPY 1", [("exit", "sell", CALL_500, 1)]),
    ("exit short SPY", []),
]


@pytest.mark.parametrize(("text", "expected"), LEAVING)
def test_leaving_the_underlying_leaves_its_options(text: str, expected: list[object]) -> None:
    outcome = bought(signal(CALL, NOW), signal(text, NOW + 1))
    assert orders(outcome)[1:] == expected
    if expected:
        fill = outcome.orders[1].fills[0]
        terms = only(outcome.positions).terms
        # At the bid, worsened; never at more than the market's price.
        assert fill.price < premium(CALL_500, D(500), at(210), terms) - D("0.05")
        assert fill.bar_low <= fill.price <= fill.bar_high
        assert outcome.orders[1].exit_reason == "signal"


def test_leaving_short_leaves_puts() -> None:
    outcome = bought(signal(PUT, NOW), signal("exit long SPY", NOW + 1), signal("exit short SPY", NOW + 2))
    assert orders(outcome)[1:] == [("exit", "sell", PUT_500, 2)]
    assert refusals(outcome)[1] == ("rejected", "no_position")


def test_an_operator_leaves_what_is_named_and_nothing_else() -> None:
    entries = signal("buy SPY 3", NOW), signal(CALL, NOW + 1)
    shares = replace(signal("close SPY", NOW + 2), door="operator")
    contract = replace(signal(f"close {CALL_500}", NOW + 3), door="operator")
    outcome = bought(*entries, shares, contract)
    assert orders(outcome)[2:] == [("exit", "sell", "SPY", 3), ("exit", "sell", CALL_500, 2)]
    assert [order.exit_reason for order in outcome.orders[2:]] == ["flatten", "flatten"]


def test_shares_and_options_are_left_together_in_one_signal() -> None:
    outcome = bought(
        signal("buy SPY 3", NOW), signal(CALL, NOW + 1), signal("buy SPY call strike=505 1", NOW + 2), signal("close SPY", NOW + 3)
    )
    assert orders(outcome)[3:] == [
        ("exit", "sell", "SPY", 3),
        ("exit", "sell", CALL_500, 2),
        ("exit", "sell", "SPY260313C00505000", 1),
    ]  # fmt: skip
    assert all(position.status == "closed" for position in outcome.positions)
    assert len({order.client_order_id for order in outcome.orders}) == 6
    assert {order.signal_id for order in outcome.orders[3:]} == {outcome.verdicts[3].signal_id}


def test_a_partial_close_takes_the_oldest_contracts_first() -> None:
    texts = [CALL, "buy SPY call strike=505 2", "close SPY 3"]
    outcome = bought(*(signal(text, NOW + number) for number, text in enumerate(texts)))
    assert orders(outcome)[2:] == [("exit", "sell", CALL_500, 2), ("exit", "sell", "SPY260313C00505000", 1)]


def test_an_alert_about_shares_lets_options_alone() -> None:
    outcome = bought(signal(CALL, NOW), signal("sell SPY 1", NOW + 1))
    assert orders(outcome)[1:] == [("entry", "sell", "SPY", 1)]


def test_an_alert_may_name_the_contract() -> None:
    outcome = bought(
        signal("buy SPY260313C500 1", NOW), signal("sell SPY260313C00500000", NOW + 1), signal(f"sell {CALL_500}", NOW + 2)
    )
    assert orders(outcome) == [("entry", "buy", CALL_500, 1), ("exit", "sell", CALL_500, 1)]
    assert refusals(outcome) == [("executed", None), ("executed", None), ("rejected", "no_position")]
    assert outcome.verdicts[0].asked.symbol == CALL_500
    # Its levels are premiums, and so is its price, which is compared with the contract's.
    position = only(bought(signal(f"buy {CALL_500} 1 sl=1.5 tp=20", NOW)).positions)
    assert (position.stop_price, position.target_price) == (D("1.5"), D(20))
    limits = replace(WIDE, price_collar_pct=D(5))
    assert refusals(bought(signal(f"buy {CALL_500} 1 @500", NOW), limits=limits)) == [("rejected", "price_collar")]
    over = bought(signal("buy SPY260227C00500000 1", NOW))
    assert refusals(over) == [("rejected", "option_not_listed")]


def test_options_count_among_their_underlying_s_positions() -> None:
    texts = ["buy SPY 1", "buy SPY call 1", "buy SPY call strike=505 1"]
    limits = replace(WIDE, max_positions_per_symbol=D(2))
    outcome = bought(*(signal(text, NOW + number) for number, text in enumerate(texts)), limits=limits)
    assert refusals(outcome)[2] == ("rejected", "max_positions_per_symbol_exceeded")


def stored(spot: str = "500", minute: float = 210, source: str = "alpaca") -> OptionChain:
    """A chain as a feed brings it: the model's at another volatility, with a spread of its own."""
    made = model_chain("SPY", D(spot), 0.2, at(minute))
    quotes = tuple(
        replace(
            one, bid=one.bid - D("0.01"), ask=one.ask + D("0.02"), source=source, open_interest=5_000, volume=900, volatility=None
        )
        for one in made.quotes
    )
    return replace(made, quotes=quotes, source=source, volatility=None)


def test_a_fresh_chain_of_a_feed_wins_over_the_model() -> None:
    chain = stored()
    quote = next(one for one in chain.quotes if one.contract.symbol == CALL_500)
    outcome = bought(signal(CALL, NOW), chains={"SPY": chain})
    position, fill = only(outcome.positions), outcome.orders[0].fills[0]
    assert quote.ask < fill.price <= quote.ask * D("1.01")
    assert fill.price_source == "alpaca"
    assert position.terms["source"] == "alpaca"
    assert abs(float(position.terms["volatility"]) - 0.2) < 0.02  # implied by the price
    assert position.mark == quote.middle
    old = bought(signal(CALL, NOW), chains={"SPY": stored(minute=200)})
    assert old.orders[0].fills[0].price_source == "model"


@pytest.mark.parametrize(
    ("kind", "source", "told_by"),
    [
        ("alpaca", "alpaca", "alpaca"),
        ("alpaca", "alpaca_indicative", "model"),
        ("paper", "alpaca_indicative", "alpaca_indicative"),
    ],
)
def test_no_order_at_a_broker_is_priced_by_a_delayed_chain(kind: str, source: str, told_by: str) -> None:
    given = with_options(signal(CALL, NOW), chains={"SPY": stored(source=source)})
    abroad = None if kind == "paper" else Abroad(at(NOW), at(NOW))
    verdict = only(fold(replace(given, account=account(kind=kind), abroad=abroad)).verdicts)
    assert verdict.trace["option"]["source"] == told_by


def test_no_order_is_made_where_no_terms_are_known() -> None:
    """A chain of a feed needs no candles; an underlying without a price has nothing to count from."""
    chain = stored()
    situation = with_options(signal(CALL, NOW), chains={"SPY": chain})
    bare = replace(situation, options=replace(situation.options, bars={}))
    assert refusals(fold(bare)) == [("executed", None)]
    assert refusals(fold(replace(bare, quotes={}, history={}))) == [("rejected", "option_chain_missing")]
    few = replace(
        situation,
        options=replace(situation.options, chains={}, bars={"SPY": tuple(one[-8:] for one in situation.options.bars["SPY"])}),
    )
    verdict = only(fold(few).verdicts)
    assert verdict.reason == "option_chain_missing"
    assert "candles" in (verdict.error_message or "")


def test_a_stale_price_of_the_underlying_refuses() -> None:
    assert refusals(bought(signal(CALL, NOW + 60))) == [("rejected", "price_stale")]


def test_options_are_not_traded_outside_regular_hours() -> None:
    late = [still(OPEN_LATE, "500")]
    extended = [strategy(market={"extended_hours": True})]
    outcome = bought(signal(CALL, OPEN_LATE + 6), bars=late, strategies=extended)
    assert refusals(outcome) == [("rejected", "market_closed")]


OPEN_LATE = 150 + 390
"""The minute at which the exchange closes."""


def test_a_broker_without_options_refuses() -> None:
    given = with_options(signal(CALL, NOW))
    assert refusals(fold(replace(given, account=account(kind="mt5"))))[0][0] in ("rejected", "discarded")


def test_an_account_in_another_currency_converts_at_the_rate() -> None:
    rate = Quote("EURUSD", D("1.25"), at(NOW), "candle")
    outcome = bought(signal("buy SPY call 1", NOW), account=account(currency="EUR"), quotes={"EURUSD": rate})
    position = only(outcome.positions)
    assert position.multiplier == D(80)


def test_a_contract_keeps_its_terms_when_it_grows() -> None:
    first = with_options(signal(CALL, NOW), strategies=[strategy(policy={"pyramiding": 3})])
    outcome = fold(first)
    more = [spy(NOW + 4, "500 501 499 500.2"), still(NOW + 9, "500.1")]
    second = replace(
        with_options(signal(f"buy {CALL_500} 1", NOW + 15), bars=more, strategies=[strategy(policy={"pyramiding": 3})]),
        account=outcome.account,
        positions=outcome.positions,
    )
    grown = only(fold(second).positions)
    assert (grown.terms, grown.quantity, grown.entries) == (outcome.positions[0].terms, 3, 2)
    assert after(first, outcome, (), at(NOW + 1)).positions == outcome.positions


def test_what_is_held_is_added_to_at_its_own_worth_however_quiet_the_market_has_become() -> None:
    """A model's chain takes its volatility from the bars of late: at that price an addition would be a profit out of nothing."""
    quiet = [still(NOW + 4 + 5 * number, "500") for number in range(36)]
    again = NOW + 180.5
    twice = [signal(CALL, NOW), signal(f"buy {CALL_500} 1", again)]
    outcome = bought(*twice, bars=quiet, strategies=[strategy(policy={"pyramiding": 2}, exits={"option_defaults": False})])
    held = only(outcome.positions)
    assert held.entries == 2
    paid, worth = outcome.orders[1].fills[0].price, premium(CALL_500, D(500), at(again), held.terms)
    assert D("0.97") < paid / worth < D("1.03")


def test_the_morning_ends_at_500() -> None:
    """What the other tests count from."""
    assert (MORNING[-1].close, MORNING[-1].closes_at) == (D(500), at(210))
    assert OptionContract("SPY", MORNING[0].opened_at.date(), "CALL", D(500)).symbol == "SPY260302C00500000"
