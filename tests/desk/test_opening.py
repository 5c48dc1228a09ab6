"""How an entry's fills open and grow a position: the same whole as in any parts; and what each class of instrument commits."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.fold import fold
from hookfill.desk.opening import Filled, Opening, enter
from hookfill.exits.rules import rules_from, rules_to_json
from hookfill.market.instruments import instrument_for
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill
from support.desk import NOON, account, at, flat, only, signal, situation, strategy

D = Decimal
RULES = rules_from({"stop": {"percent": 2}, "target": {"r": 2}})


def opening(side: Side) -> Opening:
    return Opening(UUID(int=1), UUID(int=2), "ABC", instrument_for("ABC"), side, RULES)


@given(st.sampled_from(Side), st.lists(st.integers(1, 999), min_size=1, max_size=6), st.integers(1, 9_999), st.integers(1, 9_999))
def test_an_entry_in_parts_is_the_position_of_the_whole(side: Side, parts: list[int], price: int, left_at: int) -> None:
    """Its cost, levels, entries, commission and what leaving it realises do not depend on how it was filled."""

    def filled(quantity: int) -> Filled:
        return Filled(D(quantity), D(price), D(quantity) * 2, NOON, D(price), NOON)

    whole = enter(None, opening(side), filled(sum(parts)))
    made = None
    for quantity in parts:
        made = enter(made, opening(side), filled(quantity), is_new_entry=made is None)
    assert made == whole
    other = Side.SELL if side is Side.BUY else Side.BUY
    gains = [apply_fill(one, other, D(sum(parts)), D(left_at), D(0), at=NOON)[1] for one in (whole, made)]
    assert gains[0] == gains[1]


def test_a_position_is_guarded_from_its_first_fill() -> None:
    parts = [{"at": {"percent": 3}, "percent": 40}, {"at": {"percent": 5}, "percent": 60}]
    rules = rules_from({"stop": {"percent": 2}, "targets": parts})
    made = enter(None, replace(opening(Side.BUY), rules=rules), Filled(D(10), D(100), D(2), NOON, D("99.5"), at(-1)))
    assert (made.stop_price, made.initial_risk, made.target_price) == (D(98), D(2), None)
    assert [(target.price, target.percent) for target in made.targets] == [(D(103), D(40)), (D(105), D(60))]
    assert made.exits == rules_to_json(rules)
    assert (made.mark, made.marked_at, made.best_price, made.average_price) == (D("99.5"), at(-1), D(100), D(100))
    named = enter(None, replace(opening(Side.SELL), stop=D(104), target=D(90)), Filled(D(10), D(100), D(2), NOON, D(100), NOON))
    assert (named.stop_price, named.initial_risk, named.target_price, named.targets) == (D(104), D(4), D(90), ())


CLASSES = [
    # symbol, price, quantity, what it commits: notional × margin rate, whichever way it goes
    ("ABC", "500", "10", "5000"),
    ("EURUSD", "1.2", "1", "3999.999996"),
    ("USDJPY", "160", "1", "3333.33333"),
    ("XAUUSD", "3000", "1", "9999.99999"),
    ("ES1!", "6000", "1", "30000"),
    ("BTCUSD", "60000", "0.5", "30000"),
]


@pytest.mark.parametrize(("symbol", "price", "quantity", "committed"), CLASSES)
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("rests", [False, True])
def test_buying_power_by_class_and_side(symbol: str, price: str, quantity: str, committed: str, side: str, *, rests: bool) -> None:
    text = f"{side} {symbol} {quantity}"
    if rests:  # at the same price, on the far side of the market
        text += f" order_type=stop stop_price={D(price)}"
    quote = flat(-1, str(D(price) * (D("0.99") if (side == "buy") == rests else D("1.01"))) if rests else price, symbol=symbol)
    free = PaperModel(slippage_bps=D(0))
    for cash, status in ((D(committed), ("approved", "executed")), (D(committed) - D("0.01"), ("rejected",))):
        own = account(cash=cash, balance=cash)
        windows = [strategy(market={"extended_hours": True})]
        asked = signal(text, 180)
        bars = [type(quote)(quote.symbol, "M1", at(179), at(180), *(quote.close,) * 4, 1)]
        verdict = only(fold(situation(asked, bars=bars, strategies=windows, account=own, paper=free)).verdicts)
        assert verdict.status in status, (verdict.reason, verdict.error_message)
        assert status != ("rejected",) or verdict.reason == "insufficient_buying_power"
