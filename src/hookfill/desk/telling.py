"""Tells a message's and a signal's story up to the verdict, from what was stored on the way (pure)."""

from collections.abc import Mapping
from typing import Any

from hookfill.desk.steps import Steps, amount, in_words, numbers, word
from hookfill.desk.telling_experiments import tell_experiment
from hookfill.desk.telling_options import tell_option
from hookfill.inbox.body import body_value
from hookfill.inbox.model import WINDOW_SECONDS
from hookfill.kernel.reasons import MEANINGS, Reason, explain

_DOORS = {
    "tradingview": "the TradingView door",
    "signed": "the signed door",
    "candles": "the candles door",
    "telemetry": "the telemetry door",
    "indicator_export": "the exports door",
    "operator": "the operator's own hand",
}
_VERDICTS = {
    "discarded": "Discarded",
    "rejected": "Rejected",
    "executed": "Executed",
    "failed": "Handling failed",
    "expired": "Expired",
    "pending": "Waiting",
    "approved": "Approved",
}


def tell_message(steps: Steps, message: Mapping[str, Any]) -> None:
    """It came in, and it was on disk."""
    door = _DOORS.get(message["door"], f"the door {message['door']}")
    figures = {
        "message_id": message["message_id"],
        "door": message["door"],
        "source": message["source"],
        "content_type": message["content_type"],
        "headers": message["headers"],
        "body": body_value(message["body"]),
        "bytes": len(message["body"]),
        "as_of": message["as_of"],
    }
    if message["repaired_by"]:
        figures |= {"repaired_by": message["repaired_by"], "repaired_body": body_value(message["repaired_body"])}
    says = f"{len(message['body'])} bytes came in through {door}."
    steps.add("message", "Message received", says, figures, at=message["received_at"])
    stored = {"state": message["state"], "reason": message["reason"]}
    steps.add("stored", "On disk", f"Stored as {message['state']}.", stored, at=message["stored_at"])


def tell_refusal(steps: Steps, message: Mapping[str, Any]) -> None:
    """A message that became no signal: why."""
    says = message["error"] or (explain(Reason(message["reason"])) if message["reason"] else f"It is {message['state']}.")
    steps.add("refusal", f"Message {message['state']}", says, {"state": message["state"], "reason": message["reason"]})


def tell_repeat(steps: Steps, message: Mapping[str, Any], first: Mapping[str, Any] | None) -> None:
    """A duplicate: of which signal, and what became of that."""
    if first is None:
        says = "It repeats an earlier message, which became no signal."
        steps.add("gate", "Duplicate", says, {"is_fresh": False, "window_seconds": WINDOW_SECONDS, "signal_id": None})
        return
    later = (message["as_of"] - first["as_of"]).total_seconds()
    figures = {
        "is_fresh": False,
        "window_seconds": WINDOW_SECONDS,
        "signal_id": first["signal_id"],
        "seconds_after": later,
        "status": first["status"],
    }
    says = f"It repeats signal {first['signal_id']} of {later:.3f} s before, which is {first['status']}; it was not acted on again."
    steps.add("gate", "Duplicate", says, figures)


def tell_parse(steps: Steps, signal: Mapping[str, Any]) -> None:
    """The alert as it was understood."""
    alert = signal["alert"]
    if not alert and signal["status"] == "pending":
        steps.add("parse", "Alert not read yet", "What it asks for is understood when it is decided.", {})
        return
    if not alert:
        figures = {"symbol": signal["symbol"], "action": signal["action"], "reason": signal["reason"]}
        steps.add("parse", "Alert not usable", signal["error_message"], figures)
        return
    understood = numbers({name: value for name, value in alert.items() if name not in ("comment", "dedupe_id", "timeframe")})
    figures = {**alert, **understood}
    rest = {name: value for name, value in figures.items() if name not in ("symbol", "action", "option")}
    option = alert.get("option")
    says = f"Understood as {alert['action']} {alert['symbol']}"
    says += f" by a {option['right']} option" if option else ""
    steps.add("parse", "Alert understood", f"{says}: {in_words(rest)}." if rest else f"{says}.", figures)


def tell_gate(steps: Steps, duplicates: Mapping[str, Any]) -> None:
    """It was the first of its kind; how often it came again."""
    count, last = duplicates["duplicates"], duplicates["last_at"]
    figures = {"is_fresh": True, "window_seconds": WINDOW_SECONDS, "duplicates": count, "last_duplicate_at": last}
    says = f"The first of its kind within {WINDOW_SECONDS} s; "
    says += "no repeat has come." if not count else f"{count} {'repeat' if count == 1 else 'repeats'} came and changed nothing."
    steps.add("gate", "Not a duplicate", says, figures)


