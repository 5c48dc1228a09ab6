"""The agent alone, as a user would test it: no server, no database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from own_agent import AGENT, USUAL, judge

from hookfill.engines.council import BEARISH, BULLISH, NEUTRAL, AgentView
from hookfill.engines.model import MarketView
from hookfill.market.indicators import Indicators
from hookfill.market.model import Candle
from hookfill.signals.model import Action, Alert, Signal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def candle(number: int, volume: int | None, rise: str = "0.5") -> Candle:
    """A candle of five minutes that rises by so much."""
    opened_at, price = NOON + timedelta(minutes=5 * number), Decimal(100)
    close = price + Decimal(rise)
    return Candle(
        "SPY", "M5", opened_at, opened_at + timedelta(minutes=5), price, max(price, close), min(price, close), close, volume
    )


def view(*candles: Candle) -> AgentView:
    """What the agent sees."""
    ids = (UUID(int=number) for number in range(4))
    signal = Signal(*ids, "webhook", Alert("SPY", Action.BUY), NOON)
    return AgentView(signal, MarketView(None, candles), Indicators(), 100.0, 1)


@pytest.mark.parametrize(
    ("last", "rise", "expected"),
    [
        (150, "0.5", (BULLISH, 65)),
        (150, "-0.5", (BEARISH, 65)),
        (150, "0", (NEUTRAL, 30)),
        (149, "0.5", (NEUTRAL, 30)),
        (None, "0.5", None),
    ],
)
def test_volume_confirms_a_move(last: int | None, rise: str, expected: tuple[int, int] | None) -> None:
    """The usual volume is 100."""
    usual = [candle(number, 100) for number in range(USUAL)]
    opinion = judge(view(*usual, candle(USUAL, last, rise)))
    assert (None if opinion is None else (opinion.bias, opinion.confidence)) == expected


def test_with_too_little_to_go_by_it_says_nothing() -> None:
    """Too few candles, or no trade in any of them."""
    assert AGENT.judge(view(*(candle(number, 100) for number in range(USUAL)))) is None
    assert judge(view(*(candle(number, 0) for number in range(USUAL + 1)))) is None
