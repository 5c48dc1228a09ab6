"""Each agent of the council, branch by branch."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hookfill.engines.council import context, gamma_flow, orb, risk, satyland, strat, technical, ttm
from hookfill.engines.council.model import AgentView
from hookfill.engines.council.registry import HOUSE
from hookfill.engines.model import BEARISH, BULLISH, NEUTRAL, BookFigures, GammaFlow, MarketView, Opinion
from support.council import OPEN, bars, view

HALF_HOUR = timedelta(minutes=30)


def judged(opinion: Opinion | None) -> tuple[int, float] | None:
    return None if opinion is None else (opinion.bias, opinion.confidence)


@pytest.mark.parametrize(
    ("fast", "slow", "price", "expected"),
    [
        (101.0, 100.0, 102.0, (BULLISH, 75)),
        (101.0, 100.0, 100.0, (BULLISH, 75)),  # at the average is enough
        (101.0, 100.0, 99.9, (NEUTRAL, 40)),
        (99.0, 100.0, 98.0, (BEARISH, 75)),
        (99.0, 100.0, 100.0, (BEARISH, 75)),
        (99.0, 100.0, 100.1, (NEUTRAL, 40)),
        (100.0, 100.0, 100.0, (NEUTRAL, 40)),
        (100.0 + 1e-12, 100.0, 100.0, (NEUTRAL, 40)),  # rounding is no opinion
        (None, 100.0, 100.0, (NEUTRAL, 40)),
        (101.0, None, 100.0, (NEUTRAL, 40)),
        (101.0, 100.0, None, (NEUTRAL, 40)),
    ],
)
def test_technical(fast: float | None, slow: float | None, price: float | None, expected: tuple[int, int]) -> None:
    opinion = technical.judge(view(price=price, ema_8=fast, ema_21=slow))
    assert judged(opinion) == expected
    assert opinion.agent == "technical"
    assert opinion.reasons


@pytest.mark.parametrize(
    ("atr", "price", "expected"),
    [
        (None, 100.0, 10),
        (1.0, None, 10),
        (1.0, 0.0, 10),
        (2.0, 100.0, 60),  # exactly 2 % is not over it
        (2.01, 100.0, 35),
        (0.0, 100.0, 60),
    ],
)
def test_context(atr: float | None, price: float | None, expected: int) -> None:
    assert judged(context.judge(view(price=price, atr_14=atr))) == (NEUTRAL, expected)


ROOM = {"is_open": True, "open_positions": 4, "max_open_positions": 5, "committed": 99, "max_exposure": 100}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, []),
        ({"is_open": False}, ["The market is closed."]),
        ({"open_positions": 5}, ["5 positions are open of 5 that may be."]),
        ({"open_positions": 6}, ["6 positions are open of 5 that may be."]),
        ({"committed": 100}, ["No capital is left to commit: 100 of 100 committed."]),
        ({"max_exposure": 0, "committed": 0}, ["No capital is left to commit: 0 of 0 committed."]),
        (
            {"is_open": False, "open_positions": 9, "committed": 101},
            [
                "The market is closed.",
                "9 positions are open of 5 that may be.",
                "No capital is left to commit: 101 of 100 committed.",
            ],
        ),
    ],
)
def test_risk(changes: dict[str, Any], reasons: list[str]) -> None:
    given = {name: value if name in ("is_open", "open_positions") else Decimal(value) for name, value in (ROOM | changes).items()}
    opinion = risk.judge(view(market=MarketView(None, book=BookFigures(**given))))
    assert (opinion.bias, opinion.block) == (NEUTRAL, bool(reasons))
    if reasons:
        assert list(opinion.reasons) == reasons
    else:
        assert (opinion.confidence, opinion.reasons) == (50, ("4 of 5 positions and 99 of 100 committed.",))


def test_risk_without_figures_is_neutral() -> None:
    opinion = risk.judge(view())
    assert (judged(opinion), opinion.block) == ((NEUTRAL, 50), False)


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (None, None),
        (GammaFlow(), None),
        (GammaFlow(call_volume=5.0), None),  # volume is known only when both sides are
        (GammaFlow(put_volume=5.0), None),
        (GammaFlow(net_gex=1e9), (BULLISH, 65)),
        (GammaFlow(net_gex=-1.0), (BEARISH, 65)),
        (GammaFlow(net_gex=0.0), (NEUTRAL, 45)),
        (GammaFlow(call_volume=6.0, put_volume=5.0), (BULLISH, 65)),
        (GammaFlow(call_volume=5.0, put_volume=6.0), (BEARISH, 65)),
        (GammaFlow(call_volume=5.0, put_volume=5.0), (NEUTRAL, 45)),
        (GammaFlow(1.0, 6.0, 5.0), (BULLISH, 85)),
        (GammaFlow(-1.0, 5.0, 6.0), (BEARISH, 85)),
        (GammaFlow(1.0, 5.0, 6.0), (NEUTRAL, 45)),
        (GammaFlow(-1.0, 6.0, 5.0), (NEUTRAL, 45)),
        (GammaFlow(0.0, 6.0, 5.0), (BULLISH, 65)),
        (GammaFlow(1.0, 6.0, None), (BULLISH, 65)),
    ],
)
def test_gamma_flow(flow: GammaFlow | None, expected: tuple[int, int] | None) -> None:
    assert judged(gamma_flow.judge(view(market=MarketView(None, flow=flow)))) == expected


RANGE = bars((101, 99), (102, 100), (101.5, 98), (101, 99), (101, 100))
"""The opening range is 98 to 102."""
LATER = bars((150, 50), since=OPEN + timedelta(minutes=25))


def opening(session: tuple[Any, ...] = RANGE + LATER, **fields: Any) -> AgentView:
    return view(market=MarketView(None, session=session), **fields)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (opening(price=102.01), (BULLISH, 80)),
        (opening(price=97.99), (BEARISH, 80)),
        (opening(price=102.0), (NEUTRAL, 40)),
        (opening(price=98.0), (NEUTRAL, 40)),
        (opening(price=102.01, symbol="QQQ"), (BULLISH, 80)),
        (opening(price=102.01, symbol="SPX"), (BULLISH, 80)),
        (opening(price=102.01, symbol="AAPL"), None),
        (opening(price=102.01, at=OPEN + HALF_HOUR), (BULLISH, 80)),
        (opening(price=102.01, at=OPEN + HALF_HOUR - timedelta(microseconds=1)), None),
        (opening(price=102.01, at=OPEN), None),
        (opening(price=102.01, at=OPEN - timedelta(hours=1)), None),
        (opening(price=102.01, at=datetime(2026, 3, 2, 20, 59, 59, tzinfo=UTC)), (BULLISH, 80)),
        (opening(price=102.01, at=datetime(2026, 3, 2, 21, tzinfo=UTC)), None),  # the close
        (opening(price=102.01, at=datetime(2026, 3, 1, 16, tzinfo=UTC)), None),  # a Sunday
        (opening(price=102.01, at=datetime(2026, 7, 3, 16, tzinfo=UTC)), None),  # a holiday
        (opening(price=None), (NEUTRAL, 40)),
        (opening((), price=102.01), (NEUTRAL, 40)),
        (opening(RANGE[:4], price=102.01), (NEUTRAL, 40)),
        (opening(RANGE[1:] + LATER, price=150.01), (NEUTRAL, 40)),  # the first is missing
        (opening(RANGE[:2] + RANGE[3:] + LATER, price=150.01), (NEUTRAL, 40)),  # one in between is missing
        # Candles from before the open are no part of the range, nor is one that begins before it and ends after.
        (opening(bars((900, 1), since=OPEN - timedelta(minutes=5)) + RANGE, price=102.01), (BULLISH, 80)),
        (opening(bars(*[(900, 1)] * 6, since=OPEN - timedelta(minutes=2)), price=901), (NEUTRAL, 40)),
        # Of minutes, the range is five minutes long.
        (opening(bars(*[(101, 99)] * 5, *[(150, 50)] * 25, minutes=1), price=101.5), (BULLISH, 80)),
    ],
)
def test_orb(seen: AgentView, expected: tuple[int, int] | None) -> None:
    assert judged(orb.judge(seen)) == expected


# Each candle is (high, low); the first only gives the second its number.
@pytest.mark.parametrize(
    ("ranges", "kinds", "expected"),
    [
        ([(10, 1), (11, 2), (10.5, 3), (12, 4)], "2u-1-2u", (BULLISH, 70)),
        ([(10, 1), (11, 2), (10.5, 3), (10, 2)], "2u-1-2d", (BEARISH, 70)),
        ([(10, 1), (9, 0.5), (8, 1), (9, 2)], "2d-1-2u", (BULLISH, 70)),
        ([(10, 1), (9, 0.5), (8, 1), (7, 0.7)], "2d-1-2d", (BEARISH, 70)),
        ([(10, 1), (11, 0.5), (10, 1), (11, 2)], "3-1-2u", (BULLISH, 70)),
        ([(10, 1), (11, 0.5), (10, 1), (9, 0.7)], "3-1-2d", (BEARISH, 70)),
        ([(10, 1), (11, 0.5), (12, 2), (13, 3)], "3-2u-2u", (BULLISH, 70)),
        ([(10, 1), (11, 0.5), (12, 2), (11, 1)], "3-2u-2d", (BEARISH, 70)),
        ([(10, 1), (11, 0.5), (10, 0.4), (10.5, 0.6)], "3-2d-2u", (BULLISH, 70)),
        ([(10, 1), (11, 2), (12, 3), (13, 4)], "2u-2u-2u", (NEUTRAL, 25)),
        ([(10, 1), (9, 2), (8, 3), (9, 4)], "1-1-2u", (NEUTRAL, 25)),
        ([(10, 1), (9, 2), (10, 3), (11, 4)], "1-2u-2u", (NEUTRAL, 25)),
        ([(10, 1), (11, 2), (10, 3), (9, 4)], "2u-1-1", (NEUTRAL, 25)),
        ([(10, 1), (11, 2), (10, 3), (12, 2)], "2u-1-3", (NEUTRAL, 25)),
        ([(10, 1), (10, 1), (10, 1), (10, 1)], "1-1-1", (NEUTRAL, 25)),  # an equal high or low takes nothing out
        ([(99, 1), (10, 1), (11, 2), (10.5, 3), (12, 4)], "2u-1-2u", (BULLISH, 70)),  # only the last candles count
    ],
)
def test_strat(ranges: list[tuple[float, float]], kinds: str, expected: tuple[int, int]) -> None:
    opinion = strat.judge(view(candles=bars(*ranges)))
    assert judged(opinion) == expected
    assert kinds in opinion.reasons[0]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_strat_with_too_few_candles_is_neutral(count: int) -> None:
    ranges = [(10.0, 1.0), (11.0, 2.0), (10.5, 3.0)]
    assert judged(strat.judge(view(candles=bars(*ranges[:count])))) == (NEUTRAL, 25)


@pytest.mark.parametrize(
    ("squeeze_on", "momentum", "side", "expected"),
    [
        (False, 0.5, 1, (BULLISH, 70)),
        (False, -0.5, -1, (BEARISH, 70)),
        (False, -0.5, 1, None),
        (False, 0.5, -1, None),
        (False, 0.0, 1, None),
        (False, 1e-12, 1, None),  # rounding
        (True, 0.5, 1, None),
        (None, 0.5, 1, None),
        (False, None, 1, None),
    ],
)
def test_ttm(squeeze_on: bool | None, momentum: float | None, side: int, expected: tuple[int, int] | None) -> None:
    assert judged(ttm.judge(view(side=side, squeeze_on=squeeze_on, momentum=momentum))) == expected


def test_ttm_without_a_price_has_nothing_to_say() -> None:
    assert ttm.judge(view(price=None, squeeze_on=False, momentum=1.0)) is None


@pytest.mark.parametrize(
    ("price", "average", "expected"),
    [
        (100.1, 100.0, (BULLISH, 70)),
        (100.0, 100.0, (BULLISH, 70)),
        (99.9, 100.0, (BEARISH, 40)),
        (None, 100.0, None),
        (100.0, None, None),
    ],
)
def test_satyland(price: float | None, average: float | None, expected: tuple[int, int] | None) -> None:
    assert judged(satyland.judge(view(price=price, ema_21=average))) == expected


def test_the_house_s_agents_speak_in_their_own_name() -> None:
    market = MarketView(None, session=RANGE, flow=GammaFlow(1.0))
    seen = view(market=market, squeeze_on=False, momentum=1.0, ema_8=101.0, ema_21=100.0, atr_14=1.0)
    spoken = {agent.name: opinion.agent for agent in HOUSE if (opinion := agent.judge(seen)) is not None}
    assert spoken == {agent.name: agent.name for agent in HOUSE}
    assert len(HOUSE) == 8


@pytest.mark.parametrize("agent", HOUSE, ids=lambda agent: agent.name)
def test_nothing_known_is_never_an_exception(agent: Any) -> None:
    for side in (1, -1):
        opinion = agent.judge(view(price=None, side=side))
        assert opinion is None or (opinion.bias, opinion.block) == (NEUTRAL, False)
