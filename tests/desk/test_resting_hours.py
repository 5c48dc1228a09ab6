"""Entries in shares that rest fill while the market is open to their strategy, as an entry at the market would."""

from decimal import Decimal

import pytest

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.fold import fold
from hookfill.market.model import Candle, Quote
from support.desk import at, bar, only, signal, situation, strategy

D = Decimal
OPEN, CLOSE = 150, 540
"""Minutes after noon (UTC) at which the stock exchange opens and closes."""
DIP = "100 100 98 100"


def share(minute: float, prices: str, timeframe: str = "M1") -> Candle:
    return bar(minute, prices, symbol="ABC", timeframe=timeframe)


CASES = [
    # The bar that reaches the limit, whether the strategy enters in extended hours, whether it fills.
    (share(OPEN - 60, DIP), False, False),
    (share(OPEN - 60, DIP), True, True),
    (share(OPEN - 1, DIP), False, False),
    (share(OPEN, DIP), False, True),
    (share(OPEN - 30, DIP, "H1"), False, True),  # the exchange opens in it
    (share(CLOSE - 1, DIP), False, True),
    (share(CLOSE, DIP), False, False),
    (share(CLOSE, DIP), True, True),
    (share(12 * 60, DIP, "D1"), False, True),
]


@pytest.mark.parametrize(("dip", "extended", "fills"), CASES)
@pytest.mark.parametrize("text", ["buy ABC 1 limit=99 tif=gtc", "sell stop ABC 1 @99 tif=gtc"])
def test_it_fills_in_its_strategys_hours(dip: Candle, text: str, *, extended: bool, fills: bool) -> None:
    rules = [strategy(market={"extended_hours": extended})]
    bars = [share(-1, "100 100 100 100"), dip]
    rested = only(fold(situation(signal(text, 0), bars=bars, strategies=rules, paper=PaperModel(slippage_bps=D(0)))).rested)
    assert rested.status == ("filled" if fills else "working")
    assert rested.order.seen_until == dip.closes_at


@pytest.mark.parametrize(("minute", "fills"), [(OPEN - 1, False), (OPEN, True), (CLOSE - 1, True), (CLOSE, False)])
def test_a_price_alone_counts_in_the_same_hours(minute: int, *, fills: bool) -> None:
    told = {"ABC": Quote("ABC", D(98), at(minute), "agent")}
    asked = signal("buy ABC 1 limit=99 tif=gtc", 0)
    rested = only(fold(situation(asked, bars=[share(-1, "100 100 100 100")], quotes=told, horizon=at(minute))).rested)
    assert rested.status == ("filled" if fills else "working")
