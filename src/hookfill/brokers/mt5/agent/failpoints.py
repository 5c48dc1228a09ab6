"""Places at which a test can end the agent as a power cut would (tests only).

``HOOKFILL_AGENT_FAILPOINT=after_order`` makes the process kill itself with SIGKILL at that step; ``stop_after_order`` stops it
there once (SIGSTOP), until somebody continues it.
"""

import os
import signal
from enum import StrEnum

VARIABLE = "HOOKFILL_AGENT_FAILPOINT"


class Step(StrEnum):
    """The steps of a job, in order."""

    TAKEN = "taken"
    BEFORE_JOURNAL = "before_journal"
    AFTER_JOURNAL = "after_journal"
    AFTER_ORDER = "after_order"
    BEFORE_OUTCOME = "before_outcome"
    AFTER_OUTCOME = "after_outcome"
    AFTER_REPORT = "after_report"


def reach(step: Step) -> None:
    """Do what the environment asks for at this step; nothing unless it names it."""
    wanted = os.environ.get(VARIABLE)
    if wanted == step.value:
        os.kill(os.getpid(), signal.SIGKILL)
    elif wanted == f"stop_{step.value}":
        del os.environ[VARIABLE]
        os.kill(os.getpid(), signal.SIGSTOP)
