"""What holds for entries that rest, whatever the market does: the same in one transaction as in many, and the books balance."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.fold import fold
from hookfill.desk.model import Outcome, Situation
from hookfill.desk.rows import Rested
from hookfill.kernel.lifecycle import ORDER
from hookfill.market.model import Candle, InstrumentKind
from hookfill.positions.apply import market_value, unrealized
from hookfill.positions.model import Position
from support.desk import CASH, after, at, bar, signal, situation, strategy

MINUTES = 30
PIP = Decimal("0.0001")
STRATEGIES = [
    strategy(11),
    strategy(12, policy={"on_opposite": "close", "pyramiding": 3}, exits={"stop": {"pips": 9}, "target": {"r": 2}}),
    strategy(13, policy={"pyramiding": 4, "on_opposite": "ignore"}, exits={"trailing_percent": "0.05", "max_hold_hours": "0.2"}),
]
TEXTS = [
    *("buy EURUSD 0.5", "sell EURUSD 0.5", "close EURUSD", "close long EURUSD", "close EURUSD 0.1"),
    '{"symbol":"EURUSD","market_position":"long","market_position_size":2}',
    '{"symbol":"EURUSD","market_position":"flat"}',
]
KINDS = ["{side} EURUSD {size} limit={level}", "{side} stop EURUSD {size} @{level}", "{side} EURUSD {size} limit={level} tif=gtc"]
MODELS = [PaperModel(), PaperModel(Decimal(3), {InstrumentKind.FX: Decimal(2)}), PaperModel(volume_cap_pct=Decimal(20))]


@st.composite
def markets(draw: st.DrawFn) -> list[Candle]:
    """A symbol that wanders in bars with volumes, which now and then gap or are missing."""
    bars, level = [], Decimal("1.1000")
    for minute in range(MINUTES):
        level += draw(st.integers(-6, 6)) * PIP
        path = [level, level + draw(st.integers(-5, 5)) * PIP]
        level = path[-1]
        high, low = max(path) + draw(st.integers(0, 3)) * PIP, min(path) - draw(st.integers(0, 3)) * PIP
        made = replace(bar(minute, f"{path[0]} {high} {low} {path[-1]}"), volume=draw(st.integers(0, 10)))
        if draw(st.integers(0, 9)):
            bars.append(made)
    return bars


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Signals of three strategies in order of time, most of which wait for a price near the market."""
    quarters = sorted(draw(st.lists(st.integers(0, MINUTES * 4), max_size=10)))
    signals = []
    for number, quarter in enumerate(quarters):
        text = draw(st.sampled_from([*KINDS, *TEXTS]))
        level = Decimal("1.1000") + draw(st.integers(-15, 15)) * PIP
        if "{side}" in text:
            text = text.format(
                side=draw(st.sampled_from(["buy", "sell"])), size=draw(st.sampled_from(["0.1", "1", "7"])), level=level
            )
        signals.append(signal(text, quarter / 4, strategy=draw(st.sampled_from([11, 12, 13])), number=number))
    paper = draw(st.sampled_from(MODELS))
    return situation(*signals, bars=draw(markets()), strategies=STRATEGIES, horizon=at(MINUTES), paper=paper)


def merged(parts: list[Outcome]) -> dict[UUID, Rested]:
    """Every order that rested, with all its fills."""
    found: dict[UUID, Rested] = {}
    for outcome in parts:
        for one in outcome.rested:
            found[one.order_id] = found[one.order_id].then(one) if one.order_id in found else one
    return found


def fold_parts(whole: Situation, cuts: set[int]) -> list[Outcome]:
    places, now, made = [0, *sorted(cuts), len(whole.signals)], whole, []
    for number, (first, last) in enumerate(pairwise(places), start=1):
        signals, is_last = whole.signals[first:last], number == len(places) - 1
        if not signals and not is_last:
            continue
        part = replace(now, signals=signals, horizon=whole.horizon if is_last else signals[-1].as_of)
        made.append(fold(part))
        now = after(part, made[-1], (), whole.horizon)
    return made


