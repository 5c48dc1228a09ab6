from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from hookfill.market.model import OptionContract
from hookfill.market.option_chain import OptionQuote
from hookfill.market.option_prices import Greeks
from hookfill.orders.strike_rules import BOUNDS, Tier
from hookfill.orders.strike_scores import WEIGHTS, Score, score

SWING = BOUNDS[Tier.SWING]
SPOT = Decimal(500)
USUAL = Greeks(price=10.0, delta=0.30, gamma=0.006, theta=-0.2, vega=0.3, rho=0.1)
"""What is usual of everything: delta turns by a tenth on a move of 1 %, 2 % decay a day, 3 % vega."""
QUOTE = OptionQuote(
    OptionContract("SPY", date(2026, 3, 20), "CALL", Decimal(515)),
    Decimal("9.40"),
    Decimal("10.60"),
    datetime(2026, 2, 5, tzinfo=UTC),
    "alpaca",
)


def test_the_weights_are_parts_of_a_hundred() -> None:
    assert sum(WEIGHTS.values()) == 100
    assert Score(1, 1, 1, 1, 1).total == 100
    assert Score(0, 0, 0, 0, 0).total == 0


def test_the_usual_is_worth_a_half() -> None:
    at_cost = replace(QUOTE, bid=Decimal("9.40"), ask=Decimal(10))
    found = score(replace(at_cost, bid=Decimal(10)), USUAL, SPOT, SWING, None)
    assert found is not None
    assert found.figures() == {"liquidity": 1.0, "stability": 0.5, "theta": 0.5, "vega": 0.5, "cost": 0.5}


@pytest.mark.parametrize(
    ("open_interest", "volume", "liquidity"),
    [
        (None, None, 0.0),  # a spread of 12 %, which is the bound
        (300, 100, 0.0),
        (3_000, 1_000, 2 / 3),
        (30_000, 100, 1 / 3),  # more than ten times the least counts no more
        (3_000, None, 1 / 2),
    ],
)
def test_liquidity(open_interest: int | None, volume: int | None, liquidity: float) -> None:
    found = score(replace(QUOTE, open_interest=open_interest, volume=volume), USUAL, SPOT, SWING, None)
    assert found is not None
    assert found.liquidity == pytest.approx(liquidity)


def test_vega_counts_by_the_volatility_s_rank() -> None:
    calm, nervous = replace(USUAL, vega=0.03), replace(USUAL, vega=3.0)

    def vega(greeks: Greeks, rank: float | None) -> float:
        found = score(QUOTE, greeks, SPOT, SWING, rank)
        assert found is not None
        return found.vega

    assert vega(calm, 1.0) == pytest.approx(1 / 1.1)
    assert vega(calm, 1.0) > vega(nervous, 1.0)  # dear volatility may fall
    assert vega(calm, 0.0) < vega(nervous, 0.0)
    assert vega(calm, None) == vega(nervous, None) == 0.5


@pytest.mark.parametrize(
    ("part", "better"),
    [("stability", {"gamma": 0.003}), ("stability", {"delta": -0.5}), ("theta", {"theta": -0.1}), ("theta", {"theta": 0.1})],
)
def test_less_turning_and_decay_is_better(part: str, better: dict[str, float]) -> None:
    one, other = (score(QUOTE, greeks, SPOT, SWING, None) for greeks in (replace(USUAL, **better), USUAL))
    assert one is not None
    assert other is not None
    assert getattr(one, part) > getattr(other, part)
    assert one.total > other.total


def test_cheaper_is_better() -> None:
    cheap = score(replace(QUOTE, bid=Decimal("4.70"), ask=Decimal("5.30")), USUAL, SPOT, SWING, None)
    dear = score(QUOTE, USUAL, SPOT, SWING, None)
    assert cheap is not None
    assert dear is not None
    assert cheap.cost > dear.cost


@pytest.mark.parametrize("name", ["gamma", "theta", "vega", "delta"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_figures_that_are_no_numbers_give_no_score(name: str, value: float) -> None:
    found = score(QUOTE, replace(USUAL, **{name: value}), SPOT, SWING, 0.3)
    assert found is None or value == float("inf")
    assert found is None or 0 <= found.total <= 100
