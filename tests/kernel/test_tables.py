"""The tables that decisions and reference pages are made of."""

import pytest

from hookfill.kernel.lifecycle import MESSAGE, ORDER, POSITION, SIGNAL, IllegalTransition, Lifecycle
from hookfill.kernel.reasons import MEANINGS, Reason, explain

CYCLES = [MESSAGE, SIGNAL, ORDER, POSITION]


@pytest.mark.parametrize("cycle", CYCLES, ids=lambda cycle: cycle.thing)
def test_every_state_that_may_follow_is_in_the_table(cycle: Lifecycle) -> None:
    assert {after for steps in cycle.steps.values() for after in steps} <= set(cycle.steps)


@pytest.mark.parametrize("cycle", CYCLES, ids=lambda cycle: cycle.thing)
def test_exactly_the_steps_of_the_table_are_allowed(cycle: Lifecycle) -> None:
    for current, steps in cycle.steps.items():
        assert cycle.is_terminal(current) == (not steps)
        for following in cycle.steps:
            if following in steps:
                assert cycle.move(current, following) == following
            else:
                with pytest.raises(IllegalTransition, match=cycle.thing):
                    cycle.move(current, following)


@pytest.mark.parametrize("cycle", CYCLES, ids=lambda cycle: cycle.thing)
def test_every_state_leads_to_a_terminal_one(cycle: Lifecycle) -> None:
    for start in cycle.steps:
        reached, front = {start}, {start}
        while front:
            front = {after for state in front for after in cycle.steps[state]} - reached
            reached |= front
        assert any(cycle.is_terminal(state) for state in reached)


def test_every_reason_has_a_meaning_and_a_remedy() -> None:
    assert set(MEANINGS) == set(Reason)
    for meaning in MEANINGS.values():
        assert meaning.says.endswith(".")
        assert meaning.remedy.endswith(".")


def test_an_explanation_holds_figures_and_remedy() -> None:
    assert explain(Reason.NO_POSITION, "flat") == "There is no position to close (flat). Nothing to do: the account is flat."
