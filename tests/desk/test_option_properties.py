"""What holds for any alerts about options on any path of their underlying: one fold as many, balanced books, honest prices."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.desk.contracts import Terms, ask_of, at_bid, at_side, bid_of, contract_bar, contract_price
from hookfill.desk.fold import fold
from hookfill.desk.model import Situation
from hookfill.desk.timers import GRACE
from hookfill.exits.model import Exit, ExitReason
from hookfill.market.instruments import instrument_for
from hookfill.market.model import Candle, Quote
from hookfill.market.option_symbols import contract_from
from hookfill.orders.model import Side
from hookfill.positions.apply import market_value, unrealized
from hookfill.positions.model import Position
from support.desk import CASH, NOON, fold_in_parts, signal, strategy
from support.options import MORNING, premium, spy, with_options

D = Decimal
FIRST = 210
"""The first minute after the morning that tells the volatility."""
STEP = 15
BARS = 130
"""Quarters of an hour: into the third day, over two closes of the exchange and an expiration."""
END = datetime(2026, 3, 3, 21, tzinfo=UTC)
STRATEGIES = [
    strategy(11, options={"trade": "always"}, policy={"pyramiding": 2}),
    strategy(12, policy={"on_opposite": "close"}, exits={"option_defaults": False}),
    strategy(
        13,
        exits={
            "targets": [{"at": {"percent": 15}, "percent": 40}, {"at": {"percent": 35}, "percent": 60}],
            "session_close_minutes": 20,
            "break_even_at_r": "0.3",
            "stop": {"percent": 40},
        },
    ),
]
TEXTS = [
    "buy SPY 3",
    "sell SPY 2",
    "buy SPY call 3",
    "buy SPY put 2",
    "buy SPY call strike=502 expiration=2026-03-03 1",
    "buy SPY put strike=498 expiration=2026-03-03 4",
    "buy SPY260303C00500000 1",
    "sell SPY260303C00500000",
    "close SPY",
    "close SPY 1",
    "exit long SPY",
    '{"symbol":"SPY","market_position":"flat"}',
]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Up to ten signals of three strategies while SPY wanders for two days and a half, with gaps."""
    steps = draw(st.lists(st.integers(-20, 20), min_size=BARS, max_size=BARS))
    missing = draw(st.sets(st.integers(0, BARS - 1), max_size=60))
    level, bars = D(500), []
    for number, step in enumerate(steps):
        close = max(level + step * D("0.1"), D(400))
        if number not in missing:
            high, low = max(level, close) + D("0.3"), min(level, close) - D("0.3")
            bars.append(spy(FIRST + number * STEP, f"{level} {high} {low} {close}", "M15"))
        level = close
    hours = st.integers(FIRST, 545)  # while the exchange is open, and a little after its close
    moments = sorted(draw(st.lists(st.builds(lambda day, minute: day * 1440 + minute, st.integers(0, 1), hours), max_size=10)))
    signals = [
        signal(draw(st.sampled_from(TEXTS)), moment + 0.5, strategy=draw(st.sampled_from([11, 12, 13])), number=number)
        for number, moment in enumerate(moments)
    ]
    return with_options(*signals, bars=bars, strategies=STRATEGIES, horizon=NOON + timedelta(minutes=FIRST + BARS * STEP + 10))


@settings(max_examples=60, deadline=None)
@given(situations(), st.data())
def test_in_parts_as_in_one_go(whole: Situation, data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(whole.signals)), max_size=4))
    at_once = fold(whole)
    orders, positions, last, verdicts = fold_in_parts(whole, cuts)
    assert tuple(orders) == at_once.orders
    assert tuple(verdicts) == at_once.verdicts
    assert positions == {position.position_id: position for position in at_once.positions}
    assert last.account == at_once.account


@settings(max_examples=60, deadline=None)
@given(situations())
def test_the_books_balance_and_every_price_is_of_its_time(whole: Situation) -> None:
    outcome = fold(whole)
    positions = {position.position_id: position for position in outcome.positions}
    open_ = [position for position in positions.values() if position.status != "closed"]
    assert not [verdict for verdict in outcome.verdicts if verdict.status in ("pending", "failed")]
    equity = outcome.account.cash + sum(market_value(position, position.mark) for position in open_)
    assert equity == outcome.equity
    assert equity == outcome.account.balance + sum(unrealized(position, position.mark) for position in open_)
    assert outcome.account.balance == CASH + sum(p.realized_pnl - p.commission for p in positions.values())
    assert len({order.client_order_id for order in outcome.orders}) == len(outcome.orders)
    for order in outcome.orders:
        for fill in order.fills:
            _check_fill(whole, positions[order.position_id], order.exit_reason, fill)
    for position in open_:
        if position.underlying is not None:
            end = instrument_for(position.symbol).option.expires_at  # type: ignore[union-attr]  # it is an option
            assert position.quantity > 0
            assert end + GRACE > whole.horizon
            assert position.marked_at <= end


