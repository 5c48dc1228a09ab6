"""Engine B, the council: agents that each look at one thing, and a coordinator that weighs what they think.

An agent is a pure function in a file of its own. Whoever wants another one registers it from a package of their own, through the
entry point group ``hookfill.agents``; these names are what it needs.
"""

from hookfill.engines.council.model import GROUP, Agent, AgentView
from hookfill.engines.model import BEARISH, BULLISH, NEUTRAL, Kind, Opinion

__all__ = ["BEARISH", "BULLISH", "GROUP", "NEUTRAL", "Agent", "AgentView", "Kind", "Opinion"]
