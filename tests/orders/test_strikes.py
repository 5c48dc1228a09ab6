from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfill.kernel import exact_json
from hookfill.kernel.reasons import Reason
from hookfill.market.calendar import load_exchange_sessions
from hookfill.market.model import OptionContract, Right
from hookfill.market.option_chain import OptionChain, OptionQuote, model_chain, model_quote
from hookfill.market.option_prices import Greeks
from hookfill.orders.model import Side
from hookfill.orders.strike_rules import BOUNDS
from hookfill.orders.strikes import OptionRules, Rule, Selection, Tier, Verdict, select_contract
from hookfill.signals.model import OptionAsk

AT = datetime(2026, 2, 5, 15, tzinfo=UTC)
TODAY = date(2026, 2, 5)
SPOT = Decimal("497.30")
DEFAULT = OptionRules()


@pytest.fixture(scope="module", autouse=True)
def _sessions() -> None:
    load_exchange_sessions()


@pytest.fixture(scope="module")
def chain() -> OptionChain:
    return model_chain("SPY", SPOT, 0.15, AT)


def by_tier(tier: Tier) -> OptionRules:
    return OptionRules(rule=Rule.TIER, tier=tier)


def verdicts(selection: Selection) -> dict[str, Verdict]:
    return {candidate.quote.contract.symbol: candidate.verdict for candidate in selection.candidates}


def quoted(*quotes: OptionQuote) -> OptionChain:
    """A chain that somebody quotes."""
    return OptionChain("SPY", AT, "alpaca", SPOT, quotes)


def offer(strike: int, expiration: str, right: Right = "CALL", **changes: Any) -> OptionQuote:
    """A liquid contract with the model's price and Greeks at a volatility of 15 %, or what is said instead."""
    contract = OptionContract("SPY", date.fromisoformat(expiration), right, Decimal(strike))
    quote = model_quote(contract, SPOT, 0.15, AT)
    return replace(quote, **{"source": "alpaca", "open_interest": 5_000, "volume": 2_000, **changes})


# The default rule.


@pytest.mark.parametrize(
    ("spot", "side", "chosen"),
    [
        ("497.30", Side.BUY, "SPY260213C00498000"),
        ("497.30", Side.SELL, "SPY260213P00497000"),
        ("497.99", Side.BUY, "SPY260213C00498000"),
        ("497.01", Side.SELL, "SPY260213P00497000"),
        ("498", Side.BUY, "SPY260213C00498000"),  # at the money is not in it
        ("498", Side.SELL, "SPY260213P00498000"),
    ],
)
def test_the_nearest_strike_that_is_not_in_the_money(spot: str, side: Side, chosen: str) -> None:
    selection = select_contract(None, model_chain("SPY", Decimal(spot), 0.15, AT), DEFAULT, TODAY, side)
    assert selection.chosen is not None
    assert selection.chosen.contract.symbol == chosen
    assert selection.refusal is None


@pytest.mark.parametrize(
    ("today", "hold", "expiration"),
    [
        # Five days after a Monday is a Saturday, after a Friday the Wednesday: both end on the next Friday.
        ("2026-02-02", 5, "2026-02-13"),
        ("2026-02-05", 5, "2026-02-13"),
        ("2026-02-06", 5, "2026-02-13"),
        ("2026-02-09", 4, "2026-02-13"),  # the Friday itself
        ("2026-02-10", 4, "2026-02-20"),
        ("2026-02-02", 0, "2026-02-06"),
        ("2026-02-02", 30, "2026-03-06"),
        ("2026-02-02", 90, "2026-05-15"),  # only monthly contracts are listed so far ahead
        ("2024-03-21", 5, "2024-03-28"),  # Good Friday: the day before
        ("2024-03-25", 4, "2024-04-05"),  # held until Good Friday, the day before would be too soon
        ("2025-04-10", 5, "2025-04-17"),
        ("2025-12-15", 5, "2025-12-26"),
        ("2026-06-29", 2, "2026-07-02"),  # Independence Day is observed on the Friday
    ],
)
def test_the_first_friday_that_leaves_the_days_to_hold(today: str, hold: int, expiration: str) -> None:
    day = date.fromisoformat(today)
    at = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)
    selection = select_contract(None, model_chain("SPY", SPOT, 0.15, at), OptionRules(max_hold_days=hold), day, Side.BUY)
    assert selection.chosen is not None
    assert selection.chosen.contract.expiration.isoformat() == expiration


