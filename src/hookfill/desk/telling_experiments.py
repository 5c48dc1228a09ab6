"""Tells the pair that a signal of two engines became (pure)."""

from collections.abc import Mapping
from typing import Any

from hookfill.desk.steps import Steps

_BIASES = {1: "bullish", 0: "neutral", -1: "bearish"}


def tell_experiment(steps: Steps, told: Mapping[str, Any]) -> None:
    """Who acts, what each engine thought, and what came of it in the account and in the shadow book."""
    split, variant = told["split_percentage"], told["variant"]
    says = [f"Engine {variant} acts ({split} % of the signals go to B)."]
    if told["barred"] is not None:
        says.append(f"The account could enter by neither verdict: {told['barred']}.")
    for name, side in told["sides"].items():
        where = "in the account" if name == variant else "in the shadow book"
        says.append(f"{name}, {_verdict(side)}; {where}: {side['outcome']}.")
    steps.add("experiment", "Both engines", " ".join(says), told)


def _verdict(side: Mapping[str, Any]) -> str:
    if side["failure"] is not None:
        return f"failed ({side['failure']})"
    if side["approved"] is None:
        return "not asked"
    verdict = "approves" if side["approved"] else "refuses"
    return f"{side['engine']}, {verdict}, {_BIASES[side['bias']]} with a confidence of {side['confidence']:.0f}"
