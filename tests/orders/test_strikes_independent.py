"""The choice of contracts, again by a naive search over an independent library's prices and Greeks."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from hookfill.market.calendar import load_exchange_sessions
from hookfill.market.model import Candle, OptionContract, Right
from hookfill.market.option_chain import OptionChain, model_chain, option_candle
from hookfill.orders.model import Side
from hookfill.orders.strikes import OptionRules, Rule, Tier, Verdict, select_contract
from support.quantlib import quantlib_greeks


class Market(NamedTuple):
    day: str
    spot: str
    volatility: float


MARKETS = [
    Market("2024-03-20", "518.43", 0.12),
    Market("2024-12-16", "33.07", 0.55),
    Market("2025-04-09", "172.42", 0.80),
    Market("2026-02-05", "497.30", 0.15),
    Market("2026-11-20", "4.85", 1.20),
    Market("2019-11-05", "3080.80", 0.10),
]
TIERS = {
    # Days, size of delta and spread as the rules are written down.
    Tier.SCALP_GUARDED: (3, 14, 0.45, 0.65, 0.08),
    Tier.SWING: (21, 90, 0.25, 0.40, 0.12),
    Tier.POSITION: (90, 180, 0.20, 0.35, 0.15),
    Tier.LEAPS: (180, 720, 0.15, 0.30, 0.10),
}
RATE = 0.04


@pytest.fixture(scope="module", autouse=True)
def _sessions() -> None:
    load_exchange_sessions()


def noon(market: Market) -> datetime:
    return datetime.fromisoformat(f"{market.day}T16:00:00").replace(tzinfo=UTC)


def chain_of(market: Market) -> OptionChain:
    return model_chain("XXX", Decimal(market.spot), market.volatility, noon(market), RATE)


def years_left(contract: OptionContract, at: datetime) -> float:
    """To 16:00 in New York, or 13:00 on the one half day among them: the Friday after Thanksgiving."""
    hour = 13 if contract.expiration == date(2026, 11, 27) else 16
    ends = datetime.combine(contract.expiration, time(hour), ZoneInfo("America/New_York"))
    return (ends.astimezone(UTC) - at) / timedelta(days=365)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize("market", MARKETS, ids=str)
def test_what_lies_within_a_tier_s_bounds(market: Market, tier: Tier, side: Side) -> None:
    chain, today = chain_of(market), date.fromisoformat(market.day)
    right: Right = "CALL" if side is Side.BUY else "PUT"
    least, most, least_delta, most_delta, most_spread = TIERS[tier]
    expected = set()
    for quote in chain.quotes:
        contract = quote.contract
        if contract.right != right or not least <= (contract.expiration - today).days <= most:
            continue
        spot, strike, years = float(market.spot), float(contract.strike), years_left(contract, noon(market))
        theirs = quantlib_greeks(right, spot, strike, years, market.volatility, RATE)
        worth = max(round(theirs.price, 2), 0.01)
        spread = 2 * max(round(worth / 100, 2), 0.01) / worth
        if least_delta <= abs(theirs.delta) <= most_delta and spread <= most_spread + 1e-9 and worth > 0.01:
            expected.add(contract.symbol)
    selection = select_contract(None, chain, OptionRules(rule=Rule.TIER, tier=tier), today, side)
    found = {one.quote.contract.symbol for one in selection.candidates if one.verdict in (Verdict.CHOSEN, Verdict.ELIGIBLE)}
    assert found == expected
    assert (selection.chosen is not None) == bool(expected)


def test_the_markets_have_something_for_every_tier() -> None:
    """Else the test above would hold for nothing."""
    for tier in Tier:
        rules = OptionRules(rule=Rule.TIER, tier=tier)
        chosen = [
            select_contract(None, chain_of(market), rules, date.fromisoformat(market.day), side).chosen
            for market in MARKETS
            for side in Side
        ]
        assert sum(one is not None for one in chosen) >= len(chosen) * 2 / 3


@pytest.mark.parametrize("right", ["CALL", "PUT"])
@pytest.mark.parametrize("market", MARKETS, ids=str)
def test_an_option_s_bar(market: Market, right: Right) -> None:
    at, spot = noon(market), Decimal(market.spot)
    expiration = next(quote.contract.expiration for quote in chain_of(market).quotes if quote.contract.expiration > at.date())
    contract = OptionContract("XXX", expiration, right, Decimal(round(spot)))
    prices = [spot, spot * Decimal("1.02"), spot * Decimal("0.985"), spot * Decimal("1.01")]
    bar = option_candle(contract, Candle("XXX", "M5", at - timedelta(minutes=5), at, *prices), market.volatility, RATE)
    years = years_left(contract, at)
    first, at_high, at_low, last = (
        max(round(quantlib_greeks(right, float(price), float(contract.strike), years, market.volatility, RATE).price, 2), 0.01)
        for price in prices
    )
    assert [float(value) for value in (bar.open, bar.close)] == [first, last]
    assert (float(bar.low), float(bar.high)) == (min(at_low, at_high), max(at_low, at_high))
