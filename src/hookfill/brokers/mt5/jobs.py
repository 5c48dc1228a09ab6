"""The rules of jobs and agents: who is online, what may be begun, what a result may still change (pure)."""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from hookfill.brokers.mt5.model import DEGRADED, ONLINE, JobResult, JobType
from hookfill.kernel.lifecycle import JOB

TRADING = frozenset({JobType.TRADE, JobType.CLOSE_POSITION})
"""Jobs that change something at the broker; all others are questions."""


class Presence(StrEnum):
    """How long ago an agent last gave a sign of life."""

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


def presence(heartbeat_at: datetime | None, now: datetime) -> Presence:
    """Online for less than six minutes since the last heartbeat, degraded for less than ten, then offline (the contract's bounds).

    Args:
        heartbeat_at: the last heartbeat (the database's time, UTC); None if there never was one.
        now: the database's time, UTC.
    """
    if heartbeat_at is None or now - heartbeat_at >= DEGRADED:
        return Presence.OFFLINE
    return Presence.ONLINE if now - heartbeat_at < ONLINE else Presence.DEGRADED


def may_begin(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a leased job may still be begun; past its time it is only looked for, since an earlier lease may have begun it."""
    return expires_at is None or now < expires_at


class Fence(StrEnum):
    """What a result is still good for."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    STALE = "stale"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Standing:
    """A job as it stands when a result arrives.

    Attributes:
        lease_token: of the newest lease; None if it was never leased.
        has_result: an agent's result is stored with it.
    """

    status: str
    lease_token: int | None
    has_result: bool


def judge_result(job: Standing, token: str) -> Fence:
    """Whether a result may be stored.

    Only the newest lease's token opens the job, however long ago that lease lapsed: nobody else has had the job since. A job that
    ended without an agent's result (it expired or was cancelled) takes none any more, and says so instead of swallowing it.
    """
    if job.lease_token is None or token != str(job.lease_token):
        return Fence.STALE
    if not JOB.is_terminal(job.status):
        return Fence.ACCEPTED
    return Fence.DUPLICATE if job.has_result else Fence.ENDED


def shortcoming(job_type: JobType, result: JobResult) -> tuple[str, str] | None:
    """Which field of a result can't be booked, and what to do; None if it can."""
    if job_type in TRADING and result.status == "completed" and result.fill_price is None:
        return "fill_price", "A trade that was completed has a fill_price: send the volume-weighted price of its deals."
    return None


def stored_result(result: JobResult, created_at: datetime, now: datetime) -> dict[str, Any]:
    """A result as it is stored with its job, in the names that ``model.result_from`` reads; what was not told is left out.

    ``executed_at`` is held between the job's creation and now (the database's times): a terminal's clock may be hours off, and
    nothing can be dealt before it was asked for.
    """
    told = {field.name: getattr(result, field.name) for field in fields(result) if field.name not in ("status", "error_message")}
    if result.executed_at is not None:
        told["executed_at"] = min(max(result.executed_at, created_at), now)
    return {name: value for name, value in told.items() if value not in (None, ())}
