"""Fills into positions: the arithmetic, its exactness, and the ledger identity."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.kernel.errors import LedgerError
from hookfill.orders.model import Side
from hookfill.positions.apply import apply_fill, cash_change, market_value, open_position, unrealized
from hookfill.positions.model import Position

D = Decimal
T0 = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def opened(side=Side.BUY, quantity="2", price="100", multiplier="1", commission="0", **fields) -> Position:
    made = open_position(
        position_id=UUID(int=1),
        strategy_id=UUID(int=2),
        symbol="X",
        side=side,
        quantity=D(quantity),
        price=D(price),
        multiplier=D(multiplier),
        commission=D(commission),
        at=T0,
    )
    return replace(made, **fields)


def filled(position, side, quantity, price, commission="0", **fields):
    return apply_fill(position, side, D(quantity), D(price), D(commission), at=fields.pop("at", T0 + HOUR), **fields)


def test_the_first_fill_makes_a_position():
    position = opened(Side.SELL, "2", "100", "50", "1.5")
    assert (position.quantity, position.average_price, position.cost, position.entries) == (D(-2), D(100), D(200), 1)
    assert (position.mark, position.best_price, position.commission, position.realized_pnl) == (D(100), D(100), D("1.5"), D(0))
    assert position.opened_at == position.marked_at == position.marked_until == T0
    assert (position.stop_price, position.target_price, position.initial_risk, position.targets) == (None, None, None, ())
    assert (position.status, position.closed_at, dict(position.exits)) == ("open", None, {})
    assert unrealized(position, D(90)) == D(1000)
    assert market_value(position, D(90)) == D(-9000)


def test_growing_averages_and_counts_entries():
    position, realized = filled(opened(), Side.BUY, "1", "103", "0.5")
    assert (position.quantity, position.cost, position.average_price) == (D(3), D(303), D(101))
    assert (position.entries, position.commission, realized) == (2, D("0.5"), D(0))
    again, _ = filled(position, Side.BUY, "1", "101", is_new_entry=False)
    assert again.entries == 2
    third, _ = filled(opened(quantity="2", price="1"), Side.BUY, "1", "2")
    assert (third.cost, third.average_price) == (D(4), D("1.3333333333"))


@pytest.mark.parametrize(("side", "price", "gain"), [(Side.BUY, "110", "500"), (Side.SELL, "110", "-500")])
def test_a_partial_exit_realises_its_part(side, price, gain):
    position, realized = filled(opened(side, multiplier="50"), Side.BUY if side is Side.SELL else Side.SELL, "1", price, "2")
    assert realized == D(gain)
    assert position.realized_pnl == D(gain)
    assert position.quantity == side.sign
    assert (position.average_price, position.cost, position.commission) == (D(100), D(100), D(2))
    assert (position.status, position.closed_at, position.exit_reason) == ("open", None, None)


def test_a_full_exit_closes():
    position, realized = filled(opened(), Side.SELL, "2", "95", exit_reason="stop_loss")
    assert realized == D(-10)
    assert (position.quantity, position.cost, position.side, position.average_price) == (D(0), D(0), 0, D(100))
    assert (position.status, position.closed_at, position.exit_reason) == ("closed", T0 + HOUR, "stop_loss")
    closing = replace(opened(), status="closing")
    assert filled(closing, Side.SELL, "2", "95")[0].status == "closed"


def test_a_fill_moves_what_is_accounted_for():
    later, _ = filled(opened(), Side.BUY, "1", "100", at=T0 + HOUR)
    assert later.marked_until == T0 + HOUR
    assert later.marked_at == T0
    earlier, _ = filled(opened(), Side.SELL, "2", "100", at=T0 - HOUR)
    assert (earlier.marked_until, earlier.closed_at) == (T0, T0)


@pytest.mark.parametrize(
    ("quantity", "price", "commission"), [("0", "1", "0"), ("-1", "1", "0"), ("1", "0", "0"), ("1", "1e-11", "0"), ("1", "1", "-1")]
)
def test_unusable_fills_are_refused(quantity, price, commission):
    with pytest.raises(LedgerError, match="A fill needs"):
        opened(quantity=quantity, price=price, commission=commission)
    with pytest.raises(LedgerError, match="A fill needs"):
        filled(opened(), Side.BUY, quantity, price, commission)


def test_only_what_may_be_worthless_is_sold_for_nothing():
    position, realized = filled(opened(), Side.SELL, "2", "0", exit_reason="expired", may_be_worthless=True)
    assert (position.status, position.exit_reason, realized) == ("closed", "expired", D(-200))
    with pytest.raises(LedgerError, match="A fill needs"):
        filled(opened(), Side.SELL, "2", "-0.01", may_be_worthless=True)


def test_no_fill_crosses_zero_or_reopens():
    with pytest.raises(LedgerError, match="two orders"):
        filled(opened(), Side.SELL, "2.01", "100")
    with pytest.raises(LedgerError, match="two orders"):
        filled(opened(Side.SELL), Side.BUY, "2.01", "100")
    closed, _ = filled(opened(), Side.SELL, "2", "100")
    for side in Side:
        with pytest.raises(LedgerError, match="closed"):
            filled(closed, side, "1", "100")


def test_cash_change():
    assert cash_change(Side.BUY, D(2), D(100), D(50), D("1.5")) == D("-10001.5")
    assert cash_change(Side.SELL, D(2), D(100), D(50), D("1.5")) == D("9998.5")


prices = st.decimals(min_value="0.0001", max_value=100_000, places=5).filter(lambda price: price > 0)
quantities = st.decimals(min_value="0.01", max_value=1_000, places=3)
multipliers = st.sampled_from([D(1), D(50), D(100_000), D("0.1")])
entries = st.lists(st.tuples(quantities, prices), min_size=1, max_size=5)
sides = st.sampled_from(Side)


def other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


def build(side: Side, fills, multiplier: Decimal) -> Position:
    (quantity, price), *more = fills
    position = opened(side, quantity, price, multiplier)
    for quantity, price in more:
        position, _ = filled(position, side, quantity, price)
    return position


def split(quantity: Decimal, cuts: list[int]) -> list[Decimal]:
    """``quantity`` in exact parts, in the proportions of ``cuts`` but for the last, which is the rest."""
    parts = [(quantity * cut / (sum(cuts) + 1)).quantize(D("0.0001"), ROUND_DOWN) for cut in cuts]
    rest = quantity - sum(parts)
    return [part for part in [*parts, rest] if part > 0]


@given(sides, entries, multipliers, prices, st.fractions(0, 1), st.lists(st.integers(1, 9), max_size=4))
def test_an_exit_in_parts_realises_the_same(side, built, multiplier, price, share, cuts):
    position = build(side, built, multiplier)
    size = abs(position.quantity)
    closed = max((size * share.numerator / share.denominator).quantize(D("0.001")), D("0.001"))
    at_once, realized = filled(position, other(side), closed, price)
    total, in_parts = D(0), position
    for part in split(closed, cuts):
        in_parts, gain = filled(in_parts, other(side), part, price)
        total += gain
    assert total == realized
    assert in_parts == at_once


@given(sides, entries, quantities, prices, multipliers, prices, st.lists(st.integers(1, 9), max_size=4))
def test_an_entry_in_parts_is_the_same_position(side, built, quantity, price, multiplier, exit_price, cuts):
    position = build(side, built, multiplier)
    at_once, _ = filled(position, side, quantity, price)
    in_parts = position
    for number, part in enumerate(split(quantity, cuts)):
        in_parts, _ = filled(in_parts, side, part, price, is_new_entry=number == 0)
    assert in_parts == at_once
    size = abs(at_once.quantity)
    assert filled(in_parts, other(side), size, exit_price)[1] == filled(at_once, other(side), size, exit_price)[1]


@st.composite
def histories(draw):
    """Fills and marks of one account in one symbol: (side, quantity, price, commission) or a mark's price."""
    steps, held = [], D(0)
    for _ in range(draw(st.integers(1, 12))):
        if held and draw(st.booleans()):
            part = draw(st.sampled_from([D(1), D("0.5"), D("0.3")]))
            quantity = max((abs(held) * part).quantize(D("0.001")), D("0.001"))
            side = Side.SELL if held > 0 else Side.BUY
        else:
            quantity = draw(quantities)
            side = draw(sides) if not held else Side.BUY if held > 0 else Side.SELL
        held += side.sign * quantity
        steps.append((side, quantity, draw(prices), draw(st.sampled_from([D(0), D("0.65")])), draw(prices)))
    return steps


