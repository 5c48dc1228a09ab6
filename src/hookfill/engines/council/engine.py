"""Engine B: asks the agents, weighs what they think, and approves or says why not."""

from dataclasses import replace

from hookfill.engines.council.coordinate import BIAS_NAMES, LEAST_CONFIDENCE, Weighed, refusal_of, weigh
from hookfill.engines.council.model import AgentView
from hookfill.engines.council.registry import agents_asked
from hookfill.engines.direction import direction
from hookfill.engines.model import NEUTRAL, Decision, Filters, MarketView, Opinion
from hookfill.market.indicators import indicators
from hookfill.signals.model import Signal

NAME = "council"
_NO_FILTERS = Filters()
_WANTED = {1: "long", -1: "short"}


def decide(signal: Signal, market: MarketView, filters: Filters = _NO_FILTERS) -> Decision:
    """Judge a signal by the council.

    A signal that only closes or reduces passes, and nobody is asked: getting out must not depend on an opinion. Filters are the
    rules' affair and are not looked at.
    """
    side = direction(signal.alert)
    if market.only_leaves or side == 0:
        return Decision(
            NAME, approved=True, bias=NEUTRAL, confidence=100.0, reasons=("The signal only closes: the council is not asked.",)
        )
    values = indicators(market.candles)
    price = values.close if market.quote is None else float(market.quote.price)
    view = AgentView(signal, market, values, price, side)
    opinions = _opinions(view)
    weighed = weigh(opinions)
    refusal = refusal_of(weighed, side)
    return Decision(
        engine=NAME,
        approved=refusal is None,
        bias=weighed.bias,
        confidence=weighed.confidence,
        refusal=refusal,
        reasons=(_summary(weighed, side), *_said(opinions)),
        figures=_figures(view, weighed),
        opinions=opinions,
    )


def _opinions(view: AgentView) -> tuple[Opinion, ...]:
    """What the agents think that are asked and have something to say, in the house's order."""
    asked = ((agent, agent.judge(view)) for agent in agents_asked(view.market.flags))
    return tuple(replace(opinion, kind=agent.kind) for agent, opinion in asked if opinion is not None)


def _summary(weighed: Weighed, side: int) -> str:
    text = f"The council is {BIAS_NAMES[weighed.bias]} with a confidence of {weighed.confidence:.1f}"
    if weighed.blocks:
        return f"{text}, but {', '.join(weighed.blocks)} forbids the trade."
    return f"{text}; the alert wants to be {_WANTED[side]}, and {LEAST_CONFIDENCE:g} are needed."


def _said(opinions: tuple[Opinion, ...]) -> list[str]:
    """One sentence for each opinion."""
    heads = [f"{one.agent}: {BIAS_NAMES[one.bias]} {one.confidence:g}{', forbids it' if one.block else ''}." for one in opinions]
    return [" ".join((head, *one.reasons)) for head, one in zip(heads, opinions, strict=True)]


def _figures(view: AgentView, weighed: Weighed) -> dict[str, float | str | None]:
    """The numbers that were weighed, JSON-ready."""
    return {
        "price": view.price,
        "candles": float(len(view.candles)),
        **view.values.figures(),
        **{f"score_{name}": weighed.scores[bias] / 100 for bias, name in BIAS_NAMES.items()},
        "weight": weighed.weight / 100,
    }