def _check_fill(whole: Situation, position: Position, reason: str | None, fill: object) -> None:
    """A fill's price is one that its market could have shown: recomputed by the test's own pricing."""
    price, at, source = fill.price, fill.filled_at, fill.price_source  # type: ignore[attr-defined]  # a Fill
    assert fill.quantity % 1 == 0  # type: ignore[attr-defined]
    past = [one for one in whole.bars if one.closes_at <= at]
    if source == "expiry":
        contract = contract_from(position.symbol)
        last = max((one for one in past if one.closes_at <= contract.expires_at), key=lambda one: one.closes_at).close
        worth = last - contract.strike if contract.right == "CALL" else contract.strike - last
        assert (price, reason, at) == (max(worth, D(0)), "expired", contract.expires_at)
        return
    if position.underlying is None:
        assert any(one.low <= price <= one.high for one in past)
        return
    assert price > 0
    # A bid or an ask lies within half a spread (of a contract that was cheap when it was bought more than 2 %) and 2 ticks of what
    # the model makes of a price that a bar really had.
    half = max(D("0.02"), D(position.terms["half_spread"]))  # type: ignore[index]  # an option has terms
    bounds = [
        (min(worths) * (1 - half) - D("0.02"), max(worths) * (1 + half) + D("0.02"))
        for one in past[-3:]
        for worths in [[premium(position.symbol, spot, one.closes_at, position.terms) for spot in (one.low, one.high)]]  # type: ignore[arg-type]
    ]
    assert any(low <= price <= high for low, high in bounds), (price, bounds)


TERMS = st.builds(
    Terms,
    volatility=st.floats(0.05, 2.0),
    half_spread=st.integers(0, 200).map(lambda share: D(share) / 1000),
)
PRICES = st.integers(1, 100_000).map(lambda cents: D(cents) / 100)


@given(PRICES, PRICES, TERMS)
def test_bid_and_ask_surround_the_price_in_order(one: Decimal, other: Decimal, terms: Terms) -> None:
    low, high = sorted((one, other))
    assert D("0.01") <= bid_of(low, terms) <= max(low, D("0.01")) < ask_of(low, terms)
    assert bid_of(low, terms) <= bid_of(high, terms)
    assert ask_of(low, terms) <= ask_of(high, terms)


@given(
    prices=st.lists(st.integers(40_000, 60_000).map(lambda cents: D(cents) / 100), min_size=4, max_size=4),
    symbol=st.sampled_from(["SPY260313C00500000", "SPY260313P00480000", "SPY260302C00505000"]),
    terms=TERMS,
    minutes=st.integers(1, 60 * 24 * 15),
)
def test_a_contract_s_bar_is_a_bar(prices: list[Decimal], symbol: str, terms: Terms, minutes: int) -> None:
    """Low and high bound open and close; a price and its bar agree; what is dealt lies between lowest bid and highest ask."""
    opening, close = prices[:2]
    opened_at = NOON + timedelta(minutes=minutes)
    candle = Candle("SPY", "M5", opened_at, opened_at + timedelta(minutes=5), opening, max(prices), min(prices), close)
    contract = contract_from(symbol)
    made = contract_bar(contract, candle, terms)
    assert D("0.01") <= made.low <= min(made.open, made.close) <= max(made.open, made.close) <= made.high
    quote = Quote("SPY", close, candle.closes_at, "candle", 300, candle.low, candle.high)
    known = contract_price(contract, quote, terms)
    assert (known.price, known.low, known.high, known.bar_seconds) == (made.close, made.low, made.high, 300)
    bare = contract_price(contract, replace(quote, low=None, high=None), terms)
    assert (bare.price, bare.low, bare.high) == (made.close, None, None)
    for side in Side:
        dealt = at_side(side, known, terms)
        assert dealt.low is not None
        assert dealt.high is not None
        assert dealt.low <= dealt.price <= dealt.high
    for reason, level in ((ExitReason.STOP_LOSS, made.low), (ExitReason.TAKE_PROFIT, made.high), (ExitReason.MAX_HOLD, None)):
        met = at_bid(Exit(reason, level, made.open, made.low, made.high, candle.closes_at), terms)
        assert met.low is not None
        assert met.high is not None
        assert met.low <= met.open <= met.high
        assert met.level is None or met.low <= met.level <= met.high


def test_the_morning_is_before_the_first_bar() -> None:
    assert MORNING[-1].closes_at <= NOON + timedelta(minutes=FIRST)
    assert NOON + timedelta(minutes=FIRST) < END < NOON + timedelta(minutes=FIRST + BARS * STEP)
