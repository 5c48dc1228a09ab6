"""The gamma-flow agent: where dealers' gamma and the day's option volume lean."""

from hookfill.engines.compare import sign
from hookfill.engines.council.model import AgentView
from hookfill.engines.model import Opinion

NAME = "gamma_flow"


def judge(view: AgentView) -> Opinion | None:
    """Score = sign of the net gamma exposure + sign of call less put volume; confidence min(90, 45 + 20·|score|).

    Without either datum it has nothing to say; one that is missing counts as 0.
    """
    flow = view.market.flow
    has_volume = flow is not None and flow.call_volume is not None and flow.put_volume is not None
    if flow is None or not (has_volume or flow.net_gex is not None):
        return None
    leaning = (flow.call_volume or 0.0) - (flow.put_volume or 0.0) if has_volume else 0.0
    score = sign(flow.net_gex or 0.0) + sign(leaning)
    text = (
        f"Net gamma exposure {_shown(flow.net_gex)}, volume of calls {_shown(flow.call_volume)} and puts {_shown(flow.put_volume)}."
    )
    return Opinion(NAME, sign(score), min(90, 45 + 20 * abs(score)), (text,))


def _shown(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.6g}"