@settings(max_examples=150, deadline=None)
@given(situations(), st.data())
def test_in_parts_as_in_one_go(whole: Situation, data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(whole.signals)), max_size=4))
    at_once, parts = fold(whole), fold_parts(whole, cuts)
    assert merged(parts) == merged([at_once])
    assert [order for part in parts for order in part.orders] == list(at_once.orders)
    assert [verdict for part in parts for verdict in part.verdicts] == list(at_once.verdicts)
    positions: dict[UUID, Position] = {one.position_id: one for part in parts for one in part.positions}
    assert positions == {one.position_id: one for one in at_once.positions}
    assert parts[-1].account == at_once.account
    assert parts[-1].resting == at_once.resting


@settings(max_examples=150, deadline=None)
@given(situations())
def test_the_books_balance(whole: Situation) -> None:
    outcome = fold(whole)
    fills = [fill for order in (*outcome.orders, *outcome.rested) for fill in order.fills]
    open_ = [position for position in outcome.positions if position.status != "closed"]
    equity = outcome.account.cash + sum(market_value(position, position.mark) for position in open_)
    assert equity == outcome.account.balance + sum(unrealized(position, position.mark) for position in open_)
    assert outcome.account.balance == CASH + sum(fill.realized_pnl - fill.commission for fill in fills)
    held: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for fill in fills:
        held[fill.position_id] += fill.quantity if fill.side == "buy" else -fill.quantity
    assert held == {position.position_id: position.quantity for position in outcome.positions}
    assert len({fill.fill_id for fill in fills}) == len(fills)


@settings(max_examples=150, deadline=None)
@given(situations())
def test_each_order_keeps_to_its_price_its_time_and_its_size(whole: Situation) -> None:
    outcome = fold(whole)
    for rested in outcome.rested:
        order = rested.order
        filled = sum((fill.quantity for fill in rested.fills), Decimal(0))
        assert filled == order.filled <= order.quantity
        assert (order.status == "filled") == (filled == order.quantity)
        assert order.status == "partially_filled" or order.status in ("working", "filled") or rested.reason is not None
        for fill in rested.fills:
            at_once = fill.filled_at == order.as_of
            bars = [one for one in whole.bars if (one.closes_at <= fill.filled_at if at_once else one.closes_at == fill.filled_at)]
            assert any(one.low <= fill.price <= one.high for one in bars)
            assert at_once or bars[-1].opened_at >= order.as_of
            sign = order.side.sign
            assert order.order_type != "limit" or sign * (fill.price - order.level) <= 0
            assert order.order_type != "stop" or sign * (fill.price - order.level) >= 0
            cap = whole.paper.volume_cap_pct
            assert cap is None or fill.quantity * 100 <= cap * bars[-1].volume


@settings(max_examples=100, deadline=None)
@given(situations())
def test_every_signal_ends_as_its_order_does(whole: Situation) -> None:
    outcome = fold(whole)
    verdicts = {verdict.signal_id: verdict for verdict in outcome.verdicts}
    made = {rested.order.signal_id: rested for rested in outcome.rested}
    for signal_id, rested in made.items():
        at_once = rested.order.status == "filled" and all(fill.filled_at == rested.order.as_of for fill in rested.fills)
        assert verdicts[signal_id].status == ("executed" if at_once else "approved")
    assert outcome.resting == sum(not ORDER.is_terminal(rested.status) for rested in outcome.rested)


@settings(max_examples=100, deadline=None)
@given(situations(), st.integers(1, MINUTES))
def test_what_was_folded_is_not_folded_again(whole: Situation, minute: int) -> None:
    """After a crash the same prices come again: they change nothing."""
    first = replace(whole, horizon=at(MINUTES))
    then = after(first, fold(first), (), at(MINUTES))
    assert not fold(then)
    assert not fold(replace(then, bars=tuple(one for one in whole.bars if one.opened_at >= at(minute))))
