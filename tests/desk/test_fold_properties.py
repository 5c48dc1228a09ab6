"""What holds for any sequence of signals and bars: the same in one transaction as in many, and the books balance."""

from collections import defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.desk.fold import fold
from hookfill.desk.model import Situation
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle
from hookfill.orders.model import Side
from hookfill.positions.apply import market_value, unrealized
from hookfill.risk.model import Limits
from support.desk import CASH, WIDE, at, bar, fold_in_parts, signal, situation, strategy

MINUTES = 40
PIP = Decimal("0.0001")
STRATEGIES = [
    strategy(11),
    strategy(
        12, policy={"on_opposite": "close", "pyramiding": 3}, exits={"stop": {"pips": 9}, "target": {"r": 2}, "break_even_at_r": 1}
    ),
    strategy(13, policy={"pyramiding": 2}, exits={"trailing_percent": "0.05", "max_hold_hours": "0.2"}),
]
TEXTS = [
    "buy {0}",
    "buy {0} 0.1",
    "sell {0} 0.25",
    "sell {0} 0.1",
    "close {0}",
    "close {0} 0.04",
    "close long {0}",
    '{{"symbol":"{0}","market_position":"long","market_position_size":0.2}}',
    '{{"symbol":"{0}","market_position":"short","market_position_size":0.3}}',
    '{{"symbol":"{0}","market_position":"short"}}',
    '{{"symbol":"{0}","market_position":"flat"}}',
    "buy {0} 0.1 sl=1.0980 tp=1.1030",
    "sell {0} 0.1 sl=1.1020",
    "buy {0} 500",
    "buy NOSUCH 1",
]


@st.composite
def markets(draw: st.DrawFn) -> list[Candle]:
    """Two symbols that wander, in one-minute bars with gaps, or in five-minute bars, or both."""
    bars = []
    for symbol in ("EURUSD", "GBPUSD"):
        steps = draw(st.lists(st.integers(-9, 9), min_size=MINUTES, max_size=MINUTES))
        missing = draw(st.sets(st.integers(0, MINUTES - 1), max_size=10))
        lengths = draw(st.sampled_from([(1,), (5,), (1, 5)]))
        levels = [Decimal("1.1000")]
        for step in steps:
            levels.append(levels[-1] + step * PIP)
        for length in lengths:
            for minute in range(0, MINUTES, length):
                if length == 1 and minute in missing:
                    continue
                path = levels[minute : minute + length + 1]
                high, low = max(path) + PIP, min(path) - PIP
                bars.append(bar(minute, f"{path[0]} {high} {low} {path[-1]}", symbol=symbol, timeframe=f"M{length}"))
    return bars


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Up to a dozen signals of three strategies on those markets, in order of time."""
    bars = draw(markets())
    quarters = sorted(draw(st.lists(st.integers(0, MINUTES * 4), max_size=12)))
    signals = [
        signal(
            draw(st.sampled_from(TEXTS)).format(draw(st.sampled_from(["EURUSD", "GBPUSD"]))),
            quarter / 4,
            strategy=draw(st.sampled_from([11, 12, 13])),
            number=number,
            source=draw(st.sampled_from(["live", "import"])),
        )
        for number, quarter in enumerate(quarters)
    ]
    limits = draw(st.sampled_from([WIDE, Limits(order_rate_per_minute=Decimal(3))]))
    return situation(*signals, bars=bars, strategies=STRATEGIES, limits=limits, horizon=at(MINUTES))


@settings(max_examples=150, deadline=None)
@given(situations(), st.data())
def test_in_parts_as_in_one_go(whole: Situation, data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(whole.signals)), max_size=4))
    at_once = fold(whole)
    orders, positions, last, verdicts = fold_in_parts(whole, cuts)
    assert tuple(orders) == at_once.orders
    assert tuple(verdicts) == at_once.verdicts
    assert positions == {position.position_id: position for position in at_once.positions}
    assert last.account == at_once.account


@settings(max_examples=150, deadline=None)
@given(situations())
def test_the_books_balance(whole: Situation) -> None:
    outcome = fold(whole)
    fills = [fill for order in outcome.orders for fill in order.fills]
    open_ = [position for position in outcome.positions if position.status != "closed"]
    equity = outcome.account.cash + sum(market_value(position, position.mark) for position in open_)
    assert equity == outcome.account.balance + sum(unrealized(position, position.mark) for position in open_)
    assert outcome.account.balance == CASH + sum(position.realized_pnl for position in outcome.positions)
    assert outcome.account.balance == CASH + sum(fill.realized_pnl for fill in fills)
    held: defaultdict = defaultdict(Decimal)
    for fill in fills:
        held[fill.position_id] += Side(fill.side).sign * fill.quantity
    assert held == {position.position_id: position.quantity for position in outcome.positions}
    assert len(open_) == len({(position.strategy_id, position.symbol) for position in open_})


@settings(max_examples=150, deadline=None)
@given(situations())
def test_every_fill_has_one_cause_and_a_price_of_its_time(whole: Situation) -> None:
    outcome = fold(whole)
    signals = {one.signal_id: one for one in whole.signals}
    assert sorted(verdict.signal_id for verdict in outcome.verdicts) == sorted(signals)
    executed = {verdict.signal_id for verdict in outcome.verdicts if verdict.status == "executed"}
    assert {order.signal_id for order in outcome.orders if order.signal_id} == executed
    assert len({order.client_order_id for order in outcome.orders}) == len(outcome.orders)
    assert [order.as_of for order in outcome.orders] == sorted(order.as_of for order in outcome.orders)
    for order in outcome.orders:
        if order.signal_id:
            assert order.as_of == signals[order.signal_id].as_of
        assert order.purpose == "exit" or order.signal_id
        for fill in order.fills:
            past = [one for one in whole.bars if one.symbol == fill.symbol and one.closes_at <= order.as_of]
            assert any(one.low <= fill.price <= one.high for one in past)
            assert fill.quantity % instrument_for(fill.symbol).lot_step == 0


@settings(max_examples=100, deadline=None)
@given(situations())
def test_no_stop_is_passed_over(whole: Situation) -> None:
    """No open position's stop lies within a bar that came after the position's last fill and after the stop was set."""
    outcome = fold(whole)
    for position in outcome.positions:
        own = [one for one in whole.bars if one.symbol == position.symbol]
        has_fixed_stop = position.stop_price is not None and not position.at_break_even
        if position.status == "closed" or not has_fixed_stop or len({one.timeframe for one in own}) > 1:
            continue
        since = max(order.as_of for order in outcome.orders if order.position_id == position.position_id)
        later = [one for one in own if one.opened_at >= since]
        assert all(one.low > position.stop_price if position.side > 0 else one.high < position.stop_price for one in later)