@given(histories(), multipliers)
def test_the_ledger_identity_is_exact(history, multiplier):
    starting = D(100_000)
    cash, commissions, realized = starting, D(0), D(0)
    position: Position | None = None
    for side, quantity, price, commission, mark in history:
        cash += cash_change(side, quantity, price, multiplier, commission)
        commissions += commission
        if position is None or position.status == "closed":
            position = opened(side, quantity, price, multiplier, commission)
        else:
            position, gain = filled(position, side, quantity, price, commission)
            realized += gain
        equity = cash + market_value(position, mark)
        assert equity == starting + realized - commissions + unrealized(position, mark)
    if position is not None and position.status == "closed":
        assert cash == starting + realized - commissions


@given(histories(), multipliers)
def test_positions_agree_with_a_naive_model_in_fractions(history, multiplier):
    """The naive model keeps exact rational average prices; the difference is the average's 10th place, never more."""
    quantity, average, naive_realized = Fraction(0), Fraction(0), Fraction(0)
    realized, bound = D(0), Fraction(0)
    position: Position | None = None
    for side, size, price, _, _ in history:
        signed = side.sign * Fraction(size)
        if quantity * signed >= 0:
            average = (average * abs(quantity) + Fraction(price) * abs(signed)) / abs(quantity + signed)
        else:
            sign = 1 if quantity > 0 else -1
            naive_realized += (Fraction(price) - average) * abs(signed) * Fraction(multiplier) * sign
        quantity += signed
        bound += abs(quantity - signed) * Fraction(multiplier) / 10**10
        if position is None or position.status == "closed":
            position = opened(side, size, price, multiplier)
        else:
            position, gain = filled(position, side, size, price)
            realized += gain
        assert Fraction(position.quantity) == quantity
        assert position.average_price > 0
        assert abs(Fraction(realized) - naive_realized) <= bound
        if quantity:
            assert abs(Fraction(position.average_price) - average) <= Fraction(len(history), 10**10)
