"""How good agents are, counted by hand."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hookfill.engines.performance import AgentFigures, Call, Decile, performance


def test_calls_by_hand() -> None:
    told = performance(
        [
            Call("ttm", 1, 70, went=1),
            Call("ttm", 1, 75, went=-1),
            Call("ttm", -1, 100, went=-1),
            Call("ttm", 0, 25, went=1),  # neutral: not scored
            Call("ttm", 1, 90, went=None),  # not known yet
            Call("ttm", 1, 90, went=0),  # the market went nowhere
            Call("ttm", 0, 0, is_error=True, went=1),
            Call("risk", 0, 50, is_block=True, went=-1),
        ]
    )
    assert [figures.agent for figures in told] == ["risk", "ttm"]
    assert told[0] == AgentFigures("risk", 1, 1, 1, 0, 0, 0, None, Decimal(50), ())
    ttm = told[1]
    assert (ttm.calls, ttm.neutral, ttm.blocks, ttm.errors, ttm.scored, ttm.hits) == (7, 1, 0, 1, 3, 2)
    assert ttm.hit_rate == Decimal("0.6666666667")
    assert ttm.average_confidence == Decimal(75)
    assert ttm.calibration == (
        Decile(70, 80, 2, 1, Decimal("0.5"), Decimal("72.5")),
        Decile(90, 100, 1, 1, Decimal(1), Decimal(100)),
    )


calls = st.builds(
    Call,
    agent=st.sampled_from("ab"),
    bias=st.integers(-1, 1),
    confidence=st.floats(0, 100),
    is_block=st.booleans(),
    is_error=st.booleans(),
    went=st.none() | st.integers(-1, 1),
)


@given(st.lists(calls, max_size=40))
def test_what_must_hold_for_any_calls(made: list[Call]) -> None:
    for figures in performance(made):
        own = [call for call in made if call.agent == figures.agent]
        assert figures.calls == len(own)
        assert figures.hits <= figures.scored <= figures.calls - len([call for call in own if call.bias == 0])
        assert sum(decile.calls for decile in figures.calibration) == figures.scored
        assert sum(decile.hits for decile in figures.calibration) == figures.hits
        for decile in figures.calibration:
            assert decile.confidence_from <= decile.average_confidence <= decile.confidence_to
        turned = [Call(call.agent, -call.bias, call.confidence, went=call.went) for call in own]
        assert performance(turned)[0].hits == figures.scored - figures.hits
