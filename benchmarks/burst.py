"""Ten thousand alerts in one second, as at a bar close: answered in time, none lost, and decided when?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from benchmarks.figures import BenchmarkError, Figure, latency_details
from benchmarks.load import Load, Outcome
from benchmarks.plan import Plan
from benchmarks.reference import commits_of
from benchmarks.stage import Running, Stage, create_strategies, hookfill, open_stage, trades, wait_until_decided
from hookfill.accounts.store import NewStrategy

NAME = "burst"
REFERENCE_CONNECTIONS = 64
MOST_ANSWER_SECONDS, MOST_DECIDED_SECONDS = 3.0, 10.0
WARM_UP_ACCOUNTS, WARM_UP_RATE = 100, 100.0
"""Each gets two alerts, one that opens and one that closes, so that the burst finds no position."""

DECIDED = """
SELECT status, count(*) AS signals, count(DISTINCT messages.body) AS bodies, max(resolved_at) AS last
FROM signals CROSS JOIN LATERAL (
    SELECT body, received_at FROM messages
    WHERE messages.account_id = signals.account_id AND messages.message_id = signals.message_id
    LIMIT 1
) AS messages
WHERE received_at >= $1
GROUP BY status
"""
"""By each message's whole key: for a plan made while the tables were small, one join would read all messages for each signal."""


@dataclass(frozen=True, slots=True)
class _Burst:
    """One burst: the answers' latencies, when the last alert was decided (seconds after the last scheduled send), and how."""

    outcome: Outcome
    decided_seconds: float
    statuses: Counter[str]


async def run(plan: Plan) -> list[Figure]:
    """To one account, to many, and the same number of bare commits, by turns."""
    async with open_stage() as stage, hookfill(stage.home, "all") as server:
        one, many = await create_strategies(stage, 1), await create_strategies(stage, plan.burst_accounts)
        field = _Field(plan, stage, server)
        await field.send(many[:WARM_UP_ACCOUNTS], 2 * min(WARM_UP_ACCOUNTS, len(many)), WARM_UP_RATE)
        commits, bursts_to_one, bursts_to_many = [], [], []
        for _ in range(plan.rounds):
            commits.append((await commits_of(stage, REFERENCE_CONNECTIONS, plan.burst)).elapsed_seconds)
            bursts_to_one.append(await field.send(one, plan.burst, float(plan.burst)))
            bursts_to_many.append(await field.send(many, plan.burst, float(plan.burst)))
    bare = median(commits)
    return _figures(plan, 1, bursts_to_one, bare) + _figures(plan, plan.burst_accounts, bursts_to_many, bare)


class _Field:
    """Sends bursts; numbers go on from one to the next."""

    def __init__(self, plan: Plan, stage: Stage, server: Running) -> None:
        self._plan, self._stage, self._server = plan, stage, server
        self._next_number = 0

    async def send(self, strategies: Sequence[NewStrategy], count: int, rate: float) -> _Burst:
        requests = trades(strategies, self._next_number)
        watched = self._server.watched(self._stage)
        self._next_number += count
        load = Load(self._server.port, requests, self._plan.burst_connections, 200, watched, rate=rate, count=count)
        outcome = await self._stage.send(load)
        await wait_until_decided(self._stage)
        async with self._stage.connection() as connection:
            rows = await connection.fetch(DECIDED, datetime.fromtimestamp(outcome.started_at, UTC))
        stored = sum(row["bodies"] for row in rows)
        if stored != count:
            raise BenchmarkError(f"{count} alerts were acknowledged, but {stored} are stored and decided.")
        last_sent = outcome.started_at + (count - 1) / rate
        decided = max(row["last"] for row in rows).timestamp() - last_sent
        return _Burst(outcome, decided, Counter({row["status"]: row["signals"] for row in rows}))


def _figures(plan: Plan, accounts: int, bursts: Sequence[_Burst], commits_seconds: float) -> list[Figure]:
    latencies = [latency for burst in bursts for latency in burst.outcome.latencies]
    statuses = sum((burst.statuses for burst in bursts), Counter[str]())
    title = f"{plan.burst:,} alerts in 1 s to {accounts:,} account{'s' if accounts > 1 else ''}"
    reference = f"pgbench, {plan.burst:,} commits"
    middle = sorted(bursts, key=lambda burst: burst.decided_seconds)[len(bursts) // 2]
    late = {"sender_late_max_ms": round(1000 * max(burst.outcome.lateness for burst in bursts), 2)}
    return [
        Figure(
            NAME,
            f"{title}: slowest answer of all rounds",
            max(latencies),
            "s",
            reference,
            commits_seconds,
            most_value=MOST_ANSWER_SECONDS,
            details=latency_details(latencies) | late | middle.outcome.cpu,
        ),
        Figure(
            NAME,
            f"{title}: all decided after the last send",
            middle.decided_seconds,
            "s",
            reference,
            commits_seconds,
            most_value=MOST_DECIDED_SECONDS,
            details={"worst_s": round(max(burst.decided_seconds for burst in bursts), 2), "lost": 0, **statuses},
        ),
    ]
