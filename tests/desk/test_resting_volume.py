"""Entries of which each bar fills a share: no volume counts twice, and no price that has gone by fills the rest."""

from dataclasses import replace
from decimal import Decimal

import pytest

from hookfill.brokers.paper.fill import PaperModel
from hookfill.desk.fold import fold
from hookfill.desk.model import Outcome, Situation
from hookfill.market.model import Candle, Quote
from support.desk import after, at, bar, only, signal, situation

D = Decimal
TENTH = PaperModel(slippage_bps=D(0), volume_cap_pct=D(10))


def coin(minute: float, price: str, volume: int, timeframe: str = "M1") -> Candle:
    return replace(bar(minute, f"{price} {price} {price} {price}", symbol="BTCUSD", timeframe=timeframe), volume=volume)


def fills(outcome: Outcome) -> list[tuple[Decimal, Decimal, object]]:
    return [(fill.price, fill.quantity, fill.filled_at) for fill in only(outcome.rested).fills]


MINUTES = [coin(-1, "100", 10), coin(0, "100", 10), coin(1, "110", 10), coin(2, "120", 10)]
ONE_EACH = [(D(100), 1, at(0)), (D(100), 1, at(1)), (D(110), 1, at(2)), (D(120), 1, at(3))]


def test_the_bar_around_bars_that_have_filled_it_fills_no_more() -> None:
    """Nothing was traded in the last minutes of the five, so that they end later than the last of the minutes."""
    around = replace(coin(0, "100", 40, "M5"), high=D(120), close=D(120))
    outcome = fold(situation(signal("buy BTCUSD 10", 0), bars=[*MINUTES, around], paper=TENTH))
    assert fills(outcome) == ONE_EACH
    then = fold(situation(signal("buy BTCUSD 10", 0), bars=[*MINUTES, around, coin(5, "125", 20)], paper=TENTH))
    assert fills(then) == [*ONE_EACH, (D(125), 2, at(6))]


def test_a_limit_takes_no_more_of_a_day_than_of_its_minutes() -> None:
    around = replace(coin(0, "100", 40, "M5"), high=D(120), close=D(120))
    outcome = fold(situation(signal("buy BTCUSD 10 limit=105", 0), bars=[*MINUTES, around], paper=TENTH))
    assert fills(outcome) == ONE_EACH[:2]


def resting(bars: list[Candle], text: str = "buy BTCUSD 10") -> Situation:
    """What gathering finds once the bars have filled their share."""
    given = situation(signal(text, 0), bars=bars, paper=TENTH)
    return replace(after(given, fold(given), (), at(10)), bars=(), history={})


def forming(minute: float, volume: int | None, price: str = "130") -> dict[str, Quote]:
    """The price of a bar of one minute that has not closed yet."""
    return {"BTCUSD": Quote("BTCUSD", D(price), at(minute), "candle", 60, volume=volume)}


@pytest.mark.parametrize(("volume", "expected"), [(20, 2), (5, D("0.5")), (None, 6)])
def test_the_price_of_a_forming_bar_fills_its_share(volume: int | None, expected: Decimal) -> None:
    outcome = fold(replace(resting(MINUTES), quotes=forming(4, volume)))
    assert fills(outcome) == [(D(130), expected, at(4))]


def test_a_forming_bar_that_is_told_again_and_again_fills_its_share_once() -> None:
    now, filled = resting(MINUTES), D(0)
    for seconds in range(5, 65, 5):
        minute = 4 + seconds / 60
        told = replace(now, quotes=forming(minute, seconds), horizon=at(minute))
        outcome = fold(told)
        filled += sum((quantity for _, quantity, _ in fills(outcome)), D(0)) if outcome.rested else D(0)
        now = after(told, outcome, (), at(minute))
    assert filled == D("0.5")  # a tenth of what was traded when it was told first
    closed = fold(replace(now, bars=(coin(4, "131", 60),), quotes={}, horizon=at(5)))
    assert fills(closed) == []  # what was traded in the rest of it is not told apart
    later = after(now, closed, (), at(6))
    assert fills(fold(replace(later, bars=(coin(5, "132", 30),), quotes={}, horizon=at(6)))) == [(D(132), 3, at(6))]
