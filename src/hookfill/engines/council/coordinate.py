"""The coordinator: what the agents think, weighed into one verdict (docs/council.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from hookfill.engines.model import BEARISH, BULLISH, NEUTRAL, Kind, Opinion
from hookfill.kernel.reasons import Reason

WEIGHTS: Mapping[Kind, int] = {Kind.SPECIALIST: 40, Kind.CORE: 35, Kind.SUB_AGENT: 25}
"""What an opinion weighs, in percent, so that sums are exact."""
LEAST_CONFIDENCE = 50.0
"""What the council's confidence must at least be for an approval."""
BIAS_NAMES = {BULLISH: "bullish", NEUTRAL: "neutral", BEARISH: "bearish"}


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the opinions come to.

    Attributes:
        bias: the one with the highest score; neutral where the highest is shared.
        confidence: that score in relation to the weight of all opinions, 0 to 100.
        scores: per bias the sum of weight times confidence, weights in percent.
        weight: of all opinions together, in percent.
        blocks: the agents that forbid the trade, by name.
    """

    bias: int
    confidence: float
    scores: Mapping[int, float]
    weight: int
    blocks: tuple[str, ...]


def weigh(opinions: Sequence[Opinion]) -> Weighed:
    """Put opinions together; their order does not matter."""
    scores = {
        bias: fsum(WEIGHTS[one.kind] * one.confidence for one in opinions if one.bias == bias)
        for bias in (BULLISH, NEUTRAL, BEARISH)
    }
    weight = sum(WEIGHTS[one.kind] for one in opinions)
    highest = max(scores.values())
    leading = [bias for bias, score in scores.items() if score == highest]
    return Weighed(
        bias=leading[0] if len(leading) == 1 else NEUTRAL,
        confidence=min(highest / weight, 100.0) if weight else 0.0,
        scores=scores,
        weight=weight,
        blocks=tuple(sorted(one.agent for one in opinions if one.block)),
    )


def refusal_of(weighed: Weighed, side: int) -> Reason | None:
    """Why a signal is not acted on; None: the council approves.

    Args:
        side: where the alert wants to go, 1 or -1.
    """
    if weighed.blocks:
        return Reason.COUNCIL_BLOCKED
    if weighed.bias == NEUTRAL:
        return Reason.COUNCIL_NEUTRAL
    if weighed.bias != side:
        return Reason.COUNCIL_DISAGREES
    return Reason.COUNCIL_UNSURE if weighed.confidence < LEAST_CONFIDENCE else None