def test_where_nothing_ends_that_friday_the_next_listed_day() -> None:
    monthly = quoted(offer(500, "2026-02-11"), offer(500, "2026-02-12"), offer(500, "2026-02-20"), offer(498, "2026-03-20"))
    selection = select_contract(None, monthly, DEFAULT, TODAY, Side.BUY)
    assert selection.chosen is not None
    assert selection.chosen.contract.symbol == "SPY260220C00500000"  # daily ones before the Friday don't count
    assert verdicts(selection)["SPY260211C00500000"] is Verdict.EXPIRATION


@pytest.mark.parametrize(
    ("ask", "chosen"),
    [
        (OptionAsk("CALL", Decimal(480), "2026-02-20"), "SPY260220C00480000"),  # in the money, because the alert says so
        (OptionAsk("CALL", Decimal("482.5"), "2026-02-18"), "SPY260218C00482500"),  # a Wednesday
        (OptionAsk("PUT", Decimal(600), None), "SPY260213P00600000"),
        (OptionAsk("PUT", None, "2026-03-20"), "SPY260320P00497000"),
        (OptionAsk("PUT", None, "2026-02-06"), "SPY260206P00497000"),  # sooner than the days to hold
        (OptionAsk("CALL", None, "2026-04-03"), "SPY260402C00498000"),  # Good Friday
        (OptionAsk("CALL", Decimal(500), "2026-02-21"), "SPY260220C00500000"),  # a Saturday, as contracts used to be dated
    ],
)
@pytest.mark.parametrize("side", list(Side))
def test_what_the_alert_names_is_taken(chain: OptionChain, ask: OptionAsk, chosen: str, side: Side) -> None:
    selection = select_contract(ask, chain, DEFAULT, TODAY, side)
    assert selection.chosen is not None
    assert selection.chosen.contract.symbol == chosen
    assert selection.chosen.source == "model"


@pytest.mark.parametrize(
    "ask",
    [
        OptionAsk("CALL", Decimal("500.25")),
        OptionAsk("CALL", Decimal("0.1")),
        OptionAsk("CALL", Decimal(100_000)),
        OptionAsk("CALL", Decimal(10) ** 14),
        OptionAsk("CALL", Decimal(500), "2026-02-04"),  # yesterday
        OptionAsk("CALL", None, "1990-01-05"),
        OptionAsk("CALL", None, "2031-01-17"),  # beyond the last of the LEAPS
        OptionAsk("CALL", None, "2099-12-31"),
    ],
)
@pytest.mark.parametrize("rule", [DEFAULT, by_tier(Tier.SWING)])
def test_what_no_exchange_lists_is_refused(chain: OptionChain, ask: OptionAsk, rule: OptionRules) -> None:
    selection = select_contract(ask, chain, rule, TODAY, Side.BUY)
    assert (selection.chosen, selection.refusal) == (None, Reason.OPTION_NOT_LISTED)
    assert selection.explanation


@pytest.mark.parametrize("rule", [DEFAULT, by_tier(Tier.SWING)])
@pytest.mark.parametrize(
    "ask", [OptionAsk("CALL", Decimal(505)), OptionAsk("CALL", None, "2026-02-27"), OptionAsk("CALL", Decimal(500), "2026-02-27")]
)
def test_what_a_quoted_chain_does_not_list_is_refused(ask: OptionAsk, rule: OptionRules) -> None:
    listed = quoted(offer(500, "2026-02-20"), offer(505, "2026-02-27", "PUT"), offer(500, "2026-02-06"))
    selection = select_contract(ask, listed, rule, TODAY, Side.BUY)
    assert (selection.chosen, selection.refusal) == (None, Reason.OPTION_NOT_LISTED)
    assert set(verdicts(selection).values()) == {Verdict.NOT_ASKED}


@pytest.mark.parametrize("chain_or_none", [None, quoted()])
@pytest.mark.parametrize("rule", [DEFAULT, by_tier(Tier.SWING)])
def test_no_chain_no_contract(chain_or_none: OptionChain | None, rule: OptionRules) -> None:
    selection = select_contract(None, chain_or_none, rule, TODAY, Side.BUY)
    assert (selection.chosen, selection.refusal) == (None, Reason.OPTION_CHAIN_MISSING)


def test_nothing_out_of_the_money_is_offered() -> None:
    listed = quoted(offer(490, "2026-02-13"), offer(500, "2026-02-13", ask=Decimal(0), bid=Decimal(0)))
    selection = select_contract(None, listed, DEFAULT, TODAY, Side.BUY)
    assert selection.refusal is Reason.OPTION_NOT_LISTED
    assert verdicts(selection) == {"SPY260213C00490000": Verdict.IN_THE_MONEY, "SPY260213C00500000": Verdict.NOT_OFFERED}


