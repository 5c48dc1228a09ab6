"""Who sits in the council: the eight agents of the house, and those that other packages register by entry point."""

from functools import cache
from typing import TYPE_CHECKING

from hookfill.engines.council import context, gamma_flow, orb, risk, satyland, strat, technical, ttm
from hookfill.engines.council.model import GROUP, Agent, AgentView, Judge
from hookfill.engines.council.own import failure_of, guarded, text_of
from hookfill.engines.flags import Flags
from hookfill.engines.model import Kind, Opinion

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

HOUSE: tuple[Agent, ...] = (
    Agent(technical.NAME, technical.judge, Kind.CORE),
    Agent(context.NAME, context.judge, Kind.CORE),
    Agent(risk.NAME, risk.judge, Kind.CORE),
    Agent(gamma_flow.NAME, gamma_flow.judge, Kind.CORE),
    Agent(orb.NAME, orb.judge, Kind.SPECIALIST, "enable_orb_specialist"),
    Agent(strat.NAME, strat.judge, Kind.SPECIALIST, "enable_strat_specialist"),
    Agent(ttm.NAME, ttm.judge, Kind.SPECIALIST, "enable_ttm_specialist"),
    Agent(satyland.NAME, satyland.judge, Kind.SUB_AGENT, "enable_satyland_sub_agent"),
)
"""The agents of the house, in the order in which their opinions are shown."""


def agents_asked(flags: Flags) -> tuple[Agent, ...]:
    """The agents that are asked while the flags are as they are."""
    return tuple(agent for agent in (*HOUSE, *own_agents()) if agent.flag is None or getattr(flags, agent.flag))


@cache
def own_agents() -> tuple[Agent, ...]:
    """The agents that installed packages register, by name; looked for once per process.

    One that can't be loaded, or that takes a name that is taken, is there all the same: its opinion says what is wrong with it.
    """
    # Imported here: it takes a twentieth of a second, which only those with a council should pay.
    from importlib.metadata import entry_points  # noqa: PLC0415

    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    taken = {agent.name for agent in HOUSE}
    return tuple(_agent(point, taken, points) for point in points)


def _agent(point: "EntryPoint", taken: set[str], points: "list[EntryPoint]") -> Agent:
    rivals = [other.value for other in points if other.name == point.name and other.value != point.value]
    if point.name in taken:
        return _unusable(f"{point.name} ({point.value})", f"{point.name} is an agent of the house: choose another name.")
    if rivals:
        return _unusable(f"{point.name} ({point.value})", f"{', '.join(rivals)} takes the same name: uninstall one of them.")
    try:
        found = point.load()
        if isinstance(found, Agent):
            return Agent(point.name, guarded(point.name, found.judge), Kind(found.kind))
    except (Exception, SystemExit) as error:
        return _unusable(point.name, f"{point.value} can't be loaded: {text_of(error)}")
    if callable(found):
        return Agent(point.name, guarded(point.name, found))
    return _unusable(point.name, f"{point.value} is neither an Agent nor a function.")


def _unusable(name: str, why: str) -> Agent:
    opinion = failure_of(name, why)
    return Agent(name, _always(opinion), problem=opinion.error)


def _always(opinion: Opinion) -> Judge:
    def judge(_: AgentView) -> Opinion:
        return opinion

    return judge
