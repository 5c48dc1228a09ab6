"""The coordinator and the engine around it."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfill.engines.council import engine, registry
from hookfill.engines.council.coordinate import refusal_of, weigh
from hookfill.engines.flags import FLAGS, NO_FLAGS, Flags
from hookfill.engines.model import BEARISH, BULLISH, NEUTRAL, BookFigures, GammaFlow, Kind, MarketView, Opinion
from hookfill.engines.registry import engine as engine_named
from hookfill.kernel.reasons import Reason
from hookfill.signals.model import Action, Alert
from support.council import ALL_FLAGS, BUY, CLOSE, OPEN, SELL, moving, quote, signal

ROOM = BookFigures(True, 0, Decimal(5), Decimal(0), Decimal(10_000))
RISING = tuple(100 + 0.02 * n + 0.0004 * n * n for n in range(60))
"""Closes that rise ever faster: every average is in order."""
AFTER = OPEN + timedelta(hours=1)


def opinion(kind: Kind, bias: int, confidence: float, *, block: bool = False, name: str = "x") -> Opinion:
    return Opinion(name, bias, confidence, block=block, kind=kind)


CORE, SPECIALIST, SUB_AGENT = Kind.CORE, Kind.SPECIALIST, Kind.SUB_AGENT


@pytest.mark.parametrize(
    ("opinions", "bias", "confidence"),
    [
        ([], NEUTRAL, 0),
        ([opinion(CORE, BULLISH, 75)], BULLISH, 75),
        ([opinion(SUB_AGENT, BEARISH, 40)], BEARISH, 40),
        # 0.35·75 = 26.25 against 0.35·60 + 0.35·50 = 38.5, of a weight of 1.05.
        ([opinion(CORE, BULLISH, 75), opinion(CORE, NEUTRAL, 60), opinion(CORE, NEUTRAL, 50)], NEUTRAL, 38.5 / 1.05),
        # 0.35·75 + 0.40·70 = 54.25 against 17.5, of 1.10.
        ([opinion(CORE, BULLISH, 75), opinion(SPECIALIST, BULLISH, 70), opinion(CORE, NEUTRAL, 50)], BULLISH, 54.25 / 1.10),
        ([opinion(SPECIALIST, BEARISH, 80), opinion(CORE, BULLISH, 75)], BEARISH, 32 / 0.75),
        ([opinion(CORE, BULLISH, 80), opinion(SPECIALIST, BEARISH, 70)], NEUTRAL, 28 / 0.75),  # a shared lead is none
        ([opinion(SUB_AGENT, BULLISH, 0)], NEUTRAL, 0),
        ([opinion(CORE, BULLISH, 50)] * 3, BULLISH, 50),
        ([opinion(CORE, BEARISH, 100), opinion(SUB_AGENT, BEARISH, 100), opinion(SPECIALIST, BEARISH, 100)], BEARISH, 100),
    ],
)
def test_weights_and_scores(opinions: list[Opinion], bias: int, confidence: float) -> None:
    weighed = weigh(opinions)
    assert weighed.bias == bias
    assert math.isclose(weighed.confidence, confidence, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("opinions", "side", "refusal"),
    [
        ([opinion(CORE, BULLISH, 50)], 1, None),
        ([opinion(CORE, BULLISH, 50)] * 3, 1, None),  # exactly 50 is enough, however many say it
        ([opinion(CORE, BULLISH, 49.999)], 1, Reason.COUNCIL_UNSURE),
        ([opinion(CORE, BULLISH, 100)], -1, Reason.COUNCIL_DISAGREES),
        ([opinion(CORE, BEARISH, 100)], -1, None),
        ([opinion(CORE, NEUTRAL, 100)], 1, Reason.COUNCIL_NEUTRAL),
        ([], 1, Reason.COUNCIL_NEUTRAL),
        ([opinion(CORE, BULLISH, 100), opinion(CORE, NEUTRAL, 0, block=True)], 1, Reason.COUNCIL_BLOCKED),
        ([opinion(CORE, BULLISH, 100, block=True)], 1, Reason.COUNCIL_BLOCKED),
    ],
)
def test_what_the_council_refuses(opinions: list[Opinion], side: int, refusal: Reason | None) -> None:
    assert refusal_of(weigh(opinions), side) == refusal


some_opinion = st.builds(
    Opinion,
    agent=st.sampled_from(["risk", "technical", "own"]),
    bias=st.sampled_from([BULLISH, NEUTRAL, BEARISH]),
    confidence=st.floats(0, 100) | st.integers(0, 100),
    block=st.booleans(),
    kind=st.sampled_from(Kind),
)
some_opinions = st.lists(some_opinion, max_size=12)


@given(some_opinions, st.sampled_from([1, -1]), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_confidence_is_a_percentage(opinions: list[Opinion], side: int, random: Random) -> None:
    weighed = weigh(opinions)
    assert 0 <= weighed.confidence <= 100
    shuffled = random.sample(opinions, len(opinions))
    assert weigh(shuffled) == weighed
    assert refusal_of(weigh(shuffled), side) == refusal_of(weighed, side)


@given(some_opinions, st.sampled_from([1, -1]))
def test_neither_a_block_nor_an_opposite_view_ever_approves(opinions: list[Opinion], side: int) -> None:
    weighed = weigh(opinions)
    if refusal_of(weighed, side) is None:
        assert not any(one.block for one in opinions)
        assert weighed.bias == side
        assert weighed.confidence >= 50
    turned = weigh([replace(one, bias=-one.bias) for one in opinions])
    assert refusal_of(turned, -side) == refusal_of(weighed, side)


def market(closes: tuple[float, ...] = RISING, **changes: object) -> MarketView:
    """A market in which every agent of the house has a view: the last candle but one stays within the one before it."""
    bars = moving(closes, until=AFTER)
    bars = (*bars[:-2], replace(bars[-2], high=bars[-3].high, low=bars[-3].low), bars[-1])
    fields: dict[str, object] = {"quote": quote(closes[-1] + 0.1), "candles": bars, "book": ROOM, "flags": ALL_FLAGS}
    session = tuple(bar for bar in bars if bar.opened_at >= OPEN)
    return MarketView(**(fields | {"session": session} | changes))  # type: ignore[arg-type]


def test_a_council_that_agrees_approves() -> None:
    decision = engine.decide(signal(BUY, AFTER), market(flow=GammaFlow(1.0, 2.0, 1.0)))
    assert (decision.engine, decision.approved, decision.refusal, decision.bias) == ("council", True, None, BULLISH)
    assert 50 <= decision.confidence <= 100
    voices = {one.agent: (one.kind, one.bias) for one in decision.opinions}
    assert voices["technical"] == (Kind.CORE, BULLISH)
    assert voices["gamma_flow"] == (Kind.CORE, BULLISH)
    assert voices["orb"] == (Kind.SPECIALIST, BULLISH)
    assert voices["strat"] == (Kind.SPECIALIST, BULLISH)
    assert voices["ttm"] == (Kind.SPECIALIST, BULLISH)
    assert voices["satyland"] == (Kind.SUB_AGENT, BULLISH)
    # The figures are those of the opinions, worked out by hand.
    weights = {Kind.SPECIALIST: 0.40, Kind.CORE: 0.35, Kind.SUB_AGENT: 0.25}
    score = sum(weights[one.kind] * one.confidence for one in decision.opinions if one.bias == BULLISH)
    total = sum(weights[one.kind] for one in decision.opinions)
    assert math.isclose(decision.figures["score_bullish"], score)
    assert math.isclose(decision.figures["weight"], total)
    assert math.isclose(decision.confidence, score / total)
    assert decision.figures["price"] == float(market().quote.price)  # type: ignore[union-attr]
    json.dumps(dict(decision.figures), allow_nan=False)
    assert len(decision.reasons) == 1 + len(decision.opinions)


def test_the_same_market_refuses_the_other_side() -> None:
    decision = engine.decide(signal(SELL, AFTER), market(flow=GammaFlow(1.0, 2.0, 1.0)))
    assert (decision.approved, decision.refusal, decision.bias) == (False, Reason.COUNCIL_DISAGREES, BULLISH)


@pytest.mark.parametrize(
    ("room", "says"),
    [
        (replace(ROOM, is_open=False), "The market is closed."),
        (replace(ROOM, open_positions=5), "5 positions are open of 5"),
        (replace(ROOM, committed=Decimal(10_000)), "No capital is left"),
    ],
)
def test_a_block_of_the_risk_agent_refuses_whatever_the_others_think(room: BookFigures, says: str) -> None:
    decision = engine.decide(signal(BUY, AFTER), market(flow=GammaFlow(1.0, 2.0, 1.0), book=room))
    assert (decision.approved, decision.refusal) == (False, Reason.COUNCIL_BLOCKED)
    assert "risk forbids the trade" in decision.reasons[0]
    assert any(says in reason for reason in decision.reasons)


def test_the_core_alone_never_approves() -> None:
    """As the weights are: context and risk lean to neither side, and outweigh the technical agent. Specialists must be enabled."""
    decision = engine.decide(signal(BUY, AFTER), market(flags=NO_FLAGS))
    assert [one.agent for one in decision.opinions] == ["technical", "context", "risk"]
    assert (decision.approved, decision.refusal) == (False, Reason.COUNCIL_NEUTRAL)


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag != "enable_variant_b"])
def test_each_flag_brings_one_agent(flag: str) -> None:
    asked = {agent.name for agent in registry.agents_asked(Flags(**{flag: True}))}
    without = {agent.name for agent in registry.agents_asked(NO_FLAGS)}
    assert without == {"technical", "context", "risk", "gamma_flow"}
    assert len(asked - without) == 1
    assert (asked - without).pop() in flag


def test_the_experiment_s_flag_changes_nothing_about_who_is_asked() -> None:
    assert registry.agents_asked(Flags(enable_variant_b=True)) == registry.agents_asked(NO_FLAGS)


@pytest.mark.parametrize(
    ("alert", "leaves"),
    [(CLOSE, False), (Alert("SPY", Action.TARGET, target_side=0), False), (SELL, True), (BUY, True)],
)
def test_nothing_stands_in_the_way_of_an_exit(alert: Alert, *, leaves: bool) -> None:
    closed = replace(ROOM, is_open=False)
    decision = engine.decide(signal(alert, AFTER), market(book=closed, only_leaves=leaves))
    assert (decision.approved, decision.opinions, decision.confidence) == (True, (), 100.0)


def test_without_a_quote_the_last_close_is_the_price_and_without_candles_nothing_is_known() -> None:
    decision = engine.decide(signal(BUY, AFTER), market(quote=None))
    assert decision.figures["price"] == pytest.approx(RISING[-1], abs=1e-6)
    nothing = engine.decide(signal(BUY, AFTER), MarketView(None, flags=ALL_FLAGS))
    assert (nothing.approved, nothing.refusal) == (False, Reason.COUNCIL_NEUTRAL)
    assert engine_named("council") is engine.decide


closes = st.lists(st.floats(50, 150), max_size=40).map(tuple)
flags = st.builds(Flags, **{name: st.booleans() for name in FLAGS})
rooms = st.none() | st.builds(
    BookFigures, st.booleans(), st.integers(0, 9), st.just(Decimal(5)), st.decimals(0, 200, places=2), st.just(Decimal(100))
)
numbers = st.none() | st.floats(-1e12, 1e12)


@given(closes, flags, rooms, st.builds(GammaFlow, numbers, numbers, numbers), st.sampled_from([BUY, SELL]))
def test_whatever_is_known_the_council_decides_by_its_own_rules(
    prices: tuple[float, ...], switched: Flags, room: BookFigures | None, flow: GammaFlow, alert: Alert
) -> None:
    bars = moving((round(price, 4) for price in prices), until=AFTER)
    seen = MarketView(None, bars, bars, room, flow, switched)
    decision = engine.decide(signal(alert, AFTER), seen)
    assert decision == engine.decide(signal(alert, AFTER), seen)
    assert decision.approved is (decision.refusal is None)
    assert 0 <= decision.confidence <= 100
    blocked = room is not None and (not room.is_open or room.open_positions >= 5 or room.committed >= 100)
    assert not (blocked and decision.approved)
    if decision.approved:
        assert decision.bias == (1 if alert is BUY else -1)