def test_nothing_ends_late_enough() -> None:
    selection = select_contract(None, quoted(offer(500, "2026-02-06")), DEFAULT, TODAY, Side.BUY)
    assert selection.refusal is Reason.OPTION_NOT_LISTED
    assert "5 or more days" in selection.explanation


def test_what_has_ended_is_no_candidate() -> None:
    ended = quoted(offer(500, "2026-02-05"), offer(500, "2026-02-13"))
    after = replace(ended, at=datetime(2026, 2, 5, 21, tzinfo=UTC))
    assert len(select_contract(None, ended, DEFAULT, TODAY, Side.BUY).candidates) == 2
    assert len(select_contract(None, after, DEFAULT, TODAY, Side.BUY).candidates) == 1


def test_a_contract_that_nobody_sells_gives_way_to_the_next() -> None:
    listed = quoted(
        offer(498, "2026-02-13", ask=Decimal(0), bid=Decimal(0)),
        offer(499, "2026-02-13", bid=Decimal(3), ask=Decimal(2)),
        offer(500, "2026-02-13"),
        offer(501, "2026-02-13"),
    )
    selection = select_contract(None, listed, DEFAULT, TODAY, Side.BUY)
    assert [verdict.value for verdict in verdicts(selection).values()] == ["not_offered", "not_offered", "chosen", "eligible"]


def test_the_view_tells_the_right_unless_the_alert_does(chain: OptionChain) -> None:
    for side, ask, right in (
        (Side.BUY, None, "CALL"),
        (Side.SELL, None, "PUT"),
        (Side.BUY, OptionAsk("PUT"), "PUT"),
        (Side.SELL, OptionAsk("CALL"), "CALL"),
    ):
        selection = select_contract(ask, chain, DEFAULT, TODAY, side)
        assert {candidate.quote.contract.right for candidate in selection.candidates} == {right}


# The tier rule.

SWING = by_tier(Tier.SWING)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.CHOSEN),
        ({"bid": Decimal("4.70"), "ask": Decimal("5.30")}, Verdict.CHOSEN),  # 12 %
        ({"bid": Decimal("4.69"), "ask": Decimal("5.30")}, Verdict.SPREAD),
        ({"open_interest": 300}, Verdict.CHOSEN),
        ({"open_interest": 299}, Verdict.OPEN_INTEREST),
        ({"open_interest": None}, Verdict.OPEN_INTEREST),
        ({"volume": 100}, Verdict.CHOSEN),
        ({"volume": 99}, Verdict.VOLUME),
        ({"volume": None}, Verdict.VOLUME),
        ({"bid": Decimal(0)}, Verdict.NOT_OFFERED),
        ({"bid": Decimal(0), "ask": Decimal(0)}, Verdict.NOT_OFFERED),
        ({"bid": Decimal(6), "ask": Decimal(5)}, Verdict.NOT_OFFERED),
        ({"greeks": Greeks(5, 0.25, 0.01, -0.1, 0.5, 0.1)}, Verdict.CHOSEN),
        ({"greeks": Greeks(5, 0.40, 0.01, -0.1, 0.5, 0.1)}, Verdict.CHOSEN),
        ({"greeks": Greeks(5, 0.2499, 0.01, -0.1, 0.5, 0.1)}, Verdict.DELTA),
        ({"greeks": Greeks(5, 0.4001, 0.01, -0.1, 0.5, 0.1)}, Verdict.DELTA),
        ({"greeks": Greeks(5, float("nan"), 0.01, -0.1, 0.5, 0.1)}, Verdict.DELTA),
        ({"greeks": Greeks(5, 0.3, float("nan"), -0.1, 0.5, 0.1)}, Verdict.GREEKS_UNKNOWN),
        ({"greeks": None}, Verdict.CHOSEN),  # made of the volatility that is told
        ({"greeks": None, "volatility": None}, Verdict.CHOSEN),  # or of the one that the price implies
        ({"greeks": None, "volatility": None, "bid": Decimal(495), "ask": Decimal(500)}, Verdict.GREEKS_UNKNOWN),
    ],
)
def test_each_bound_of_a_tier(changes: dict[str, Any], verdict: Verdict) -> None:
    selection = select_contract(None, quoted(offer(515, "2026-03-20", **changes)), SWING, TODAY, Side.BUY)
    assert list(verdicts(selection).values()) == [verdict]
    assert (selection.chosen is None) is (verdict is not Verdict.CHOSEN)
    assert selection.refusal is (None if verdict is Verdict.CHOSEN else Reason.OPTION_OUT_OF_BOUNDS)
    if verdict is not Verdict.CHOSEN:
        assert verdict.value.replace("_", " ") in selection.explanation


