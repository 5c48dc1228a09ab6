"""How good the agents of the council are: how often the market went where they said, and what their confidence is worth (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import fsum

from hookfill.kernel.money import as_price, divide

DECILES = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One opinion that an agent gave, and what the market made of it.

    Attributes:
        agent: its name.
        bias: -1 bearish, 0 neutral, 1 bullish.
        confidence: 0 to 100.
        is_block: it forbade the entry.
        is_error: it had no opinion, because its code failed.
        went: -1 or 1 for where the market went; 0 when it went nowhere, None when that is not known yet.
    """

    agent: str
    bias: int
    confidence: float
    is_block: bool = False
    is_error: bool = False
    went: int | None = None

    @property
    def is_scored(self) -> bool:
        """Whether it said a direction and the market took one."""
        return self.bias != 0 and bool(self.went)

    @property
    def is_hit(self) -> bool:
        """Whether the market went where it said."""
        return self.is_scored and self.bias == self.went


@dataclass(frozen=True, slots=True)
class Decile:
    """The scored calls made with a confidence from ``confidence_from`` to below ``confidence_to`` (100 is in the last)."""

    confidence_from: int
    confidence_to: int
    calls: int
    hits: int
    hit_rate: Decimal
    average_confidence: Decimal


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """One agent's calls.

    Attributes:
        scored: calls that said a direction where the market took one; the hit rate is of these.
        average_confidence: of all calls without errors; None where there are none.
        calibration: the tenths of the scale of confidence in which it made scored calls. A well calibrated agent's hit rate is its
            confidence.
    """

    agent: str
    calls: int
    neutral: int
    blocks: int
    errors: int
    scored: int
    hits: int
    hit_rate: Decimal | None
    average_confidence: Decimal | None
    calibration: tuple[Decile, ...]


def performance(calls: Iterable[Call]) -> tuple[AgentFigures, ...]:
    """Figures of each agent, in order of their names."""
    by_agent: dict[str, list[Call]] = {}
    for call in calls:
        by_agent.setdefault(call.agent, []).append(call)
    return tuple(_figures(agent, by_agent[agent]) for agent in sorted(by_agent))


def _figures(agent: str, calls: Sequence[Call]) -> AgentFigures:
    scored = [call for call in calls if call.is_scored]
    hits = sum(call.is_hit for call in scored)
    given = [call.confidence for call in calls if not call.is_error]
    return AgentFigures(
        agent=agent,
        calls=len(calls),
        neutral=sum(call.bias == 0 and not call.is_error for call in calls),
        blocks=sum(call.is_block for call in calls),
        errors=sum(call.is_error for call in calls),
        scored=len(scored),
        hits=hits,
        hit_rate=divide(Decimal(hits), Decimal(len(scored))) if scored else None,
        average_confidence=_mean(given) if given else None,
        calibration=tuple(_deciles(scored)),
    )


def _deciles(scored: Sequence[Call]) -> Iterable[Decile]:
    width = 100 // DECILES
    by_decile: dict[int, list[Call]] = {}
    for call in scored:
        by_decile.setdefault(_decile(call.confidence), []).append(call)
    for number, inside in sorted(by_decile.items()):
        hits = sum(call.is_hit for call in inside)
        rate = divide(Decimal(hits), Decimal(len(inside)))
        yield Decile(number * width, (number + 1) * width, len(inside), hits, rate, _mean([one.confidence for one in inside]))


def _decile(confidence: float) -> int:
    return min(DECILES - 1, max(0, int(confidence * DECILES / 100)))


def _mean(values: Sequence[float]) -> Decimal:
    return as_price(Decimal(repr(fsum(values) / len(values))))
