"""Who is online, what a result is good for, what is stored of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hookfill.brokers.mt5.jobs import Fence, Presence, Standing, judge_result, may_begin, presence, shortcoming, stored_result
from hookfill.brokers.mt5.model import JobResult, JobType, result_from
from hookfill.kernel.lifecycle import JOB

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ENDS = [state for state in JOB.steps if JOB.is_terminal(state)]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, Presence.ONLINE),
        (359.999, Presence.ONLINE),
        (360, Presence.DEGRADED),
        (599.999, Presence.DEGRADED),
        (600, Presence.OFFLINE),
        (86_400, Presence.OFFLINE),
        (None, Presence.OFFLINE),
    ],
)
def test_presence(seconds: float | None, expected: Presence) -> None:
    beat = None if seconds is None else NOW - timedelta(seconds=seconds)
    assert presence(beat, NOW) is expected


def test_a_job_may_be_begun_until_it_expires() -> None:
    assert may_begin(None, NOW)
    assert may_begin(NOW + timedelta(microseconds=1), NOW)
    assert not may_begin(NOW, NOW)


@pytest.mark.parametrize(
    ("status", "lease", "has_result", "token", "expected"),
    [
        ("running", 7, False, "7", Fence.ACCEPTED),
        ("pending", 7, False, "7", Fence.ACCEPTED),
        ("running", 8, False, "7", Fence.STALE),
        ("running", 7, False, "8", Fence.STALE),
        ("running", 7, False, "07", Fence.STALE),
        ("running", 7, False, " 7", Fence.STALE),
        ("running", 7, False, "", Fence.STALE),
        ("pending", None, False, "None", Fence.STALE),
        *[(end, 7, True, "7", Fence.DUPLICATE) for end in ENDS],
        *[(end, 7, False, "7", Fence.ENDED) for end in ENDS],
        *[(end, 8, True, "7", Fence.STALE) for end in ENDS],
    ],
)
def test_the_fence(status: str, lease: int | None, has_result: bool, token: str, expected: Fence) -> None:
    assert judge_result(Standing(status, lease, has_result), token) is expected


@pytest.mark.parametrize("job_type", JobType)
@pytest.mark.parametrize("status", ["completed", "failed", "expired"])
def test_a_completed_trade_needs_a_price(job_type: JobType, status: str) -> None:
    lacking = shortcoming(job_type, JobResult(status))
    needs = status == "completed" and job_type in (JobType.TRADE, JobType.CLOSE_POSITION)
    assert (lacking is not None) is needs
    assert shortcoming(job_type, JobResult(status, fill_price=Decimal("1.08"))) is None


@pytest.mark.parametrize(
    ("told", "stored"),
    [(-3600, -5), (-5, -5), (-1, -1), (0, 0), (7200, 0), (None, None)],
)
def test_a_deal_lies_between_question_and_answer(told: int | None, stored: int | None) -> None:
    executed_at = None if told is None else NOW + timedelta(seconds=told)
    kept = stored_result(JobResult("completed", executed_at=executed_at), NOW - timedelta(seconds=5), NOW)
    assert kept.get("executed_at") == (None if stored is None else NOW + timedelta(seconds=stored))


def test_what_is_stored_reads_back_as_what_was_told() -> None:
    told = JobResult(
        "completed", Decimal("1.08"), Decimal("0.1"), "1", "2", Decimal("-3.5"), Decimal("0.7"), NOW, 10009, "done", ("5", "6")
    )
    kept = {
        name: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, Decimal) else value
        for name, value in stored_result(told, NOW, NOW).items()
    }
    assert result_from("completed", kept, "done") == told
    assert stored_result(JobResult("failed", error_message="no"), NOW, NOW) == {}