@pytest.mark.parametrize(
    ("tier", "days", "spread", "interest", "volume"),
    [
        # DOMAIN: DTE 3-14 / 21-90 / 90-180 / 180-720, spread 8/12/15/10 %, open interest 1000/300/300/200, volume 500/100/100/50.
        (Tier.SCALP_GUARDED, (3, 14), 8, 1_000, 500),
        (Tier.SWING, (21, 90), 12, 300, 100),
        (Tier.POSITION, (90, 180), 15, 300, 100),
        (Tier.LEAPS, (180, 720), 10, 200, 50),
    ],
)
def test_the_tiers_bounds(tier: Tier, days: tuple[int, int], spread: int, interest: int, volume: int) -> None:
    delta = {"SCALP_GUARDED": (0.45, 0.65), "SWING": (0.25, 0.40), "POSITION": (0.20, 0.35), "LEAPS": (0.15, 0.30)}[tier]
    middle = Greeks(5, -sum(delta) / 2, 0.01, -0.1, 0.5, 0.1)

    def verdict(ahead: int, **changes: Any) -> Verdict:
        expiration = (TODAY + timedelta(days=ahead)).isoformat()
        put = offer(490, expiration, "PUT", **{"greeks": middle, "bid": Decimal(100), "ask": Decimal(101), **changes})
        return select_contract(None, quoted(put), by_tier(tier), TODAY, Side.SELL).candidates[0].verdict

    assert [verdict(ahead) for ahead in (days[0] - 1, *days, days[1] + 1)] == [
        Verdict.EXPIRATION,
        Verdict.CHOSEN,
        Verdict.CHOSEN,
        Verdict.EXPIRATION,
    ]
    for value, expected in ((delta[0], "chosen"), (delta[1], "chosen"), (delta[0] - 0.001, "delta"), (delta[1] + 0.001, "delta")):
        assert verdict(days[0], greeks=replace(middle, delta=-value)) == expected
    widest = Decimal(100) * (200 + spread) / (200 - spread)  # so wide that it is the bound, in percent of the middle
    assert verdict(days[0], ask=widest) is Verdict.CHOSEN
    assert verdict(days[0], ask=widest + Decimal("0.02")) is Verdict.SPREAD
    assert [verdict(days[0], open_interest=number) for number in (interest, interest - 1)] == ["chosen", "open_interest"]
    assert [verdict(days[0], volume=number) for number in (volume, volume - 1)] == ["chosen", "volume"]


def test_the_best_score_wins_and_the_others_keep_theirs() -> None:
    narrow, wide = offer(515, "2026-03-20"), offer(515, "2026-03-27", bid=Decimal("5.00"), ask=Decimal("5.50"))
    selection = select_contract(None, quoted(wide, narrow), SWING, TODAY, Side.BUY)
    assert selection.chosen == narrow
    scores = {candidate.quote: candidate.score for candidate in selection.candidates}
    assert scores[narrow] is not None
    assert scores[wide] is not None
    assert scores[narrow] > scores[wide]
    assert verdicts(selection) == {narrow.contract.symbol: Verdict.CHOSEN, wide.contract.symbol: Verdict.ELIGIBLE}


def test_what_the_alert_names_is_not_held_against_it(chain: OptionChain) -> None:
    """A day and a strike outside the tier's bounds, because the alert says so; what it does not say is still looked at."""
    named = select_contract(OptionAsk("CALL", Decimal(450), "2026-02-06"), chain, SWING, TODAY, Side.BUY)
    assert named.chosen is not None
    assert named.chosen.contract.symbol == "SPY260206C00450000"
    only_day = select_contract(OptionAsk("CALL", None, "2026-02-13"), chain, SWING, TODAY, Side.BUY)
    assert only_day.chosen is not None
    assert only_day.chosen.contract.expiration == date(2026, 2, 13)
    assert only_day.chosen.greeks is not None
    assert 0.25 <= only_day.chosen.greeks.delta <= 0.40
    illiquid = quoted(offer(450, "2026-02-06", open_interest=3))
    assert select_contract(OptionAsk("CALL", Decimal(450)), illiquid, SWING, TODAY, Side.BUY).refusal is Reason.OPTION_OUT_OF_BOUNDS


