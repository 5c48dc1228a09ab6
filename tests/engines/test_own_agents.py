"""Agents that other packages register: found by entry point, and unable to keep a decision from being made."""

import importlib
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hookfill.cli.doctor import Check, Level, _agents
from hookfill.engines.council import GROUP, Agent, AgentView, Kind, Opinion, engine, registry
from hookfill.engines.council.own import MOST_CHARACTERS, MOST_REASONS, guarded
from hookfill.engines.flags import NO_FLAGS
from hookfill.engines.model import MarketView
from hookfill.kernel.reasons import Reason
from support.council import BUY, signal, view

FINE = Opinion("x", 1, 60.0, ("It looks well.",))


def raising(error: BaseException) -> Callable[[AgentView], Opinion]:
    def judge(_: AgentView) -> Opinion:
        raise error

    return judge


class Untellable(Exception):
    """An error that can't be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text either")


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (SystemExit(3), "SystemExit: 3"),
        (Untellable(), "Untellable"),
        (ValueError("\x00\x1b[31m\ud800"), r"ValueError: \x00\x1b[31m\ud800"),
        (RecursionError("too deep"), "RecursionError: too deep"),
    ],
)
def test_one_that_raises_is_neutral_without_confidence(error: BaseException, shown: str) -> None:
    opinion = guarded("mine", raising(error))(view())
    assert opinion == Opinion("mine", 0, 0, (f"It failed: {shown}",), error=shown)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("buy", "answered str, not an Opinion"),
        ((1, 60), "answered tuple, not an Opinion"),
        (Opinion("x", 2, 60), "bias is 2"),
        (Opinion("x", "bullish", 60), "bias is 'bullish'"),
        (Opinion("x", True, 60), "bias is True"),
        (Opinion("x", None, 60), "bias is None"),
        (Opinion("x", 1, 101), "confidence is 101, not from 0 to 100"),
        (Opinion("x", 1, -0.1), "confidence is -0.1, not from 0 to 100"),
        (Opinion("x", 1, float("nan")), "confidence is nan, not a number"),
        (Opinion("x", 1, float("inf")), "confidence is inf, not a number"),
        (Opinion("x", 1, "60"), "confidence is '60', not a number"),
        (Opinion("x", 1, True), "confidence is True, not a number"),
        (Opinion("x", 1, Decimal(60)), "not a number"),
        (Opinion("x", 1, 60, block=1), "block is 1"),
        (Opinion("x", 1, 60, "a text"), "reasons are not a tuple of texts"),
        (Opinion("x", 1, 60, ("fine", 7)), "reasons are not a tuple of texts"),
        (Opinion("x", 1, 60, None), "reasons are not a tuple of texts"),
    ],
)
def test_nonsense_is_neutral_without_confidence(answer: Any, says: str) -> None:
    opinion = guarded("mine", lambda _: answer)(view())
    assert opinion is not None
    assert (opinion.agent, opinion.bias, opinion.confidence, opinion.block) == ("mine", 0, 0, False)
    assert says in (opinion.error or "")


def test_a_proper_opinion_is_taken_in_the_agent_s_registered_name() -> None:
    assert guarded("mine", lambda _: FINE)(view()) == Opinion("mine", 1, 60.0, ("It looks well.",))
    assert guarded("mine", lambda _: None)(view()) is None
    long = Opinion("x", -1, 100, ["a\x00b" + "x" * 1_000] * 50, block=True)  # type: ignore[arg-type]
    taken = guarded("mine", lambda _: long)(view())
    assert taken is not None
    assert (taken.bias, taken.confidence, taken.block, taken.error) == (-1, 100.0, True, None)
    assert len(taken.reasons) == MOST_REASONS
    assert taken.reasons[0].startswith(r"a\x00b")
    assert len(taken.reasons[0]) <= MOST_CHARACTERS + 3


MODULE = """
from hookfill.engines.council import Agent, Kind, Opinion

def plain(view):
    return Opinion("whatever", view.side, 90, ("From a package.",))

