"""An agent of one's own: a move that comes with more volume than usual is believed, one with less is not.

It sees what every agent of the council sees (``hookfill.engines.council.AgentView``) and answers an ``Opinion``, or None when it
has nothing to say. Keep it pure and quick: no files, no network, no clock (``view.now`` is the time), so that a decision can be
made again from what was stored and comes out the same.
"""

from hookfill.engines.council import BEARISH, BULLISH, NEUTRAL, Agent, AgentView, Kind, Opinion

NAME = "volume"
USUAL = 20
"""How many candles before the last one tell what is usual."""
MUCH = 1.5
"""The last candle's volume in relation to the usual, from which on it counts as confirmed."""


def judge(view: AgentView) -> Opinion | None:
    """Much volume: 65 in the candle's direction. Less: neutral, 30. Without volumes, or too few candles: nothing to say."""
    volumes = [candle.volume for candle in view.candles[-USUAL - 1 :]]
    if len(volumes) <= USUAL or None in volumes:
        return None
    *before, last = volumes
    usual = sum(before) / USUAL
    if not usual:
        return None
    ratio = last / usual
    text = f"The last candle's volume is {ratio:.2f} times the usual."
    candle = view.candles[-1]
    if ratio < MUCH or candle.close == candle.open:
        return Opinion(NAME, NEUTRAL, 30, (text,))
    return Opinion(NAME, BULLISH if candle.close > candle.open else BEARISH, 65, (text,))


AGENT = Agent(NAME, judge, Kind.SPECIALIST)
"""What the entry point names. A specialist's opinion weighs 0.40, a core agent's 0.35, a sub-agent's 0.25."""
