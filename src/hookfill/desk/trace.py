"""What was looked at while deciding, as JSON-ready values for the signal's story (pure)."""

from datetime import datetime
from typing import Any

from hookfill.engines.model import Decision, Opinion
from hookfill.exits.model import Levels
from hookfill.kernel.money import plain
from hookfill.market.model import Quote
from hookfill.orders.model import Plan, Sized
from hookfill.positions.model import Position
from hookfill.risk.model import Assessment


def plan(planned: Plan, position: Position | None) -> dict[str, Any]:
    """What the alert means for the strategy's position."""
    return {
        "held": plain(position.quantity) if position is not None else "0",
        "legs": [
            {
                "purpose": leg.purpose,
                "side": leg.side.value,
                "quantity": None if leg.quantity is None else plain(leg.quantity),
                **({} if leg.symbol is None else {"symbol": leg.symbol}),
            }
            for leg in planned.legs
        ],
        "refusal": planned.refusal.value if planned.refusal is not None else None,
        "detail": planned.detail,
    }


def quote(known: Quote | None, now: datetime) -> dict[str, Any] | None:
    """The price that the decision was made at, and its age in seconds."""
    if known is None:
        return None
    return {
        "price": plain(known.price),
        "at": known.at.isoformat(),
        "source": known.source,
        "age_seconds": (now - known.at).total_seconds(),
    }


def checks(assessment: Assessment) -> list[dict[str, Any]]:
    """Every check with its figures, in order."""
    return [
        {"check": result.check.value, "passed": result.passed, "figures": dict(result.figures), "detail": result.detail}
        for result in assessment.results
    ]


def decision(decided: Decision) -> dict[str, Any]:
    """The engine's verdict with its reasons; the council's with every opinion."""
    told = {
        "engine": decided.engine,
        "approved": decided.approved,
        "bias": decided.bias,
        "confidence": decided.confidence,
        "reasons": list(decided.reasons),
        "figures": dict(decided.figures),
    }
    return {**told, "opinions": [opinion(one) for one in decided.opinions]} if decided.opinions else told


def opinion(given: Opinion) -> dict[str, Any]:
    """What one agent of the council thinks."""
    return {
        "agent": given.agent,
        "kind": given.kind.value,
        "bias": given.bias,
        "confidence": given.confidence,
        "reasons": list(given.reasons),
        "block": given.block,
        "error": given.error,
    }


def sizing(sized: Sized, levels: Levels) -> dict[str, Any]:
    """How big the entry is and why, with the exits it was sized for."""
    return {
        "quantity": plain(sized.quantity),
        "explanation": sized.explanation,
        "stop": plain(levels.stop) if levels.stop is not None else None,
        "target": plain(levels.target) if levels.target is not None else None,
    }