def tell_decision(steps: Steps, signal: Mapping[str, Any]) -> None:
    """What was looked at while deciding, in the order of the house, and the verdict."""
    trace = signal["trace"] or {}
    if "plan" in trace:
        _plan(steps, trace["plan"])
    if "quote" in trace:
        _quote(steps, trace["quote"])
    _checks(steps, trace.get("gates", ()), "gate")
    if "engine" in trace:
        _engine(steps, trace["engine"])
    if "experiment" in trace:
        tell_experiment(steps, trace["experiment"])
    if "option" in trace:
        tell_option(steps, trace["option"])
    if "sizing" in trace:
        _sizing(steps, trace["sizing"])
    _checks(steps, trace.get("checks", ()), "risk")
    _verdict(steps, signal)


def _plan(steps: Steps, plan: Mapping[str, Any]) -> None:
    legs = [{**leg, "quantity": amount(leg["quantity"])} for leg in plan["legs"]]
    figures = {**plan, "held": amount(plan["held"]), "legs": legs}
    if plan["refusal"] is not None:
        says = explain(Reason(plan["refusal"]), plan["detail"])
    else:
        says = f"With {plan['held']} held: {', then '.join(map(_leg, legs)) or 'nothing to order'}."
    steps.add("plan", "What it means for the position", says, figures)


def _leg(leg: Mapping[str, Any]) -> str:
    size = "a size to be found" if leg["quantity"] is None else word(leg["quantity"])
    return " ".join([f"{leg['purpose']}: {leg['side']} {size}", *([leg["symbol"]] if leg.get("symbol") else [])])


def _quote(steps: Steps, quote: Mapping[str, Any] | None) -> None:
    if quote is None:
        steps.add("price", "Price", "No price is known for the symbol.", {"price": None})
        return
    figures = {**quote, "price": amount(quote["price"])}
    says = f"{quote['price']} from {quote['source']}, {quote['age_seconds']:.3f} s old."
    steps.add("price", "Price", says, figures)


def _checks(steps: Steps, checks: Any, stage: str) -> None:
    for check in checks:
        figures = numbers(check["figures"])
        if check["passed"]:
            says = f"Passed: {in_words(figures)}." if figures else "Passed."
        else:
            code = check["check"]
            says = explain(Reason(code), check["detail"]) if code in MEANINGS else f"Refused: {check['detail']}"
        told = {"check": check["check"], "stage": stage, "passed": check["passed"], **figures}
        steps.add("check", check["check"], says, told)


def _engine(steps: Steps, decided: Mapping[str, Any]) -> None:
    verdict = "approves" if decided["approved"] else "refuses"
    reasons = " ".join(decided["reasons"])
    says = f"Engine {decided['engine']} {verdict}" + (f": {reasons}" if reasons else ".")
    steps.add("engine", "Engine", says, decided)


def _sizing(steps: Steps, sizing: Mapping[str, Any]) -> None:
    figures = {name: value if name == "explanation" else amount(value) for name, value in sizing.items()}
    says = f"{sizing['quantity']}: {sizing['explanation']}"
    exits = [f"{name} {sizing[name]}" for name in ("stop", "target") if sizing[name] is not None]
    steps.add("sizing", "Size", " ".join([says, *([f"Exits: {', '.join(exits)}."] if exits else [])]), figures)


def _verdict(steps: Steps, signal: Mapping[str, Any]) -> None:
    """The signal's status and why, at the moment at which it was written."""
    status, failure = signal["status"], (signal["trace"] or {}).get("traceback")
    if signal["verdict"] == "approved":  # what the broker made of it is told after the order
        approved = {"status": "approved", "reason": None, "attempts": signal["attempts"]}
        where = "goes to the broker" if "resting" not in (signal["trace"] or {}) else "rests until the market fills it"
        steps.add("verdict", "Approved", f"All checks passed; the order {where}.", approved, at=signal["decided_at"])
        return
    figures: dict[str, Any] = {"status": status, "reason": signal["reason"], "attempts": signal["attempts"]}
    says = signal["error_message"]
    if status == "failed" or signal["attempts"]:
        figures |= {"retry_at": signal["retry_at"], "traceback": failure or signal["error_message"]}
    if status in ("failed", "pending"):
        says = _failure(signal)
    elif signal["reason"] == Reason.DAILY_LOSS_LIMIT_REACHED:  # the stored message is the bare code, which clients look for
        says = explain(Reason.DAILY_LOSS_LIMIT_REACHED)
    at = signal["decided_at"] or signal["resolved_at"]
    steps.add("verdict", _VERDICTS.get(status, status), says or "All checks passed; the order was made.", figures, at=at)


def _failure(signal: Mapping[str, Any]) -> str:
    """What went wrong, by the last line of the traceback."""
    if not signal["attempts"]:
        return "It waits for the desk's decision."
    lines = (signal["error_message"] or "").strip().splitlines()
    times = "once" if signal["attempts"] == 1 else f"{signal['attempts']} times"
    end = "it will not be tried again" if signal["status"] == "failed" else "it will be tried again"
    return f"Handling it raised {times}, {end}: {lines[-1] if lines else 'no text'}"
