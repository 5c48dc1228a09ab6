"""A story's step about the option that was chosen, or why none was (pure)."""

from collections.abc import Mapping
from typing import Any

from hookfill.desk.steps import Steps, amount

_AMOUNTS = ("spot", "bid", "ask")


def tell_option(steps: Steps, option: Mapping[str, Any]) -> None:
    """Which chain was looked at, what became of its contracts, and which was chosen."""
    figures = {name: amount(value) if name in _AMOUNTS else value for name, value in option.items()}
    chain = "the model's chain" if option["source"] == "model" else f"the chain of {option['source']}"
    says = [option.get("explanation") or f"{option['readable']}, as the alert names it."]
    says.append(f"From {chain} as of {option['at']}, with the underlying at {option['spot']}.")
    if option.get("ask") is not None:
        says.append(f"Bid {option['bid']}, ask {option['ask']}.")
    if option.get("verdicts"):
        says.append(
            "Contracts: " + ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in option["verdicts"].items()) + "."
        )
    steps.add("option", "Option", " ".join(says), figures)