def broken(view):
    return view.no_such_thing

CORE = Agent("named otherwise", plain, Kind.CORE)
STRANGE = Agent("strange", plain, "emperor")
NOTHING = 7
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a package with these entry points, as an installer would."""
    (tmp_path / "council_package.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(points: str, name: str = "council_package") -> None:
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{points}\n")
        importlib.invalidate_caches()
        registry.own_agents.cache_clear()

    yield install
    sys.modules.pop("council_package", None)
    registry.own_agents.cache_clear()


def own() -> dict[str, Agent]:
    return {agent.name: agent for agent in registry.own_agents()}


def said(name: str) -> Opinion:
    opinion = own()[name].judge(view())
    assert opinion is not None
    return opinion


def test_agents_are_found_by_name(installed: Callable[[str], None]) -> None:
    installed("momentum = council_package:plain\nprudence = council_package:CORE")
    assert {name: agent.kind for name, agent in own().items()} == {"momentum": Kind.SPECIALIST, "prudence": Kind.CORE}
    assert _agents() == Check("council", Level.OK, "8 agents of the house, and momentum, prudence of other packages")
    assert said("prudence") == Opinion("prudence", 1, 90.0, ("From a package.",))
    decision = engine.decide(signal(BUY), MarketView(None, flags=NO_FLAGS))
    voices = {one.agent: one.kind for one in decision.opinions}
    assert voices["momentum"] is Kind.SPECIALIST
    assert voices["prudence"] is Kind.CORE
    # 0.40·90 + 0.35·90 = 67.5 outweighs the neutral ones.
    assert decision.bias == 1


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ("bad = no_such_package:AGENT", "no_such_package:AGENT can't be loaded: ModuleNotFoundError"),
        ("bad = council_package:MISSING", "can't be loaded: AttributeError"),
        ("bad = council_package:NOTHING", "is neither an Agent nor a function"),
        ("bad = council_package:STRANGE", "can't be loaded: ValueError: 'emperor'"),
        ("risk = council_package:plain", "risk is an agent of the house: choose another name"),
    ],
)
def test_one_that_can_t_be_used_says_why(installed: Callable[[str], None], point: str, says: str) -> None:
    installed(point)
    (agent,) = registry.own_agents()
    assert agent.name not in {known.name for known in registry.HOUSE}
    opinion = agent.judge(view())
    assert opinion is not None
    assert (opinion.bias, opinion.confidence) == (0, 0)
    assert says in (opinion.error or "")
    assert agent.problem == opinion.error
    assert _agents() == Check("council", Level.WARNING, f"{agent.name}: {agent.problem}")


def test_two_of_one_name_are_both_refused(installed: Callable[..., None]) -> None:
    installed("twin = council_package:plain")
    installed("twin = council_package:CORE", name="another_package")
    errors = [agent.judge(view()) for agent in registry.own_agents()]
    assert len(errors) == 2
    assert all(opinion is not None and "takes the same name" in (opinion.error or "") for opinion in errors)
    assert len({agent.name for agent in registry.own_agents()}) == 2


def test_a_broken_agent_does_not_keep_the_others_from_deciding(installed: Callable[[str], None]) -> None:
    installed("broken = council_package:broken\nprudence = council_package:CORE")
    decision = engine.decide(signal(BUY), MarketView(None, flags=NO_FLAGS))
    (failure,) = [one for one in decision.opinions if one.error is not None]
    assert failure.agent == "broken"
    assert "AttributeError" in (failure.error or "")
    assert any("broken: neutral 0. It failed: AttributeError" in reason for reason in decision.reasons)
    assert decision.refusal in (Reason.COUNCIL_NEUTRAL, Reason.COUNCIL_UNSURE)
    without = engine.weigh([one for one in decision.opinions if one.error is None])
    assert decision.confidence < without.confidence  # it can only make the council more careful


def test_without_such_packages_there_are_none() -> None:
    registry.own_agents.cache_clear()
    assert registry.own_agents() == ()
