"""Tells what an agent did with an order: asked, taken, answered, booked (pure)."""

from collections.abc import Mapping
from typing import Any

from hookfill.desk.steps import Steps, word

_WORDS = {
    "pending": "It waits for an agent.",
    "running": "An agent has it in hand; what came of it is not known yet.",
    "completed": "The agent says that it is done.",
    "failed": "The agent says that it failed",
    "expired": "No agent began it in time",
    "cancelled": "It was cancelled before it was begun",
}


def tell_job(steps: Steps, job: Mapping[str, Any]) -> None:
    """The job that carries out an order, as far as it has come.

    Args:
        job: its row, with ``agent_label`` (None before any agent had it, or when that agent is gone).
    """
    figures = {"job_id": job["job_id"], "job_type": job["job_type"], "input_data": job["input_data"]}
    until = "" if job["expires_at"] is None else f", to be begun by {word(job['expires_at'])}"
    waits = "" if job["depends_on"] is None else "; it waits for the order before it"
    asked = figures | {"expires_at": job["expires_at"], "depends_on": job["depends_on"]}
    steps.add("job", "Asked of the terminal", f"A {job['job_type']} job for the agent{until}{waits}.", asked, at=job["created_at"])
    if job["attempts"]:
        _lease(steps, job)
    if job["finished_at"] is not None:
        _end(steps, job)
    if job["settled_at"] is not None:
        booked = {"job_id": job["job_id"], "settled_at": job["settled_at"]}
        steps.add("booked", "Booked", "Its end was booked on order, position and account.", booked, at=job["settled_at"])


def _lease(steps: Steps, job: Mapping[str, Any]) -> None:
    agent = f"Agent {job['agent_label']}" if job["agent_label"] else "An agent"
    times = "once" if job["attempts"] == 1 else f"{job['attempts']} times"
    figures = {name: job[name] for name in ("attempts", "leased_by", "leased_until")}
    steps.add("lease", "Taken by an agent", f"{agent} had it; it was handed out {times}.", figures)


def _end(steps: Steps, job: Mapping[str, Any]) -> None:
    status = job["status"]
    says, error = _WORDS.get(status, f"It is {status}"), job["error_message"]
    says = f"{says.rstrip('.')}: {error.rstrip('.')}." if error else f"{says.rstrip('.')}."
    figures = {"status": status, "result": job["result"], "error_message": error}
    steps.add("result", f"Job {status}", says, figures, at=job["finished_at"])


def tell_outcome(steps: Steps, signal: Mapping[str, Any]) -> None:
    """How a signal that was approved ended, at the broker or after its order had rested."""
    status = signal["status"]
    names = ("status", "reason", "fill_price", "broker_order_id")
    figures = {name: signal[name] for name in names}
    rests = "resting" in (signal["trace"] or {})
    if signal["resolved_at"] is None:
        steps.add("outcome", "Resting" if rests else "On its way", "Its end is not known yet.", figures)
        return
    says = signal["error_message"]
    if not says:
        who = "The market" if rests else "The broker"
        says = f"{who} filled it at {word(signal['fill_price'])}, order {word(signal['broker_order_id'])}."
    steps.add("outcome", f"Signal {status}", says, figures, at=signal["resolved_at"])