def test_a_summary_for_the_story(chain: OptionChain) -> None:
    selection = select_contract(None, chain, SWING, TODAY, Side.BUY)
    figures = selection.figures(5)
    exact_json.dumps(figures)
    assert selection.chosen is not None
    assert figures["contract"] == selection.chosen.contract.symbol == figures["candidates"][0]["symbol"]
    assert sum(figures["verdicts"].values()) == len(selection.candidates)
    assert [told["verdict"] for told in figures["candidates"]] == ["chosen"] + ["eligible"] * 4
    scores = [told["score"] for told in figures["candidates"]]
    assert scores == sorted(scores, reverse=True)
    assert "model" in figures["explanation"]
    refused = select_contract(None, None, SWING, TODAY, Side.BUY).figures()
    assert (refused["contract"], refused["candidates"], refused["verdicts"]) == (None, [], {})


# Whatever the market is.


MARKETS = {
    "ahead": st.integers(0, 2_000),
    "spot": st.decimals("2", "20000", places=2),
    "volatility": st.floats(0.05, 1.5),
    "side": st.sampled_from(list(Side)),
}


def market(ahead: int, spot: Decimal, volatility: float) -> OptionChain:
    return model_chain("XXX", spot, volatility, datetime(2024, 1, 2, 15, tzinfo=UTC) + timedelta(days=ahead))


@settings(deadline=None)
@given(hold=st.integers(0, 250), **MARKETS)
def test_the_default_rule_never_buys_in_the_money_nor_too_short(
    ahead: int, spot: Decimal, volatility: float, side: Side, hold: int
) -> None:
    chain = market(ahead, spot, volatility)
    today = chain.at.date()
    selection = select_contract(None, chain, OptionRules(max_hold_days=hold), today, side)
    assert selection.chosen is not None
    contract = selection.chosen.contract
    assert contract.right == ("CALL" if side is Side.BUY else "PUT")
    assert contract.strike >= spot if side is Side.BUY else contract.strike <= spot
    assert contract.expiration >= today + timedelta(days=hold)
    beside = [quote.contract for quote in chain.quotes if quote.contract.expiration == contract.expiration]
    outside = [other.strike for other in beside if (other.strike >= spot if side is Side.BUY else other.strike <= spot)]
    assert abs(contract.strike - spot) == min(abs(strike - spot) for strike in outside)
    assert [one.verdict for one in selection.candidates].count(Verdict.CHOSEN) == 1


@settings(deadline=None)
@given(tier=st.sampled_from(list(Tier)), **MARKETS)
def test_what_a_tier_buys_lies_within_its_bounds(ahead: int, spot: Decimal, volatility: float, side: Side, tier: Tier) -> None:
    chain = market(ahead, spot, volatility)
    selection = select_contract(None, chain, by_tier(tier), chain.at.date(), side)
    assert (selection.chosen is None) == (selection.refusal is Reason.OPTION_OUT_OF_BOUNDS)
    eligible = [one for one in selection.candidates if one.verdict in (Verdict.CHOSEN, Verdict.ELIGIBLE)]
    assert bool(eligible) == (selection.chosen is not None)
    for one in eligible:
        assert one.quote.greeks is not None
        assert BOUNDS[tier].least_delta <= abs(one.quote.greeks.delta) <= BOUNDS[tier].most_delta
        assert BOUNDS[tier].least_days <= (one.quote.contract.expiration - chain.at.date()).days <= BOUNDS[tier].most_days
        assert one.quote.spread_percent is not None
        assert one.quote.spread_percent <= BOUNDS[tier].most_spread
        assert one.score is not None
        assert 0 <= one.score <= 100
    if selection.chosen is not None:
        best = next(one for one in eligible if one.verdict is Verdict.CHOSEN)
        assert best.score == max(one.score or 0 for one in eligible)


@settings(deadline=None)
@given(st.permutations(range(12)), st.sampled_from([DEFAULT, SWING]))
def test_the_order_of_quotes_makes_no_difference(order: list[int], rule: OptionRules) -> None:
    offers = [offer(strike, day) for strike in (498, 505, 510, 515) for day in ("2026-02-13", "2026-03-20", "2026-03-27")]
    straight = select_contract(None, quoted(*offers), rule, TODAY, Side.BUY)
    assert straight.chosen is not None
    assert select_contract(None, quoted(*(offers[place] for place in order)), rule, TODAY, Side.BUY) == straight


@settings(deadline=None)
@given(st.sets(st.integers(0, 11), min_size=1))
def test_one_more_candidate_never_changes_the_order_of_the_others(kept: set[int]) -> None:
    offers = [offer(strike, day) for strike in (510, 513, 516, 520) for day in ("2026-03-20", "2026-03-27", "2026-04-17")]
    everything = {one.quote: one.score for one in select_contract(None, quoted(*offers), SWING, TODAY, Side.BUY).candidates}
    some = select_contract(None, quoted(*(offers[place] for place in kept)), SWING, TODAY, Side.BUY)
    assert all(one.score == everything[one.quote] for one in some.candidates)
